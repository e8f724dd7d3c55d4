/* Files of results (results.h). */
#include "io/score/results.h"
#include "io/disk/text.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum un_status un_results_answers(const char *path, const char *const *id, const char *const *answer,
                                  int64_t n) {
    struct un_text_out out = {0};
    un_text_put(&out, "[");
    for (int64_t i = 0; i < n; ++i) {
        un_text_put(&out, "%s\n{\"answer\": ", i ? "," : "");
        un_text_put_string(&out, answer[i]);
        un_text_put(&out, ", \"question_id\": ");
        un_text_put_id(&out, id[i]);
        un_text_put(&out, "}");
    }
    un_text_put(&out, "\n]\n");
    return un_text_write(&out, path);
}

enum un_status un_results_labels(const char *path, const char *const *id, const char *const *label,
                                 int64_t n) {
    struct un_text_out out = {0};
    un_text_put(&out, "{");
    for (int64_t i = 0; i < n; ++i) {
        un_text_put(&out, "%s\n", i ? "," : "");
        un_text_put_string(&out, id[i]);
        un_text_put(&out, ": ");
        un_text_put_string(&out, label[i]);
    }
    un_text_put(&out, "\n}\n");
    return un_text_write(&out, path);
}

/* ---- lines with commas ---- */

/* The servers read no quotes. */
static enum un_status check_lines(const char *path, const char *const *id, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (id[i][0] == '\0' || strpbrk(id[i], ",\"\r\n"))
            return un_fail(UN_DATA, "%s: text %lld has the id \"%.100s\", which a line of it cannot hold",
                           path, (long long)i, id[i]);
    return UN_OK;
}

enum un_status un_results_statements(const char *path, const char *const *id, const int32_t *said,
                                     int64_t n) {
    struct un_text_out out = {0};
    UN_TRY(check_lines(path, id, n));
    for (int64_t i = 0; i < n; ++i) un_text_put(&out, "%s,%s\n", id[i], said[i] ? "True" : "False");
    return un_text_write(&out, path);
}

struct numbered {
    uint64_t number; /* UINT64_MAX: none */
    int64_t row;
};

static int compare(const void *left, const void *right) {
    const struct numbered *a = left, *b = right;
    if (a->number != b->number) return a->number < b->number ? -1 : 1;
    return (a->row > b->row) - (a->row < b->row);
}

/* Behind the last dash, digits to the end: "test-17". */
static uint64_t number_of(const char *id) {
    const char *dash = strrchr(id, '-'), *digits = dash ? dash + 1 : id;
    size_t n = strspn(digits, "0123456789");
    return n > 0 && n <= 18 && digits[n] == '\0' ? strtoull(digits, NULL, 10) : UINT64_MAX;
}

static void put_header(struct un_text_out *out) {
    un_text_put(out, "annot_id");
    for (int i = 0; i < UN_VCR_CHOICES; ++i) un_text_put(out, ",answer_%d", i);
    for (int i = 0; i < UN_VCR_CHOICES; ++i)
        for (int k = 0; k < UN_VCR_CHOICES; ++k) un_text_put(out, ",rationale_conditioned_on_a%d_%d", i, k);
    un_text_put(out, "\n");
}

enum un_status un_results_choices(const char *path, const char *const *id, const float *scores, int64_t n) {
    struct un_text_out out = {0};
    UN_TRY(check_lines(path, id, n));
    struct numbered *order = un_alloc((size_t)n + 1, sizeof *order, "the order of annot_ids");
    if (!order) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) order[i] = (struct numbered){number_of(id[i]), i};
    qsort(order, (size_t)n, sizeof *order, compare);
    put_header(&out);
    for (int64_t i = 0; i < n; ++i) {
        un_text_put(&out, "%s", id[order[i].row]);
        for (int k = 0; k < UN_VCR_SCORES; ++k)
            un_text_put(&out, ",%.9g", scores[order[i].row * UN_VCR_SCORES + k]);
        un_text_put(&out, "\n");
    }
    un_free(order);
    return un_text_write(&out, path);
}

/* ---- boxes, recalls, measures ---- */

static void put_box(struct un_text_out *out, const char *name, const float box[4]) {
    un_text_put(out, ", \"%s\": [", name);
    for (int i = 0; i < 4; ++i) {
        un_text_put(out, "%s", i ? ", " : "");
        un_text_put_number(out, box[i]);
    }
    un_text_put(out, "]");
}

enum un_status un_results_boxes(const char *path, const char *const *id, const float *found,
                                const float *target, int64_t n) {
    struct un_text_out out = {0};
    un_text_put(&out, "[");
    for (int64_t i = 0; i < n; ++i) {
        un_text_put(&out, "%s\n{\"sent_id\": ", i ? "," : "");
        un_text_put_id(&out, id[i]);
        put_box(&out, "pred_box", found + 4 * i);
        put_box(&out, "tgt_box", target + 4 * i);
        un_text_put(&out, "}");
    }
    un_text_put(&out, "\n]\n");
    return un_text_write(&out, path);
}

static void put_recalls(struct un_text_out *out, const char *side, const struct un_mean recall[UN_RECALLS]) {
    double sum = 0;
    for (int k = 0; k < UN_RECALLS; ++k) {
        double value = un_mean_of(recall[k]);
        un_text_put(out, "\"%s_r%d\": ", side, un_recall_at[k]);
        un_text_put_number(out, value);
        un_text_put(out, ", ");
        sum += value;
    }
    un_text_put(out, "\"%s_r_mean\": ", side);
    un_text_put_number(out, sum / UN_RECALLS);
}

enum un_status un_results_recalls(const char *path, const struct un_retrieval_score *score) {
    struct un_text_out out = {0};
    un_text_put(&out, "{");
    put_recalls(&out, "txt", score->text);
    un_text_put(&out, ", ");
    put_recalls(&out, "img", score->image);
    un_text_put(&out, ", \"r_mean\": ");
    un_text_put_number(&out, un_retrieval_mean(score));
    un_text_put(&out, "}\n");
    return un_text_write(&out, path);
}

enum un_status un_results_measures(const char *path, const struct un_evaluated *e) {
    struct un_text_out out = {0};
    un_text_put(&out, "{\"set\": ");
    un_text_put_string(&out, e->set);
    un_text_put(&out, ", \"task\": ");
    un_text_put_string(&out, e->task);
    un_text_put(&out, ", \"step\": %" PRId64 ", \"texts\": %" PRId64, e->step, e->texts);
    for (int part = 0; part < 2; ++part) {
        un_text_put(&out, ",\n\"%s\": {", part ? "counts" : "measures");
        for (int64_t i = 0; i < e->measures; ++i) {
            const struct un_measure *m = &e->measure[i];
            un_text_put(&out, "%s", i ? ", " : "");
            un_text_put_string(&out, m->name);
            un_text_put(&out, ": ");
            if (part)
                un_text_put(&out, "%" PRId64, m->value.n);
            else
                un_text_put_number(&out, un_mean_of(m->value));
        }
        un_text_put(&out, "}");
    }
    un_text_put(&out, "}\n");
    return un_text_write(&out, path);
}
