/* NLVR2 (source.h): a sentence, its left and its right image, true or false. */
#include "io/convert/task/private.h"
#include "io/disk/ids.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct source_nlvr2 {
    struct un_task_source source; /* first */
    struct un_task_lines lines;
    json_t *missing; /* list of texts, or NULL */
    char **stem;     /* [n] of `missing`, without extension */
    size_t n;
    struct un_idmap map;
    char pattern[256];
    char id[UN_TASK_ID_MAX + 1], image[2][UN_TASK_ID_MAX + 1];
};

/* "dev-850-0-1" -> "dev-850-0-img0": the identifier without its last part, then the side. */
static enum un_status name_images(struct source_nlvr2 *s, const struct un_task_row *row) {
    char name[UN_TASK_ID_MAX + 8];
    const char *dash = strrchr(s->id, '-');
    if (!dash || dash == s->id) return un_task_wrong(row, "identifier", "split-set-pair-sentence is wanted");
    for (int side = 0; side < 2; ++side) {
        snprintf(name, sizeof name, "%.*s-img%d", (int)(dash - s->id), s->id, side);
        UN_TRY(un_task_image_id(s->image[side], s->pattern, row, NULL, name, -1));
    }
    return UN_OK;
}

/* Not told before a test set is released. */
static enum un_status set_label(const struct un_task_row *row, struct un_targets *t) {
    const json_t *label = json_object_get(row->object, "label");
    const char *said = json_string_value(label);
    t->label = -1;
    if (!label || json_is_null(label)) return UN_OK;
    if (json_is_boolean(label))
        t->label = json_is_true(label);
    else if (said && strcmp(said, "True") == 0)
        t->label = 1;
    else if (said && strcmp(said, "False") == 0)
        t->label = 0;
    return t->label >= 0 ? UN_OK : un_task_wrong(row, "label", "True or False is wanted");
}

static enum un_status next_statement(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_nlvr2 *s = (struct source_nlvr2 *)source;
    struct un_task_row row;
    UN_TRY(un_task_lines_next(&s->lines, source, &row, more));
    if (!*more) return UN_OK;
    *text = (struct un_task_text){.row = row.row, .text_id = s->id, .image_id = s->image[0]};
    UN_TRY(un_task_id(&row, "identifier", s->id));
    UN_TRY(un_task_text(&row, "sentence", &text->sentence));
    UN_TRY(name_images(s, &row));
    UN_TRY(set_label(&row, &text->targets));
    text->targets.second_image = s->image[1];
    text->targets.kind = -1;
    for (int side = 0; side < 2 && s->n > 0; ++side)
        if (un_idmap_find(&s->map, s->image[side]) >= 0)
            text->why = "an image is in the list of missing ones";
    return UN_OK;
}

static enum un_status read_missing(struct source_nlvr2 *s, const char *path) {
    char stem[UN_TASK_ID_MAX + 1];
    int64_t first = -1, second = -1;
    UN_TRY(un_task_whole_file(path, &s->missing));
    if (!json_is_array(s->missing)) return un_fail(UN_DATA, "%s: a list of images is wanted", path);
    size_t n = json_array_size(s->missing);
    if (n == 0) return UN_OK;
    if (!(s->stem = un_alloc(n, sizeof *s->stem, "missing images"))) return UN_MEMORY;
    for (size_t i = 0; i < n; ++i) {
        const char *name = json_string_value(json_array_get(s->missing, i));
        if (!name) return un_fail(UN_DATA, "%s: element %zu: the name of an image is wanted", path, i);
        un_task_stem(name, stem);
        if (!(s->stem[s->n] = un_strdup(stem))) return UN_MEMORY;
        ++s->n;
    }
    UN_TRY(un_idmap_open(&s->map, (const char *const *)s->stem, (int64_t)n, &first, &second));
    return first < 0 ? UN_OK
                     : un_fail(UN_DATA, "%s: %s stands twice in it: elements %lld and %lld", path,
                               s->stem[first], (long long)first, (long long)second);
}

static void close_nlvr2(struct un_task_source *source) {
    struct source_nlvr2 *s = (struct source_nlvr2 *)source;
    un_task_lines_close(&s->lines);
    un_idmap_close(&s->map);
    for (size_t i = 0; i < s->n; ++i) un_free(s->stem[i]);
    un_free(s->stem);
    json_decref(s->missing);
    un_free(s);
}

enum un_status un_task_source_nlvr2(struct un_task_source **source, const char *path, const char *missing,
                                    const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_statement, close_nlvr2};
    struct source_nlvr2 *s = un_alloc(1, sizeof *s, "a source of statements");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source = (struct un_task_source){.ops = &ops, .task = UN_TASK_NLVR2};
    un_task_source_name(&s->source, "nlvr2", path);
    snprintf(s->pattern, sizeof s->pattern, "%s", un_task_pattern(how->image, "nlvr2_NAME"));
    enum un_status status = un_task_lines_open(&s->lines, &s->source, path);
    if (status == UN_OK && missing && missing[0]) status = read_missing(s, missing);
    if (status != UN_OK)
        close_nlvr2(&s->source);
    else
        *source = &s->source;
    return status;
}
