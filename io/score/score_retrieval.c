/* Recalls of retrieval (score.h), in two walks over the rows of the matrix, which may be large. Law: the released
 * code also counts row numbers as places; here they are not. */
#include "io/score/score.h"
#include "runtime/memory.h"
#include <math.h>
#include <stdio.h>

const int un_recall_at[UN_RECALLS] = {1, 5, 10};

/* Of an image: its highest text, and how many texts stand above that one. */
struct column {
    int64_t best; /* -1: it has no text */
    float score;
    int64_t above;
};

static void add(struct un_mean share[UN_RECALLS], int64_t above) {
    for (int k = 0; k < UN_RECALLS; ++k) un_mean_add(&share[k], above < un_recall_at[k]);
}

void un_recall_name(char name[16], bool image, int k) {
    snprintf(name, 16, "%s_r%d", image ? "img" : "txt", un_recall_at[k]);
}

double un_retrieval_mean(const struct un_retrieval_score *s) {
    double text = 0, image = 0;
    for (int k = 0; k < UN_RECALLS; ++k) {
        text += un_mean_of(s->text[k]);
        image += un_mean_of(s->image[k]);
    }
    return (text / UN_RECALLS + image / UN_RECALLS) / 2;
}

/* Checks a row and gives its share to `image`; the text may be its image's highest. */
static enum un_status take_row(const float *row, int64_t text, int32_t own, int64_t images,
                               struct column *columns, struct un_retrieval_score *out) {
    if (own < 0 || own >= images)
        return un_fail(UN_DATA, "text %lld is of image %d, there are %lld", (long long)text, own,
                       (long long)images);
    int64_t above = 0;
    for (int64_t i = 0; i < images; ++i) {
        if (!isfinite(row[i]))
            return un_fail(UN_DATA, "the score of text %lld with image %lld is %g", (long long)text,
                           (long long)i, row[i]);
        above += row[i] > row[own] || (row[i] == row[own] && i < own);
    }
    add(out->image, above);
    struct column *c = &columns[own];
    if (c->best < 0 || row[own] > c->score) {
        c->best = text;
        c->score = row[own];
    }
    return UN_OK;
}

static void count_above(const float *row, int64_t text, int64_t images, struct column *columns) {
    for (int64_t i = 0; i < images; ++i) {
        struct column *c = &columns[i];
        c->above += row[i] > c->score || (row[i] == c->score && text < c->best);
    }
}

enum un_status un_score_retrieval(const float *score, const int32_t *image_of_text, int64_t texts,
                                  int64_t images, struct un_retrieval_score *out) {
    *out = (struct un_retrieval_score){0};
    if (texts == 0) return UN_OK;
    struct column *columns = un_alloc((size_t)images + 1, sizeof *columns, "images of a retrieval");
    if (!columns) return UN_MEMORY;
    for (int64_t i = 0; i < images; ++i) columns[i].best = -1;
    enum un_status status = UN_OK;
    for (int64_t t = 0; t < texts && status == UN_OK; ++t)
        status = take_row(score + t * images, t, image_of_text[t], images, columns, out);
    for (int64_t t = 0; t < texts && status == UN_OK; ++t)
        count_above(score + t * images, t, images, columns);
    for (int64_t i = 0; i < images && status == UN_OK; ++i)
        if (columns[i].best >= 0) add(out->text, columns[i].above);
    un_free(columns);
    return status;
}
