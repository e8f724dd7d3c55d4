/* One value of the authors' txt_db: a msgpack map in an lz4 frame. */
#ifndef UN_IO_CONVERT_TEXT_TXT_DB_VALUE_H
#define UN_IO_CONVERT_TEXT_TXT_DB_VALUE_H

#include "runtime/status.h"

enum { UN_TXT_VALUE_MAX = 16 << 20 }; /* bytes out of one frame */

struct un_txt_reader; /* its buffers, used again for every value */
enum un_status un_txt_reader_open(struct un_txt_reader **reader);
void un_txt_reader_close(struct un_txt_reader *reader);

/* Borrowed from the reader until its next call; texts end with no zero byte. */
struct un_txt_value {
    const int32_t *token;
    int64_t tokens;
    const char *sentence, *image; /* NULL: not there */
    size_t sentence_bytes, image_bytes;
};
/* `where` ("FILE: key 100000") stands in messages. UN_DATA: no frame, damaged, larger than UN_TXT_VALUE_MAX,
 * no msgpack, no input_ids, or another type than expected. */
enum un_status un_txt_value_read(struct un_txt_reader *reader, const char *where, const unsigned char *bytes,
                                 size_t n, struct un_txt_value *value);

#endif
