#include "tests/support/make_files.h"
#include "io/h5/h5.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "tests/support/make_tasks.h"
#include <stdio.h>
#include <string.h>

enum { WHAT_REGIONS, WHAT_FEATURE, WHAT_BOX, WHAT_CLASS, WHAT_WORDS, WHAT_TOKEN };

static uint32_t draw(const struct make_files *m, int what, int64_t row, int64_t item, int64_t column) {
    return un_rng(m->seed, UN_RNG_TEST, (uint32_t)what, (uint32_t)row, (uint32_t)item, (uint32_t)column).v[0];
}
static int64_t between(uint32_t word, int64_t low, int64_t high) {
    return low + un_rng_below(word, (uint32_t)(high - low + 1));
}

struct make_files make_files_default(void) {
    return (struct make_files){.images = 6,
                               .texts_per_image = 2,
                               .img_dim = 16,
                               .classes = 11,
                               .vocab_size = 50,
                               .min_regions = 3,
                               .max_regions = 9,
                               .min_words = 2,
                               .max_words = 12,
                               .seed = 1,
                               .feature_type = UN_F16,
                               .sentence = true,
                               .prefix = "img"};
}

int64_t make_regions(const struct make_files *m, int64_t image) {
    return between(draw(m, WHAT_REGIONS, image, 0, 0), m->min_regions, m->max_regions);
}
float make_feature(const struct make_files *m, int64_t image, int64_t region, int64_t column) {
    return (float)between(draw(m, WHAT_FEATURE, image, region, column), -512, 512) / 256.0f;
}
void make_box(const struct make_files *m, int64_t image, int64_t region, float box[6]) {
    for (int axis = 0; axis < 2; ++axis) {
        float a = (float)between(draw(m, WHAT_BOX, image, region, 2 * axis), 0, 31) / 64.0f;
        float b = (float)between(draw(m, WHAT_BOX, image, region, 2 * axis + 1), 32, 64) / 64.0f;
        box[axis] = a;
        box[2 + axis] = b;
        box[4 + axis] = b - a;
    }
}
float make_confidence(int64_t region) {
    return region < 31 ? (float)(31 - region) / 32.0f : 0.0f;
}
int64_t make_class(const struct make_files *m, int64_t image, int64_t region) {
    return between(draw(m, WHAT_CLASS, image, region, 0), 1, m->classes - 1);
}
int64_t make_words(const struct make_files *m, int64_t text) {
    return between(draw(m, WHAT_WORDS, text, 0, 0), m->min_words, m->max_words);
}
int32_t make_token(const struct make_files *m, int64_t text, int64_t word) {
    return (int32_t)between(draw(m, WHAT_TOKEN, text, word, 0), MAKE_RANDOM_LO, m->vocab_size - 1);
}
void make_image_id(const struct make_files *m, int64_t image, char id[MAKE_ID]) {
    snprintf(id, MAKE_ID, "%.16s_%06lld", m->prefix, (long long)image);
}
void make_text_id(const struct make_files *m, int64_t text, char id[MAKE_ID]) {
    snprintf(id, MAKE_ID, "%.16s_%06lld#%d", m->prefix, (long long)(text / m->texts_per_image),
             (int)(text % m->texts_per_image));
}
void make_sentence(const struct make_files *m, int64_t text, char sentence[64]) {
    snprintf(sentence, 64, "text %lld of seed %llu", (long long)text, (unsigned long long)m->seed);
}

/* offset[i+1] = offset[i] + count(i); the caller frees. */
static int64_t *offsets(const struct make_files *m, int64_t n,
                        int64_t (*count)(const struct make_files *, int64_t)) {
    int64_t *offset = un_alloc((size_t)n + 1, sizeof *offset, "offsets");
    for (int64_t i = 0; offset && i < n; ++i) offset[i + 1] = offset[i] + count(m, i);
    return offset;
}
static int64_t sentence_bytes(const struct make_files *m, int64_t text) {
    char sentence[64];
    make_sentence(m, text, sentence);
    return (int64_t)strlen(sentence);
}

