/* Opening a safetensors file and reading its values. */
#include "io/disk/files.h"
#include "io/safetensors/private.h"
#include "io/safetensors/safetensors.h"
#include "runtime/bfloat.h"
#include "runtime/half.h"
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

enum { LENGTH_BYTES = 8, BLOCK_BYTES = 32768 };

/* All of [at, at + bytes); a file that became shorter is bad data. */
static enum un_status read_at(const struct un_st_opened *f, int64_t at, void *out, size_t bytes) {
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(f->fd, (char *)out + done, bytes - done, (off_t)(at + (int64_t)done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return un_fail(UN_IO, "%s: cannot read: %s", f->path, strerror(errno));
        if (got == 0)
            return un_fail(UN_DATA, "%s: ends at byte %" PRId64 ", before what its header says", f->path,
                           at + (int64_t)done);
        done += (size_t)got;
    }
    return UN_OK;
}

static enum un_status read_header(struct un_st_opened *f) {
    struct stat st;
    uint64_t length;
    if (fstat(f->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", f->path);
    int64_t size = st.st_size;
    if (size < LENGTH_BYTES)
        return un_fail(UN_DATA, "%s: %" PRId64 " bytes: not a safetensors file", f->path, size);
    UN_TRY(read_at(f, 0, &length, sizeof length));
    if (length > UN_ST_HEADER_MAX)
        return un_fail(UN_DATA, "%s: a header of %" PRIu64 " bytes (at most %d): not a safetensors file",
                       f->path, length, UN_ST_HEADER_MAX);
    if ((int64_t)length > size - LENGTH_BYTES)
        return un_fail(UN_DATA, "%s: a header of %" PRIu64 " bytes, but the file ends after %" PRId64,
                       f->path, length, size - LENGTH_BYTES);
    char *text = un_alloc((size_t)length + 1, 1, "header of a safetensors file");
    if (!text) return UN_MEMORY;
    enum un_status status = read_at(f, LENGTH_BYTES, text, (size_t)length);
    if (status == UN_OK)
        status = un_safetensors_header(f, text, (size_t)length, LENGTH_BYTES + (int64_t)length,
                                       size - LENGTH_BYTES - (int64_t)length);
    un_free(text);
    return status;
}

enum un_status un_safetensors_open(const struct un_st_file **file, const char *path) {
    *file = NULL;
    struct un_st_opened *f = un_alloc(1, sizeof *f, "safetensors file");
    if (!f) return UN_MEMORY;
    f->fd = -1;
    enum un_status status;
    f->path = un_strdup(path);
    UN_TRY_GOTO(f->path ? UN_OK : UN_MEMORY, failed);
    UN_TRY_GOTO(un_files_open(path, &f->fd), failed);
    UN_TRY_GOTO(read_header(f), failed);
    f->file.path = f->path;
    f->file.list = f->list;
    f->file.metadata = f->pairs;
    *file = &f->file;
    return UN_OK;
failed:
    un_safetensors_close(&f->file);
    return status;
}

void un_safetensors_close(const struct un_st_file *file) {
    struct un_st_opened *f = (struct un_st_opened *)file;
    if (!f) return;
    if (f->fd >= 0) close(f->fd);
    json_decref(f->header);
    un_free(f->list);
    un_free(f->pairs);
    un_free(f->path);
    un_free(f);
}

static int order_of(const void *name, const void *tensor) {
    return strcmp(name, ((const struct un_st_tensor *)tensor)->name);
}

int64_t un_st_find(const struct un_st_tensor *list, int64_t n, const char *name) {
    const struct un_st_tensor *found = n > 0 ? bsearch(name, list, (size_t)n, sizeof *list, order_of) : NULL;
    return found ? found - list : -1;
}

int64_t un_safetensors_find(const struct un_st_file *file, const char *name) {
    return un_st_find(file->list, file->n, name);
}

static enum un_status convert(const struct un_st_opened *f, const struct un_st_tensor *t, int64_t first,
                              const void *block, int64_t n, float *out) {
    const uint16_t *half = block;
    const double *wide = block;
    for (int64_t k = 0; k < n; ++k) {
        if (t->type == UN_ST_F16) out[k] = un_half_to(half[k]);
        if (t->type == UN_ST_BF16) out[k] = un_bfloat_to(half[k]);
        if (t->type != UN_ST_F64) continue;
        out[k] = (float)wide[k];
        if (isinf(out[k]) && !isinf(wide[k]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " is %g, beyond 32 bits", f->path,
                           t->name, first + k, wide[k]);
    }
    return UN_OK;
}

enum un_status un_safetensors_read(const struct un_st_file *file, int64_t i, int64_t first, int64_t count,
                                   float *out) {
    const struct un_st_opened *f = (const struct un_st_opened *)file;
    const struct un_st_tensor *t = &file->list[i];
    UN_ASSERT(first >= 0 && count >= 0 && first <= t->count - count);
    if (t->type == UN_ST_OTHER)
        return un_fail(UN_DATA, "%s: tensor %s: its dtype is %s; F64, F32, F16 and BF16 are read", f->path,
                       t->name, t->type_name);
    if (t->type == UN_ST_F32) return read_at(f, t->at + 4 * first, out, (size_t)count * sizeof *out);
    int64_t width = t->type == UN_ST_F64 ? 8 : 2, most = BLOCK_BYTES / width;
    _Alignas(8) char block[BLOCK_BYTES];
    for (int64_t done = 0; done < count;) {
        int64_t n = count - done < most ? count - done : most;
        UN_TRY(read_at(f, t->at + width * (first + done), block, (size_t)(n * width)));
        UN_TRY(convert(f, t, first + done, block, n, out + done));
        done += n;
    }
    return UN_OK;
}
