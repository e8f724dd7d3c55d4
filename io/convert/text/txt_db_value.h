/* One value of the authors' txt_db: a msgpack map in an lz4 frame. */
#ifndef UN_IO_CONVERT_TEXT_TXT_DB_VALUE_H
#define UN_IO_CONVERT_TEXT_TXT_DB_VALUE_H

#include "io/data/targets.h"
#include "runtime/status.h"

enum { UN_TXT_VALUE_MAX = 16 << 20 }; /* bytes out of one frame */

struct un_txt_reader; /* its buffers, used again for every value */
enum un_status un_txt_reader_open(struct un_txt_reader **reader);
void un_txt_reader_close(struct un_txt_reader *reader);

/* What a record may have besides a text and an image. */
enum {
    UN_TXT_SOFT = 1,        /* target {labels, scores} */
    UN_TXT_ENTAILMENT = 2,  /* a field of SNLI-VE */
    UN_TXT_ANSWERS = 4,     /* four of them */
    UN_TXT_RATIONALES = 8,  /* four of them */
    UN_TXT_ANNOTATION = 16, /* ann_id */
    UN_TXT_BOX = 32
};
/* Borrowed from the reader until its next call; texts end with no zero byte. */
struct un_txt_value {
    const int32_t *token;
    int64_t tokens;
    const char *sentence, *image, *second; /* NULL: not there */
    size_t sentence_bytes, image_bytes, second_bytes;
    unsigned has;         /* UN_TXT_... */
    const int32_t *label; /* [labels] of soft answers */
    const float *score;
    int64_t labels;
    int32_t kind, target, answer, rationale; /* -1: not there */
    const int32_t *part[UN_TEXT_PARTS];      /* of answers, then of rationales */
    int64_t part_tokens[UN_TEXT_PARTS];      /* 0: not there */
    int64_t annotation, image_number;        /* image_number -1: not there */
    float box[4];
};
/* `where` ("FILE: key 100000") stands in messages. UN_DATA: no frame, damaged, larger than UN_TXT_VALUE_MAX,
 * no msgpack, no input_ids, or another type than expected. */
enum un_status un_txt_value_read(struct un_txt_reader *reader, const char *where, const unsigned char *bytes,
                                 size_t n, struct un_txt_value *value);

#endif
