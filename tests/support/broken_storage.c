/* Types, extents, storage, links and whole files that are not as they must be. */
#include "tests/support/broken.h"
#include "tests/support/broken_ways.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

void break_feature_of_integers(void) {
    mutate_restore(img, "feature", H5T_STD_I32LE, 0, 0);
}
void break_feature_of_doubles(void) {
    mutate_restore(img, "feature", H5T_IEEE_F64LE, 0, 0);
}
void break_token_of_floats(void) {
    mutate_restore(txt, "token", H5T_IEEE_F32LE, 0, 0);
}
void break_offset_of_floats(void) {
    mutate_restore(img, "region_offset", H5T_IEEE_F64LE, 0, 0);
}
void break_odd_float_type(void) {
    hid_t type = H5Tcopy(H5T_IEEE_F32LE);
    assert_true(H5Tset_ebias(type, 100) >= 0);
    mutate_restore(img, "box", type, 0, 0);
    H5Tclose(type);
}

/* Puts a new dataset in the place of `name`: bytes of it are never written unless `write`. */
static void put(const char *path, const char *name, hid_t type, int rank, const hsize_t *dims, hid_t plist,
                int write) {
    hid_t file = mutate_open(path), space = H5Screate_simple(rank, dims, NULL);
    static const char zeros[1 << 16];
    assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t data = H5Dcreate2(file, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
    assert_true(data >= 0);
    if (write) assert_true(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros) >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Fclose(file);
}
static hsize_t regions(void) {
    return (hsize_t)region_row(6);
}

void break_box_of_rank_1(void) {
    put(img, "box", H5T_IEEE_F32LE, 1, (hsize_t[]){6 * regions()}, H5P_DEFAULT, 1);
}
void break_box_of_rank_3(void) {
    put(img, "box", H5T_IEEE_F32LE, 3, (hsize_t[]){regions(), 6, 1}, H5P_DEFAULT, 1);
}
void break_box_of_five(void) {
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 5}, H5P_DEFAULT, 1);
}
void break_box_short(void) {
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions() - 1, 6}, H5P_DEFAULT, 1);
}
void break_feature_narrow(void) {
    put(img, "feature", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 0}, H5P_DEFAULT, 0);
}
void break_text_ids_of_rank_2(void) {
    put(txt, "text_id", H5T_C_S1, 2, (hsize_t[]){12, 2}, H5P_DEFAULT, 1);
}
void break_ids_of_integers(void) {
    put(img, "image_id", H5T_STD_I64LE, 1, (hsize_t[]){6}, H5P_DEFAULT, 1);
}
void break_too_few_texts(void) {
    put(txt, "image_id", H5T_C_S1, 1, (hsize_t[]){11}, H5P_DEFAULT, 1);
}

/* Extents far beyond the file: must be refused without the memory being asked for. */
static void with_chunks(const char *path, const char *name, hid_t type, int rank, const hsize_t *dims,
                        const hsize_t *chunk, int deflate) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(plist, rank, chunk) >= 0);
    if (deflate) assert_true(H5Pset_deflate(plist, 1) >= 0);
    put(path, name, type, rank, dims, plist, 0);
    H5Pclose(plist);
}
void break_token_huge(void) {
    put(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 40}, H5P_DEFAULT, 0);
}
void break_token_overflowing(void) {
    put(txt, "align_token", H5T_STD_I32LE, 2, (hsize_t[]){(hsize_t)1 << 40, 1 << 20}, H5P_DEFAULT, 0);
}
void break_chunks_unwritten(void) {
    with_chunks(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, (hsize_t[]){2, 6}, 0);
}
void break_chunks_huge(void) {
    with_chunks(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 38}, (hsize_t[]){1 << 20}, 1);
}
void break_chunk_of_gigabytes(void) {
    with_chunks(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 29}, (hsize_t[]){(hsize_t)1 << 29},
                1);
}

