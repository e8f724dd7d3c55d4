/* The messages of a .caffemodel: nets hold layers, layers blobs, blobs shapes and values (caffe.h). */
#include "io/disk/files.h"
#include "io/weights/caffe_private.h"
#include "io/weights/caffe_wire.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    NET_OLD_LAYERS = 2,
    NET_LAYER = 100,
    LAYER_NAME = 1,
    LAYER_BLOBS = 7,
    BLOB_DATA = 5,
    BLOB_SHAPE = 7,
    SHAPE_DIM = 1
};
enum { FLOAT = 4, TAGGED_FLOAT = 5, OLD_AXES = 4, GROWTH = 64 };

struct walk {
    struct un_caffe_opened *f;
    struct un_wire wire;
    int64_t layers; /* seen so far, with blobs or not */
    bool old_layers;
};
/* A blob while its fields come in. */
struct coming {
    uint64_t old[OLD_AXES]; /* num, channels, height, width */
    bool any_old;
    uint64_t shape[UN_CAFFE_RANK_MAX];
    int rank;
    bool any_shape, too_many;
    int64_t values;
};

static enum un_status make_room(void **list, int64_t n, int64_t *room, int64_t most, size_t size,
                                const char *path, const char *what) {
    if (n == most) return un_fail(UN_DATA, "%s: more than %" PRId64 " %s", path, most, what);
    if (n < *room) return UN_OK;
    int64_t more = *room ? 2 * *room : GROWTH;
    UN_TRY(un_grow(list, (size_t)*room, (size_t)more, size, what));
    *room = more;
    return UN_OK;
}

/* Floats at `at`; those that follow each other at one distance are one run. */
static enum un_status add_run(struct walk *w, struct un_caffe_blob *blob, struct coming *coming, int64_t at,
                              int64_t count, int stride) {
    struct un_caffe_opened *f = w->f;
    coming->values += count; /* each has bytes in the file: no overflow */
    if (blob->n_runs) {
        struct un_caffe_run *last = &f->runs[f->n_runs - 1];
        if (last->stride == stride && last->at + last->count * stride == at) {
            last->count += count;
            return UN_OK;
        }
    }
    UN_TRY(make_room((void **)&f->runs, f->n_runs, &f->runs_room, UN_CAFFE_RUNS_MAX, sizeof *f->runs, f->path,
                     "pieces of values"));
    f->runs[f->n_runs++] = (struct un_caffe_run){at, count, stride};
    ++blob->n_runs;
    return UN_OK;
}

static enum un_status take_data(struct walk *w, struct un_caffe_blob *blob, struct coming *coming,
                                const struct un_wire_field *field) {
    if (field->type == UN_WIRE_FIXED32) return add_run(w, blob, coming, field->at, 1, TAGGED_FLOAT);
    if (field->type != UN_WIRE_BYTES || field->bytes == 0) return UN_OK;
    if (field->bytes % FLOAT)
        return un_fail(UN_DATA, "%s: byte %" PRId64 ": %" PRId64 " bytes are no whole number of values",
                       w->f->path, field->at, field->bytes);
    return add_run(w, blob, coming, field->at, field->bytes / FLOAT, FLOAT);
}

static void add_dim(struct coming *coming, uint64_t size) {
    if (coming->rank == UN_CAFFE_RANK_MAX)
        coming->too_many = true;
    else
        coming->shape[coming->rank++] = size;
}

/* The sizes of field `outer`. w->wire.at ends where it began: behind the field. */
static enum un_status take_shape(struct walk *w, struct coming *coming, const struct un_wire_field *outer) {
    struct un_wire_field field;
    int64_t end = outer->at + outer->bytes;
    coming->any_shape = true;
    for (w->wire.at = outer->at; w->wire.at < end;) {
        UN_TRY(un_wire_next(&w->wire, end, &field));
        if (field.number != SHAPE_DIM) continue;
        if (field.type == UN_WIRE_VARINT) add_dim(coming, field.value);
        if (field.type != UN_WIRE_BYTES) continue;
        int64_t packed_end = field.at + field.bytes;
        for (w->wire.at = field.at; w->wire.at < packed_end;) {
            uint64_t size;
            UN_TRY(un_wire_varint(&w->wire, packed_end, &size));
            add_dim(coming, size);
        }
    }
    return UN_OK;
}

/* Layer and blob for a message: by name where it has come, else by number. */
static enum un_status bad_blob(const struct walk *w, const struct un_caffe_layer *layer, int64_t number,
                               const char *what) {
    if (layer->name[0])
        return un_fail(UN_DATA, "%s: layer %s, blob %" PRId64 ": %s", w->f->path, layer->name, number, what);
    return un_fail(UN_DATA, "%s: layer number %" PRId64 ", blob %" PRId64 ": %s", w->f->path, w->layers,
                   number, what);
}

