/* Attributes, offsets, numbers and ids that break the schema. */
#include "tests/support/broken.h"
#include "tests/support/broken_ways.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void break_no_region_offset(void) {
    mutate_delete(img, "region_offset");
}
void break_no_feature(void) {
    mutate_delete(img, "feature");
}
void break_no_box(void) {
    mutate_delete(img, "box");
}
void break_no_confidence(void) {
    mutate_delete(img, "confidence");
}
void break_no_image_id(void) {
    mutate_delete(img, "image_id");
}
void break_no_token(void) {
    mutate_delete(txt, "token");
}
void break_no_text_id(void) {
    mutate_delete(txt, "text_id");
}
void break_no_align_region(void) {
    mutate_delete(txt, "align_region");
}
void break_no_sentence_offset(void) {
    mutate_delete(txt, "sentence_offset");
}
void break_not_complete(void) {
    mutate_delete_attr(img, "complete");
}
void break_complete_zero(void) {
    mutate_set_attr(txt, "complete", 0);
}
void break_version_two(void) {
    mutate_set_attr(img, "version", 2);
}
void break_no_format(void) {
    mutate_delete_attr(img, "format");
}
void break_no_mask_id(void) {
    mutate_delete_attr(txt, "mask_id");
}
void break_mask_id_outside(void) {
    mutate_set_attr(txt, "mask_id", 50);
}
void break_cls_id_negative(void) {
    mutate_set_attr(txt, "cls_id", -1);
}
void break_random_range(void) {
    mutate_set_attr(txt, "random_hi", 51);
}
void break_random_empty(void) {
    mutate_set_attr(txt, "random_lo", 50);
}
void break_vocab_zero(void) {
    mutate_set_attr(txt, "vocab_size", 0);
}
void break_vocab_huge(void) {
    mutate_set_attr(txt, "vocab_size", (int64_t)1 << 40);
}
void break_vocab_small(void) {
    mutate_set_attr(txt, "vocab_size", 6), mutate_set_attr(txt, "random_hi", 6);
}

void break_offset_backwards(void) {
    mutate_set_int(img, "region_offset", 3, 1);
}
void break_offset_start(void) {
    mutate_set_int(img, "region_offset", 0, 1);
}
void break_offset_short(void) {
    mutate_set_int(img, "region_offset", 6, region_row(6) - 1);
}
void break_offset_past(void) {
    mutate_set_int(img, "region_offset", 6, region_row(6) + 1);
}
void break_offset_huge(void) {
    mutate_set_int(img, "region_offset", 6, INT64_MAX);
}
void break_offset_negative(void) {
    mutate_set_int(txt, "token_offset", 1, INT64_MIN);
}
void break_token_offset_past(void) {
    mutate_set_int(txt, "token_offset", 12, 1 << 20);
}
void break_align_offset_back(void) {
    mutate_set_int(txt, "align_offset", 5, 0);
}
void break_sentence_offset_back(void) {
    mutate_set_int(txt, "sentence_offset", 5, 0);
}
void break_zero_regions(void) {
    mutate_set_int(img, "region_offset", 3, region_row(2));
}

void break_feature_nan(void) {
    mutate_set_float(img, "feature", region_row(4) + 1, 7, NAN);
}
void break_feature_inf(void) {
    mutate_set_float(img, "feature", region_row(5), 15, -INFINITY);
}
void break_box_nan(void) {
    mutate_set_float(img, "box", region_row(1), 3, NAN);
}
void break_box_wide(void) {
    mutate_set_float(img, "box", region_row(1), 2, 1.002);
}
void break_box_negative(void) {
    mutate_set_float(img, "box", region_row(1), 0, -0.002);
}
void break_box_turned(void) {
    mutate_set_float(img, "box", region_row(1), 2, 0), mutate_set_float(img, "box", region_row(1), 0, 0.5);
}
void break_confidence_nan(void) {
    mutate_set_float(img, "confidence", region_row(2), 0, NAN);
}
void break_confidence_rises(void) {
    mutate_set_float(img, "confidence", region_row(2) + 1, 0, 1);
}
void break_soft_nan(void) {
    mutate_set_float(img, "soft_label", region_row(3), 5, NAN);
}
void break_soft_negative(void) {
    mutate_set_float(img, "soft_label", region_row(3), 5, -0.25);
}
void break_no_soft(void) {
    mutate_delete(img, "soft_label");
}
void break_token_outside(void) {
    mutate_set_int(txt, "token", word_row(7), 50);
}
void break_token_negative(void) {
    mutate_set_int(txt, "token", word_row(7) + 1, -1);
}
void break_align_word_outside(void) {
    mutate_set_int(txt, "align_token", word_row(2) + 1, 99);
}
void break_align_region_negative(void) {
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
void break_same_image_twice(void) {
    set_text(img, "image_id", 4, "img_000001");
}
void break_same_text_twice(void) {
    set_text(txt, "text_id", 4, "img_000001#1");
}
void break_empty_image_id(void) {
    set_text(img, "image_id", 4, "");
}
void break_image_of_text_missing(void) {
    set_text(txt, "image_id", 9, "img_nowhere");
}
void break_empty_image_of_text(void) {
    set_text(txt, "image_id", 9, "");
}
