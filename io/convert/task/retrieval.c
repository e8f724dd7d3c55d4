/* Karpathy's splits (source.h): every sentence of every image of a split. */
#include "io/convert/task/private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct source_retrieval {
    struct un_task_source source; /* first */
    struct un_json_items *items;
    char *file;
    char pattern[256], split[64];
    struct un_task_row row;
    const json_t *sentences; /* of the image under way, or NULL */
    size_t next;
    char id[UN_TASK_ID_MAX + 1], image[UN_TASK_ID_MAX + 1];
    int64_t images;
};

/* COCO's images of the split train are train2014, all others val2014; what filepath says is surer. */
static enum un_status name_image(struct source_retrieval *s) {
    char stem[UN_TASK_ID_MAX + 1];
    const char *file, *split, *folder = json_string_value(json_object_get(s->row.object, "filepath"));
    UN_TRY(un_task_text(&s->row, "filename", &file));
    UN_TRY(un_task_text(&s->row, "split", &split));
    if (!folder) folder = strcmp(split, "train") == 0 ? "train2014" : "val2014";
    un_task_stem(file, stem);
    return un_task_image_id(s->image, s->pattern, &s->row, folder, stem, un_task_number(file));
}

static enum un_status take_image(struct source_retrieval *s) {
    const char *split;
    UN_TRY(un_task_is_object(&s->row));
    UN_TRY(un_task_text(&s->row, "split", &split));
    UN_TRY(un_task_list(&s->row, "sentences", 0, &s->sentences));
    s->next = 0;
    if (s->split[0] && strcmp(s->split, split) != 0) {
        s->source.other_split += (int64_t)json_array_size(s->sentences);
        s->sentences = NULL;
        return UN_OK;
    }
    return name_image(s);
}

static enum un_status next_image(struct source_retrieval *s, bool *more) {
    struct un_json_item item;
    UN_TRY(un_json_items_next(s->items, &item, more));
    s->source.done = un_json_items_taken(s->items);
    if (!*more) return s->images ? UN_OK : un_fail(UN_DATA, "%s: no \"images\" in it", s->file);
    ++s->images;
    s->row = (struct un_task_row){s->file, item.number, item.value};
    return take_image(s);
}

static enum un_status next_sentence(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_retrieval *s = (struct source_retrieval *)source;
    *more = true;
    while (!s->sentences || s->next == json_array_size(s->sentences)) {
        UN_TRY(next_image(s, more));
        if (!*more) return UN_OK;
    }
    const struct un_task_row row = {s->file, s->row.row, json_array_get(s->sentences, s->next++)};
    *text = (struct un_task_text){.row = s->row.row, .text_id = s->id, .image_id = s->image};
    text->targets.kind = -1;
    UN_TRY(un_task_is_object(&row));
    UN_TRY(un_task_id(&row, "sentid", s->id));
    return un_task_text(&row, "raw", &text->sentence);
}

static void close_retrieval(struct un_task_source *source) {
    struct source_retrieval *s = (struct source_retrieval *)source;
    un_json_items_close(s->items);
    un_free(s->file);
    un_free(s);
}

/* "dataset", wherever it stands, says how images are called. */
static enum un_status find_pattern(struct source_retrieval *s, const char *given) {
    static const char *const key[] = {"dataset"};
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    snprintf(s->pattern, sizeof s->pattern, "%s", un_task_pattern(given, "coco_SPLIT_NUMBER"));
    if (given && given[0]) return UN_OK;
    UN_TRY(un_json_items_open(&items, s->file, key, 1));
    enum un_status status = un_json_items_next(items, &item, &more);
    const char *name = status == UN_OK && more ? json_string_value(item.value) : NULL;
    bool flickr = name && strcmp(name, "flickr30k") == 0, coco = name && strcmp(name, "coco") == 0;
    if (flickr) snprintf(s->pattern, sizeof s->pattern, "flickr30k_NUMBER");
    un_json_items_close(items);
    if (status != UN_OK || flickr || coco) return status;
    return un_fail(
        UN_DATA, "%s: \"dataset\" is neither coco nor flickr30k: how are its images called? (image=PATTERN)",
        s->file);
}

static enum un_status open_retrieval(struct source_retrieval *s, const char *path,
                                     const struct un_task_how *how) {
    static const char *const key[] = {"images"};
    un_task_source_name(&s->source, "retrieval", path);
    snprintf(s->split, sizeof s->split, "%s", how->split ? how->split : "");
    if (!(s->file = un_strdup(path))) return UN_MEMORY;
    UN_TRY(find_pattern(s, how->image));
    UN_TRY(un_json_items_open(&s->items, path, key, 1));
    s->source.total = un_json_items_size(s->items);
    return UN_OK;
}

enum un_status un_task_source_retrieval(struct un_task_source **source, const char *path,
                                        const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_sentence, close_retrieval};
    struct source_retrieval *s = un_alloc(1, sizeof *s, "a source of captions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source = (struct un_task_source){.ops = &ops, .task = UN_TASK_RETRIEVAL};
    enum un_status status = open_retrieval(s, path, how);
    if (status != UN_OK)
        close_retrieval(&s->source);
    else
        *source = &s->source;
    return status;
}
