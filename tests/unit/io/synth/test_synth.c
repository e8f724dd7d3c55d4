/* The micro-world's files: what they hold is well-formed and true of its own scenes. */
#include "io/synth/class.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/synth_files.h"
#include "tests/unit/io/synth/small_world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Under this confidence the detector may take a thing for another of its kind (io/synth/detect.c). */
static const float sure = 0.76f;

static void check_regions(const struct synth_images *s, int64_t image) {
    int64_t first = s->region_offset[image], end = s->region_offset[image + 1];
    assert_in_range(end - first, 3, 100);
    for (int64_t r = first; r < end; ++r) {
        const float *b = s->box + 6 * r, *label = s->soft_label + r * s->img_label_dim;
        double sum = 0;
        assert_true(r == first || s->confidence[r] <= s->confidence[r - 1]);
        assert_true(s->confidence[r] > 0 && s->confidence[r] < 1);
        assert_true(b[0] >= 0 && b[1] >= 0 && b[0] < b[2] && b[1] < b[3] && b[2] <= 1 && b[3] <= 1);
        assert_true(fabsf(b[4] - (b[2] - b[0])) < 1e-6f && fabsf(b[5] - (b[3] - b[1])) < 1e-6f);
        for (int64_t c = 0; c < s->img_label_dim; ++c) {
            assert_true(label[c] > 0 && label[c] < 1);
            sum += label[c];
        }
        assert_true(fabs(sum - 1) < 1e-3);
        for (int64_t i = 0; i < s->img_dim; ++i) {
            float f = s->feature[r * s->img_dim + i];
            assert_true(isfinite(f) && f >= 0);
        }
    }
}

static void images_are_well_formed(void **state) {
    (void)state;
    for (int p = 0; p < PARTS; ++p) {
        struct synth_images s = synth_read_images(&shared, parts[p]);
        char id[64];
        assert_int_equal(s.images, p % 2 ? 40 : 120);
        assert_int_equal(s.img_dim, 32);
        assert_int_equal(s.img_label_dim, UN_SYNTH_CLASSES);
        assert_int_equal(s.region_offset[0], 0);
        for (int64_t i = 0; i < s.images; ++i) {
            check_regions(&s, i);
            snprintf(id, sizeof id, "%s_%08lld", parts[p], (long long)i);
            assert_string_equal(s.id + i * s.id_stride, id);
        }
        synth_free_images(&s);
    }
}

static void check_text(const struct synth_texts *s, const struct synth_images *images, int64_t text,
                       int64_t per_image) {
    int64_t words = s->token_offset[text + 1] - s->token_offset[text], image = text / per_image;
    int64_t regions = images->region_offset[image + 1] - images->region_offset[image];
    char id[64];
    assert_string_equal(s->image_id + text * s->image_id_stride, images->id + image * images->id_stride);
    snprintf(id, sizeof id, "%s_%lld", images->id + image * images->id_stride, (long long)(text % per_image));
    assert_string_equal(s->id + text * s->id_stride, id);
    assert_in_range(words, 1, 40);
    assert_true(s->sentence_offset[text + 1] > s->sentence_offset[text]);
    for (int64_t w = s->token_offset[text]; w < s->token_offset[text + 1]; ++w)
        assert_true(s->token[w] >= 5 && s->token[w] < s->vocab_size); /* no special tokens, nothing unknown */
    assert_true(s->align_offset[text + 1] > s->align_offset[text]);
    for (int64_t a = s->align_offset[text]; a < s->align_offset[text + 1]; ++a) {
        assert_true(s->align_token[a] >= 0 && s->align_token[a] < words);
        assert_true(s->align_region[a] >= 0 && s->align_region[a] < regions);
        assert_true(
            a == s->align_offset[text] || s->align_token[a] > s->align_token[a - 1] ||
            (s->align_token[a] == s->align_token[a - 1] && s->align_region[a] > s->align_region[a - 1]));
    }
}

static void texts_are_well_formed(void **state) {
    (void)state;
    for (int p = 0; p < PARTS; ++p) {
        struct synth_images images = synth_read_images(&shared, parts[p]);
        struct synth_texts s = synth_read_texts(&shared, parts[p]);
        int64_t per_image = strncmp(parts[p], "vg", 2) == 0 ? 4 : 2;
        assert_int_equal(s.texts, images.images * per_image);
        for (int64_t t = 0; t < s.texts; ++t) check_text(&s, &images, t, per_image);
        synth_free_texts(&s);
        synth_free_images(&images);
    }
}

static int64_t class_of_word(const char *word) {
    for (int64_t c = 1; c < UN_SYNTH_CLASSES; ++c)
        if (strcmp(un_synth_classes[c].name, word) == 0) return c;
    return -1;
}
static int kind_of_word(const char *word) {
    for (int k = 0; k < UN_SYNTH_KINDS; ++k)
        if (un_synth_hypernyms[k] && strcmp(un_synth_hypernyms[k], word) == 0) return k;
    return -1;
}

