/* A record of a part, as bytes: its head, then values. Inside this wing. */
#ifndef UN_LAUNCH_EXTRACT_RECORD_PRIVATE_H
#define UN_LAUNCH_EXTRACT_RECORD_PRIVATE_H

#include "io/convert/image/source.h"
#include "io/disk/digest.h"
#include "launch/extract/parts.h"

enum { UN_EXTRACT_WIDTH_MAX = 1 << 20 };

struct un_extract_head {
    char magic[8];
    int64_t index, status, width, height, regions, features, classes;
    int64_t bytes;           /* behind the head */
    int64_t durable;         /* bytes of the file that were on the disk */
    struct un_digest values; /* of the bytes behind the head */
    struct un_digest head;   /* of the head up to here */
};

/* The whole record in record->bytes; *bytes of it. */
enum un_status un_extract_record_pack(struct un_extract_record *record,
                                      const struct un_extract_result *result, int64_t durable, size_t *bytes);
/* Is it a head, and do its numbers agree with each other? photos: of the list. */
bool un_extract_head_good(const struct un_extract_head *head, int64_t photos);
/* Reads the values behind a good head into the record's memory. UN_DATA: they are not what was written. */
enum un_status un_extract_record_read(struct un_extract_record *record, int fd, const char *path, int64_t at,
                                      const struct un_extract_head *head);
/* The result that head and values are. */
void un_extract_record_unpack(const struct un_extract_record *record, const struct un_extract_head *head,
                              struct un_extract_result *result);

#endif
