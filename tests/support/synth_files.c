#include "tests/support/synth_files.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct un_synth_keys synth_keys(const char *folder) {
    struct un_synth_keys keys = {0};
    struct un_config *config;
    expect_ok(un_config_parse(&config, "none", "{}", NULL, 0));
    expect_ok(un_config_bind(config, &un_synth_key_table, &keys));
    un_config_free(config);
    snprintf(keys.out, sizeof keys.out, "%s", scratch(folder));
    return keys;
}

static int each_file(const struct un_synth_keys *keys, bool remove) {
    DIR *dir = opendir(keys->out);
    struct dirent *entry;
    int n = 0;
    if (!dir) return -1;
    while ((entry = readdir(dir))) {
        char path[1024];
        if (entry->d_name[0] == '.') continue;
        ++n;
        snprintf(path, sizeof path, "%s/%s", keys->out, entry->d_name);
        if (remove) assert_int_equal(unlink(path), 0);
    }
    closedir(dir);
    return n;
}
void synth_remove(const struct un_synth_keys *keys) {
    if (each_file(keys, true) >= 0) assert_int_equal(rmdir(keys->out), 0);
}
int synth_count(const struct un_synth_keys *keys) {
    return each_file(keys, false);
}

static struct un_h5 *open_part(const struct un_synth_keys *keys, const char *part, const char *ending,
                               const char *format) {
    char path[1024], text[64];
    int64_t version;
    struct un_h5 *file;
    snprintf(path, sizeof path, "%s/%s.%s.h5", keys->out, part, ending);
    expect_ok(un_h5_open(&file, path, true));
    expect_ok(un_h5_attr_text(file, "", "format", text, sizeof text));
    assert_string_equal(text, format);
    expect_ok(un_h5_attr_i64(file, "", "version", &version));
    assert_int_equal(version, 1);
    return file;
}

/* A dataset [rows, cols]; rows -1: any; cols 0: rank 1. Returns the memory, the rows in *found. */
static void *read_rows(struct un_h5 *file, const char *name, enum un_type type, int64_t bytes, int64_t rows,
                       int64_t cols, int64_t *found) {
    struct un_h5_shape shape;
    void *out;
    expect_ok(un_h5_read_all(file, name, type, &shape, &out));
    if (rows >= 0) assert_int_equal(shape.dims[0], rows);
    assert_int_equal(shape.rank, cols ? 2 : 1);
    if (cols > 0) assert_int_equal(shape.dims[1], cols);
    assert_int_equal(shape.element_bytes, bytes);
    if (found) *found = cols < 0 ? shape.dims[1] : shape.dims[0];
    return out;
}

struct synth_images synth_read_images(const struct un_synth_keys *keys, const char *part) {
    struct synth_images s = {0};
    struct un_h5 *file = open_part(keys, part, "img", "uniter-images");
    expect_ok(un_h5_read_texts(file, "image_id", &s.images, &s.id_stride, &s.id));
    s.region_offset = read_rows(file, "region_offset", UN_I64, 8, s.images + 1, 0, NULL);
    s.regions = s.region_offset[s.images];
    s.feature = read_rows(file, "feature", UN_F32, 2, s.regions, -1, &s.img_dim);
    s.box = read_rows(file, "box", UN_F32, 4, s.regions, 6, NULL);
    s.confidence = read_rows(file, "confidence", UN_F32, 2, s.regions, 0, NULL);
    s.soft_label = read_rows(file, "soft_label", UN_F32, 2, s.regions, -1, &s.img_label_dim);
    un_h5_close(file);
    return s;
}

struct synth_texts synth_read_texts(const struct un_synth_keys *keys, const char *part) {
    struct synth_texts s = {0};
    struct un_h5 *file = open_part(keys, part, "txt", "uniter-text");
    int64_t same;
    expect_ok(un_h5_read_texts(file, "text_id", &s.texts, &s.id_stride, &s.id));
    expect_ok(un_h5_read_texts(file, "image_id", &same, &s.image_id_stride, &s.image_id));
    assert_int_equal(same, s.texts);
    s.token_offset = read_rows(file, "token_offset", UN_I64, 8, s.texts + 1, 0, NULL);
    s.align_offset = read_rows(file, "align_offset", UN_I64, 8, s.texts + 1, 0, NULL);
    s.sentence_offset = read_rows(file, "sentence_offset", UN_I64, 8, s.texts + 1, 0, NULL);
    s.words = s.token_offset[s.texts];
    s.pairs = s.align_offset[s.texts];
    s.bytes = s.sentence_offset[s.texts];
    s.token = read_rows(file, "token", UN_I32, 4, s.words, 0, NULL);
    s.align_token = read_rows(file, "align_token", UN_I32, 4, s.pairs, 0, NULL);
    s.align_region = read_rows(file, "align_region", UN_I32, 4, s.pairs, 0, NULL);
    s.sentence = read_rows(file, "sentence", UN_U8, 1, s.bytes, 0, NULL);
    expect_ok(un_h5_attr_i64(file, "", "vocab_size", &s.vocab_size));
    expect_ok(un_h5_attr_i64(file, "", "unk_id", &s.unk_id));
    expect_ok(un_h5_attr_i64(file, "", "cls_id", &s.cls_id));
    expect_ok(un_h5_attr_i64(file, "", "sep_id", &s.sep_id));
    expect_ok(un_h5_attr_i64(file, "", "mask_id", &s.mask_id));
    expect_ok(un_h5_attr_i64(file, "", "random_lo", &s.random_lo));
    expect_ok(un_h5_attr_i64(file, "", "random_hi", &s.random_hi));
    expect_ok(un_h5_attr_text(file, "", "tokenizer", s.tokenizer, sizeof s.tokenizer));
    un_h5_close(file);
    return s;
}

void synth_free_images(struct synth_images *s) {
    un_free(s->region_offset);
    un_free(s->feature);
    un_free(s->box);
    un_free(s->confidence);
    un_free(s->soft_label);
    un_free(s->id);
}
void synth_free_texts(struct synth_texts *s) {
    un_free(s->token_offset);
    un_free(s->align_offset);
    un_free(s->sentence_offset);
    un_free(s->token);
    un_free(s->align_token);
    un_free(s->align_region);
    un_free(s->sentence);
    un_free(s->id);
    un_free(s->image_id);
}

int64_t synth_class(const struct synth_images *s, int64_t region) {
    const float *label = s->soft_label + region * s->img_label_dim;
    int64_t best = 0;
    for (int64_t c = 1; c < s->img_label_dim; ++c)
        if (label[c] > label[best]) best = c;
    return best;
}

char **synth_read_lines(const struct un_synth_keys *keys, const char *name, int64_t *n) {
    char path[1024], *text;
    size_t bytes;
    snprintf(path, sizeof path, "%s/%s", keys->out, name);
    expect_ok(un_files_read(path, 1 << 24, &text, &bytes));
    *n = 0;
    for (size_t i = 0; i < bytes; ++i) *n += text[i] == '\n';
    char **lines = un_alloc((size_t)*n, sizeof *lines, "lines");
    char *at = text;
    for (int64_t i = 0; i < *n; ++i) {
        size_t length = strcspn(at, "\n");
        at[length] = '\0';
        lines[i] = un_strdup(at);
        at += length + 1;
    }
    un_free(text);
    return lines;
}
void synth_free_lines(char **lines, int64_t n) {
    for (int64_t i = 0; i < n; ++i) un_free(lines[i]);
    un_free(lines);
}
