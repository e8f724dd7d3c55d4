/* The values of bound keys as text, one a key, so that two configurations can be held against each other
 * whatever way their values were written. */
#include "runtime/config/config.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { KEY = 320, VALUE = 512 };

struct walk {
    un_config_visit *visit;
    void *context;
};

/* The shortest of two forms that is read back as the same number. */
static void print_float(char text[VALUE], double value) {
    snprintf(text, VALUE, "%.15g", value);
    if (strtod(text, NULL) != value) snprintf(text, VALUE, "%.17g", value);
}

static enum un_status visit_floats(const struct walk *w, const char *name, const double *values, int n) {
    char all[VALUE] = "";
    for (int i = 0; i < n; ++i) {
        char one[VALUE];
        size_t used = strlen(all);
        print_float(one, values[i]);
        snprintf(all + used, VALUE - used, "%s%.30s", i ? ", " : "", one);
    }
    return w->visit(w->context, name, all);
}

/* Lists may be long: a value each, without a number where there is one only. */
static enum un_status visit_strings(const struct walk *w, const char *name, const struct un_strings *s) {
    char key[KEY];
    if (s->n == 1) return w->visit(w->context, name, s->list[0]);
    for (int64_t i = 0; i < s->n; ++i) {
        snprintf(key, sizeof key, "%.290s.%" PRId64, name, i);
        UN_TRY(w->visit(w->context, key, s->list[i]));
    }
    return UN_OK;
}

static enum un_status visit_weights(const struct walk *w, const char *name, const struct un_key *key,
                                    const double *weights) {
    char part[KEY], value[VALUE];
    for (int i = 0; key->choices[i]; ++i) {
        if (weights[i] == 0) continue; /* as one that is not there */
        snprintf(part, sizeof part, "%.200s.%.100s", name, key->choices[i]);
        print_float(value, weights[i]);
        UN_TRY(w->visit(w->context, part, value));
    }
    return UN_OK;
}

static enum un_status walk_table(const struct walk *w, const char *above, const struct un_key_table *table,
                                 const void *from);

static enum un_status visit_list(const struct walk *w, const char *name, const struct un_key *key,
                                 const struct un_list *list) {
    char item[KEY];
    for (int64_t i = 0; i < list->n; ++i) {
        snprintf(item, sizeof item, "%.290s.%" PRId64, name, i);
        UN_TRY(walk_table(w, item, key->sub, (const char *)list->items + (size_t)i * key->sub->item_size));
    }
    return UN_OK;
}

static enum un_status visit_scalar(const struct walk *w, const char *name, const struct un_key *key,
                                   const void *at) {
    char value[VALUE] = "";
    switch (key->type) {
    case UN_KEY_INT: snprintf(value, sizeof value, "%" PRId64, *(const int64_t *)at); break;
    case UN_KEY_FLOAT: print_float(value, *(const double *)at); break;
    case UN_KEY_BOOL: snprintf(value, sizeof value, "%s", *(const bool *)at ? "true" : "false"); break;
    case UN_KEY_CHOICE: snprintf(value, sizeof value, "%s", key->choices[*(const int *)at]); break;
    default: snprintf(value, sizeof value, "%s", (const char *)at); break;
    }
    return w->visit(w->context, name, value);
}

static enum un_status walk_key(const struct walk *w, const char *above, const struct un_key *key,
                               const void *from) {
    char name[KEY];
    const void *at = (const char *)from + key->offset;
    if (key->type == UN_KEY_PART) return walk_table(w, above, key->sub, at);
    snprintf(name, sizeof name, "%.200s%s%.100s", above, above[0] ? "." : "", key->name);
    switch (key->type) {
    case UN_KEY_FLOATS: return visit_floats(w, name, at, key->floats_count);
    case UN_KEY_STRINGS: return visit_strings(w, name, at);
    case UN_KEY_WEIGHTS: return visit_weights(w, name, key, at);
    case UN_KEY_LIST: return visit_list(w, name, key, at);
    default: return visit_scalar(w, name, key, at);
    }
}

static enum un_status walk_table(const struct walk *w, const char *above, const struct un_key_table *table,
                                 const void *from) {
    for (int64_t i = 0; i < table->n; ++i) UN_TRY(walk_key(w, above, &table->keys[i], from));
    return UN_OK;
}

enum un_status un_config_each(const struct un_key_table *table, const void *from, un_config_visit *visit,
                              void *context) {
    const struct walk w = {visit, context};
    return walk_table(&w, table->section, table, from);
}
