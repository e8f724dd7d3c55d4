/* What txt_db_value.c (frames) and txt_db_fields.c (members of a record) share. */
#ifndef UN_IO_CONVERT_TEXT_TXT_DB_PRIVATE_H
#define UN_IO_CONVERT_TEXT_TXT_DB_PRIVATE_H

#include "io/convert/format/msgpack.h"
#include "io/convert/text/txt_db_value.h"

/* A list of a record in one of the pools. */
struct un_txt_list {
    int64_t at, n;
};

/* Numbers of one record: pools grow, so that lists are places until the record is read. */
struct un_txt_numbers {
    int32_t *whole;
    float *real;
    int64_t wholes, whole_room, reals, real_room;
    struct un_txt_list token, label, score, part[UN_TEXT_PARTS];
};

/* A msgpack map with the members of a record, whole. */
enum un_status un_txt_fields_read(struct un_txt_numbers *numbers, struct un_msgpack *in, const char *where,
                                  struct un_txt_value *value);

#endif
