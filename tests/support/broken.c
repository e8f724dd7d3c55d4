#include "tests/support/broken.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

const char *img, *txt; /* set by the test, fresh for every case */

/* Row where text `text` of the good file begins. */
int64_t word_row(int64_t text) {
    struct make_files m = make_files_default();
    int64_t row = 0;
    for (int64_t t = 0; t < text; ++t) row += make_words(&m, t);
    return row;
}
int64_t region_row(int64_t image) {
    struct make_files m = make_files_default();
    int64_t row = 0;
    for (int64_t i = 0; i < image; ++i) row += make_regions(&m, i);
    return row;
}

/* ---- ways to break a file ---- */

static void no_region_offset(void) {
    mutate_delete(img, "region_offset");
}
static void no_feature(void) {
    mutate_delete(img, "feature");
}
static void no_box(void) {
    mutate_delete(img, "box");
}
static void no_confidence(void) {
    mutate_delete(img, "confidence");
}
static void no_image_id(void) {
    mutate_delete(img, "image_id");
}
static void no_token(void) {
    mutate_delete(txt, "token");
}
static void no_text_id(void) {
    mutate_delete(txt, "text_id");
}
static void no_align_region(void) {
    mutate_delete(txt, "align_region");
}
static void no_sentence_offset(void) {
    mutate_delete(txt, "sentence_offset");
}
static void not_complete(void) {
    mutate_delete_attr(img, "complete");
}
static void complete_zero(void) {
    mutate_set_attr(txt, "complete", 0);
}
static void version_two(void) {
    mutate_set_attr(img, "version", 2);
}
static void no_format(void) {
    mutate_delete_attr(img, "format");
}
static void no_mask_id(void) {
    mutate_delete_attr(txt, "mask_id");
}
static void mask_id_outside(void) {
    mutate_set_attr(txt, "mask_id", 50);
}
static void cls_id_negative(void) {
    mutate_set_attr(txt, "cls_id", -1);
}
static void random_range(void) {
    mutate_set_attr(txt, "random_hi", 51);
}
static void random_empty(void) {
    mutate_set_attr(txt, "random_lo", 50);
}
static void vocab_zero(void) {
    mutate_set_attr(txt, "vocab_size", 0);
}
static void vocab_huge(void) {
    mutate_set_attr(txt, "vocab_size", (int64_t)1 << 40);
}
static void vocab_small(void) {
    mutate_set_attr(txt, "vocab_size", 6), mutate_set_attr(txt, "random_hi", 6);
}

static void offset_backwards(void) {
    mutate_set_int(img, "region_offset", 3, 1);
}
static void offset_start(void) {
    mutate_set_int(img, "region_offset", 0, 1);
}
static void offset_short(void) {
    mutate_set_int(img, "region_offset", 6, region_row(6) - 1);
}
static void offset_past(void) {
    mutate_set_int(img, "region_offset", 6, region_row(6) + 1);
}
static void offset_huge(void) {
    mutate_set_int(img, "region_offset", 6, INT64_MAX);
}
static void offset_negative(void) {
    mutate_set_int(txt, "token_offset", 1, INT64_MIN);
}
static void token_offset_past(void) {
    mutate_set_int(txt, "token_offset", 12, 1 << 20);
}
static void align_offset_back(void) {
    mutate_set_int(txt, "align_offset", 5, 0);
}
static void sentence_offset_back(void) {
    mutate_set_int(txt, "sentence_offset", 5, 0);
}
static void zero_regions(void) {
    mutate_set_int(img, "region_offset", 3, region_row(2));
}

