/* For people: the table of all keys, and the known word nearest to a misspelt one. */
#include "runtime/config/private.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { WORD = 64 }; /* longer words are compared by nobody */

/* Optimal string alignment: insertions, deletions, replacements and swaps of neighbours, each 1. */
static int distance(const char *a, const char *b) {
    size_t rows = strlen(a), cols = strlen(b);
    int row[3][WORD + 1]; /* before last, last, current; by i % 3 */
    for (size_t j = 0; j <= cols; ++j) row[0][j] = (int)j;
    for (size_t i = 1; i <= rows; ++i) {
        int *now = row[i % 3];
        const int *last = row[(i + 2) % 3], *before = row[(i + 1) % 3];
        now[0] = (int)i;
        for (size_t j = 1; j <= cols; ++j) {
            int least = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < least) least = last[j] + 1;
            if (now[j - 1] + 1 < least) least = now[j - 1] + 1;
            bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
            if (swapped && before[j - 2] + 1 < least) least = before[j - 2] + 1;
            now[j] = least;
        }
    }
    return row[rows % 3][cols];
}

const char *un_config_nearest(const char *word, const char *const *known, int64_t n) {
    size_t length = strlen(word);
    if (length == 0 || length > WORD) return NULL;
    int allowed = 1 + (int)length / 4, best = allowed + 1; /* one slip, and one more for every four letters */
    const char *nearest = NULL;
    for (int64_t i = 0; i < n; ++i) {
        size_t other = strlen(known[i]);
        if (other == 0 || other > WORD) continue;
        int d = distance(word, known[i]);
        if (d < best && d < (int)(length > other ? length : other)) { /* not merely: every letter replaced */
            best = d;
            nearest = known[i];
        }
    }
    return nearest;
}

const char *un_config_hint(char buffer[UN_YAML_TEXT], const char *prefix, const char *word,
                           const char *const *known, int64_t n) {
    const char *nearest = un_config_nearest(word, known, n);
    buffer[0] = '\0';
    if (nearest != NULL) snprintf(buffer, UN_YAML_TEXT, "; did you mean %.100s%.100s?", prefix, nearest);
    return buffer;
}

enum { COLUMNS = 4, CELL = 160 };

static void join_choices(const struct un_key *key, char cell[CELL]) {
    for (int64_t i = 0; key->choices[i] != NULL; ++i) {
        size_t used = strlen(cell);
        snprintf(cell + used, CELL - used, "%s%s", i == 0 ? "" : " | ", key->choices[i]);
    }
}

static void write_type(const struct un_key *key, char cell[CELL]) {
    static const char *const word[] = {
        [UN_KEY_INT] = "whole number",     [UN_KEY_FLOAT] = "number",   [UN_KEY_BOOL] = "true or false",
        [UN_KEY_STRING] = "text",          [UN_KEY_CHOICE] = "one of",  [UN_KEY_FLOATS] = "numbers",
        [UN_KEY_STRINGS] = "text or list", [UN_KEY_WEIGHTS] = "shares", [UN_KEY_LIST] = "list of sections"};
    if (key->type == UN_KEY_FLOATS)
        snprintf(cell, CELL, "%d %s", key->floats_count, word[key->type]);
    else
        snprintf(cell, CELL, "%s", word[key->type]);
}

static void write_range(const struct un_key *key, char cell[CELL]) {
    if (key->type == UN_KEY_CHOICE || key->type == UN_KEY_WEIGHTS)
        join_choices(key, cell);
    else if (key->min < key->max && key->max >= 1e15)
        snprintf(cell, CELL, ">= %.15g", key->min);
    else if (key->min < key->max)
        snprintf(cell, CELL, "%.15g .. %.15g", key->min, key->max);
    bool unit = key->unit != NULL && key->unit[0] != '\0';
    size_t used = strlen(cell);
    if (unit) snprintf(cell + used, CELL - used, "%s%s", used > 0 ? " " : "", key->unit);
}

struct key_walk {
    un_key_visit *visit;
    void *context;
};

/* The keys of a list's items follow it as "data.train[].name". */
static enum un_status walk_table(const struct key_walk *w, const char *section,
                                 const struct un_key_table *table) {
    for (const struct un_key *key = table->keys; key < table->keys + table->n; ++key) {
        if (key->type == UN_KEY_PART) {
            UN_TRY(walk_table(w, section, key->sub));
            continue;
        }
        char name[CELL], type[CELL] = "", range[CELL] = "", inside[CELL];
        snprintf(name, CELL, "%s%s%s", section, section[0] == '\0' ? "" : ".", key->name);
        write_type(key, type);
        write_range(key, range);
        const char *fallback = key->fallback == NULL ? "required" : key->fallback;
        const struct un_key_words words = {.key = key,
                                           .section = section,
                                           .name = name,
                                           .type = type,
                                           .fallback = fallback[0] == '\0' ? "\"\"" : fallback,
                                           .range = range};
        UN_TRY(w->visit(w->context, &words));
        if (key->type != UN_KEY_LIST) continue;
        snprintf(inside, sizeof inside, "%.*s[]", CELL - 3, name);
        UN_TRY(walk_table(w, inside, key->sub));
    }
    return UN_OK;
}

enum un_status un_config_keys(const struct un_key_table *const *tables, int64_t n, un_key_visit *visit,
                              void *context) {
    const struct key_walk w = {visit, context};
    for (int64_t i = 0; i < n; ++i) UN_TRY(walk_table(&w, tables[i]->section, tables[i]));
    return UN_OK;
}

struct print {
    FILE *out; /* NULL: only widens `width` to the rows */
    int width[COLUMNS];
};

static enum un_status print_row(void *context, const struct un_key_words *words) {
    struct print *p = context;
    const char *const cell[COLUMNS] = {words->name, words->type, words->fallback, words->range};
    for (int c = 0; c < COLUMNS; ++c) {
        int length = (int)strlen(cell[c]);
        if (length > p->width[c]) p->width[c] = length;
        if (p->out != NULL) fprintf(p->out, "%-*s  ", p->width[c], cell[c]);
    }
    if (p->out != NULL) fprintf(p->out, "%s\n", words->key->meaning);
    return UN_OK;
}

void un_config_help(FILE *out, const struct un_key_table *const *tables, int64_t n) {
    static const char *const title[COLUMNS] = {"key", "type", "default", "range"};
    struct print p = {NULL, {0}};
    for (int c = 0; c < COLUMNS; ++c) p.width[c] = (int)strlen(title[c]);
    un_config_keys(tables, n, print_row, &p);
    p.out = out;
    for (int c = 0; c < COLUMNS; ++c) fprintf(out, "%-*s  ", p.width[c], title[c]);
    fprintf(out, "meaning\n");
    for (int64_t i = 0; i < n; ++i) {
        if (i == 0 || strcmp(tables[i]->section, tables[i - 1]->section) != 0) fprintf(out, "\n");
        un_config_keys(&tables[i], 1, print_row, &p);
    }
}