void break_compound(void) {
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    assert_true(H5Tinsert(type, "a", 0, H5T_STD_I64LE) >= 0);
    put(img, "region_offset", type, 1, (hsize_t[]){7}, H5P_DEFAULT, 1);
    H5Tclose(type);
}
void break_long_texts(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    assert_true(H5Tset_size(type, 5000) >= 0);
    put(img, "image_id", type, 1, (hsize_t[]){6}, H5P_DEFAULT, 1);
    H5Tclose(type);
}
void break_long_variable_text(void) {
    static char text[5001];
    char *texts[6] = {text, text, text, text, text, text};
    hid_t file = mutate_open(img), type = H5Tcopy(H5T_C_S1),
          space = H5Screate_simple(1, (hsize_t[]){6}, NULL);
    memset(text, 'x', 5000);
    assert_true(H5Tset_size(type, H5T_VARIABLE) >= 0 && H5Ldelete(file, "image_id", H5P_DEFAULT) >= 0);
    hid_t data = H5Dcreate2(file, "image_id", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, texts) >= 0);
    H5Dclose(data);
    H5Tclose(type);
    H5Sclose(space);
    H5Fclose(file);
}
void break_committed_type(void) {
    hid_t file = mutate_open(img), type = H5Tcopy(H5T_IEEE_F32LE);
    assert_true(H5Tcommit2(file, "a_type", type, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT) >= 0);
    hid_t space = H5Screate_simple(2, (hsize_t[]){regions(), 6}, NULL);
    assert_true(H5Ldelete(file, "box", H5P_DEFAULT) >= 0);
    hid_t data = H5Dcreate2(file, "box", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(data >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
}

/* The dataset moves to another file or name, and a link of the wrong kind takes its place. */
void break_external_link(void) {
    mutate_copy(scratch("other.h5"), img);
    hid_t file = mutate_open(img);
    assert_true(H5Ldelete(file, "feature", H5P_DEFAULT) >= 0);
    assert_true(
        H5Lcreate_external(scratch("other.h5"), "/feature", file, "feature", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
void break_external_link_optional(void) {
    mutate_copy(scratch("other.h5"), txt);
    hid_t file = mutate_open(txt);
    assert_true(H5Ldelete(file, "sentence", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(scratch("other.h5"), "/sentence", file, "sentence", H5P_DEFAULT,
                                   H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
void break_soft_link(void) {
    hid_t file = mutate_open(img);
    assert_true(H5Lmove(file, "feature", file, "elsewhere", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/elsewhere", file, "feature", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
void break_a_group(void) {
    hid_t file = mutate_open(img);
    assert_true(H5Ldelete(file, "feature", H5P_DEFAULT) >= 0);
    H5Gclose(H5Gcreate2(file, "feature", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
}
void break_external_storage(void) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(plist, "/etc/hostname", 0, regions() * 24) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 0);
    H5Pclose(plist);
}
void break_virtual_dataset(void) {
    hsize_t dims[2] = {regions(), 6};
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(2, dims, NULL);
    assert_true(H5Pset_virtual(plist, space, scratch("other.h5"), "/box", space) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, dims, plist, 0);
    H5Sclose(space);
    H5Pclose(plist);
}
static size_t pass_on(unsigned flags, size_t count, const unsigned *values, size_t bytes, size_t *size,
                      void **buffer) {
    (void)flags, (void)count, (void)values, (void)size, (void)buffer;
    return bytes;
}
void break_unknown_filter(void) {
    static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 300, 1, 1, "passer", NULL, NULL, pass_on};
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Zregister(&filter) >= 0);
    assert_true(H5Pset_chunk(plist, 2, (hsize_t[]){2, 6}) >= 0 && H5Pset_filter(plist, 300, 0, 0, NULL) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 1);
    H5Pclose(plist);
    assert_true(H5Zunregister(300) >= 0);
}
void break_scale_offset_filter(void) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(plist, 2, (hsize_t[]){2, 6}) >= 0 &&
                H5Pset_scaleoffset(plist, H5Z_SO_FLOAT_DSCALE, 3) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 1);
    H5Pclose(plist);
}
void break_packed_then_damaged(void) {
    mutate_restore(txt, "token", H5T_STD_I32LE, 8, 1);
    hid_t file = mutate_open(txt), data = H5Dopen2(file, "token", H5P_DEFAULT);
    hsize_t first[1] = {0}, size = 0;
    unsigned mask;
    haddr_t address;
    assert_true(H5Dget_chunk_info_by_coord(data, first, &mask, &address, &size) >= 0);
    H5Dclose(data);
    H5Fclose(file);
    mutate_flip(txt, 8 * (int64_t)address + 100);
}

void break_no_file(void) {
    remove(img);
}
void break_a_folder(void) {
    remove(img), mkdir(img, 0777);
}
void break_a_pipe(void) {
    remove(img), mkfifo(img, 0666);
}
void break_empty_file(void) {
    mutate_truncate(img, 0);
}
void break_plain_text(void) {
    FILE *f = fopen(txt, "w");
    for (int i = 0; i < 50; ++i) fputs("a caption of an image\n", f);
    fclose(f);
}
void break_swapped(void) {
    mutate_copy(img, txt);
}
void break_truncated_by_one(void) {
    mutate_truncate(img, mutate_bytes(img) - 1);
}
void break_truncated_by_half(void) {
    mutate_truncate(txt, mutate_bytes(txt) / 2);
}
