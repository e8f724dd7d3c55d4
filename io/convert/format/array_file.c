#include "io/convert/format/array_file.h"
#include "io/convert/format/npy.h"
#include "io/disk/files.h"
#include "io/safetensors/safetensors.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    HEAD_LEAST = 9
}; /* bytes that tell the two apart: the magic of one, '{' after a length in the other */
static const char *const wanted = "f32 and f16 (in a .safetensors bf16 too) are read, for nothing is rounded";

static const struct {
    const char *name;
    int64_t bytes;
} numbers[] = {[UN_ARRAY_F16] = {"f16", 2}, [UN_ARRAY_BF16] = {"bf16", 2}, [UN_ARRAY_F32] = {"f32", 4}};

int64_t un_array_number_bytes(enum un_array_number number) {
    return numbers[number].bytes;
}
const char *un_array_number_name(enum un_array_number number) {
    return numbers[number].name;
}

static enum un_status read_head(const char *path, unsigned char *head, size_t room, size_t *bytes,
                                int64_t *size) {
    struct stat st;
    int fd;
    UN_TRY(un_files_open(path, &fd));
    enum un_status status = UN_OK;
    if (fstat(fd, &st) != 0)
        status = un_fail(UN_IO, "%s: %s", path, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        status = un_fail(UN_IO, "%s: not a regular file", path);
    else
        *size = st.st_size;
    *bytes = *size < (int64_t)room ? (size_t)*size : room;
    if (status == UN_OK) status = un_files_read_at(fd, path, head, *bytes, 0);
    close(fd);
    return status;
}

static enum un_status look_npy(struct un_array_file *array, const char *path, const unsigned char *head,
                               size_t bytes, int64_t size) {
    struct un_npy npy;
    size_t header;
    UN_TRY(un_npy_header(&npy, path, head, bytes, &header));
    if (npy.type != UN_NPY_F16 && npy.type != UN_NPY_F32)
        return un_fail(UN_DATA, "%s: neither float16 nor float32: %s; .astype(\"float32\") makes one", path,
                       wanted);
    if (npy.fortran)
        return un_fail(UN_DATA,
                       "%s: stored in Fortran order, so that no image lies in one piece; "
                       "numpy.ascontiguousarray makes one that is read",
                       path);
    if ((int64_t)header + npy.items * npy.item_bytes != size)
        return un_fail(UN_DATA, "%s: %lld bytes, but its header says %lld items of %lld after %zu", path,
                       (long long)size, (long long)npy.items, (long long)npy.item_bytes, header);
    array->number = npy.type == UN_NPY_F16 ? UN_ARRAY_F16 : UN_ARRAY_F32;
    array->rank = npy.rank;
    memcpy(array->dims, npy.dims, sizeof npy.dims);
    array->at = (int64_t)header;
    return UN_OK;
}

/* As many of the names as fit, to choose from; room for the dots is kept. */
static void list_names(const struct un_st_file *file, char *text, size_t room) {
    static const char dots[] = ", ...";
    size_t at = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < file->n; ++i) {
        bool fits = at + 2 + strlen(file->list[i].name) + sizeof dots <= room;
        at += (size_t)snprintf(text + at, room - at, "%s%s", i && fits ? ", " : "",
                               fits ? file->list[i].name : dots);
        if (!fits) return;
    }
}

static enum un_status choose(const struct un_st_file *file, const char *tensor, int64_t *i) {
    char names[300];
    list_names(file, names, sizeof names);
    *i = tensor[0] ? un_safetensors_find(file, tensor) : file->n == 1 ? 0 : -1;
    if (*i >= 0) return UN_OK;
    if (file->n == 0) return un_fail(UN_DATA, "%s: no tensor in it", file->path);
    if (tensor[0]) return un_fail(UN_DATA, "%s: no tensor %s; it holds %s", file->path, tensor, names);
    return un_fail(UN_USAGE, "%s: %lld tensors; tensor=NAME says which: %s", file->path, (long long)file->n,
                   names);
}

static enum un_status look_safetensors(struct un_array_file *array, const char *path, const char *tensor) {
    _Static_assert((int)UN_ARRAY_RANK_MAX == (int)UN_ST_RANK_MAX, "every rank that is read can be told");
    const struct un_st_file *file;
    int64_t i;
    UN_TRY(un_safetensors_open(&file, path));
    enum un_status status = choose(file, tensor, &i);
    if (status == UN_OK) {
        const struct un_st_tensor *t = file->list + i;
        if (t->type == UN_ST_F16 || t->type == UN_ST_BF16 || t->type == UN_ST_F32)
            array->number = t->type == UN_ST_F16    ? UN_ARRAY_F16
                            : t->type == UN_ST_BF16 ? UN_ARRAY_BF16
                                                    : UN_ARRAY_F32;
        else
            status =
                un_fail(UN_DATA, "%s: tensor %s: its dtype is %s: %s", path, t->name, t->type_name, wanted);
        array->rank = t->rank;
        memcpy(array->dims, t->shape, sizeof t->shape);
        array->at = t->at;
    }
    un_safetensors_close(file);
    return status;
}

enum un_status un_array_file_look(struct un_array_file *array, const char *path, const char *tensor) {
    unsigned char head[UN_NPY_HEADER_MAX];
    size_t bytes = 0;
    int64_t size = 0;
    *array = (struct un_array_file){0};
    UN_TRY(read_head(path, head, sizeof head, &bytes, &size));
    bool npy = bytes >= HEAD_LEAST && memcmp(head, "\x93NUMPY", 6) == 0;
    if (npy && tensor[0])
        return un_fail(UN_USAGE, "%s: an .npy holds one array without a name: tensor=%s is for .safetensors",
                       path, tensor);
    if (npy) return look_npy(array, path, head, bytes, size);
    if (bytes >= HEAD_LEAST && head[HEAD_LEAST - 1] == '{') return look_safetensors(array, path, tensor);
    return un_fail(UN_DATA, "%s: neither an .npy array nor a .safetensors file, or cut short", path);
}