static void feature_nan(void) {
    mutate_set_float(img, "feature", region_row(4) + 1, 7, NAN);
}
static void feature_inf(void) {
    mutate_set_float(img, "feature", region_row(5), 15, -INFINITY);
}
static void box_nan(void) {
    mutate_set_float(img, "box", region_row(1), 3, NAN);
}
static void box_wide(void) {
    mutate_set_float(img, "box", region_row(1), 2, 1.002);
}
static void box_negative(void) {
    mutate_set_float(img, "box", region_row(1), 0, -0.002);
}
static void box_turned(void) {
    mutate_set_float(img, "box", region_row(1), 2, 0), mutate_set_float(img, "box", region_row(1), 0, 0.5);
}
static void confidence_nan(void) {
    mutate_set_float(img, "confidence", region_row(2), 0, NAN);
}
static void confidence_rises(void) {
    mutate_set_float(img, "confidence", region_row(2) + 1, 0, 1);
}
static void soft_nan(void) {
    mutate_set_float(img, "soft_label", region_row(3), 5, NAN);
}
static void soft_negative(void) {
    mutate_set_float(img, "soft_label", region_row(3), 5, -0.25);
}
static void no_soft(void) {
    mutate_delete(img, "soft_label");
}
static void token_outside(void) {
    mutate_set_int(txt, "token", word_row(7), 50);
}
static void token_negative(void) {
    mutate_set_int(txt, "token", word_row(7) + 1, -1);
}
static void align_word_outside(void) {
    mutate_set_int(txt, "align_token", word_row(2) + 1, 99);
}
static void align_region_negative(void) {
    mutate_set_int(txt, "align_region", word_row(2), -5);
}

static void set_text(const char *path, const char *name, int64_t row, const char *value) {
    hid_t file = mutate_open(path), data = H5Dopen2(file, name, H5P_DEFAULT), type = H5Dget_type(data);
    hid_t space = H5Dget_space(data), one = H5Screate(H5S_SCALAR);
    char cell[64] = {0};
    hsize_t at = (hsize_t)row;
    snprintf(cell, sizeof cell, "%s", value);
    assert_true(H5Sselect_elements(space, H5S_SELECT_SET, 1, &at) >= 0);
    assert_true(H5Dwrite(data, type, one, space, H5P_DEFAULT, cell) >= 0);
    H5Sclose(one);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(data);
    H5Fclose(file);
}
static void same_image_twice(void) {
    set_text(img, "image_id", 4, "img_000001");
}
static void same_text_twice(void) {
    set_text(txt, "text_id", 4, "img_000001#1");
}
static void empty_image_id(void) {
    set_text(img, "image_id", 4, "");
}
static void image_of_text_missing(void) {
    set_text(txt, "image_id", 9, "img_nowhere");
}
static void empty_image_of_text(void) {
    set_text(txt, "image_id", 9, "");
}

static void feature_of_integers(void) {
    mutate_restore(img, "feature", H5T_STD_I32LE, 0, 0);
}
static void feature_of_doubles(void) {
    mutate_restore(img, "feature", H5T_IEEE_F64LE, 0, 0);
}
static void token_of_floats(void) {
    mutate_restore(txt, "token", H5T_IEEE_F32LE, 0, 0);
}
static void offset_of_floats(void) {
    mutate_restore(img, "region_offset", H5T_IEEE_F64LE, 0, 0);
}
static void odd_float_type(void) {
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

static void box_of_rank_1(void) {
    put(img, "box", H5T_IEEE_F32LE, 1, (hsize_t[]){6 * regions()}, H5P_DEFAULT, 1);
}
static void box_of_rank_3(void) {
    put(img, "box", H5T_IEEE_F32LE, 3, (hsize_t[]){regions(), 6, 1}, H5P_DEFAULT, 1);
}
static void box_of_five(void) {
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 5}, H5P_DEFAULT, 1);
}
static void box_short(void) {
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions() - 1, 6}, H5P_DEFAULT, 1);
}
static void feature_narrow(void) {
    put(img, "feature", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 0}, H5P_DEFAULT, 0);
}
static void text_ids_of_rank_2(void) {
    put(txt, "text_id", H5T_C_S1, 2, (hsize_t[]){12, 2}, H5P_DEFAULT, 1);
}
static void ids_of_integers(void) {
    put(img, "image_id", H5T_STD_I64LE, 1, (hsize_t[]){6}, H5P_DEFAULT, 1);
}
static void too_few_texts(void) {
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
static void token_huge(void) {
    put(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 40}, H5P_DEFAULT, 0);
}
static void token_overflowing(void) {
    put(txt, "align_token", H5T_STD_I32LE, 2, (hsize_t[]){(hsize_t)1 << 40, 1 << 20}, H5P_DEFAULT, 0);
}
static void chunks_unwritten(void) {
    with_chunks(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, (hsize_t[]){2, 6}, 0);
}
static void chunks_huge(void) {
    with_chunks(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 38}, (hsize_t[]){1 << 20}, 1);
}
static void chunk_of_gigabytes(void) {
    with_chunks(txt, "token", H5T_STD_I32LE, 1, (hsize_t[]){(hsize_t)1 << 29}, (hsize_t[]){(hsize_t)1 << 29},
                1);
}