static enum un_status settle_shape(struct walk *w, const struct un_caffe_layer *layer,
                                   struct un_caffe_blob *blob, const struct coming *coming) {
    const uint64_t *shape = coming->any_shape ? coming->shape : coming->old;
    if (coming->any_shape && coming->any_old)
        return bad_blob(w, layer, blob->number, "sizes in both forms, old and new");
    if (coming->too_many) return bad_blob(w, layer, blob->number, "more than 8 axes");
    blob->rank = coming->any_shape ? coming->rank : OLD_AXES;
    blob->count = 1;
    for (int k = 0; k < blob->rank; ++k) {
        if (shape[k] > INT64_MAX || __builtin_mul_overflow(blob->count, (int64_t)shape[k], &blob->count))
            return bad_blob(w, layer, blob->number, "the product of its sizes overflows");
        blob->shape[k] = (int64_t)shape[k];
    }
    if (blob->count == coming->values) return UN_OK;
    char text[96];
    snprintf(text, sizeof text, "%" PRId64 " values, where its sizes make %" PRId64, coming->values,
             blob->count);
    return bad_blob(w, layer, blob->number, text);
}

static enum un_status take_blob(struct walk *w, struct un_caffe_layer *layer,
                                const struct un_wire_field *outer) {
    struct un_caffe_opened *f = w->f;
    struct un_wire_field field;
    struct coming coming = {0};
    int64_t end = outer->at + outer->bytes;
    UN_TRY(make_room((void **)&f->blobs, f->file.n_blobs, &f->blobs_room, UN_CAFFE_BLOBS_MAX,
                     sizeof *f->blobs, f->path, "blobs"));
    struct un_caffe_blob *blob = &f->blobs[f->file.n_blobs];
    *blob = (struct un_caffe_blob){.number = layer->n_blobs, .run = f->n_runs};
    for (w->wire.at = outer->at; w->wire.at < end;) {
        UN_TRY(un_wire_next(&w->wire, end, &field));
        if (field.number == BLOB_DATA) UN_TRY(take_data(w, blob, &coming, &field));
        if (field.number == BLOB_SHAPE && field.type == UN_WIRE_BYTES) UN_TRY(take_shape(w, &coming, &field));
        if (field.number > OLD_AXES || field.type != UN_WIRE_VARINT) continue;
        coming.old[field.number - 1] = field.value;
        coming.any_old = true;
    }
    UN_TRY(settle_shape(w, layer, blob, &coming));
    ++f->file.n_blobs;
    ++layer->n_blobs;
    return UN_OK;
}

static enum un_status take_name(struct walk *w, struct un_caffe_layer *layer,
                                const struct un_wire_field *field) {
    size_t bytes = (size_t)field->bytes;
    bool good = bytes <= UN_CAFFE_NAME_MAX;
    memset(layer->name, 0, sizeof layer->name);
    if (good) UN_TRY(un_files_read_at(w->wire.fd, w->f->path, layer->name, bytes, field->at));
    for (size_t i = 0; i < bytes && good; ++i)
        good = (unsigned char)layer->name[i] >= 0x20 && layer->name[i] != 0x7F;
    if (good) return UN_OK;
    return un_fail(UN_DATA,
                   "%s: layer number %" PRId64 ": its name is longer than %d bytes, or not printable",
                   w->f->path, w->layers, UN_CAFFE_NAME_MAX);
}

static enum un_status take_layer(struct walk *w, const struct un_wire_field *outer) {
    struct un_caffe_opened *f = w->f;
    struct un_wire_field field;
    int64_t end = outer->at + outer->bytes;
    UN_TRY(make_room((void **)&f->layers, f->file.n, &f->layers_room, UN_CAFFE_LAYERS_MAX, sizeof *f->layers,
                     f->path, "layers"));
    struct un_caffe_layer *layer = &f->layers[f->file.n];
    *layer = (struct un_caffe_layer){.blob = f->file.n_blobs};
    for (w->wire.at = outer->at; w->wire.at < end;) {
        UN_TRY(un_wire_next(&w->wire, end, &field));
        if (field.type != UN_WIRE_BYTES) continue;
        if (field.number == LAYER_NAME) UN_TRY(take_name(w, layer, &field));
        if (field.number == LAYER_BLOBS) UN_TRY(take_blob(w, layer, &field));
    }
    f->file.n += layer->n_blobs > 0;
    if (layer->n_blobs && !layer->name[0])
        return un_fail(UN_DATA, "%s: layer number %" PRId64 " has values, but no name", f->path, w->layers);
    return UN_OK;
}

enum un_status un_caffe_walk(struct un_caffe_opened *f, int64_t size) {
    struct walk w = {.f = f, .wire = {.fd = f->fd, .path = f->path, .size = size}};
    struct un_wire_field field;
    while (w.wire.at < size) {
        UN_TRY(un_wire_next(&w.wire, size, &field));
        if (field.type != UN_WIRE_BYTES) continue;
        w.old_layers = w.old_layers || field.number == NET_OLD_LAYERS;
        if (field.number != NET_LAYER) continue;
        UN_TRY(take_layer(&w, &field));
        ++w.layers;
    }
    if (f->file.n) return UN_OK;
    return un_fail(
        UN_DATA, "%s: no layer with values: not a .caffemodel%s", f->path,
        w.old_layers
            ? " of this format, but of the one before, which Caffe's upgrade_net_proto_binary brings up"
            : "");
}
