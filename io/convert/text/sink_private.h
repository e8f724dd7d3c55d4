/* What sink.c (the stream), sink_columns.c (columns and spools), sink_ids.c (ids) and sink_targets.c (columns of a task)
 * share. Calls go from the first to the others, and from the last two to sink_columns.c. */
#ifndef UN_IO_CONVERT_TEXT_SINK_PRIVATE_H
#define UN_IO_CONVERT_TEXT_SINK_PRIVATE_H

#include "io/convert/format/spool.h"
#include "io/convert/text/private.h"
#include "io/convert/text/sink.h"
#include "io/h5/h5.h"

/* One a column; ids first. */
enum un_text_spool {
    UN_SPOOL_TEXT_ID,
    UN_SPOOL_IMAGE_ID,
    UN_SPOOL_SECOND_ID,
    UN_SPOOL_IDS,
    UN_SPOOL_TOKEN_OFFSET = UN_SPOOL_IDS,
    UN_SPOOL_TOKEN,
    UN_SPOOL_SENTENCE_OFFSET,
    UN_SPOOL_SENTENCE,
    UN_SPOOL_ALIGN_OFFSET,
    UN_SPOOL_ALIGN_TOKEN,
    UN_SPOOL_ALIGN_REGION,
    UN_SPOOL_ANSWER_OFFSET,
    UN_SPOOL_ANSWER_ID,
    UN_SPOOL_ANSWER_SCORE,
    UN_SPOOL_ANSWER_KIND,
    UN_SPOOL_LABEL,
    UN_SPOOL_RATIONALE,
    UN_SPOOL_PART_OFFSET,
    UN_SPOOL_PART,
    UN_SPOOL_BOX,
    UN_SPOOL_IMAGE_SIZE,
    UN_SPOOLS
};
/* What decides whether a file has a column. */
enum un_text_need {
    UN_NEED_ALWAYS,
    UN_NEED_SENTENCES,
    UN_NEED_ALIGNMENT,
    UN_NEED_TASK /* of `tasks` */
};
struct un_text_column {
    const char *name;
    enum un_type type; /* of the columns that are numbers */
    int64_t cols;      /* of a row, 0: rows are single numbers */
    enum un_text_need need;
    unsigned tasks; /* bits 1 << enum un_task */
};
extern const struct un_text_column un_text_columns[UN_SPOOLS];

struct un_text_sink {
    char *out, *source;
    struct un_text_sink_setup setup;
    struct un_spool spool[UN_SPOOLS]; /* ids with their zero byte */
    int64_t texts, tokens;
    int64_t stride[UN_SPOOL_IDS]; /* longest id */
    char *names;                  /* [num_answers] cells of name_stride bytes; NULL: none */
    int64_t name_stride;
    bool kinds, seconds; /* a kind was told; the texts have second images */
};

/* io/convert/text/sink_columns.c. Whether the file may have the column; its rows so far, and bytes of a row. */
bool un_sink_wants(const struct un_text_sink *k, int column);
int64_t un_sink_rows(const struct un_text_sink *k, enum un_text_spool column);
int64_t un_sink_row_bytes(enum un_text_spool column);
enum un_status un_sink_check_id(const struct un_text_sink *k, const char *what, const char *id);
enum un_status un_sink_put_id(struct un_text_sink *k, enum un_text_spool column, const char *id);
/* The rows of `of` so far, into its column of offsets; nothing in a file without. */
enum un_status un_sink_put_offset(struct un_text_sink *k, enum un_text_spool column, enum un_text_spool of);

/* io/convert/text/sink_ids.c */
enum un_status un_sink_write_ids(struct un_text_sink *k, struct un_h5 *file, enum un_text_spool column);
enum un_status un_sink_check_unique(struct un_text_sink *k);

/* io/convert/text/sink_targets.c */
enum un_status un_sink_open_targets(struct un_text_sink *k);
enum un_status un_sink_check_targets(const struct un_text_sink *k, const struct un_text_record *r);
enum un_status un_sink_put_targets(struct un_text_sink *k, const struct un_text_record *r);
/* Attributes and answer names. */
enum un_status un_sink_write_task(const struct un_text_sink *k, struct un_h5 *file);

#endif