/* Every aligned noun whose regions are sure: the soft label's peak is what the word names. */
static void nouns_are_aligned_with_their_regions(void **state) {
    (void)state;
    int64_t n, nouns = 0, covers = 0;
    char **vocab = synth_read_lines(&shared, "vocab.txt", &n);
    for (int p = 0; p < PARTS; ++p) {
        struct synth_images images = synth_read_images(&shared, parts[p]);
        struct synth_texts s = synth_read_texts(&shared, parts[p]);
        int64_t per_image = s.texts / images.images;
        assert_int_equal(s.vocab_size, n);
        for (int64_t t = 0; t < s.texts; ++t)
            for (int64_t a = s.align_offset[t]; a < s.align_offset[t + 1]; ++a) {
                int64_t region = images.region_offset[t / per_image] + s.align_region[a];
                int64_t w = s.token_offset[t] + s.align_token[a];
                const char *word = vocab[s.token[w]], *after = w + 1 < s.words ? vocab[s.token[w + 1]] : "";
                int64_t wanted = strcmp(after, "##cake") == 0 ? class_of_word("cake")
                                                              : class_of_word(word); /* cup ##cake */
                int kind = kind_of_word(word);
                if (images.confidence[region] <= sure) continue;
                if (wanted >= 0) assert_int_equal(synth_class(&images, region), wanted);
                if (kind >= 0) assert_int_equal(un_synth_classes[synth_class(&images, region)].kind, kind);
                nouns += wanted >= 0;
                covers += kind >= 0;
            }
        synth_free_texts(&s);
        synth_free_images(&images);
    }
    assert_true(nouns > 1500 && covers > 20);
    synth_free_lines(vocab, n);
}

/* Every noun of coco and vg is aligned: there is no class word without a pair. */
static void every_noun_is_aligned(void **state) {
    (void)state;
    int64_t n, nouns = 0;
    char **vocab = synth_read_lines(&shared, "vocab.txt", &n);
    for (int p = 0; p < PARTS; ++p) {
        struct synth_texts s = synth_read_texts(&shared, parts[p]);
        for (int64_t t = 0; t < s.texts; ++t)
            for (int64_t w = 0; w < s.token_offset[t + 1] - s.token_offset[t]; ++w) {
                const char *word = vocab[s.token[s.token_offset[t] + w]];
                bool aligned = false;
                if (class_of_word(word) < 0 && kind_of_word(word) < 0) continue;
                for (int64_t a = s.align_offset[t]; a < s.align_offset[t + 1]; ++a)
                    aligned |= s.align_token[a] == w;
                assert_true(aligned);
                ++nouns;
            }
        synth_free_texts(&s);
    }
    assert_true(nouns > 2000);
    synth_free_lines(vocab, n);
}

/* Box of the region aligned with the last noun before (step -1) or the first after (+1) word w of text t. */
static const float *box_beside(const struct synth_texts *s, const struct synth_images *images, char **vocab,
                               int64_t t, int64_t w, int step) {
    int64_t words = s->token_offset[t + 1] - s->token_offset[t],
            first = images->region_offset[t / (s->texts / images->images)];
    for (w += step; w >= 0 && w < words; w += step) {
        if (class_of_word(vocab[s->token[s->token_offset[t] + w]]) < 0) continue;
        for (int64_t a = s->align_offset[t]; a < s->align_offset[t + 1]; ++a)
            if (s->align_token[a] == w) return images->box + 6 * (first + s->align_region[a]);
    }
    return NULL;
}

/* Does the word (with the one after it) agree with the boxes a of its left and b of its right noun? -1: no
 * relation. */
static int agrees(const char *word, const char *next, const float *a, const float *b) {
    float dx = b[0] + b[2] - a[0] - a[2], dy = b[1] + b[3] - a[1] - a[3],
          gap = fmaxf(a[0], b[0]) - fminf(a[2], b[2]);
    if (strcmp(word, "left") == 0) return dx > 0;
    if (strcmp(word, "right") == 0) return dx < 0;
    if (strcmp(word, "above") == 0) return dy > 0;
    if (strcmp(word, "below") == 0 || strcmp(word, "under") == 0) return dy < 0;
    if (strcmp(word, "behind") == 0) return a[3] < b[3] && gap < 0;
    if (strcmp(word, "front") == 0 && strcmp(next, "of") == 0) return a[3] > b[3] && gap < 0;
    if (strcmp(word, "top") == 0) return a[3] < b[3] && a[3] > b[1] && gap < 0;
    if (strcmp(word, "next") == 0 || strcmp(word, "beside") == 0 || strcmp(word, "near") == 0)
        return gap < 0.25f;
    return -1;
}

