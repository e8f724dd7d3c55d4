/* Lines of several columns: TAB, comma (quoted as in RFC 4180, a record a line) or "|" between them, named by a head or found by
 * what stands in the first line. */
#ifndef UN_IO_CONVERT_TEXT_COLUMNS_H
#define UN_IO_CONVERT_TEXT_COLUMNS_H

#include "runtime/status.h"

enum { UN_COLUMNS_MAX = 32 };
enum un_named_column {
    UN_COLUMN_CAPTION,
    UN_COLUMN_IMAGE,
    UN_COLUMN_URL,
    UN_COLUMN_NUMBER,
    UN_COLUMN_TEXT_ID,
    UN_COLUMN_KINDS
};

struct un_columns {
    char delimiter; /* '\0': a line is one column */
    bool quoted;    /* a column may stand in double quotes, "" in it being one */
    bool head;      /* the first line names the columns */
    int n;
    int at[UN_COLUMN_KINDS]; /* which column; -1: none is */
};
/* From the first line, which is not changed. caption, image: names that a head must have, "": those that people use. urls: two
 * columns without a head are a caption and a URL (in any order), else image id and caption, or image id, number and caption.
 * UN_DATA: what the columns are cannot be told; the message says what is wanted. */
enum un_status un_columns_find(struct un_columns *columns, const char *path, const char *line,
                               const char *caption, const char *image, bool urls);
struct un_text_field {
    char *text; /* in the line, without quotes; ended by a zero byte */
    size_t bytes;
};
/* The fields [columns->n] of a line, which is cut up. UN_DATA with path and number: more or fewer columns, a quote that does
 * not end. A last column that is the caption keeps "|" in it. */
enum un_status un_columns_split(const struct un_columns *columns, const char *path, int64_t number,
                                char *line, size_t bytes, struct un_text_field *field);

#endif
