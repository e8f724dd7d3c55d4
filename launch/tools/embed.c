/* uniter embed: pooled vectors and vectors of all tokens, into HDF5. */
#include "io/h5/h5.h"
#include "launch/tools/tools.h"
#include "launch/use/session.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct embed_keys {
    struct un_use_keys use;
    bool tokens_too, quiet;
};
static const struct un_key keys[] = {
    UN_KEY_PART(embed_keys, use, un_use_key_table),
    UN_KEY_BOOL(embed_keys, tokens_too, "true", "vectors of words and regions beside the pooled ones"),
    UN_KEY_BOOL(embed_keys, quiet, "false", "no summary"),
};
static const struct un_key_table table = UN_KEY_TABLE("", embed_keys, keys);

/* Rows of the file stand in the order of the pairs; their tokens, words before regions, are token_offset's. */
struct file {
    struct un_h5 *h5;
    struct un_h5_data *pooled, *token;
    int64_t *offset; /* [pairs + 1] */
    int64_t *words;  /* [pairs] of a pair, with [CLS] and [SEP] */
    int64_t pairs, width;
};

/* Lengths of all pairs, before any is computed. */
static enum un_status measure(struct file *f, const struct un_use_pairs *p) {
    f->pairs = un_use_pairs_count(p);
    f->offset = un_alloc((size_t)f->pairs + 1, sizeof *f->offset, "offsets of tokens");
    f->words = un_alloc((size_t)f->pairs, sizeof *f->words, "words of pairs");
    if (!f->offset || !f->words) return UN_MEMORY;
    for (int64_t text = 0; text < f->pairs; ++text) {
        int64_t i = un_use_pairs_place(p, text), image = un_dataset_text_image(p->set, text);
        f->words[i] = un_dataset_text_length(p->set, text) + 2;
        f->offset[i + 1] = f->words[i] + un_dataset_image_regions(p->set, image);
    }
    for (int64_t i = 0; i < f->pairs; ++i) f->offset[i + 1] += f->offset[i];
    return UN_OK;
}

static size_t longer(size_t most, const char *text) {
    return strlen(text) > most ? strlen(text) : most;
}

/* A column of names: of the texts, or of the images. */
static enum un_status
write_names(struct file *f, const struct un_use_pairs *p, const char *column,
            void (*name)(const struct un_use_pairs *, int64_t, const char **, const char **), bool images) {
    const char *text, *image;
    size_t stride = 1;
    for (int64_t i = 0; i < f->pairs; ++i) {
        name(p, i, &text, &image);
        stride = longer(stride, images ? image : text);
    }
    char *cells = un_alloc((size_t)f->pairs, stride, "names of pairs");
    if (!cells) return UN_MEMORY;
    for (int64_t i = 0; i < f->pairs; ++i) {
        name(p, i, &text, &image);
        memcpy(cells + (size_t)i * stride, images ? image : text, strlen(images ? image : text));
    }
    enum un_status status = un_h5_write_texts(f->h5, column, f->pairs, (int64_t)stride, cells);
    un_free(cells);
    return status;
}

static enum un_status create(struct file *f, const char *path, const struct un_use_session *s, bool tokens) {
    const struct un_use_pairs *p = &s->pairs;
    if (access(path, F_OK) == 0) return un_fail(UN_USAGE, "%s exists; it is not overwritten", path);
    f->width = s->weights.dims.hidden_size;
    UN_TRY(measure(f, p));
    UN_TRY(un_h5_create(&f->h5, path));
    UN_TRY(un_h5_put_attr_text(f->h5, "/", "format", "uniter-vectors"));
    UN_TRY(un_h5_put_attr_i64(f->h5, "/", "version", 1));
    UN_TRY(un_h5_put_attr_text(f->h5, "/", "weights", s->weights.view.path));
    UN_TRY(write_names(f, p, p->given.sentences ? "sentence" : "text_id", un_use_pairs_name, false));
    UN_TRY(write_names(f, p, "image_id", un_use_pairs_name, true));
    UN_TRY(un_h5_data_create(f->h5, "pooled", UN_F32, f->pairs, f->width, &f->pooled));
    if (!tokens) return UN_OK;
    UN_TRY(un_h5_write_all(f->h5, "token_offset", UN_I64, f->pairs + 1, 0, f->offset));
    UN_TRY(un_h5_write_all(f->h5, "words", UN_I64, f->pairs, 0, f->words));
    return un_h5_data_create(f->h5, "token", UN_F32, f->offset[f->pairs], f->width, &f->token);
}

static enum un_status write_batch(struct file *f, const struct un_use_session *s) {
    const struct un_use_network *net = &s->net[0];
    const int32_t *start = s->pairs.batch.start;
    for (int64_t i = 0; i < s->pairs.n; ++i) {
        int64_t at = un_use_pairs_index(&s->pairs, i);
        UN_TRY(un_h5_write_rows(f->pooled, at, 1, UN_F32, net->pooled + i * f->width));
        if (f->token)
            UN_TRY(un_h5_write_rows(f->token, f->offset[at], start[i + 1] - start[i], UN_F32,
                                    net->hidden + start[i] * f->width));
    }
    return UN_OK;
}

static void close_file(struct file *f) {
    un_h5_data_close(f->pooled);
    un_h5_data_close(f->token);
    if (f->h5) un_h5_close(f->h5);
    un_free(f->offset);
    un_free(f->words);
}

static enum un_status run(struct un_use_session *s, const char *path, const struct embed_keys *k) {
    struct file f = {0};
    enum un_status status = un_use_session_network(s, 0, UN_ITM, true);
    if (status == UN_OK) status = create(&f, path, s, k->tokens_too);
    s->pairs.progress.enabled = !k->quiet; /* the results are in the file, so the terminal is free */
    while (status == UN_OK) {
        status = un_use_pairs_next(&s->pairs);
        if (status != UN_OK || s->pairs.n == 0) break;
        status = un_use_network_pass(&s->net[0], &s->pairs.batch);
        if (status == UN_OK) status = write_batch(&f, s);
    }
    un_h5_data_close(f.pooled);
    un_h5_data_close(f.token);
    f.pooled = f.token = NULL;
    if (status == UN_OK) status = un_h5_commit(f.h5);
    if (status == UN_OK && !k->quiet)
        printf("%s: %" PRId64 " pairs, %" PRId64 " tokens of width %" PRId64 "\n", path, f.pairs,
               f.offset[f.pairs], f.width);
    close_file(&f);
    return status;
}

/* Names: the weights, OUT, then pairs. */
static enum un_status run_embed(const struct un_tool *tool, int n, char **words) {
    struct embed_keys k = {0};
    struct un_arguments a;
    struct un_use_session s = {0};
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, -1, &k));
    enum un_status status = un_use_session_open(&s, &k.use, a.names[0]);
    if (status == UN_OK) status = un_use_session_pairs(&s, a.names + 2, a.n - 2, UN_USE_NO_TASK);
    if (status == UN_OK) status = run(&s, a.names[1], &k);
    un_use_session_close(&s);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"embed", NULL, NULL,
     "RUN|CHECKPOINT|FILE.safetensors OUT.h5 images=FILES [IMAGE TEXT ...] [key=value ...]",
     "vectors of texts with images, pooled and of every token", &table, run_embed},
};
const struct un_tools un_tools_embed = {list, sizeof list / sizeof *list};
