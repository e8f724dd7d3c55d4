#include "tests/fuzz/use_source.h"
#include "io/convert/image/private.h"

#include <stdlib.h>

enum { IMAGES = 64 };

/* Every byte is looked at: a sum that is never equal to what it is compared with, which the compiler cannot
 * know. */
static void use_bytes(const void *values, int64_t bytes) {
    uint64_t sum = 1;
    for (int64_t i = 0; values && i < bytes; ++i) sum += ((const unsigned char *)values)[i];
    if (sum == 0) abort();
}

static void use_record(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                       const struct un_image_record *r) {
    const struct un_image_shape *s = &list->shape;
    int64_t n = r->regions;
    use_bytes(r->feature, n * s->img_dim * un_type_bytes(s->feature_type));
    use_bytes(r->box, n * 6 * (int64_t)sizeof *r->box);
    use_bytes(r->confidence, n * un_type_bytes(s->confidence_type));
    use_bytes(r->soft, n * s->classes * un_type_bytes(s->soft_type));
    (void)un_image_check(source, list, index, r);
    un_error_clear();
}

void use_source(struct un_image_source *source) {
    struct un_image_list list = {0};
    struct un_image_reader *reader = NULL;
    struct un_image_record record;
    if (source->ops->survey(source, &list) == UN_OK && un_image_list_check(&list, source->name) == UN_OK &&
        source->ops->reader_open(source, &reader) == UN_OK) {
        for (int64_t i = 0; i < list.n && i < IMAGES; ++i) {
            if (source->ops->read(reader, &list, i, &record) == UN_OK) use_record(source, &list, i, &record);
            un_error_clear();
        }
        source->ops->reader_close(reader);
    }
    un_error_clear();
    un_image_list_free(&list);
    un_image_source_close(source);
}
