/* Captions in JSON: COCO, Karpathy's split, Visual Genome, SBU, small objects (source.h).
 *
 * The form is found by the members at the top. A caption is a string or an object; it stands in a list of its
 * owner (an image) or is a member of its own. What lacks its caption or its image is an error that names
 * file, line and item; only the text itself may be bad. */
#include "io/disk/json.h"
#include "io/convert/format/json_items.h"
#include "io/convert/text/image_files.h"
#include "io/convert/text/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum form { COCO, KARPATHY, VG_IMAGES, VG_ONE, RECORDS, SMALL, DATA, FORMS };
/* where the records stand, and the list of captions in each (NULL: it is one itself) */
static const struct {
    const char *key, *list;
} forms[FORMS] = {
    [COCO] = {"annotations", NULL}, [KARPATHY] = {"images", "sentences"}, [VG_IMAGES] = {"", "regions"},
    [VG_ONE] = {"regions", NULL},   [RECORDS] = {"", "captions"},         [SMALL] = {"", "captions"},
    [DATA] = {"data", NULL},
};

struct source_json {
    struct un_text_source source; /* first */
    enum form form;
    struct un_json_items *items, *urls; /* urls: of SBU */
    char *name;                         /* of the file */
    struct un_image_files *files;       /* of COCO; NULL: none are named */
    json_t *whole;                      /* of SMALL */
    json_t *owner, *list;               /* borrowed; list NULL: the owner is the caption, once */
    size_t next;
    int64_t line, count;
    char image_id[UN_ID_MAX + 2], text_id[UN_ID_MAX + 2]; /* one more, so that a longer one is seen */
    char fallback[UN_ID_MAX + 2];                         /* image of VG_ONE, "": not said */
};

static bool set_id(char id[UN_ID_MAX + 2], const json_t *value) {
    return un_json_id(value, id, UN_ID_MAX + 2) > 0;
}
static bool find_id(char id[UN_ID_MAX + 2], const json_t *object, const char *const *keys, int n) {
    for (int i = 0; i < n; ++i)
        if (set_id(id, json_object_get(object, keys[i]))) return true;
    id[0] = '\0';
    return false;
}

static enum un_status lacks(const struct source_json *s, const char *what) {
    return un_fail(UN_DATA, "%s: line %lld, caption %lld: %s", s->name, (long long)s->line,
                   (long long)s->count, what);
}

static const json_t *sentence_of(const json_t *entry) {
    static const char *const keys[] = {"caption", "raw", "phrase", "sentence", "caption_str"};
    if (json_is_string(entry)) return entry;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; ++i) {
        const json_t *found = json_object_get(entry, keys[i]);
        if (json_is_string(found)) return found;
    }
    return NULL;
}

static bool find_image(struct source_json *s, const json_t *entry, const json_t *owner) {
    static const char *const keys[] = {"image", "filename", "file_name", "image_id", "cocoid", "imgid", "id"};
    bool inner = entry != owner;
    if (inner && set_id(s->image_id, json_object_get(entry, "image_id"))) return true;
    if (find_id(s->image_id, owner, keys, inner ? 7 : 6)) return true; /* a caption's own id is no image's */
    snprintf(s->image_id, sizeof s->image_id, "%s", s->fallback);
    return s->image_id[0] != '\0';
}

static enum un_status give(struct source_json *s, const json_t *entry, struct un_caption *caption) {
    static const char *const text_keys[] = {"text_id", "sentid", "region_id", "caption_id", "id"};
    const json_t *sentence = sentence_of(entry);
    caption->line = ++s->count;
    if (!sentence) return lacks(s, "no caption in it");
    if (!find_image(s, entry, s->owner)) return lacks(s, "no image in it");
    if (json_is_object(entry) && find_id(s->text_id, entry, text_keys, 5)) caption->text_id = s->text_id;
    caption->image_id = s->image_id;
    caption->image_name = un_image_files_find(s->files, s->image_id);
    caption->split = json_string_value(json_object_get(s->owner, "split"));
    caption->sentence = json_string_value(sentence);
    caption->sentence_bytes = json_string_length(sentence);
    if (strlen(s->image_id) > UN_ID_MAX || (caption->text_id && strlen(caption->text_id) > UN_ID_MAX)) {
        caption->image_id = caption->text_id = NULL;
        un_caption_reject(caption, "an id longer than 255 bytes");
    }
    return UN_OK;
}

