/* What the page says in words and tables (private.h). */
#include "io/report/private.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void un_page_text(struct un_text_out *out, const char *text) {
    for (const char *c = text; *c; ++c) {
        const char *entity = *c == '<'   ? "&lt;"
                             : *c == '>' ? "&gt;"
                             : *c == '&' ? "&amp;"
                             : *c == '"' ? "&quot;"
                                         : NULL;
        if (entity)
            un_text_put_bytes(out, entity, strlen(entity));
        else
            un_text_put_bytes(out, c, 1);
    }
}

/* ---- the verdict ---- */

static void say_state(struct un_text_out *out, const struct un_told *t) {
    bool whole = t->steps > 0 && t->last_step >= t->steps;
    const struct un_curve *loss = un_told_curve(t, "loss");
    bool lost = loss && loss->n > 0 && !isfinite(loss->value[loss->n - 1]);
    const char *kind = lost ? "bad" : whole ? "good" : "open";
    un_text_put(out, "<strong class=\"%s\">", kind);
    if (lost)
        un_text_put(out, "diverged: the last loss told is no number</strong>, at update %" PRId64,
                    t->last_step);
    else if (whole)
        un_text_put(out, "finished</strong>: all %" PRId64 " updates", t->steps);
    else if (t->owner.present && !t->owner.ended)
        un_text_put(out, "under way, or ended without a word</strong>: update %" PRId64, t->last_step);
    else
        un_text_put(out, "stopped</strong> at update %" PRId64, t->last_step);
    if (!whole && t->steps > 0) un_text_put(out, " of %" PRId64, t->steps);
    if (t->owner.start > 1) un_text_put(out, ", in %" PRId64 " starts", t->owner.start);
}

/* A loss that rose far above its lowest value without getting lost. */
static void say_rise(struct un_text_out *out, const struct un_told *t) {
    const struct un_curve *loss = un_told_curve(t, "loss");
    double low = INFINITY, at = 0;
    for (size_t i = 0; loss && i < loss->n; ++i)
        if (loss->value[i] < low) low = loss->value[i], at = loss->step[i];
    if (!loss || loss->n < 10) return;
    double last = loss->value[loss->n - 1], first = loss->value[0];
    if (isfinite(first) && last - low > 0.5 * (first - low) && first > low)
        un_text_put(out, "; <strong class=\"bad\">the loss rose</strong>: %.4g now, %.4g at update %.0f",
                    last, low, at);
}

static void say_skips(struct un_text_out *out, const struct un_told *t) {
    static const char *const keys[] = {"skipped/loss", "skipped/gradient"};
    for (size_t k = 0; k < 2; ++k) {
        const struct un_curve *c = un_told_curve(t, keys[k]);
        if (!c || c->n == 0) continue;
        un_text_put(out, "; %.0f updates skipped in its last start (%s not finite)", c->value[c->n - 1],
                    k ? "a gradient" : "a loss");
    }
}

/* The best value of a measure of validation, and when it was reached. */
static void say_best(struct un_text_out *out, const struct un_told *t) {
    for (size_t i = 0; i < t->curves; ++i) {
        const struct un_curve *c = &t->curve[i];
        bool low = strcmp(c->key, "valid/loss") == 0,
             high = strstr(c->key, "_acc") || strstr(c->key, "r_mean");
        size_t best = 0;
        if (strncmp(c->key, "valid/", 6) != 0 || !(low || high)) continue;
        for (size_t k = 0; k < c->n; ++k)
            if (low ? c->value[k] < c->value[best] : c->value[k] > c->value[best]) best = k;
        if (c->n == 0 || !isfinite(c->value[best])) continue;
        un_text_put(out, "<li>");
        un_page_text(out, c->key);
        un_text_put(out, ": best %.4g after update %.0f, last %.4g</li>", c->value[best], c->step[best],
                    c->value[c->n - 1]);
    }
}

static void say_saves(struct un_text_out *out, const struct un_told *t) {
    const struct un_report_run *g = t->given;
    if (g->saves > 0)
        un_text_put(out, "<li>%" PRId64 " checkpoint%s, the newest after update %" PRId64 "</li>", g->saves,
                    g->saves > 1 ? "s" : "", g->save[g->saves - 1]);
    else
        un_text_put(out, "<li>no checkpoint</li>");
    if (g->best >= 0)
        un_text_put(out, "<li>the best, after update %" PRId64 ", by a measure of %.6g</li>", g->best,
                    g->measure);
}

