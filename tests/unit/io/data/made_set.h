/* A data set of made files, and how many of its values are wrong. */
#ifndef UN_TESTS_UNIT_IO_DATA_MADE_SET_H
#define UN_TESTS_UNIT_IO_DATA_MADE_SET_H

#include "runtime/half.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/make_files.h"
#include "tests/support/mutate.h"
#include "tests/support/one_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static inline float as_float(const void *values, enum un_type type, int64_t i) {
    return type == UN_F16 ? un_half_to(((const uint16_t *)values)[i]) : ((const float *)values)[i];
}

/* Image `image` of the data set must be row `row` of files made by m. Returns the number of wrong values:
 * usable in threads. */
static inline int64_t wrong_in_image(struct un_dataset *d, const struct make_files *m, int64_t image,
                                     int64_t row) {
    const struct un_dataset_info *info = un_dataset_info(d);
    float feature[9 * 64], box[9 * 7], stored[6];
    uint16_t soft[64];
    int64_t wrong = 0, regions = un_dataset_image_regions(d, image);
    if (regions != make_regions(m, row) || un_dataset_read_image(d, image, feature, box) != UN_OK) return 1;
    for (int64_t k = 0; k < regions; ++k) {
        for (int64_t c = 0; c < m->img_dim; ++c)
            wrong += as_float(feature, info->feature_type, k * m->img_dim + c) != make_feature(m, row, k, c);
        make_box(m, row, k, stored);
        wrong += memcmp(box + 7 * k, stored, sizeof stored) != 0 || box[7 * k + 6] != stored[4] * stored[5];
        if (info->img_label_dim == 0) continue;
        wrong += un_dataset_read_soft_label(d, image, k, soft) != UN_OK;
        for (int64_t c = 0; c < m->classes; ++c)
            wrong += un_half_to(soft[c]) != (c == 0 ? 0.25f : c == make_class(m, row, k) ? 0.75f : 0.0f);
    }
    return wrong;
}

static inline int64_t wrong_in_text(struct un_dataset *d, const struct make_files *m, int64_t text,
                                    int64_t row) {
    int32_t token[64], word[64], region[64];
    char sentence[64], want[64], id[MAKE_ID];
    int64_t wrong = 0, n, words = un_dataset_text_length(d, text);
    make_text_id(m, row, id);
    if (words != make_words(m, row) || strcmp(id, un_dataset_text_id(d, text)) != 0) return 1;
    wrong += un_dataset_read_text(d, text, token) != UN_OK;
    for (int64_t k = 0; k < words; ++k) wrong += token[k] != make_token(m, row, k);
    make_sentence(m, row, want);
    wrong += un_dataset_read_sentence(d, text, sentence, sizeof sentence) != UN_OK;
    wrong += strcmp(sentence, m->sentence ? want : "") != 0;
    wrong += un_dataset_read_alignment(d, text, 64, word, region, &n) != UN_OK || n != (m->align ? words : 0);
    for (int64_t k = 0; k < n; ++k)
        wrong += word[k] != k || region[k] != k % un_dataset_image_regions(d, un_dataset_text_image(d, text));
    return wrong;
}

/* All of a data set made of one pair of files without anything left out. */
static inline int64_t wrong_in_all(struct un_dataset *d, const struct make_files *m) {
    int64_t wrong = 0;
    for (int64_t i = 0; i < m->images; ++i) {
        char id[MAKE_ID];
        make_image_id(m, i, id);
        wrong += wrong_in_image(d, m, i, i) + (strcmp(id, un_dataset_image_id(d, i)) != 0);
        wrong += un_dataset_image_text(d, i) != i * m->texts_per_image;
    }
    for (int64_t t = 0; t < m->images * m->texts_per_image; ++t)
        wrong += wrong_in_text(d, m, t, t) + (un_dataset_text_image(d, t) != t / m->texts_per_image);
    return wrong;
}

static inline struct un_dataset *open_all(const char *images, const char *text, bool soft) {
    struct one_set set;
    struct un_dataset *d;
    ONE_SET(&set, images, text);
    set.soft_labels = soft;
    expect_ok(one_set_open(&d, &set));
    return d;
}

#endif