/* A new owner: its list, or itself. */
static enum un_status take_owner(struct source_json *s, json_t *owner) {
    const char *key = forms[s->form].list;
    s->owner = owner;
    s->list = key ? json_object_get(owner, key) : NULL;
    s->next = 0;
    if (!json_is_object(owner)) return lacks(s, "an object is wanted there");
    if (s->form == RECORDS && !s->list && json_is_array(json_object_get(owner, "sentences")))
        s->list = json_object_get(owner, "sentences");
    if (s->form == RECORDS && !s->list && json_is_array(json_object_get(owner, "caption")))
        s->list = json_object_get(owner, "caption");
    if (s->form == RECORDS && !s->list) return UN_OK;
    if (key && !json_is_array(s->list))
        return un_fail(UN_DATA, "%s: line %lld, after caption %lld: %s is no list", s->name,
                       (long long)s->line, (long long)s->count, key);
    return UN_OK;
}

static enum un_status next_owner(struct source_json *s, bool *more) {
    struct un_json_item item;
    if (s->form == SMALL) {
        *more = s->owner == NULL;
        return *more ? take_owner(s, s->whole) : UN_OK;
    }
    do UN_TRY(un_json_items_next(s->items, &item, more));
    while (*more && forms[s->form].key[0] && !item.element);
    s->source.bytes_done = un_json_items_taken(s->items);
    if (!*more) return UN_OK;
    s->line = item.line;
    return take_owner(s, item.value);
}

static enum un_status next_caption(struct un_text_source *source, struct un_caption *caption, bool *more) {
    struct source_json *s = (struct source_json *)source;
    *caption = (struct un_caption){0};
    for (;;) {
        const json_t *entry = NULL;
        if (s->owner && s->list && s->next < json_array_size(s->list))
            entry = json_array_get(s->list, s->next);
        else if (s->owner && !s->list && s->next == 0)
            entry = s->owner;
        ++s->next;
        *more = entry != NULL;
        if (entry) return give(s, entry, caption);
        UN_TRY(next_owner(s, more));
        if (!*more) return UN_OK;
    }
}

/* SBU: the two arrays stand one after the other in the file, which is therefore read at two places. */
static enum un_status next_sbu(struct un_text_source *source, struct un_caption *caption, bool *more) {
    struct source_json *s = (struct source_json *)source;
    struct un_json_item text = {0}, url = {0};
    bool url_more;
    *caption = (struct un_caption){0};
    UN_TRY(un_json_items_next(s->items, &text, more));
    UN_TRY(un_json_items_next(s->urls, &url, &url_more));
    if (*more != url_more)
        return un_fail(UN_DATA, "%s: %s has %lld items and %s has more: they are not parallel", s->name,
                       *more ? "image_urls" : "captions", (long long)s->count,
                       *more ? "captions" : "image_urls");
    source->bytes_done = un_json_items_taken(s->items);
    if (!*more) return UN_OK;
    s->line = text.line;
    caption->line = ++s->count;
    if (!text.element || !url.element || !json_is_string(text.value) || !json_is_string(url.value))
        return lacks(s, "captions and image_urls must be lists of strings");
    snprintf(s->image_id, sizeof s->image_id, "%lld", (long long)s->count);
    caption->image_id = s->image_id;
    caption->invented = true;
    caption->url = json_string_value(url.value);
    caption->sentence = json_string_value(text.value);
    caption->sentence_bytes = json_string_length(text.value);
    return UN_OK;
}

static void close_json(struct un_text_source *source) {
    struct source_json *s = (struct source_json *)source;
    un_json_items_close(s->items);
    un_json_items_close(s->urls);
    json_decref(s->whole);
    un_image_files_close(s->files);
    un_free(s->name);
    un_free(s);
}

