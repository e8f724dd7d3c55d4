/* The text file of one part of the micro-world. Captions are made twice: to count words, bytes and pairs,
 * then to write. */
#include "io/h5/row_sink.h"
#include "io/synth/write.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

enum {
    ID_STRIDE = 32,
    MAX_TOKENS = UN_SYNTH_MAX_WORDS * UN_SYNTH_MAX_WORD,
    MAX_BYTES = UN_SYNTH_MAX_WORDS * (UN_SYNTH_MAX_WORD + 1),
    MAX_VIEWS = 4, /* detections of an object and its twin */
    MAX_PAIRS = MAX_TOKENS * MAX_VIEWS
};

/* One text as the file holds it. */
struct line {
    struct un_synth_caption caption;
    int64_t tokens, bytes, pairs;
    int32_t token[MAX_TOKENS];
    char sentence[MAX_BYTES];
    int32_t pair_token[MAX_PAIRS], pair_region[MAX_PAIRS];
};

/* Token `at` is about the object: it goes with every region that shows it. */
static void align(struct line *line, const struct un_synth_scene *scene, const struct un_synth_said *word,
                  int64_t at) {
    int twin = word->pair ? scene->object[word->object].twin : -1;
    for (int r = 0; r < scene->n_regions; ++r) {
        int object = scene->region[r].object;
        if (object < 0 || (object != word->object && object != twin)) continue;
        line->pair_token[line->pairs] = (int32_t)at;
        line->pair_region[line->pairs++] = (int32_t)r;
    }
}

static void make_line(struct line *line, const struct un_synth_job *job, const struct un_synth_scene *scene,
                      int number) {
    /* scenes of retrieval are told apart by their captions: a clause more */
    bool longer = scene->place.set == un_synth_pose_set(UN_SYNTH_RETRIEVAL);
    un_synth_caption(&line->caption, scene, number, job->caption_scale + longer);
    line->bytes = (int64_t)un_synth_sentence(&line->caption, line->sentence);
    line->tokens = line->pairs = 0;
    for (int w = 0; w < line->caption.n; ++w) {
        const struct un_synth_said *word = &line->caption.word[w];
        int n = un_synth_vocab_cut(&job->vocab, word->text, line->token + line->tokens, UN_SYNTH_MAX_WORD);
        for (int i = 0; i < n && word->object >= 0; ++i) align(line, scene, word, line->tokens + i);
        line->tokens += n;
    }
}

/* Calls visit for every text of the part in order. */
static enum un_status
each_line(const struct un_synth_job *job, const struct un_synth_part *part, struct line *line,
          enum un_status (*visit)(void *context, int64_t image, int64_t text, const struct line *line),
          void *context) {
    for (int64_t i = 0; i < part->images; ++i) {
        struct un_synth_scene scene;
        UN_TRY(un_synth_make_scene(job, part, i, &scene));
        for (int64_t k = 0; k < job->texts; ++k) {
            make_line(line, job, &scene, (int)k);
            UN_TRY(visit(context, i, i * job->texts + k, line));
        }
    }
    return UN_OK;
}

/* What has one entry a text. */
struct index {
    const struct un_synth_part *part;
    int64_t texts_per_image;
    char *text_id, *image_id;
    int64_t *token, *sentence, *pair; /* offsets [texts + 1] */
};

static enum un_status count_line(void *context, int64_t image, int64_t text, const struct line *line) {
    struct index *x = context;
    char *id = x->text_id + text * ID_STRIDE;
    un_synth_image_id(x->image_id + text * ID_STRIDE, ID_STRIDE, x->part, image);
    un_synth_image_id(id, ID_STRIDE, x->part, image);
    size_t used = strlen(id);
    if (x->part->task == UN_SYNTH_RETRIEVAL) /* its captions are counted through, as sentids are */
        snprintf(memset(id, 0, ID_STRIDE), ID_STRIDE, "%lld", (long long)text);
    else
        snprintf(id + used, ID_STRIDE - used, "_%lld", (long long)(text % x->texts_per_image));
    x->token[text + 1] = x->token[text] + line->tokens;
    x->sentence[text + 1] = x->sentence[text] + line->bytes;
    x->pair[text + 1] = x->pair[text] + line->pairs;
    return UN_OK;
}

static enum un_status open_index(struct index *x, int64_t texts) {
    x->text_id = un_alloc((size_t)texts, ID_STRIDE, "text ids");
    x->image_id = un_alloc((size_t)texts, ID_STRIDE, "image ids of texts");
    x->token = un_alloc((size_t)texts + 1, sizeof(int64_t), "token offsets");
    x->sentence = un_alloc((size_t)texts + 1, sizeof(int64_t), "sentence offsets");
    x->pair = un_alloc((size_t)texts + 1, sizeof(int64_t), "alignment offsets");
    return x->text_id && x->image_id && x->token && x->sentence && x->pair ? UN_OK : UN_MEMORY;
}

static void close_index(struct index *x) {
    un_free(x->text_id);
    un_free(x->image_id);
    un_free(x->token);
    un_free(x->sentence);
    un_free(x->pair);
}

