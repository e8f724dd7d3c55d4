/* See summary.h. */
#include "io/run/summary.h"
#include "io/disk/text.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

static bool lower_is_better(const char *key) {
    return un_ends(key, "loss") || un_begins(key, "loss/");
}

static bool is_part(const struct un_summary *s, const char *key) {
    for (int i = 0; i < s->n; ++i) {
        const char *whole = s->row[i].key;
        size_t n = strlen(whole);
        if (un_begins(whole, "loss/") && strncmp(key, whole, n) == 0 && key[n] == '_') return true;
    }
    return false;
}

static struct un_summary_row *find(struct un_summary *s, const char *key, double value) {
    for (int i = 0; i < s->n; ++i)
        if (strcmp(s->row[i].key, key) == 0) return &s->row[i];
    if (strstr(key, "_ot_") || strcmp(key, "valid/align_chance") == 0) return NULL; /* neither good nor bad */
    bool told =
        strcmp(key, "loss") == 0 || un_begins(key, "valid/") || (un_begins(key, "loss/") && !is_part(s, key));
    if (!told || s->n == UN_SUMMARY_ROWS || strlen(key) >= UN_SUMMARY_KEY) return NULL;
    struct un_summary_row *row = &s->row[s->n++];
    *row = (struct un_summary_row){.first = value, .best = NAN};
    strcpy(row->key, key);
    return row;
}

void un_summary_note(struct un_summary *s, int64_t step, const char *key, double value) {
    struct un_summary_row *row = find(s, key, value);
    if (!row) return;
    row->last = value;
    bool better = lower_is_better(key) ? value < row->best : value > row->best;
    if (!isfinite(value) || !(better || isnan(row->best))) return;
    row->best = value;
    row->best_step = step;
}

void un_summary_print(const struct un_summary *s, FILE *out) {
    if (s->n == 0) return;
    fprintf(out, "%-28s %12s %12s %12s\n", "", "first", "last", "best");
    for (int i = 0; i < s->n; ++i) {
        const struct un_summary_row *r = &s->row[i];
        fprintf(out, "%-28s %12.5g %12.5g %12.5g  (update %" PRId64 ")\n", r->key, r->first, r->last, r->best,
                r->best_step);
    }
}
