/* Which curve stands in which chart (private.h). Charts come in the order in which people ask: losses, objectives, measures,
 * alignment, schedule, speed. */
#include "io/report/private.h"

#include <stdio.h>
#include <string.h>

static bool is_alignment(const char *key) {
    return strstr(key, "itm_ot_") || un_begins(key, "valid/align_");
}
static bool is_loss(const char *key) {
    return strcmp(key, "loss") == 0 || strcmp(key, "valid/loss") == 0;
}
static bool is_measure(const char *key) {
    return un_begins(key, "valid/") && !is_alignment(key) && !un_ends(key, "_loss") && !is_loss(key);
}
static bool is_rate(const char *key) {
    return strcmp(key, "lr") == 0;
}
static bool is_norm(const char *key) {
    return strcmp(key, "grad_norm") == 0;
}
static bool is_layer_gradient(const char *key) {
    return un_begins(key, "grad_norm/");
}
static bool is_layer_parameter(const char *key) {
    return un_begins(key, "param_norm/");
}
static bool is_speed(const char *key) {
    return strcmp(key, "tokens_per_s") == 0;
}
/* ms/comm runs beside the others, ms/save in the background, ms/step is their sum. */
static bool is_phase(const char *key) {
    return un_begins(key, "ms/") && strcmp(key, "ms/step") != 0 && strcmp(key, "ms/save") != 0 &&
           strcmp(key, "ms/comm") != 0;
}
static bool is_skip(const char *key) {
    return un_begins(key, "skipped/");
}
static bool is_work(const char *key) {
    return strcmp(key, "tokens") == 0 || strcmp(key, "samples") == 0 || strcmp(key, "sequences") == 0;
}
static bool is_beside(const char *key) {
    return strcmp(key, "comm_exposed") == 0;
}

static const struct kind {
    const char *title, *unit, *about;
    bool (*takes)(const char *key);
    bool stacked;
} before[] =
    {
        {"Loss", "", "Weighted over the objectives; points: validation.", is_loss, false},
},
  after[] = {
      {"Measures of validation", "", "Shares of what was right, and the task's own measures.", is_measure,
       false},
      {"Word-region alignment", "",
       "Transport distance of true and of wrong pairs, which should part; where boxes are known, how often a "
       "word's mass lies on "
       "its region, beside chance.",
       is_alignment, false},
      {"Learning rate", "", "", is_rate, false},
      {"Gradient norm", "", "Before clipping.", is_norm, false},
      {"Gradient norm by layer", "", "Before clipping; log.histograms.", is_layer_gradient, false},
      {"Parameter norm by layer", "", "log.histograms.", is_layer_parameter, false},
      {"Tokens a second", "tokens/s", "Of all ranks, waiting included.", is_speed, false},
      {"Where the time of a step goes", "ms", "Added up; rank 0.", is_phase, true},
      {"Communication that computation waits for", "share", "", is_beside, false},
      {"Skipped updates", "updates", "Since the start; a loss or the gradient was not finite.", is_skip,
       false},
      {"What a step holds", "", "", is_work, false},
};

struct making {
    struct un_chart *charts;
    int n;
    const struct un_told *told;
    int64_t runs;
};

static void put_curve(struct un_chart *chart, int run, const struct un_curve *curve) {
    if (chart->n == UN_CHART_CURVES) {
        un_log(UN_LOG_WARN, "report: \"%s\" has no room for %s of run %d", chart->title, curve->key, run + 1);
        return;
    }
    chart->curve[chart->n++] = (struct un_charted){run, curve, un_begins(curve->key, "valid/")};
}

/* NULL: there are too many charts. */
static struct un_chart *new_chart(struct making *m, const char *title, const char *unit, const char *about,
                                  bool stacked) {
    if (m->n == UN_CHARTS) {
        un_log(UN_LOG_WARN, "report: no room for a chart of %s", title);
        return NULL;
    }
    struct un_chart *c = &m->charts[m->n++];
    *c = (struct un_chart){.unit = unit, .about = about, .stacked = stacked};
    snprintf(c->title, sizeof c->title, "%s", title);
    return c;
}

static void put_kind(struct making *m, const struct kind *kind, int64_t begin, int64_t end,
                     const char *suffix) {
    struct un_chart *chart = NULL;
    char title[128];
    snprintf(title, sizeof title, "%s%s", kind->title, suffix);
    for (int64_t r = begin; r < end; ++r)
        for (size_t i = 0; i < m->told[r].curves; ++i) {
            const struct un_curve *curve = &m->told[r].curve[i];
            if (!kind->takes(curve->key)) continue;
            if (!chart && !(chart = new_chart(m, title, kind->unit, kind->about, kind->stacked))) return;
            put_curve(chart, (int)r, curve);
        }
}

/* Areas of several runs cannot lie on each other: such a chart is of one run. */
static void put_kinds(struct making *m, const struct kind *kinds, size_t n) {
    for (size_t k = 0; k < n; ++k) {
        if (!kinds[k].stacked || m->runs == 1) {
            put_kind(m, &kinds[k], 0, m->runs, "");
            continue;
        }
        for (int64_t r = 0; r < m->runs; ++r) {
            char suffix[100];
            snprintf(suffix, sizeof suffix, ": %.90s", m->told[r].name);
            put_kind(m, &kinds[k], r, r + 1, suffix);
        }
    }
}

/* loss/mlm is an objective, loss/mlm_coco its part in a data set: a key of the same run that is its front and "_". */
static bool is_part(const struct un_told *told, const char *key) {
    for (size_t i = 0; i < told->curves; ++i) {
        const char *other = told->curve[i].key;
        size_t n = strlen(other);
        if (un_begins(other, "loss/") && strncmp(key, other, n) == 0 && key[n] == '_') return true;
    }
    return false;
}

/* key: loss/<objective> */
static void name_objective(char title[128], const char *key) {
    snprintf(title, 128, "Objective %.100s", key + strlen("loss/"));
}

static void put_objective(struct making *m, const char *key) {
    char valid[160], title[128];
    size_t n = strlen(key);
    name_objective(title, key);
    struct un_chart *chart =
        new_chart(m, title, "", "Mean over what was asked; by data set; points: validation.", false);
    snprintf(valid, sizeof valid, "valid/%.140s_loss", key + strlen("loss/"));
    for (int64_t r = 0; chart && r < m->runs; ++r)
        for (size_t i = 0; i < m->told[r].curves; ++i) {
            const char *other = m->told[r].curve[i].key;
            bool fits = strcmp(other, key) == 0 || strcmp(other, valid) == 0;
            fits = fits || (strncmp(other, key, n) == 0 && other[n] == '_' && !is_alignment(other));
            if (fits) put_curve(chart, (int)r, &m->told[r].curve[i]);
        }
}

static bool has_objective(const struct making *m, const char *key) {
    char title[128];
    name_objective(title, key);
    for (int i = 0; i < m->n; ++i)
        if (strcmp(m->charts[i].title, title) == 0) return true;
    return false;
}

int un_charts_make(struct un_chart charts[UN_CHARTS], const struct un_told *told, int64_t n) {
    struct making m = {charts, 0, told, n};
    put_kinds(&m, before, sizeof before / sizeof *before);
    for (int64_t r = 0; r < n; ++r)
        for (size_t i = 0; i < told[r].curves; ++i) {
            const char *key = told[r].curve[i].key;
            if (!un_begins(key, "loss/") || is_alignment(key) || is_part(&told[r], key)) continue;
            if (!has_objective(&m, key)) put_objective(&m, key);
        }
    put_kinds(&m, after, sizeof after / sizeof *after);
    return m.n;
}
