#include "tests/support/mutate.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MUST(x)                                                                                              \
    do {                                                                                                     \
        if (!(x)) fail_msg("%s failed", #x);                                                                 \
    } while (0)

hid_t mutate_open(const char *path) {
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    if (file < 0) fail_msg("cannot open %s for changing", path);
    return file;
}

hid_t mutate_half_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    MUST(H5Tset_fields(type, 15, 10, 5, 0, 10) >= 0 && H5Tset_size(type, 2) >= 0 &&
         H5Tset_ebias(type, 15) >= 0);
    return type;
}

static hid_t layout(int rank, const hsize_t *dims, hsize_t rows, int packed) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t chunk[2] = {rows, rank > 1 ? dims[1] : 1};
    if (rows == 0) return plist;
    MUST(H5Pset_chunk(plist, rank, chunk) >= 0);
    if (packed)
        MUST(H5Pset_shuffle(plist) >= 0 && H5Pset_deflate(plist, 4) >= 0 && H5Pset_fletcher32(plist) >= 0);
    return plist;
}

/* Replaces dataset `name` by one of `type` and the same extents that holds `values` of `memory`. */
static void replace(hid_t file, const char *name, hid_t type, hid_t memory, hid_t space, hid_t plist,
                    const void *values) {
    MUST(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    MUST(data >= 0 && H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
}

void mutate_restore(const char *path, const char *name, hid_t type, hsize_t rows, int packed) {
    hid_t file = mutate_open(path), data = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(data);
    hid_t memory = H5Tget_class(type) == H5T_INTEGER ? H5T_NATIVE_INT64 : H5T_NATIVE_DOUBLE;
    hsize_t dims[2] = {1, 1};
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    void *values = calloc(dims[0] * dims[1] + 1, 8);
    MUST(H5Dread(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    hid_t plist = layout(rank, dims, rows, packed);
    H5Dclose(data);
    replace(file, name, type, memory, space, plist, values);
    free(values);
    H5Pclose(plist);
    H5Sclose(space);
    H5Fclose(file);
}

void mutate_variable_texts(const char *path, const char *name) {
    hid_t file = mutate_open(path), data = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(data);
    hid_t fixed = H5Dget_type(data), variable = H5Tcopy(H5T_C_S1);
    size_t width = H5Tget_size(fixed), n = (size_t)H5Sget_simple_extent_npoints(space);
    char *cells = calloc(n, width), *texts = calloc(n, width + 1), **list = calloc(n, sizeof *list);
    MUST(H5Tset_size(variable, H5T_VARIABLE) >= 0);
    MUST(H5Dread(data, fixed, H5S_ALL, H5S_ALL, H5P_DEFAULT, cells) >= 0);
    for (size_t i = 0; i < n; ++i) {
        list[i] = texts + i * (width + 1);
        memcpy(list[i], cells + i * width, width);
    }
    H5Dclose(data);
    replace(file, name, variable, variable, space, H5P_DEFAULT, list);
    free(cells);
    free(texts);
    free(list);
    H5Tclose(fixed);
    H5Tclose(variable);
    H5Sclose(space);
    H5Fclose(file);
}

void mutate_delete(const char *path, const char *name) {
    hid_t file = mutate_open(path);
    MUST(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    H5Fclose(file);
}

void mutate_delete_attr(const char *path, const char *name) {
    hid_t file = mutate_open(path);
    MUST(H5Adelete(file, name) >= 0);
    H5Fclose(file);
}

void mutate_set_attr(const char *path, const char *name, int64_t value) {
    hid_t file = mutate_open(path), attr = H5Aopen(file, name, H5P_DEFAULT);
    MUST(attr >= 0 && H5Awrite(attr, H5T_NATIVE_INT64, &value) >= 0);
    H5Aclose(attr);
    H5Fclose(file);
}

static void set_element(const char *path, const char *name, const hsize_t *at, hid_t memory,
                        const void *value) {
    hid_t file = mutate_open(path), data = H5Dopen2(file, name, H5P_DEFAULT), space = H5Dget_space(data);
    hid_t one = H5Screate(H5S_SCALAR);
    MUST(H5Sselect_elements(space, H5S_SELECT_SET, 1, at) >= 0);
    MUST(H5Dwrite(data, memory, one, space, H5P_DEFAULT, value) >= 0);
    H5Sclose(one);
    H5Sclose(space);
    H5Dclose(data);
    H5Fclose(file);
}

void mutate_set_int(const char *path, const char *name, int64_t row, int64_t value) {
    set_element(path, name, (const hsize_t[]){(hsize_t)row, 0}, H5T_NATIVE_INT64, &value);
}

void mutate_set_float(const char *path, const char *name, int64_t row, int64_t column, double value) {
    set_element(path, name, (const hsize_t[]){(hsize_t)row, (hsize_t)column}, H5T_NATIVE_DOUBLE, &value);
}

void mutate_copy(const char *to, const char *from) {
    char block[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    MUST(in && out);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;) MUST(fwrite(block, 1, n, out) == n);
    fclose(in);
    MUST(fclose(out) == 0);
}

void mutate_truncate(const char *path, int64_t bytes) {
    MUST(truncate(path, (off_t)bytes) == 0);
}

int64_t mutate_bytes(const char *path) {
    struct stat st;
    MUST(stat(path, &st) == 0);
    return (int64_t)st.st_size;
}

void mutate_flip(const char *path, int64_t bit) {
    unsigned char byte;
    int fd = open(path, O_RDWR);
    MUST(fd >= 0 && pread(fd, &byte, 1, (off_t)(bit / 8)) == 1);
    byte ^= (unsigned char)(1u << (bit % 8));
    MUST(pwrite(fd, &byte, 1, (off_t)(bit / 8)) == 1);
    close(fd);
}