static enum un_status write_index(struct un_h5 *file, const struct index *x, int64_t texts) {
    UN_TRY(un_h5_write_texts(file, "text_id", texts, ID_STRIDE, x->text_id));
    UN_TRY(un_h5_write_texts(file, "image_id", texts, ID_STRIDE, x->image_id));
    UN_TRY(un_h5_write_all(file, "token_offset", UN_I64, texts + 1, 0, x->token));
    UN_TRY(un_h5_write_all(file, "sentence_offset", UN_I64, texts + 1, 0, x->sentence));
    return un_h5_write_all(file, "align_offset", UN_I64, texts + 1, 0, x->pair);
}

struct text_sinks {
    struct un_row_sink token, sentence, pair_token, pair_region;
};

static enum un_status put(struct un_row_sink *sink, const void *rows, int64_t n) {
    UN_TRY(un_row_sink_room(sink, n));
    memcpy(un_row_sink_take(sink, n), rows, (size_t)(n * sink->row_bytes));
    return UN_OK;
}

static enum un_status write_line(void *context, int64_t image, int64_t text, const struct line *line) {
    struct text_sinks *s = context;
    (void)image;
    (void)text;
    UN_TRY(put(&s->token, line->token, line->tokens));
    UN_TRY(put(&s->sentence, line->sentence, line->bytes));
    UN_TRY(put(&s->pair_token, line->pair_token, line->pairs));
    return put(&s->pair_region, line->pair_region, line->pairs);
}

static enum un_status open_sinks(struct text_sinks *s, struct un_h5 *file, const struct index *x,
                                 int64_t texts) {
    UN_TRY(un_row_sink_open(&s->token, file, "token", UN_I32, x->token[texts], 0, MAX_TOKENS));
    UN_TRY(un_row_sink_open(&s->sentence, file, "sentence", UN_U8, x->sentence[texts], 0, MAX_BYTES));
    UN_TRY(un_row_sink_open(&s->pair_token, file, "align_token", UN_I32, x->pair[texts], 0, MAX_PAIRS));
    return un_row_sink_open(&s->pair_region, file, "align_region", UN_I32, x->pair[texts], 0, MAX_PAIRS);
}

static enum un_status write_lines(struct un_h5 *file, const struct un_synth_job *job,
                                  const struct un_synth_part *part, const struct index *x,
                                  struct line *line) {
    enum un_status status;
    struct text_sinks s = {0};
    UN_TRY_GOTO(open_sinks(&s, file, x, part->images * job->texts), out);
    UN_TRY_GOTO(each_line(job, part, line, write_line, &s), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.token), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.sentence), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.pair_token), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.pair_region), out);
out:
    un_row_sink_close(&s.token);
    un_row_sink_close(&s.sentence);
    un_row_sink_close(&s.pair_token);
    un_row_sink_close(&s.pair_region);
    return status;
}

enum un_status un_synth_put_vocab(struct un_h5 *file, const struct un_synth_vocab *v, int64_t more) {
    const struct {
        const char *name;
        int64_t value;
    } number[] = {{"vocab_size", v->n + more}, {"unk_id", v->unk_id},   {"cls_id", v->cls_id},
                  {"sep_id", v->sep_id},       {"mask_id", v->mask_id}, {"random_lo", v->random_lo},
                  {"random_hi", v->random_hi}};
    for (size_t i = 0; i < sizeof number / sizeof *number; ++i)
        UN_TRY(un_h5_put_attr_i64(file, "", number[i].name, number[i].value));
    return un_h5_put_attr_text(file, "", "tokenizer", v->tokenizer);
}

enum un_status un_synth_write_texts(const struct un_synth_job *job, const struct un_synth_part *part,
                                    const char *path, int64_t *rows) {
    enum un_status status;
    struct index x = {.part = part, .texts_per_image = job->texts};
    int64_t texts = part->images * job->texts;
    struct un_h5 *file = NULL;
    struct line *line = un_alloc(1, sizeof *line, "one text");
    UN_TRY_GOTO(line != NULL ? UN_OK : UN_MEMORY, out);
    UN_TRY_GOTO(open_index(&x, texts), out);
    UN_TRY_GOTO(un_h5_create(&file, path), out);
    UN_TRY_GOTO(un_synth_put_header(file, "uniter-text", job), out);
    if (part->task == UN_SYNTH_RETRIEVAL)
        UN_TRY_GOTO(un_h5_put_attr_text(file, "", "task", un_synth_task_forms[part->task]), out);
    UN_TRY_GOTO(un_synth_put_vocab(file, &job->vocab, 0), out);
    UN_TRY_GOTO(each_line(job, part, line, count_line, &x), out);
    UN_TRY_GOTO(write_index(file, &x, texts), out);
    UN_TRY_GOTO(write_lines(file, job, part, &x, line), out);
    UN_TRY_GOTO(un_h5_commit(file), out);
    *rows = x.token[texts];
out:
    un_h5_close(file);
    close_index(&x);
    un_free(line);
    return status;
}
