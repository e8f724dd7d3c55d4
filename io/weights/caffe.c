/* Opening a .caffemodel and reading its values (caffe.h). */
#include "io/weights/caffe.h"
#include "io/disk/files.h"
#include "io/weights/caffe_private.h"
#include "runtime/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "the format is little-endian, and so is the reading");

enum { PIECE = 4096 }; /* floats with tags that are read at a time */

/* The first field's tag: name, layers or layer, input, or one of the few others that a net has. */
bool un_caffe_begins(const unsigned char *begin, size_t bytes) {
    static const unsigned char tags[] = {0x0A, 0x12, 0x1A, 0x20, 0x22, 0x28, 0x32, 0x38, 0x42};
    if (bytes >= 2 && begin[0] == 0xA2 && begin[1] == 0x06) return true; /* layer */
    return bytes >= 2 && memchr(tags, begin[0], sizeof tags) != NULL;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_caffe_layer *)a)->name, ((const struct un_caffe_layer *)b)->name);
}

/* Sorted, no name twice, and every blob knows its layer. */
static enum un_status settle(struct un_caffe_opened *f) {
    qsort(f->layers, (size_t)f->file.n, sizeof *f->layers, by_name);
    for (int64_t i = 0; i < f->file.n; ++i) {
        const struct un_caffe_layer *layer = &f->layers[i];
        if (i && strcmp(f->layers[i - 1].name, layer->name) == 0)
            return un_fail(UN_DATA, "%s: two layers named %s, both with values in blob 0", f->path,
                           layer->name);
        for (int64_t k = 0; k < layer->n_blobs; ++k) f->blobs[layer->blob + k].layer = layer->name;
    }
    f->file.layers = f->layers;
    f->file.blobs = f->blobs;
    return UN_OK;
}

static enum un_status read_file(struct un_caffe_opened *f) {
    struct stat st;
    if (fstat(f->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", f->path);
    UN_TRY(un_caffe_walk(f, st.st_size));
    return settle(f);
}

enum un_status un_caffe_open(const struct un_caffe_file **file, const char *path) {
    enum un_status status;
    *file = NULL;
    struct un_caffe_opened *f = un_alloc(1, sizeof *f, ".caffemodel");
    if (!f) return UN_MEMORY;
    f->fd = -1;
    f->path = un_strdup(path);
    UN_TRY_GOTO(f->path ? UN_OK : UN_MEMORY, failed);
    f->file.path = f->path;
    UN_TRY_GOTO(un_files_open(path, &f->fd), failed);
    UN_TRY_GOTO(read_file(f), failed);
    *file = &f->file;
    return UN_OK;
failed:
    un_caffe_close(&f->file);
    return status;
}

void un_caffe_close(const struct un_caffe_file *file) {
    struct un_caffe_opened *f = (struct un_caffe_opened *)file;
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    un_free(f->layers);
    un_free(f->blobs);
    un_free(f->runs);
    un_free(f->path);
    un_free(f);
}

static int order_of(const void *name, const void *layer) {
    return strcmp(name, ((const struct un_caffe_layer *)layer)->name);
}

int64_t un_caffe_find(const struct un_caffe_file *file, const char *layer) {
    const struct un_caffe_layer *list = file->layers, *found = NULL;
    if (file->n > 0) found = bsearch(layer, list, (size_t)file->n, sizeof *list, order_of);
    return found ? found - list : -1;
}

/* Elements [first, first + count) of one run. */
static enum un_status read_run(const struct un_caffe_opened *f, const struct un_caffe_run *run, int64_t first,
                               int64_t count, float *out) {
    int64_t at = run->at + first * run->stride;
    if (run->stride == sizeof *out)
        return un_files_read_at(f->fd, f->path, out, (size_t)count * sizeof *out, at);
    unsigned char piece[PIECE * 5];
    for (int64_t done = 0; done < count;) {
        int64_t n = count - done < PIECE ? count - done : PIECE, skipped = run->stride;
        size_t bytes = (size_t)((n - 1) * skipped) + sizeof *out; /* no tag behind the last */
        UN_TRY(un_files_read_at(f->fd, f->path, piece, bytes, at + done * skipped));
        for (int64_t k = 0; k < n; ++k) memcpy(out + done + k, piece + k * skipped, sizeof *out);
        done += n;
    }
    return UN_OK;
}

enum un_status un_caffe_read(const struct un_caffe_file *file, int64_t i, int64_t first, int64_t count,
                             float *out) {
    const struct un_caffe_opened *f = (const struct un_caffe_opened *)file;
    const struct un_caffe_blob *blob = &f->blobs[i];
    UN_ASSERT(first >= 0 && count >= 0 && first <= blob->count - count);
    int64_t begin = 0, done = 0; /* of the run, in the blob */
    for (int64_t r = blob->run; r < blob->run + blob->n_runs && done < count; ++r) {
        const struct un_caffe_run *run = &f->runs[r];
        int64_t skip = first + done - begin, left = run->count - skip;
        begin += run->count;
        if (left <= 0) continue;
        int64_t n = left < count - done ? left : count - done;
        UN_TRY(read_run(f, run, skip, n, out + done));
        done += n;
    }
    for (int64_t k = 0; k < count; ++k)
        if (!isfinite(out[k]))
            return un_fail(UN_DATA, "%s: layer %s, blob %" PRId64 ": element %" PRId64 " is %g", f->path,
                           blob->layer, blob->number, first + k, (double)out[k]);
    return UN_OK;
}
