/* Captions as JSON lines: an object a line (source.h). What a caption and an image are called is given, or found in the first
 * line, and said. */
#include "io/convert/format/lines.h"
#include "io/convert/text/private.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include "io/convert/format/json_items.h"
#include <stdio.h>
#include <string.h>

enum { KEY_MAX = 256 };

struct source_jsonl {
    struct un_text_source source; /* first */
    struct un_caption_lines lines;
    char caption[KEY_MAX], image[KEY_MAX];
    json_t *object;   /* of the line at hand, or NULL */
    const json_t *of; /* its caption: a string, or a list of them */
    size_t next;
    char image_id[UN_ID_MAX + 2], text_id[UN_ID_MAX + 2];
};

/* The value under a key, or under "a.b" where no key is called so. */
static const json_t *value_at(const json_t *object, const char *key) {
    const json_t *whole = json_object_get(object, key);
    const char *dot = strchr(key, '.');
    char front[KEY_MAX];
    if (whole || !dot || (size_t)(dot - key) >= sizeof front) return whole;
    memcpy(front, key, (size_t)(dot - key));
    front[dot - key] = '\0';
    const json_t *inner = json_object_get(object, front);
    return inner ? value_at(inner, dot + 1) : NULL;
}

static bool set_id(char id[UN_ID_MAX + 2], const json_t *value) {
    size_t n = un_json_id(value, id, UN_ID_MAX + 2);
    return n > 0 && n <= UN_ID_MAX;
}

static bool is_caption(const json_t *value) {
    return json_is_string(value) || (json_is_array(value) && json_is_string(json_array_get(value, 0)));
}

static enum un_status take_line(struct source_jsonl *s, const char *text, size_t bytes) {
    json_error_t error;
    json_decref(s->object);
    s->next = 0;
    s->object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!s->object)
        return un_fail(UN_DATA, "%s: line %lld, byte %d: %s (jansson: %s)", s->lines.path,
                       (long long)s->lines.number, error.position, un_json_fault(&error), error.text);
    s->of = value_at(s->object, s->caption);
    if (!is_caption(s->of))
        return un_fail(UN_DATA, "%s: line %lld: \"%s\" is no text and no list of texts", s->lines.path,
                       (long long)s->lines.number, s->caption);
    if (!set_id(s->image_id, value_at(s->object, s->image)))
        return un_fail(UN_DATA, "%s: line %lld: \"%s\" is no image id of 1 to 255 bytes", s->lines.path,
                       (long long)s->lines.number, s->image);
    return UN_OK;
}

static bool left(const struct source_jsonl *s) {
    return s->object && s->next < (json_is_string(s->of) ? 1 : json_array_size(s->of));
}

static enum un_status next_caption(struct un_text_source *source, struct un_caption *caption, bool *more) {
    struct source_jsonl *s = (struct source_jsonl *)source;
    *caption = (struct un_caption){0};
    *more = true;
    while (!left(s)) {
        char *text;
        size_t bytes;
        UN_TRY(un_caption_lines_next(&s->lines, &text, &bytes, more));
        source->bytes_done = s->lines.taken;
        if (!*more) return UN_OK;
        if (strspn(text, " \t") < bytes) UN_TRY(take_line(s, text, bytes));
    }
    const json_t *one = json_is_string(s->of) ? s->of : json_array_get(s->of, s->next);
    ++s->next;
    caption->line = s->lines.number;
    caption->image_id = s->image_id;
    if (json_is_string(s->of) && set_id(s->text_id, json_object_get(s->object, "text_id")))
        caption->text_id = s->text_id;
    if (!json_is_string(one)) {
        un_caption_reject(caption, "no text");
        return UN_OK;
    }
    caption->sentence = json_string_value(one);
    caption->sentence_bytes = json_string_length(one);
    return UN_OK;
}

static void close_jsonl(struct un_text_source *source) {
    struct source_jsonl *s = (struct source_jsonl *)source;
    json_decref(s->object);
    un_caption_lines_close(&s->lines);
    un_free(s);
}

/* Into *name what was asked for, or the first of `used` that the object has in a form that serves. */
static bool choose(char name[KEY_MAX], const char *asked, const json_t *object, const char *const *used,
                   bool (*serves)(const json_t *)) {
    snprintf(name, KEY_MAX, "%s", asked);
    for (int i = 0; !name[0] && used[i]; ++i)
        if (serves(json_object_get(object, used[i]))) snprintf(name, KEY_MAX, "%s", used[i]);
    return name[0] && serves(value_at(object, name));
}

static bool is_id(const json_t *value) {
    char id[UN_ID_MAX + 2];
    return set_id(id, value);
}

/* "a, b, c": the keys of an object. */
static void list_keys(json_t *object, char *text, size_t size) {
    const char *key;
    json_t *value;
    text[0] = '\0';
    json_object_foreach(object, key, value) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s", used ? ", " : "", key);
    }
}

static enum un_status choose_keys(struct source_jsonl *s, const char *line,
                                  const struct un_text_names *names) {
    static const char *const captions[] = {"caption",   "captions", "text", "sentence",
                                           "sentences", "raw",      NULL};
    static const char *const images[] = {"image_id",   "image", "image/key", "filename", "file_name",
                                         "image_name", "img",   "img_id",    NULL};
    char keys[300];
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    if (!object)
        return un_fail(UN_DATA, "%s: line 1, byte %d: %s (jansson: %s)", s->lines.path, error.position,
                       un_json_fault(&error), error.text);
    list_keys(object, keys, sizeof keys);
    bool caption = choose(s->caption, names->caption, object, captions, is_caption);
    bool image = choose(s->image, names->image, object, images, is_id);
    json_decref(object);
    if (!caption || !image)
        return un_fail(
            UN_DATA, "%s: line 1: which key holds the %s? Its keys are %s; %s=KEY says it (a.b: b in a)",
            s->lines.path, caption ? "image's id" : "caption", keys, caption ? "image" : "caption");
    un_log(UN_LOG_INFO, "%s: captions from \"%s\", images from \"%s\"", s->lines.path, s->caption, s->image);
    return UN_OK;
}

enum un_status un_text_source_jsonl(struct un_text_source **source, const char *path, const char *line,
                                    const struct un_text_names *names) {
    static const struct un_text_source_ops ops = {next_caption, close_jsonl};
    struct source_jsonl *s = un_alloc(1, sizeof *s, "a source of captions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.sentences = true;
    un_text_source_name(&s->source, "text", path);
    enum un_status status = un_caption_lines_open(&s->lines, path);
    if (status == UN_OK) status = choose_keys(s, line, names);
    if (status != UN_OK) {
        close_jsonl(&s->source);
        return status;
    }
    s->source.bytes_total = s->lines.size;
    *source = &s->source;
    return UN_OK;
}
