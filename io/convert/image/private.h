/* What sink.c, layout.c, journal.c and check.c share. */
#ifndef UN_IO_CONVERT_IMAGE_PRIVATE_H
#define UN_IO_CONVERT_IMAGE_PRIVATE_H

#include "io/convert/image/bad.h"
#include "io/convert/image/sink.h"

enum un_image_column { UN_IMAGE_FEATURE, UN_IMAGE_BOX, UN_IMAGE_CONFIDENCE, UN_IMAGE_SOFT, UN_IMAGE_COLUMNS };

/* Where a column's rows lie in the file; width 0: there is none. */
struct un_image_place {
    const char *name;
    enum un_type type;
    int64_t width, row_bytes, at;
};
/* Names, types and widths from the shape; `at` is left 0. */
void un_image_places(struct un_image_place places[UN_IMAGE_COLUMNS], const struct un_image_shape *shape);

/* Makes OUT.partial: every dataset, the index filled, its room on the disk reserved. Fills `at`. */
enum un_status un_image_layout(const char *out, const struct un_image_source *source,
                               const struct un_image_list *list,
                               struct un_image_place places[UN_IMAGE_COLUMNS]);
/* The same places of an OUT.partial that is there; UN_DATA when it is not what the layout would make. */
enum un_status un_image_layout_find(const char *out, const struct un_image_list *list,
                                    struct un_image_place places[UN_IMAGE_COLUMNS]);

/* OUT.partial.done: a line with the digest, then a line for every time that images became durable. It is
 * locked (flock) as long as it is open. */
struct un_image_journal {
    char *path;
    int fd;
};
struct un_image_done {
    int64_t images, sorted; /* of the first `images` */
};
/* UN_USAGE: another process holds it. */
enum un_status un_image_journal_open(struct un_image_journal *journal, const char *out);
/* *same: an import with an equal digest began it; *done: what it says then, at most n images; else 0. */
enum un_status un_image_journal_read(struct un_image_journal *journal, const struct un_digest *digest,
                                     int64_t n, struct un_image_done *done, bool *same);
/* Empties it and writes the head. */
enum un_status un_image_journal_begin(struct un_image_journal *journal, const struct un_digest *digest);
enum un_status un_image_journal_add(struct un_image_journal *journal, const struct un_image_done *done);
/* Closes it, and removes it first unless it is kept. */
void un_image_journal_close(struct un_image_journal *journal, bool keep);

/* Of everything that decides the file's bytes apart from the features: stamp, shape, list. */
enum un_status un_image_digest(const struct un_image_source *source, const struct un_image_list *list,
                               struct un_digest *digest);

/* In memory, and to the file as well (bad.h); both under the lock. */
enum un_status un_image_bad_keep(struct un_image_bad *bad, int64_t index, const char *where,
                                 const char *reason);
enum un_status un_image_bad_note(struct un_image_bad *bad, const struct un_image_bad_one *one);

/* UN_DATA with image, region and column when a value is not allowed. */
enum un_status un_image_check(const struct un_image_source *source, const struct un_image_list *list,
                              int64_t index, const struct un_image_record *record);
/* Do the confidences (NULL: none) never rise? */
bool un_image_is_sorted(const struct un_image_record *record, enum un_type type);
/* order [regions]: regions by falling confidence, equal ones in their order. */
enum un_status un_image_sort(const struct un_image_record *record, enum un_type type, int32_t *order);

#endif
