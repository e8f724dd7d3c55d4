/* Members of a row, rows of a file, names of images: what every source asks (private.h). */
#include "io/convert/task/private.h"
#include "io/disk/files.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

void un_task_source_name(struct un_task_source *source, const char *kind, const char *path) {
    snprintf(source->name, sizeof source->name, "%s %s", kind, path);
}

void un_task_source_close(struct un_task_source *source) {
    if (source) source->ops->close(source);
}

enum un_status un_task_wrong(const struct un_task_row *row, const char *key, const char *what) {
    return un_fail(UN_DATA, "%s: row %lld: %s: %s", row->file, (long long)row->row, key, what);
}

enum un_status un_task_is_object(const struct un_task_row *row) {
    return json_is_object(row->object)
               ? UN_OK
               : un_fail(UN_DATA, "%s: row %lld: an object is wanted", row->file, (long long)row->row);
}

enum un_status un_task_text(const struct un_task_row *row, const char *key, const char **text) {
    *text = json_string_value(json_object_get(row->object, key));
    return *text ? UN_OK : un_task_wrong(row, key, "a text is wanted");
}

enum un_status un_task_id(const struct un_task_row *row, const char *key, char id[UN_TASK_ID_MAX + 1]) {
    size_t n = un_json_id(json_object_get(row->object, key), id, UN_TASK_ID_MAX + 1);
    if (n == 0) return un_task_wrong(row, key, "an id (a number or a text) is wanted");
    return n <= UN_TASK_ID_MAX ? UN_OK : un_task_wrong(row, key, "an id longer than 255 bytes");
}

enum un_status un_task_whole(const struct un_task_row *row, const char *key, int64_t low, int64_t high,
                             int64_t absent, int64_t *value) {
    const json_t *found = json_object_get(row->object, key);
    if ((!found || json_is_null(found)) && absent < low) {
        *value = absent;
        return UN_OK;
    }
    if (!json_is_integer(found)) return un_task_wrong(row, key, "a whole number is wanted");
    *value = (int64_t)json_integer_value(found);
    if (*value >= low && *value <= high) return UN_OK;
    return un_fail(UN_DATA, "%s: row %lld: %s is %lld, outside %lld .. %lld", row->file, (long long)row->row,
                   key, (long long)*value, (long long)low, (long long)high);
}

enum un_status un_task_list(const struct un_task_row *row, const char *key, size_t n, const json_t **list) {
    *list = json_object_get(row->object, key);
    if (!json_is_array(*list)) return un_task_wrong(row, key, "a list is wanted");
    if (n == 0 || json_array_size(*list) == n) return UN_OK;
    return un_fail(UN_DATA, "%s: row %lld: %s has %zu elements, %zu are wanted", row->file,
                   (long long)row->row, key, json_array_size(*list), n);
}

/* ---- rows ---- */

enum un_status un_task_lines_open(struct un_task_lines *lines, struct un_task_source *source,
                                  const char *path) {
    UN_TRY(un_caption_lines_open(&lines->lines, path));
    source->total = lines->lines.size;
    return UN_OK;
}

enum un_status un_task_lines_next(struct un_task_lines *lines, struct un_task_source *source,
                                  struct un_task_row *row, bool *more) {
    struct un_caption_lines *l = &lines->lines;
    json_error_t error;
    char *text = NULL;
    size_t bytes = 0;
    do UN_TRY(un_caption_lines_next(l, &text, &bytes, more));
    while (*more && bytes == 0);
    source->done = l->taken;
    if (!*more) return UN_OK;
    json_decref(lines->object);
    lines->object = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    if (!lines->object)
        return un_fail(UN_DATA, "%s: row %lld, byte %d: %s (jansson: %s)", l->path, (long long)l->number,
                       error.position, un_json_fault(&error), error.text);
    *row = (struct un_task_row){l->path, l->number, lines->object};
    return un_task_is_object(row);
}

void un_task_lines_close(struct un_task_lines *lines) {
    un_caption_lines_close(&lines->lines);
    json_decref(lines->object);
    lines->object = NULL;
}

enum un_status un_task_whole_file(const char *path, json_t **value) {
    json_error_t error;
    char *text;
    size_t bytes;
    *value = NULL;
    UN_TRY(un_files_read(path, UN_JSON_ITEM_MAX, &text, &bytes));
    size_t front = bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    *value = json_loadb(text + front, bytes - front, JSON_REJECT_DUPLICATES, &error);
    un_free(text);
    return *value ? UN_OK
                  : un_fail(UN_DATA, "%s: line %d, byte %d: %s (jansson: %s)", path, error.line,
                            error.position, un_json_fault(&error), error.text);
}