static void compound(void) {
    hid_t type = H5Tcreate(H5T_COMPOUND, 8);
    assert_true(H5Tinsert(type, "a", 0, H5T_STD_I64LE) >= 0);
    put(img, "region_offset", type, 1, (hsize_t[]){7}, H5P_DEFAULT, 1);
    H5Tclose(type);
}
static void long_texts(void) {
    hid_t type = H5Tcopy(H5T_C_S1);
    assert_true(H5Tset_size(type, 5000) >= 0);
    put(img, "image_id", type, 1, (hsize_t[]){6}, H5P_DEFAULT, 1);
    H5Tclose(type);
}
static void long_variable_text(void) {
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
static void committed_type(void) {
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
static void external_link(void) {
    mutate_copy(scratch("other.h5"), img);
    hid_t file = mutate_open(img);
    assert_true(H5Ldelete(file, "feature", H5P_DEFAULT) >= 0);
    assert_true(
        H5Lcreate_external(scratch("other.h5"), "/feature", file, "feature", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
static void external_link_optional(void) {
    mutate_copy(scratch("other.h5"), txt);
    hid_t file = mutate_open(txt);
    assert_true(H5Ldelete(file, "sentence", H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_external(scratch("other.h5"), "/sentence", file, "sentence", H5P_DEFAULT,
                                   H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
static void soft_link(void) {
    hid_t file = mutate_open(img);
    assert_true(H5Lmove(file, "feature", file, "elsewhere", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    assert_true(H5Lcreate_soft("/elsewhere", file, "feature", H5P_DEFAULT, H5P_DEFAULT) >= 0);
    H5Fclose(file);
}
static void a_group(void) {
    hid_t file = mutate_open(img);
    assert_true(H5Ldelete(file, "feature", H5P_DEFAULT) >= 0);
    H5Gclose(H5Gcreate2(file, "feature", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Fclose(file);
}
static void external_storage(void) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(plist, "/etc/hostname", 0, regions() * 24) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 0);
    H5Pclose(plist);
}
static void virtual_dataset(void) {
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
static void unknown_filter(void) {
    static const H5Z_class2_t filter = {H5Z_CLASS_T_VERS, 300, 1, 1, "passer", NULL, NULL, pass_on};
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Zregister(&filter) >= 0);
    assert_true(H5Pset_chunk(plist, 2, (hsize_t[]){2, 6}) >= 0 && H5Pset_filter(plist, 300, 0, 0, NULL) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 1);
    H5Pclose(plist);
    assert_true(H5Zunregister(300) >= 0);
}
static void scale_offset_filter(void) {
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_chunk(plist, 2, (hsize_t[]){2, 6}) >= 0 &&
                H5Pset_scaleoffset(plist, H5Z_SO_FLOAT_DSCALE, 3) >= 0);
    put(img, "box", H5T_IEEE_F32LE, 2, (hsize_t[]){regions(), 6}, plist, 1);
    H5Pclose(plist);
}
static void packed_then_damaged(void) {
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

static void no_file(void) {
    remove(img);
}
static void a_folder(void) {
    remove(img), mkdir(img, 0777);
}
static void a_pipe(void) {
    remove(img), mkfifo(img, 0666);
}
static void empty_file(void) {
    mutate_truncate(img, 0);
}
static void plain_text(void) {
    FILE *f = fopen(txt, "w");
    for (int i = 0; i < 50; ++i) fputs("a caption of an image\n", f);
    fclose(f);
}
static void swapped(void) {
    mutate_copy(img, txt);
}
static void truncated_by_one(void) {
    mutate_truncate(img, mutate_bytes(img) - 1);
}
static void truncated_by_half(void) {
    mutate_truncate(txt, mutate_bytes(txt) / 2);
}

/* ---- what must come of it ---- */

const struct broken broken_cases[] = {
    {"no region_offset", no_region_offset, BOTH, UN_DATA, {".img.h5", "region_offset is missing"}},
    {"no feature", no_feature, BOTH, UN_DATA, {".img.h5", "feature is missing"}},
    {"no box", no_box, BOTH, UN_DATA, {".img.h5", "box is missing"}},
    {"no confidence", no_confidence, BOTH, UN_DATA, {".img.h5", "confidence is missing"}},
    {"no image_id", no_image_id, BOTH, UN_DATA, {".img.h5", "image_id is missing"}},
    {"no token", no_token, BOTH, UN_DATA, {".txt.h5", "token is missing"}},
    {"no text_id", no_text_id, BOTH, UN_DATA, {".txt.h5", "text_id is missing"}},
    {"no align_region", no_align_region, BOTH, UN_DATA, {".txt.h5", "align_region is missing"}},
    {"no sentence_offset", no_sentence_offset, BOTH, UN_DATA, {".txt.h5", "sentence_offset is missing"}},
    {"no complete", not_complete, BOTH, UN_DATA, {".img.h5", "complete", "did not finish"}},
    {"complete 0", complete_zero, BOTH, UN_DATA, {".txt.h5", "complete is 0"}},
    {"version 2", version_two, BOTH, UN_DATA, {".img.h5", "version 2"}},
    {"no format", no_format, BOTH, UN_DATA, {".img.h5", "format is missing"}},
    {"no mask_id", no_mask_id, BOTH, UN_DATA, {".txt.h5", "mask_id is missing"}},
    {"mask_id outside", mask_id_outside, BOTH, UN_DATA, {".txt.h5", "mask_id is 50", "[0, vocab_size 50)"}},
    {"cls_id negative", cls_id_negative, BOTH, UN_DATA, {".txt.h5", "cls_id is -1"}},
    {"random_hi outside", random_range, BOTH, UN_DATA, {".txt.h5", "random_hi 51"}},
    {"random range empty", random_empty, BOTH, UN_DATA, {".txt.h5", "random_lo 50"}},
    {"vocab_size 0", vocab_zero, BOTH, UN_DATA, {".txt.h5", "vocab_size is 0"}},
    {"vocab_size huge", vocab_huge, BOTH, UN_DATA, {".txt.h5", "vocab_size is 1099511627776"}},
    {"vocab_size too small", vocab_small, BOTH, UN_DATA, {".txt.h5", "token", "outside [0, vocab_size 6)"}},
    {"offset backwards", offset_backwards, BOTH, UN_DATA, {".img.h5", "region_offset: row 3", "backwards"}},
    {"offset starts at 1", offset_start, BOTH, UN_DATA, {".img.h5", "region_offset: row 0: 1, not 0"}},
    {"offset ends short", offset_short, BOTH, UN_DATA, {".img.h5", "region_offset: row 6", "feature has"}},
    {"offset past the end", offset_past, BOTH, UN_DATA, {".img.h5", "region_offset: row 6", "feature has"}},
    {"offset huge", offset_huge, BOTH, UN_DATA, {".img.h5", "region_offset: row 6", "9223372036854775807"}},
    {"offset negative", offset_negative, BOTH, UN_DATA, {".txt.h5", "token_offset: row 1", "backwards"}},
    {"token offset past",
     token_offset_past,
     BOTH,
     UN_DATA,
     {".txt.h5", "token_offset: row 12: ends at 1048576"}},
    {"align offset backwards",
     align_offset_back,
     BOTH,
     UN_DATA,
     {".txt.h5", "align_offset: row 5", "backwards"}},
    {"sentence offset backwards", sentence_offset_back, BOTH, UN_DATA, {".txt.h5", "sentence_offset: row 5"}},
    {"zero regions", zero_regions, BOTH, UN_DATA, {".img.h5", "img_000002", "row 2", "no regions"}},
    {"NaN feature", feature_nan, BOTH, UN_DATA, {".img.h5: feature", "column 7: not a finite number"}},
    {"infinite feature", feature_inf, BOTH, UN_DATA, {".img.h5: feature", "column 15"}},
    {"NaN box", box_nan, BOTH, UN_DATA, {".img.h5: box", "row ", "nan"}},
    {"box too wide", box_wide, BOTH, UN_DATA, {".img.h5: box", "row ", "1.002"}},
    {"box negative", box_negative, BOTH, UN_DATA, {".img.h5: box", "row ", "-0.002"}},
    {"box turned", box_turned, BOTH, UN_DATA, {".img.h5: box", "row "}},
    {"NaN confidence", confidence_nan, BOTH, UN_DATA, {".img.h5: confidence", "img_000002", "row ", "nan"}},
    {"confidence rises",
     confidence_rises,
     BOTH,
     UN_DATA,
     {".img.h5: confidence", "img_000002", "1 after 0.96875"}},
    {"NaN soft label", soft_nan, BOTH, UN_DATA, {".img.h5: soft_label", "row ", "column 5"}},
    {"negative soft label", soft_negative, BOTH, UN_DATA, {".img.h5: soft_label", "row ", "column 5"}},
    {"no soft labels",
     no_soft,
     READ_ONLY,
     UN_DATA,
     {".img.h5: soft_label is missing", "mrc and mrckl", "data set one"}},
    {"token outside", token_outside, BOTH, UN_DATA, {".txt.h5: token", "row ", "word 50 is outside"}},
    {"token negative", token_negative, BOTH, UN_DATA, {".txt.h5: token", "row ", "word -1 is outside"}},
    {"aligned word outside",
     align_word_outside,
     BOTH,
     UN_DATA,
     {".txt.h5: align", "img_000001#0", "word 99"}},
    {"aligned region negative",
     align_region_negative,
     BOTH,
     UN_DATA,
     {".txt.h5: align", "img_000001#0", "region -5"}},
    {"same image twice",
     same_image_twice,
     BOTH,
     UN_DATA,
     {".img.h5: image_id: row 4", "img_000001", "row 1"}},
    {"same text twice",
     same_text_twice,
     VERIFY_ONLY,
     UN_DATA,
     {".txt.h5: text_id: row 4", "img_000001#1", "row 3"}},
    {"empty image id", empty_image_id, BOTH, UN_DATA, {".img.h5: image_id: row 4 is empty"}},
    {"image of text missing",
     image_of_text_missing,
     READ_ONLY,
     UN_DATA,
     {".txt.h5: text img_000004#1 (row 9)", "img_nowhere"}},
    {"image of text empty", empty_image_of_text, BOTH, UN_DATA, {".txt.h5: image_id: row 9 is empty"}},
    {"feature of integers", feature_of_integers, BOTH, UN_DATA, {".img.h5", "feature holds integers"}},
    {"feature of doubles", feature_of_doubles, BOTH, UN_DATA, {".img.h5", "feature: floats of 8 bytes"}},
    {"token of floats", token_of_floats, BOTH, UN_DATA, {".txt.h5", "token holds floating-point"}},
    {"offset of floats", offset_of_floats, BOTH, UN_DATA, {".img.h5", "region_offset", "not integers"}},
    {"odd float type", odd_float_type, BOTH, UN_DATA, {".img.h5: box", "not a standard floating-point type"}},
    {"rank 1", box_of_rank_1, BOTH, UN_DATA, {".img.h5", "box has rank 1, not 2"}},
    {"rank 3", box_of_rank_3, BOTH, UN_DATA, {".img.h5", "box", "rank 3"}},
    {"five columns", box_of_five, BOTH, UN_DATA, {".img.h5", "box is 5 wide, not 6"}},
    {"a row short", box_short, BOTH, UN_DATA, {".img.h5", "box has "}},
    {"no columns", feature_narrow, BOTH, UN_DATA, {".img.h5", "feature is 0 wide"}},
    {"text ids of rank 2", text_ids_of_rank_2, BOTH, UN_DATA, {".txt.h5", "text_id", "not a list of texts"}},
    {"ids of integers", ids_of_integers, BOTH, UN_DATA, {".img.h5", "image_id", "not a list of texts"}},
    {"too few texts", too_few_texts, BOTH, UN_DATA, {".txt.h5", "image_id"}},
    {"huge extents", token_huge, BOTH, UN_DATA, {".txt.h5", "token: 0 bytes stored", "4398046511104"}},
    {"overflowing extents", token_overflowing, BOTH, UN_DATA, {".txt.h5", "align_token"}},
    {"chunks never written", chunks_unwritten, BOTH, UN_DATA, {".img.h5", "box", "0 bytes stored"}},
    {"huge chunked extents", chunks_huge, BOTH, UN_DATA, {".txt.h5", "token"}},
    {"a chunk of gigabytes", chunk_of_gigabytes, BOTH, UN_DATA, {".txt.h5", "token", "chunks of 536870912"}},
    {"compound", compound, BOTH, UN_DATA, {".img.h5", "region_offset", "neither integers"}},
    {"long texts", long_texts, BOTH, UN_DATA, {".img.h5", "image_id", "5000 bytes, at most 4096"}},
    {"long variable texts", long_variable_text, BOTH, UN_DATA, {".img.h5", "image_id", "at most 4096"}},
    {"committed type", committed_type, BOTH, UN_DATA, {".img.h5", "box", "committed"}},
    {"external link", external_link, BOTH, UN_DATA, {".img.h5", "feature is a soft or external link"}},
    {"external link, optional",
     external_link_optional,
     BOTH,
     UN_DATA,
     {".txt.h5", "sentence is a soft or external link"}},
    {"soft link", soft_link, BOTH, UN_DATA, {".img.h5", "feature is a soft or external link"}},
    {"a group", a_group, BOTH, UN_DATA, {".img.h5", "feature: not a dataset"}},
    {"external storage", external_storage, BOTH, UN_DATA, {".img.h5", "box: stored in another file"}},
    {"virtual dataset", virtual_dataset, BOTH, UN_DATA, {".img.h5", "box: virtual storage"}},
    {"unknown filter", unknown_filter, BOTH, UN_DATA, {".img.h5", "box: filter 300", "passer"}},
    {"scale-offset filter", scale_offset_filter, BOTH, UN_DATA, {".img.h5", "box: filter 6"}},
    {"damaged packed data", packed_then_damaged, BOTH, UN_DATA, {".txt.h5", "token: cannot read rows"}},
    {"no file", no_file, BOTH, UN_IO, {".img.h5: cannot open", "No such file"}},
    {"a folder", a_folder, BOTH, UN_IO, {".img.h5", "a folder"}},
    {"a pipe", a_pipe, BOTH, UN_IO, {".img.h5", "not a regular file"}},
    {"an empty file", empty_file, BOTH, UN_DATA, {".img.h5: 0 bytes"}},
    {"a text", plain_text, BOTH, UN_DATA, {".txt.h5: not an HDF5 file"}},
    {"text for images",
     swapped,
     READ_ONLY,
     UN_DATA,
     {".img.h5: format is \"uniter-text\", not \"uniter-images\""}},
    {"a byte short", truncated_by_one, BOTH, UN_DATA, {".img.h5: truncated"}},
    {"half", truncated_by_half, BOTH, UN_DATA, {".txt.h5: truncated"}},
};
const int64_t broken_cases_count = sizeof broken_cases / sizeof broken_cases[0];

void broken_apply(const char *name) {
    for (int64_t i = 0; i < broken_cases_count; ++i)
        if (strcmp(broken_cases[i].name, name) == 0) {
            broken_cases[i].how();
            return;
        }
    fail_msg("no way to break is called %s", name);
}