static void relations_agree_with_boxes(void **state) {
    (void)state;
    int64_t n, held = 0;
    struct un_synth_keys keys = small("relations");
    snprintf(keys.sets, sizeof keys.sets, "coco");
    keys.train_images = 600;
    keys.duplicates = 0; /* each object has one box */
    expect_ok(un_synth(&keys));
    char **vocab = synth_read_lines(&keys, "vocab.txt", &n);
    struct synth_images images = synth_read_images(&keys, "coco_train");
    struct synth_texts s = synth_read_texts(&keys, "coco_train");
    for (int64_t t = 0; t < s.texts; ++t)
        for (int64_t w = s.token_offset[t]; w < s.token_offset[t + 1] - 1; ++w) {
            int64_t at = w - s.token_offset[t];
            const float *a = box_beside(&s, &images, vocab, t, at, -1),
                        *b = box_beside(&s, &images, vocab, t, at, 1);
            int good = a && b ? agrees(vocab[s.token[w]], vocab[s.token[w + 1]], a, b) : -1;
            if (good == 0) fail_msg("text %lld, word %s", (long long)t, vocab[s.token[w]]);
            held += good > 0;
        }
    assert_true(held > 500);
    synth_free_texts(&s);
    synth_free_images(&images);
    synth_free_lines(vocab, n);
    synth_remove(&keys);
}

/* Sentences are the tokens: pieces glued, spaces but before punctuation. */
static void sentences_spell_their_tokens(void **state) {
    (void)state;
    int64_t n;
    char **vocab = synth_read_lines(&shared, "vocab.txt", &n);
    for (int p = 0; p < PARTS; ++p) {
        struct synth_texts s = synth_read_texts(&shared, parts[p]);
        for (int64_t t = 0; t < s.texts; ++t) {
            char text[1024] = "";
            for (int64_t w = s.token_offset[t]; w < s.token_offset[t + 1]; ++w) {
                const char *piece = vocab[s.token[w]];
                bool glued = piece[0] == '#' || strchr(",.!", piece[0]) != NULL || text[0] == '\0';
                strcat(strcat(text, glued ? "" : " "), piece + (piece[0] == '#' ? 2 : 0));
            }
            assert_int_equal(strlen(text), s.sentence_offset[t + 1] - s.sentence_offset[t]);
            assert_memory_equal(text, s.sentence + s.sentence_offset[t], strlen(text));
        }
        synth_free_texts(&s);
    }
    synth_free_lines(vocab, n);
}

/* Class means over train regions classify valid regions: nearly all sure ones, most others, but not all. */
static void features_tell_classes_apart(void **state) {
    (void)state;
    struct un_synth_keys keys = synth_keys("probe");
    snprintf(keys.sets, sizeof keys.sets, "coco");
    keys.train_images = 800;
    expect_ok(un_synth(&keys));
    struct synth_images train = synth_read_images(&keys, "coco_train"),
                        valid = synth_read_images(&keys, "coco_valid");
    int64_t f = train.img_dim, count[UN_SYNTH_CLASSES] = {0}, right = 0, all = 0;
    double *mean = un_alloc((size_t)(UN_SYNTH_CLASSES * f), sizeof *mean, "class means");
    for (int64_t r = 0; r < train.regions; ++r) {
        int64_t c = synth_class(&train, r);
        ++count[c];
        for (int64_t i = 0; i < f; ++i) mean[c * f + i] += train.feature[r * f + i];
    }
    for (int64_t c = 1; c < UN_SYNTH_CLASSES; ++c)
        for (int64_t i = 0; i < f; ++i) mean[c * f + i] /= (double)count[c];
    for (int64_t r = 0; r < valid.regions; ++r) {
        int64_t best = 0, c0 = synth_class(&valid, r);
        double least = 1e30;
        for (int64_t c = 1; c < UN_SYNTH_CLASSES && c0 > 0; ++c) {
            double d = 0;
            for (int64_t i = 0; i < f; ++i) d += pow(valid.feature[r * f + i] - mean[c * f + i], 2);
            if (d < least) least = d, best = c;
        }
        right += c0 > 0 && best == c0;
        all += c0 > 0;
    }
    print_message("nearest class mean: %lld of %lld\n", (long long)right, (long long)all);
    assert_true((double)right > 0.9 * (double)all && right < all);
    un_free(mean);
    synth_free_images(&train);
    synth_free_images(&valid);
    synth_remove(&keys);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_well_formed),
        cmocka_unit_test(texts_are_well_formed),
        cmocka_unit_test(nouns_are_aligned_with_their_regions),
        cmocka_unit_test(every_noun_is_aligned),
        cmocka_unit_test(relations_agree_with_boxes),
        cmocka_unit_test(sentences_spell_their_tokens),
        cmocka_unit_test(features_tell_classes_apart),
    };
    return cmocka_run_group_tests(tests, make_shared, remove_shared);
}
