/* What the sources of tasks share. */
#ifndef UN_IO_CONVERT_TASK_PRIVATE_H
#define UN_IO_CONVERT_TASK_PRIVATE_H

#include "io/convert/format/json_items.h"
#include "io/convert/format/lines.h"
#include "io/convert/task/source.h"

enum { UN_TASK_ID_MAX = 255 };

/* "KIND PATH" into source->name. */
void un_task_source_name(struct un_task_source *source, const char *kind, const char *path);

/* ---- members of a JSON object; messages say "FILE: row N: KEY: ..." ---- */

struct un_task_row {
    const char *file;
    int64_t row; /* from 1 */
    const json_t *object;
};
/* UN_DATA: a message about a member. */
enum un_status un_task_wrong(const struct un_task_row *row, const char *key, const char *what);
/* The row must be an object. */
enum un_status un_task_is_object(const struct un_task_row *row);
enum un_status un_task_text(const struct un_task_row *row, const char *key, const char **text);
/* Text or whole number of 1..255 bytes. */
enum un_status un_task_id(const struct un_task_row *row, const char *key, char id[UN_TASK_ID_MAX + 1]);
/* low..high; `absent` when the member is missing or null and absent < low, else that is an error. */
enum un_status un_task_whole(const struct un_task_row *row, const char *key, int64_t low, int64_t high,
                             int64_t absent, int64_t *value);
enum un_status un_task_list(const struct un_task_row *row, const char *key, size_t n, const json_t **list);

/* ---- an object a line ---- */

struct un_task_lines {
    struct un_caption_lines lines;
    json_t *object;
};
enum un_status un_task_lines_open(struct un_task_lines *lines, struct un_task_source *source,
                                  const char *path);
/* Empty lines are passed over. The row's object is borrowed until the next call. */
enum un_status un_task_lines_next(struct un_task_lines *lines, struct un_task_source *source,
                                  struct un_task_row *row, bool *more);
void un_task_lines_close(struct un_task_lines *lines);
/* A JSON file as one value, no larger than UN_JSON_ITEM_MAX; json_decref by the caller. */
enum un_status un_task_whole_file(const char *path, json_t **value);

/* ---- image ids ---- */

/* number -1, NULL name or split: not known; UN_DATA when the pattern asks for it, UN_USAGE when it holds
 * anything else in braces. */
enum un_status un_task_image_id(char id[UN_TASK_ID_MAX + 1], const char *pattern,
                                const struct un_task_row *row, const char *split, const char *name,
                                int64_t number);
/* The number that a file's name ends in before its extension ("COCO_val2014_000000000042.jpg"), or -1. */
int64_t un_task_number(const char *name);
/* The file's name without folder and extension, in `stem`. */
void un_task_stem(const char *path, char stem[UN_TASK_ID_MAX + 1]);
/* The pattern in force: the user's, if it is one. */
const char *un_task_pattern(const char *given, const char *authors);

#endif
