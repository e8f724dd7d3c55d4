/* A table of tensors for people. Moments are summed block by block and joined by Chan's rule, so that a
 * LayerNorm of ones has a deviation of exactly zero. */
#include "io/run/progress.h"
#include "io/weights/tools.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK = 16384, SHAPE_TEXT = 200, TEXT_SHOWN = 200 };

struct moments {
    double n, mean, m2, least, most;
    int64_t not_finite;
};

static void join(struct moments *all, const float *values, int64_t count) {
    double n = 0, mean = 0, m2 = 0;
    for (int64_t k = 0; k < count; ++k) {
        if (!isfinite(values[k])) continue;
        ++n;
        mean += values[k];
        if (all->n + n == 1 || values[k] < all->least) all->least = values[k];
        if (all->n + n == 1 || values[k] > all->most) all->most = values[k];
    }
    all->not_finite += count - (int64_t)n;
    if (n == 0) return;
    mean /= n;
    for (int64_t k = 0; k < count; ++k)
        if (isfinite(values[k])) m2 += (values[k] - mean) * (values[k] - mean);
    double delta = mean - all->mean, both = all->n + n;
    all->m2 += m2 + delta * delta * all->n * n / both;
    all->mean += delta * n / both;
    all->n = both;
}

static enum un_status measure(const struct un_weights_view *view, int64_t i, float *block,
                              struct moments *m) {
    const struct un_st_tensor *t = &view->list[i];
    *m = (struct moments){0};
    for (int64_t at = 0; at < t->count; at += BLOCK) {
        int64_t n = t->count - at < BLOCK ? t->count - at : BLOCK;
        UN_TRY(un_weights_view_read(view, i, at, n, block));
        join(m, block, n);
    }
    return UN_OK;
}

static void shape_text(const struct un_st_tensor *t, char text[SHAPE_TEXT]) {
    size_t used = 0;
    text[0] = '\0';
    for (int d = 0; d < t->rank; ++d)
        used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%" PRId64, d ? " x " : "", t->shape[d]);
    if (t->rank == 0) snprintf(text, SHAPE_TEXT, "one value");
}

static enum un_status show_tensor(const struct un_weights_view *view, int64_t i, int width, float *block,
                                  FILE *out) {
    const struct un_st_tensor *t = &view->list[i];
    char shape[SHAPE_TEXT];
    struct moments m;
    shape_text(t, shape);
    fprintf(out, "%-*s  %-14s %-5s", width, t->name, shape, t->type_name);
    if (t->type == UN_ST_OTHER || t->count == 0) {
        fputs("\n", out);
        return UN_OK;
    }
    UN_TRY(measure(view, i, block, &m));
    if (m.n > 0) fprintf(out, " %11.4g %11.4g %11.4g %11.4g", m.mean, sqrt(m.m2 / m.n), m.least, m.most);
    if (m.not_finite) fprintf(out, "  %" PRId64 " not finite", m.not_finite);
    fputs("\n", out);
    return UN_OK;
}

/* One line, whatever the text holds. */
static void show_text(const char *text, FILE *out) {
    size_t length = strlen(text), shown = length < TEXT_SHOWN ? length : TEXT_SHOWN;
    for (size_t k = 0; k < shown; ++k) {
        unsigned char c = (unsigned char)text[k];
        fputc(c < 0x20 || c == 0x7F ? ' ' : c, out);
    }
    if (shown < length) fputs("...", out);
}

static void show_metadata(const struct un_weights_view *view, FILE *out) {
    const struct un_checkpoint_params *c = &view->checkpoint;
    if (un_weights_view_is_checkpoint(view)) {
        char digest[UN_DIGEST_TEXT];
        un_digest_print(&c->manifest.param, digest);
        fprintf(out, "checkpoint of step %" PRId64 ", %" PRId64 " shards, param_digest %s\n",
                c->manifest.step, c->manifest.n_shards, digest);
        return;
    }
    for (int64_t i = 0; view->file && i < view->file->n_metadata; ++i) {
        fputs("metadata    ", out);
        show_text(view->file->metadata[i].key, out);
        fputs(": ", out);
        show_text(view->file->metadata[i].value, out);
        fputs("\n", out);
    }
}

/* Rows of a tensor; 0: it is not there. */
static int64_t rows_of(const struct un_weights_view *view, const char *name) {
    int64_t i = un_weights_view_find(view, name);
    return i >= 0 && view->list[i].rank > 0 ? view->list[i].shape[0] : 0;
}

static void show_detector(const struct un_weights_view *view, FILE *out) {
    fprintf(out,
            "network     region detector, %" PRId64 " anchors, %" PRId64
            " classes with the background, %" PRId64 " attributes with \"none\"%s\n",
            rows_of(view, "proposal_generator.anchor_generator.cell_anchors.0"),
            rows_of(view, "roi_heads.box_predictor.cls_score.weight"),
            rows_of(view, "roi_heads.box_predictor.attr_score.weight"),
            view->caffe.file ? "; a .caffemodel, its layers under the public names" : "");
}

/* What network it is, where the names tell. */
static void show_network(const struct un_weights_view *view, FILE *out) {
    struct un_weights_sizes s;
    enum un_weights_names names = un_weights_names_of(view);
    if (names == UN_NAMES_DETECTOR) show_detector(view, out);
    if (names == UN_NAMES_NONE || names == UN_NAMES_DETECTOR) return;
    un_weights_sizes_of(&s, view);
    const char *task = un_weights_task_name(s.tasks);
    fprintf(out,
            "network     width %" PRId64 ", %" PRId64 " layers, %" PRId64 " words, %" PRId64
            " token types, heads: %s",
            s.hidden_size, s.num_hidden_layers, s.vocab_size, s.type_vocab_size,
            task            ? task
            : s.pretraining ? "pretraining"
                            : "none");
    for (un_objective_set rest = s.tasks & (s.tasks - 1); rest; rest &= rest - 1)
        fprintf(out, " and %s", un_weights_task_name(rest));
    if (s.num_labels) fprintf(out, " (%" PRId64 " labels)", s.num_labels);
    fputs("\n", out);
}

enum un_status un_weights_show(const struct un_weights_view *view, FILE *out) {
    int width = 4;
    int64_t elements = 0;
    float *block = un_alloc(BLOCK, sizeof *block, "values of a tensor");
    if (!block) return UN_MEMORY;
    for (int64_t i = 0; i < view->n; ++i) {
        int length = (int)strlen(view->list[i].name);
        width = length > width ? length : width;
        elements += view->list[i].count;
    }
    fprintf(out, "%s\n%-*s  %-14s %-5s %11s %11s %11s %11s\n", view->path, width, "name", "shape", "type",
            "mean", "deviation", "least", "largest");
    struct un_progress progress; /* not where the lines themselves go by */
    un_progress_open_work(&progress, elements, 1000000, "M", isatty(fileno(out)) != 1);
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < view->n && status == UN_OK; ++i) {
        status = show_tensor(view, i, width, block, out);
        un_progress_add(&progress, view->list[i].count);
    }
    un_progress_clear(&progress);
    un_free(block);
    if (status != UN_OK) return status;
    fprintf(out, "%" PRId64 " tensors, %" PRId64 " values\n", view->n, elements);
    show_network(view, out);
    show_metadata(view, out);
    return UN_OK;
}
