/* A small network of each task, loaded from made files as model.init does. */
#ifndef UN_TESTS_UNIT_IO_WEIGHTS_TASK_CASE_H
#define UN_TESTS_UNIT_IO_WEIGHTS_TASK_CASE_H

#include "model/net/network.h"
#include "tests/support/weights_case.h"

enum { WORDS = 21, WIDTH = 8, PERSONS = 81, DRAWN = -7 };

/* A network of one task; task < 0: of pretraining. 0: the size of weights_dims. */
struct kind {
    int task;
    int64_t words, types, labels, layers;
};
extern const struct kind pretrained, second_stage, vcr, vqa, ve, triplet, pair, attn, re, re2, retrieval,
    hard;
void kind_table(struct un_params *table, struct kind k);

void same_name(const char *ours, char theirs[256]);
/* weights_file_of its parameters. */
const char *file_of(const char *name, struct kind k, void (*rename)(const char *, char[256]),
                    const struct weights_entry *more);

struct loaded {
    struct un_params table;
    struct un_weights_view view;
    struct un_weights_plan plan;
    float *values; /* DRAWN where nothing was loaded */
};
enum un_status load(struct loaded *l, struct kind model, const char *path);
void unload(struct loaded *l);

void expect_told(const struct loaded *l, const char *const *words);
#define expect_told(l, ...) expect_told((l), (const char *const[]){__VA_ARGS__, NULL})
const float *values_of(const struct loaded *l, const char *name, int64_t *count);
/* Element i of `name` is element from + i of tensor `source` for i below given, and drawn behind. */
void expect_part(const struct loaded *l, const char *name, const char *source, int64_t from, int64_t given);
void expect_whole(const struct loaded *l, const char *name);

#endif