static enum un_status write_ids(struct un_h5 *f, const char *name, const struct make_files *m, int64_t n,
                                int64_t divide,
                                void (*make)(const struct make_files *, int64_t, char[MAKE_ID])) {
    char *cells = un_alloc((size_t)n + 1, MAKE_ID, "ids");
    if (!cells) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) make(m, i / divide, cells + MAKE_ID * i);
    enum un_status status = un_h5_write_texts(f, name, n, MAKE_ID, cells);
    un_free(cells);
    return status;
}

struct image_rows {
    float *feature, *box, *confidence, *soft;
};

static void fill_region(const struct make_files *m, int64_t image, int64_t region, int64_t row,
                        struct image_rows *r) {
    for (int64_t c = 0; c < m->img_dim; ++c)
        r->feature[row * m->img_dim + c] = make_feature(m, image, region, c);
    make_box(m, image, region, r->box + 6 * row);
    r->confidence[row] = make_confidence(region);
    if (m->classes) {
        r->soft[row * m->classes] = 0.25f;
        r->soft[row * m->classes + make_class(m, image, region)] = 0.75f;
    }
}

static enum un_status write_floats(struct un_h5 *f, const char *name, enum un_type type, int64_t rows,
                                   int64_t cols, const float *values) {
    struct un_h5_data *d;
    UN_TRY(un_h5_data_create(f, name, type, rows, cols, &d));
    enum un_status status = un_h5_write_rows(d, 0, rows, UN_F32, values);
    un_h5_data_close(d);
    return status;
}

static enum un_status write_regions(struct un_h5 *f, const struct make_files *m, const int64_t *offset) {
    int64_t images = m->images + m->bare_images, rows = offset[images];
    size_t n = (size_t)rows + 1;
    struct image_rows r = {un_alloc(n * (size_t)m->img_dim, 4, "features"), un_alloc(n * 6, 4, "boxes"),
                           un_alloc(n, 4, "confidences"),
                           un_alloc(n * (size_t)(m->classes + 1), 4, "soft labels")};
    enum un_status status = r.feature && r.box && r.confidence && r.soft ? UN_OK : UN_MEMORY;
    if (status != UN_OK) goto out;
    for (int64_t i = 0; i < images; ++i)
        for (int64_t k = 0; k < offset[i + 1] - offset[i]; ++k) fill_region(m, i, k, offset[i] + k, &r);
    UN_TRY_GOTO(write_floats(f, "feature", m->feature_type, rows, m->img_dim, r.feature), out);
    UN_TRY_GOTO(write_floats(f, "box", UN_F32, rows, 6, r.box), out);
    UN_TRY_GOTO(write_floats(f, "confidence", UN_F16, rows, 0, r.confidence), out);
    if (m->classes) UN_TRY_GOTO(write_floats(f, "soft_label", UN_F16, rows, m->classes, r.soft), out);
out:
    un_free(r.feature);
    un_free(r.box);
    un_free(r.confidence);
    un_free(r.soft);
    return status;
}

static enum un_status write_head(struct un_h5 *f, const char *format) {
    UN_TRY(un_h5_put_attr_text(f, "", "format", format));
    return un_h5_put_attr_i64(f, "", "version", 1);
}

static enum un_status write_image_file(const struct make_files *m, const char *path) {
    struct un_h5 *f;
    enum un_status status = UN_OK;
    int64_t images = m->images + m->bare_images;
    UN_TRY(un_h5_create(&f, path));
    int64_t *offset = offsets(m, images, make_regions);
    if (!offset) UN_TRY_GOTO(UN_MEMORY, out);
    UN_TRY_GOTO(write_head(f, "uniter-images"), out);
    UN_TRY_GOTO(write_ids(f, "image_id", m, images, 1, make_image_id), out);
    UN_TRY_GOTO(un_h5_write_all(f, "region_offset", UN_I64, images + 1, 0, offset), out);
    UN_TRY_GOTO(write_regions(f, m, offset), out);
    UN_TRY_GOTO(un_h5_commit(f), out);
out:
    un_free(offset);
    un_h5_close(f);
    return status;
}

