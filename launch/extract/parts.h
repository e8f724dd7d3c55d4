/* OUT.parts: what an extraction has done so far, until all of it is known and OUT can be laid out.
 *
 * Every rank of every start appends to a file of its own, a record a photo: a head, then its values or why there are none, each
 * under a digest. A head also says up to where its file was on the disk when it was written, so a later start has to read the
 * values of the last seconds only. A record that is not whole ends its file. */
#ifndef UN_LAUNCH_EXTRACT_PARTS_H
#define UN_LAUNCH_EXTRACT_PARTS_H

#include "io/disk/files.h"

/* One photo. Borrowed. */
struct un_extract_result {
    int64_t index;         /* in the list */
    enum un_status status; /* UN_OK; UN_DATA or UN_IO: there are no regions */
    char why[UN_ERROR_MAX];
    int64_t width, height;              /* of the photo, upright */
    int64_t regions, features, classes; /* R, F, K + 1 */
    const float *feature;               /* [R,F] */
    const float *box6;                  /* [R,6] x1 y1 x2 y2 w h over width and height */
    const float *confidence;            /* [R] */
    const float *soft;                  /* [R,K+1] background first */
    const float *box;                   /* [R,4] pixels of the photo */
    const int32_t *class_number;        /* [R] from 1 */
    const int32_t *attribute;           /* [R] from 1 */
    const float *attribute_probability; /* [R] */
};

/* Memory for a record. */
struct un_extract_record {
    char *bytes;
    size_t capacity;
};
void un_extract_record_free(struct un_extract_record *record);

/* A file that is appended to. */
struct un_extract_part {
    char *path;
    int fd;
    int64_t at, durable;
    double synced;
    struct un_extract_record record;
};
/* FOLDER/part-SESSION-RANK, which must not be there yet. Closed by the call below, also on failure. */
enum un_status un_extract_part_open(struct un_extract_part *part, const char *folder, int session, int rank);
/* Every few seconds waits until all of it is on the disk. */
enum un_status un_extract_part_add(struct un_extract_part *part, const struct un_extract_result *result);
enum un_status un_extract_part_sync(struct un_extract_part *part);
void un_extract_part_close(struct un_extract_part *part);

/* Where a photo's record stands. */
struct un_extract_place {
    int32_t part;          /* -1: nowhere */
    enum un_status status; /* of its result */
    int64_t at, regions;
};
struct un_extract_parts {
    char **path; /* [parts] sorted */
    int64_t parts;
    struct un_extract_place *place; /* [photos] */
    int64_t photos, done, regions;  /* done: with regions */
    int64_t features, classes;      /* of the done ones */
    int session;                    /* the next one */
};
/* Reads what stands in the folder; torn ends are cut off. Freed by the call below, also on failure. */
enum un_status un_extract_parts_read(struct un_extract_parts *parts, const char *folder, int64_t photos);
void un_extract_parts_free(struct un_extract_parts *parts);
/* A photo's result, in the record's memory. UN_DATA: it is damaged. Any thread, with a record of its own. */
enum un_status un_extract_parts_result(const struct un_extract_parts *parts, int64_t photo,
                                       struct un_extract_record *record, struct un_extract_result *result);

#endif