/* Which form a file for `coco` has. */
static enum un_status look_coco(struct source_json *s, struct un_json_items *items) {
    struct un_json_item item;
    bool more;
    for (;;) {
        UN_TRY(un_json_items_next(items, &item, &more));
        if (!more) break;
        s->form = strcmp(item.key, "annotations") == 0 ? COCO
                  : strcmp(item.key, "captions") == 0  ? SMALL
                  : strcmp(item.key, "images") == 0    ? KARPATHY
                  : strcmp(item.key, "data") == 0      ? DATA
                                                       : RECORDS;
        if ((s->form == COCO || s->form == DATA) && !item.element) continue;
        if (s->form != KARPATHY || json_object_get(item.value, "sentences")) return UN_OK;
    }
    return un_fail(UN_DATA,
                   "%s: no captions: \"annotations\" (COCO), \"images\" with \"sentences\" (Karpathy), "
                   "\"captions\", \"data\" (TextCaps) or a list of objects are wanted at the top",
                   s->name);
}
/* And one for `vg`; of a single image its id, wherever it stands. */
static enum un_status look_vg(struct source_json *s, struct un_json_items *items) {
    struct un_json_item item;
    bool more, found = false;
    for (;;) {
        UN_TRY(un_json_items_next(items, &item, &more));
        if (!more) break;
        if (item.key[0] == '\0') {
            s->form = VG_IMAGES;
            return UN_OK;
        }
        if (strcmp(item.key, "regions") == 0)
            found = true;
        else if (strcmp(item.key, "image_id") == 0 || s->fallback[0] == '\0')
            set_id(s->fallback, item.value);
    }
    s->form = VG_ONE;
    return found ? UN_OK
                 : un_fail(UN_DATA, "%s: no regions: a list of images with \"regions\", or one, is wanted",
                           s->name);
}

static enum un_status look(struct source_json *s, bool vg) {
    static const char *const coco_keys[] = {"", "annotations", "images", "captions", "data"},
                             *const vg_keys[] = {"", "regions", "id", "image_id"};
    struct un_json_items *items;
    UN_TRY(un_json_items_open(&items, s->name, vg ? vg_keys : coco_keys, vg ? 4 : 5));
    enum un_status status = vg ? look_vg(s, items) : look_coco(s, items);
    un_json_items_close(items);
    return status;
}

static enum un_status read_whole(struct source_json *s) {
    json_error_t error;
    char *text;
    size_t bytes;
    UN_TRY(un_files_read(s->name, UN_JSON_ITEM_MAX, &text, &bytes));
    size_t front = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    s->whole = json_loadb(text + front, bytes - front, JSON_REJECT_DUPLICATES, &error);
    un_free(text);
    s->line = 1;
    return s->whole ? UN_OK
                    : un_fail(UN_DATA, "%s: line %d, byte %d: %s (jansson: %s)", s->name, error.line,
                              error.position, un_json_fault(&error), error.text);
}

static enum un_status make(struct source_json **made, const char *kind, const char *path,
                           const struct un_text_source_ops *ops) {
    struct source_json *s = un_alloc(1, sizeof *s, "a source of captions");
    *made = s;
    if (!s) return UN_MEMORY;
    s->source.ops = ops;
    s->source.sentences = true;
    un_text_source_name(&s->source, kind, path);
    s->name = un_strdup(path);
    return s->name ? UN_OK : UN_MEMORY;
}

/* Hands the source out, or closes it. */
static enum un_status finish(struct un_text_source **source, struct source_json *s, enum un_status status) {
    *source = status == UN_OK ? &s->source : NULL;
    if (status == UN_OK && s->items) s->source.bytes_total = un_json_items_size(s->items);
    if (status != UN_OK && s) close_json(&s->source);
    return status;
}

static enum un_status open_records(struct un_text_source **source, const char *kind, const char *path,
                                   bool vg) {
    static const struct un_text_source_ops ops = {next_caption, close_json};
    struct source_json *s;
    enum un_status status = make(&s, kind, path, &ops);
    if (status == UN_OK) status = look(s, vg);
    if (status == UN_OK && s->form == COCO) status = un_image_files_open(&s->files, path);
    if (status == UN_OK)
        status =
            s->form == SMALL ? read_whole(s) : un_json_items_open(&s->items, path, &forms[s->form].key, 1);
    return finish(source, s, status);
}

enum un_status un_text_source_coco(struct un_text_source **source, const char *path) {
    return open_records(source, "coco", path, false);
}
enum un_status un_text_source_vg(struct un_text_source **source, const char *path) {
    return open_records(source, "vg", path, true);
}

enum un_status un_text_source_sbu(struct un_text_source **source, const char *path, const char *second) {
    static const struct un_text_source_ops ops = {next_sbu, close_json};
    static const char *const keys[] = {"captions", "image_urls"};
    struct source_json *s;
    if (second) return un_text_source_parallel(source, path, second);
    enum un_status status = make(&s, "sbu", path, &ops);
    if (status == UN_OK) status = un_json_items_open(&s->items, path, &keys[0], 1);
    if (status == UN_OK) status = un_json_items_open(&s->urls, path, &keys[1], 1);
    return finish(source, s, status);
}