static enum un_status write_words(struct un_h5 *f, const struct make_files *m, const int64_t *offset,
                                  int64_t texts) {
    enum un_status status;
    int64_t n = offset[texts];
    int32_t *token = un_alloc((size_t)n + 1, 4, "tokens"), *word = un_alloc((size_t)n + 1, 4, "alignment");
    int32_t *region = un_alloc((size_t)n + 1, 4, "alignment");
    if (!token || !word || !region) UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t t = 0; t < texts; ++t)
        for (int64_t k = 0; k < offset[t + 1] - offset[t]; ++k) {
            token[offset[t] + k] = make_token(m, t, k);
            word[offset[t] + k] = (int32_t)k;
            region[offset[t] + k] = (int32_t)(k % make_regions(m, t / m->texts_per_image));
        }
    UN_TRY_GOTO(un_h5_write_all(f, "token_offset", UN_I64, texts + 1, 0, offset), out);
    UN_TRY_GOTO(un_h5_write_all(f, "token", UN_I32, n, 0, token), out);
    if (!m->align) goto out;
    UN_TRY_GOTO(un_h5_write_all(f, "align_offset", UN_I64, texts + 1, 0, offset), out);
    UN_TRY_GOTO(un_h5_write_all(f, "align_token", UN_I32, n, 0, word), out);
    UN_TRY_GOTO(un_h5_write_all(f, "align_region", UN_I32, n, 0, region), out);
out:
    un_free(token);
    un_free(word);
    un_free(region);
    return status;
}

static enum un_status write_sentences(struct un_h5 *f, const struct make_files *m, int64_t texts) {
    enum un_status status;
    char *bytes = NULL, sentence[64];
    int64_t *offset = offsets(m, texts, sentence_bytes);
    if (!offset || !(bytes = un_alloc((size_t)offset[texts] + 1, 1, "sentences")))
        UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t t = 0; t < texts; ++t) {
        make_sentence(m, t, sentence);
        memcpy(bytes + offset[t], sentence, strlen(sentence));
    }
    UN_TRY_GOTO(un_h5_write_all(f, "sentence_offset", UN_I64, texts + 1, 0, offset), out);
    UN_TRY_GOTO(un_h5_write_all(f, "sentence", UN_U8, offset[texts], 0, bytes), out);
out:
    un_free(offset);
    un_free(bytes);
    return status;
}

static enum un_status write_vocab(struct un_h5 *f, const struct make_files *m) {
    const struct {
        const char *name;
        int64_t value;
    } all[] = {{"vocab_size", m->vocab_size}, {"unk_id", MAKE_UNK},   {"cls_id", MAKE_CLS},
               {"sep_id", MAKE_SEP},          {"mask_id", MAKE_MASK}, {"random_lo", MAKE_RANDOM_LO},
               {"random_hi", m->vocab_size}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; ++i)
        UN_TRY(un_h5_put_attr_i64(f, "", all[i].name, all[i].value));
    return un_h5_put_attr_text(f, "", "tokenizer", "made-up");
}

static enum un_status write_text_file(const struct make_files *m, const char *path) {
    struct un_h5 *f;
    enum un_status status = UN_OK;
    int64_t texts = m->images * m->texts_per_image;
    UN_TRY(un_h5_create(&f, path));
    int64_t *offset = offsets(m, texts, make_words);
    if (!offset) UN_TRY_GOTO(UN_MEMORY, out);
    UN_TRY_GOTO(write_head(f, "uniter-text"), out);
    UN_TRY_GOTO(write_vocab(f, m), out);
    UN_TRY_GOTO(write_ids(f, "text_id", m, texts, 1, make_text_id), out);
    UN_TRY_GOTO(write_ids(f, "image_id", m, texts, m->texts_per_image, make_image_id), out);
    UN_TRY_GOTO(write_words(f, m, offset, texts), out);
    if (m->sentence) UN_TRY_GOTO(write_sentences(f, m, texts), out);
    UN_TRY_GOTO(make_task_columns(m, f, texts), out);
    UN_TRY_GOTO(un_h5_commit(f), out);
out:
    un_free(offset);
    un_h5_close(f);
    return status;
}

enum un_status make_files(const struct make_files *m, const char *image_path, const char *text_path) {
    if (image_path) UN_TRY(write_image_file(m, image_path));
    if (text_path) UN_TRY(write_text_file(m, text_path));
    return UN_OK;
}
