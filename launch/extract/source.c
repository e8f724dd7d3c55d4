/* Parts as a source of images (source.h). */
#include "launch/extract/source.h"
#include "runtime/memory.h"

#include <string.h>

struct source {
    struct un_image_source source; /* first */
    const struct un_extract_parts *parts;
    const struct un_extract_list *photos;
};
struct un_image_reader {
    const struct source *source;
    struct un_extract_record record;
};

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    const struct source *s = (const struct source *)source;
    list->shape = (struct un_image_shape){.img_dim = s->parts->features,
                                          .classes = s->parts->classes,
                                          .feature_type = UN_F32,
                                          .confidence_type = UN_F32,
                                          .soft_type = UN_F32,
                                          .has_confidence = true};
    for (int64_t i = 0; i < s->photos->n; ++i) {
        const struct un_extract_place *place = s->parts->place + i;
        const struct un_extract_photo *photo = s->photos->list + i;
        if (place->part < 0 || place->status != UN_OK) continue;
        UN_TRY(un_image_list_add(list, photo->path, photo->id, place->regions, i, 0));
    }
    return UN_OK;
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (const struct source *)source;
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    un_extract_record_free(&r->record);
    un_free(r);
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    struct un_extract_result result;
    UN_TRY(un_extract_parts_result(r->source->parts, list->list[index].at, &r->record, &result));
    *record =
        (struct un_image_record){result.regions, result.feature, result.box6, result.confidence, result.soft};
    return UN_OK;
}

static void close_source(struct un_image_source *source) {
    un_free(source);
}

enum un_status un_extract_source(struct un_image_source **source, const struct un_extract_parts *parts,
                                 const struct un_extract_list *photos, const char *const *names, int n,
                                 const char *terms) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct source *s = un_alloc(1, sizeof *s, "a source of regions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    struct un_digest digest = un_digest_of(terms, strlen(terms));
    s->source.ops = &ops;
    memcpy(&s->source.stamp, digest.bytes, sizeof s->source.stamp);
    s->parts = parts;
    s->photos = photos;
    un_image_source_name(&s->source, "extract", names, n);
    *source = &s->source;
    return UN_OK;
}
