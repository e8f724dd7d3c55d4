/* SNLI-VE (source.h): the hypothesis, its image, one of three labels with score 1. */
#include "io/convert/task/private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

static const char *const labels[] = {"contradiction", "entailment", "neutral"};
enum { LABELS = sizeof labels / sizeof *labels };
static const float whole_score = 1.0f;

struct source_ve {
    struct un_task_source source; /* first */
    struct un_task_lines lines;
    char pattern[256];
    char id[UN_TASK_ID_MAX + 1], image[UN_TASK_ID_MAX + 1];
    int32_t label;
};

/* The file's spelling of the key, or the later one's. */
static enum un_status image_field(const struct un_task_row *row, char id[UN_TASK_ID_MAX + 1]) {
    bool later = json_object_get(row->object, "Flickr30K_ID") != NULL;
    return un_task_id(row, later ? "Flickr30K_ID" : "Flikr30kID", id);
}

static enum un_status take(struct source_ve *s, const struct un_task_row *row, struct un_task_text *text) {
    char image[UN_TASK_ID_MAX + 1], stem[UN_TASK_ID_MAX + 1];
    const char *label;
    UN_TRY(un_task_id(row, "pairID", s->id));
    UN_TRY(un_task_text(row, "sentence2", &text->sentence));
    UN_TRY(un_task_text(row, "gold_label", &label));
    UN_TRY(image_field(row, image));
    un_task_stem(image, stem);
    UN_TRY(un_task_image_id(s->image, s->pattern, row, NULL, stem, un_task_number(image)));
    text->text_id = s->id;
    text->image_id = s->image;
    text->targets.kind = -1;
    if (strcmp(label, "-") == 0) {
        text->why = "gold_label is \"-\"";
        return UN_OK;
    }
    s->label = 0;
    while (s->label < LABELS && strcmp(labels[s->label], label) != 0) ++s->label;
    if (s->label == LABELS)
        return un_fail(
            UN_DATA,
            "%s: row %lld: gold_label is \"%.40s\": contradiction, entailment, neutral or - is wanted",
            row->file, (long long)row->row, label);
    text->targets.answer = &s->label;
    text->targets.score = &whole_score;
    text->targets.answers = 1;
    return UN_OK;
}

static enum un_status next_pair(struct un_task_source *source, struct un_task_text *text, bool *more) {
    struct source_ve *s = (struct source_ve *)source;
    struct un_task_row row;
    UN_TRY(un_task_lines_next(&s->lines, source, &row, more));
    if (!*more) return UN_OK;
    *text = (struct un_task_text){.row = row.row};
    return take(s, &row, text);
}

static void close_ve(struct un_task_source *source) {
    struct source_ve *s = (struct source_ve *)source;
    un_task_lines_close(&s->lines);
    un_free(s);
}

enum un_status un_task_source_ve(struct un_task_source **source, const char *path,
                                 const struct un_task_how *how) {
    static const struct un_task_source_ops ops = {next_pair, close_ve};
    struct source_ve *s = un_alloc(1, sizeof *s, "a source of pairs");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source = (struct un_task_source){
        .ops = &ops, .task = UN_TASK_VE, .num_answers = LABELS, .answer_names = labels};
    un_task_source_name(&s->source, "ve", path);
    snprintf(s->pattern, sizeof s->pattern, "%s", un_task_pattern(how->image, "flickr30k_NUMBER"));
    enum un_status status = un_task_lines_open(&s->lines, &s->source, path);
    if (status != UN_OK)
        close_ve(&s->source);
    else
        *source = &s->source;
    return status;
}
