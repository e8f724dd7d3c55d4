#include "tests/support/read_all.h"
#include "runtime/memory.h"
#include "tests/support/one_set.h"
#include <string.h>

/* FNV-1a */
static void add(uint64_t *digest, const void *data, size_t bytes) {
    const unsigned char *p = data;
    for (size_t i = 0; i < bytes; ++i) *digest = (*digest ^ p[i]) * 0x100000001B3u;
}

static enum un_status read_image(struct un_dataset *d, int64_t image, void *rows, uint64_t *digest) {
    const struct un_dataset_info *info = un_dataset_info(d);
    int64_t regions = un_dataset_image_regions(d, image);
    float *box = (float *)((char *)rows + regions * info->img_dim * un_type_bytes(info->feature_type));
    UN_TRY(un_dataset_read_image(d, image, rows, box));
    add(digest, un_dataset_image_id(d, image), strlen(un_dataset_image_id(d, image)));
    add(digest, rows, (size_t)(regions * info->img_dim * un_type_bytes(info->feature_type)));
    add(digest, box, (size_t)(regions * UN_BOX_WIDTH) * sizeof *box);
    for (int64_t k = 0; k < regions && info->img_label_dim; ++k) {
        UN_TRY(un_dataset_read_soft_label(d, image, k, rows));
        add(digest, rows, (size_t)info->img_label_dim * 2);
    }
    return UN_OK;
}

static enum un_status read_targets(struct un_dataset *d, int64_t text, uint64_t *digest) {
    int32_t id[UN_TEXT_ANSWERS];
    float score[UN_TEXT_ANSWERS];
    int64_t n;
    const int32_t asked[] = {un_dataset_text_label(d, text), un_dataset_text_rationale(d, text),
                             un_dataset_text_kind(d, text), (int32_t)un_dataset_text_second(d, text)};
    add(digest, asked, sizeof asked);
    UN_TRY(un_dataset_read_answers(d, text, UN_TEXT_ANSWERS, id, score, &n));
    add(digest, id, (size_t)n * sizeof *id);
    add(digest, score, (size_t)n * sizeof *score);
    if (un_dataset_text_box(d, text)) add(digest, un_dataset_text_box(d, text), 4 * sizeof(float));
    if (un_dataset_text_size(d, text)) add(digest, un_dataset_text_size(d, text), 2 * sizeof(float));
    return UN_OK;
}

static enum un_status read_text(struct un_dataset *d, int64_t text, uint64_t *digest) {
    int32_t token[65536], word[64], region[64];
    char sentence[1024];
    int64_t n;
    UN_TRY(un_dataset_read_text(d, text, token));
    UN_TRY(un_dataset_read_sentence(d, text, sentence, sizeof sentence));
    add(digest, un_dataset_text_id(d, text), strlen(un_dataset_text_id(d, text)));
    add(digest, token, (size_t)un_dataset_text_length(d, text) * sizeof *token);
    add(digest, sentence, strlen(sentence));
    UN_TRY(un_dataset_read_alignment(d, text, 64, word, region, &n));
    add(digest, word, (size_t)n * sizeof *word);
    add(digest, region, (size_t)n * sizeof *region);
    for (int part = 0; part < UN_TEXT_PARTS; ++part) {
        UN_TRY(un_dataset_read_part(d, text, part, token));
        add(digest, token, (size_t)un_dataset_text_part_length(d, text, part) * sizeof *token);
    }
    return read_targets(d, text, digest);
}

static enum un_status read_rows(struct un_dataset *d, uint64_t *digest) {
    const struct un_dataset_info *info = un_dataset_info(d);
    enum un_status status = UN_OK;
    size_t widest = (size_t)(info->img_dim + UN_BOX_WIDTH + 1) * 4 * (size_t)info->most_regions;
    void *rows = un_alloc(widest + (size_t)info->img_label_dim * 2, 1, "rows");
    if (!rows) return UN_MEMORY;
    add(digest, &info->vocab, offsetof(struct un_vocab, tokenizer));
    add(digest, &info->num_answers, sizeof info->num_answers);
    for (int64_t i = 0; i < info->num_answers && un_dataset_answer_name(d, i); ++i)
        add(digest, un_dataset_answer_name(d, i), strlen(un_dataset_answer_name(d, i)));
    for (int64_t i = 0; i < info->images && status == UN_OK; ++i) status = read_image(d, i, rows, digest);
    for (int64_t i = 0; i < info->texts && status == UN_OK; ++i) status = read_text(d, i, digest);
    un_free(rows);
    return status;
}

enum un_status read_all(const char *images, const char *text, uint64_t *digest) {
    struct one_set set;
    struct un_dataset *d;
    ONE_SET(&set, images, text);
    set.soft_labels = true;
    set.data.max_txt_len = 65536;
    *digest = 0xCBF29CE484222325u;
    UN_TRY(one_set_open(&d, &set));
    enum un_status status = read_rows(d, digest);
    un_dataset_close(d);
    return status;
}