/* The newest 20. */
static void say_starts(struct un_text_out *out, const struct un_told *t) {
    for (int64_t i = t->starts > 20 ? t->starts - 20 : 0; i < t->starts; ++i) {
        const struct un_told_start *s = &t->start[i];
        un_text_put(out, "<li>start %" PRId64 " behind update %" PRId64 ": ", i + 1, s->step);
        un_page_text(out, s->time);
        un_text_put(out, " on ");
        un_page_text(out, s->host);
        un_text_put(out, ", %" PRId64 " rank%s, ", s->ranks, s->ranks == 1 ? "" : "s");
        un_page_text(out, s->device);
        un_text_put(out, ", uniter_dist ");
        un_page_text(out, s->version);
        un_text_put(out, "</li>");
    }
}

void un_page_verdict(struct un_text_out *out, const struct un_told *t) {
    un_text_put(out, "<section class=\"verdict\"><h2>");
    un_page_text(out, t->name);
    un_text_put(out, "</h2><p>");
    say_state(out, t);
    say_rise(out, t);
    say_skips(out, t);
    un_text_put(out, ".</p><ul>");
    say_best(out, t);
    say_saves(out, t);
    say_starts(out, t);
    un_text_put(out, "</ul></section>");
}

/* ---- final numbers ---- */

static bool first_with(const struct un_told *told, int64_t run, const char *key) {
    for (int64_t r = 0; r < run; ++r)
        if (un_told_curve(&told[r], key)) return false;
    return true;
}

static void put_row(struct un_text_out *out, const struct un_told *told, int64_t n, const char *key) {
    un_text_put(out, "<tr><th scope=\"row\">");
    un_page_text(out, key);
    un_text_put(out, "</th>");
    for (int64_t r = 0; r < n; ++r) {
        const struct un_curve *c = un_told_curve(&told[r], key);
        if (c && c->n > 0)
            un_text_put(out, "<td>%.6g</td>", c->value[c->n - 1]);
        else
            un_text_put(out, "<td></td>");
    }
    un_text_put(out, "</tr>\n");
}

static void put_heads(struct un_text_out *out, const struct un_told *told, int64_t n, const char *first) {
    un_text_put(out, "<table><thead><tr><th scope=\"col\">%s</th>", first);
    for (int64_t r = 0; r < n; ++r) {
        un_text_put(out, "<th scope=\"col\">");
        un_page_text(out, told[r].name);
        un_text_put(out, "</th>");
    }
    un_text_put(out, "</tr></thead><tbody>\n");
}

void un_page_numbers(struct un_text_out *out, const struct un_told *told, int64_t n) {
    un_text_put(out, "<section><h2>Last numbers</h2>");
    put_heads(out, told, n, "of the last line that has it");
    for (int64_t r = 0; r < n; ++r)
        for (size_t i = 0; i < told[r].curves; ++i)
            if (first_with(told, r, told[r].curve[i].key)) put_row(out, told, n, told[r].curve[i].key);
    un_text_put(out, "</tbody></table></section>\n");
}

/* ---- configurations ---- */

enum { LINE = 400 };

/* The next line of a configuration without its origin; false: there is none. */
static bool next_line(const char **config, char line[LINE]) {
    size_t length = strcspn(*config, "\n"), take = length < LINE - 1 ? length : LINE - 1;
    if (**config == '\0') return false;
    memcpy(line, *config, take);
    line[take] = '\0';
    char *origin = strstr(line, "  # ");
    if (origin) *origin = '\0';
    *config += length + ((*config)[length] == '\n');
    return true;
}

static bool has_line(const char *config, const char *line) {
    char other[LINE];
    while (next_line(&config, other))
        if (strcmp(other, line) == 0) return true;
    return false;
}

/* Lines of a run that the first run has not. */
static void put_difference(struct un_text_out *out, const struct un_told *first,
                           const struct un_told *other) {
    char line[LINE], section[LINE] = "";
    const char *config = other->config;
    un_text_put(out, "<h3>");
    un_page_text(out, other->name);
    un_text_put(out, ": what differs from ");
    un_page_text(out, first->name);
    un_text_put(out, "</h3><pre>");
    while (next_line(&config, line)) {
        if (line[0] != ' ' && line[0] != '#') snprintf(section, sizeof section, "%s", line);
        if (line[0] == '#' || has_line(first->config, line)) continue;
        if (line[0] == ' ') {
            un_page_text(out, section);
            un_text_put(out, " ");
        }
        un_page_text(out, line);
        un_text_put(out, "\n");
    }
    un_text_put(out, "</pre>");
}

void un_page_configs(struct un_text_out *out, const struct un_told *told, int64_t n) {
    un_text_put(out, "<section><h2>Configuration</h2>");
    for (int64_t r = 1; r < n; ++r) put_difference(out, &told[0], &told[r]);
    for (int64_t r = 0; r < n; ++r) {
        un_text_put(out, "<details><summary>");
        un_page_text(out, told[r].name);
        un_text_put(out, ", with the origin of every value</summary><pre>");
        un_page_text(out, told[r].config);
        un_text_put(out, "</pre></details>");
    }
    un_text_put(out, "</section>\n");
}
