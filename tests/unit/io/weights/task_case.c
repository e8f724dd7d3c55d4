#include "tests/unit/io/weights/task_case.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

const struct kind pretrained = {.task = -1}, second_stage = {-1, WORDS + PERSONS, 4, 0, 0},
                  vcr = {UN_VCR, WORDS + PERSONS, 4, 0, 0}, vqa = {UN_VQA, 0, 0, 9, 0},
                  ve = {UN_VE, 0, 0, 0, 0}, triplet = {UN_NLVR2_TRIPLET, 0, 3, 0, 0},
                  pair = {UN_NLVR2_PAIR, 0, 3, 0, 0}, attn = {UN_NLVR2_ATTN, 0, 3, 0, 0},
                  re = {UN_RE, 0, 0, 0, 1}, re2 = {UN_RE_RANK, 0, 0, 0, 2},
                  retrieval = {UN_ITM_RANK, 0, 0, 0, 0}, hard = {UN_ITM_HARD, 0, 0, 0, 0};

void kind_table(struct un_params *table, struct kind k) {
    struct un_dims dims = weights_dims;
    if (k.words) dims.vocab_size = k.words;
    if (k.types) dims.type_vocab_size = k.types;
    dims.num_labels = k.labels;
    dims.re_layers = k.layers;
    if (k.task >= 0) dims.heads = un_objective_bit((enum un_objective)k.task);
    expect_ok(un_model_params_build(table, &dims));
}

void same_name(const char *ours, char theirs[256]) {
    snprintf(theirs, 256, "%s", ours);
}

const char *file_of(const char *name, struct kind k, void (*rename)(const char *, char[256]),
                    const struct weights_entry *more) {
    struct un_params table = {0};
    kind_table(&table, k);
    const char *path = weights_file_of(name, &table, rename, more);
    un_params_free(&table);
    return path;
}

enum un_status load(struct loaded *l, struct kind model, const char *path) {
    memset(l, 0, sizeof *l);
    kind_table(&l->table, model);
    l->values = un_alloc((size_t)l->table.total, sizeof *l->values, "test");
    for (int64_t i = 0; i < l->table.total; ++i) l->values[i] = DRAWN;
    UN_TRY(un_weights_view_open(&l->view, path));
    UN_TRY(un_weights_plan_open(&l->plan, &l->view, &l->table, UN_FIT_START));
    return un_weights_load(&l->plan, l->values);
}

void unload(struct loaded *l) {
    un_weights_plan_close(&l->plan);
    un_weights_view_close(&l->view);
    un_free(l->values);
    un_params_free(&l->table);
}

static void lines(void *context, const char *text) {
    strcat(context, text);
    strcat(context, "\n");
}

void(expect_told)(const struct loaded *l, const char *const *words) {
    static char text[20000];
    text[0] = '\0';
    un_weights_plan_tell(&l->plan, lines, text);
    for (; *words; ++words)
        if (!strstr(text, *words)) fail_msg("\"%s\" is not in: %s", *words, text);
}

const float *values_of(const struct loaded *l, const char *name, int64_t *count) {
    int64_t at = un_params_find(&l->table, name);
    if (at < 0) fail_msg("the model has no %s", name);
    if (count) *count = l->table.list[at].count;
    return l->values + l->table.list[at].offset;
}

void expect_part(const struct loaded *l, const char *name, const char *source, int64_t from, int64_t given) {
    int64_t count, wrong = 0;
    const float *v = values_of(l, name, &count);
    for (int64_t i = 0; i < count; ++i)
        wrong += v[i] != (i < given ? weights_value(source, from + i) : (float)DRAWN);
    if (wrong) fail_msg("%s: %d wrong values of %d", name, (int)wrong, (int)count);
}

void expect_whole(const struct loaded *l, const char *name) {
    int64_t count;
    values_of(l, name, &count);
    expect_part(l, name, name, 0, count);
}
