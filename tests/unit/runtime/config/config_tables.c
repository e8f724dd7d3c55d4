/* The tables of config_tables.h, and comparison of what was bound. */
#include "config_tables.h"
#include <string.h>

#define KEYS(list)       list, sizeof list / sizeof *list
#define AT(type, member) .offset = offsetof(struct type, member)

static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const tasks[] = {"mlm", "mrfr", "itm", NULL};

static const struct un_key top_keys[] = {{"device", UN_KEY_CHOICE, AT(top, device), .fallback = "auto",
                                          .choices = devices, .meaning = "where to compute"}};
static const struct un_key run_keys[] = {
    {"dir", UN_KEY_STRING, AT(run, dir), .meaning = "folder of the run"},
    {"seed", UN_KEY_INT, AT(run, seed), .fallback = "42", .min = 0, .max = 1e18,
     .meaning = "of all random numbers"},
    {"note", UN_KEY_STRING, AT(run, note), .fallback = "", .meaning = "free text"}};
static const struct un_key set_keys[] = {
    {"name", UN_KEY_STRING, AT(set, name), .meaning = "of the dataset"},
    {"text", UN_KEY_STRINGS, AT(set, text), .fallback = "", .meaning = "files or globs"},
    {"mix", UN_KEY_WEIGHTS, AT(set, mix), .fallback = "{mlm: 1}", .min = 0, .max = 100, .choices = tasks,
     .meaning = "shares of the objectives"},
    {"ratio", UN_KEY_FLOAT, AT(set, ratio), .fallback = "1", .min = 0, .max = 10,
     .meaning = "of all samples"}};
static const struct un_key_table set_table = {"", KEYS(set_keys), sizeof(struct set)};
static const struct un_key data_keys[] = {
    {"max_txt_len", UN_KEY_INT, AT(data, max_txt_len), .fallback = "60", .min = 1, .max = 510,
     .unit = "words", .meaning = "longer texts are cut"},
    {"conf_th", UN_KEY_FLOAT, AT(data, conf_th), .fallback = "0.2", .min = -1, .max = 1,
     .meaning = "threshold"},
    {"train", UN_KEY_LIST, AT(data, train), .fallback = "[]", .sub = &set_table, .meaning = "training sets"},
    {"valid", UN_KEY_LIST, AT(data, valid), .fallback = "", .sub = &set_table, .meaning = "validation sets"}};
static const struct un_key optim_keys[] = {
    {"lr", UN_KEY_FLOAT, AT(optim, lr), .fallback = "5.0e-5", .min = 0, .max = 1, .meaning = "learning rate"},
    {"betas", UN_KEY_FLOATS, AT(optim, betas), .fallback = "[0.9, 0.98]", .min = 0, .max = 0.999999,
     .floats_count = 2, .meaning = "decay of the moments"},
    {"nesterov", UN_KEY_BOOL, AT(optim, nesterov), .fallback = "false", .meaning = "look ahead"}};
static const struct un_key train_keys[] = {
    {"lanes", UN_KEY_INT, AT(train, lanes), .fallback = "8", .min = 1, .max = 65536, .meaning = "streams"},
    {"steps", UN_KEY_INT, AT(train, steps), .fallback = "100", .meaning = "updates"}};
static const struct un_key speed_keys[] = {{"tokens_per_lane", UN_KEY_INT, AT(speed, tokens),
                                            .fallback = "1024", .min = 1, .max = 1e15, .unit = "tokens",
                                            .meaning = "at most, in a micro-batch"}};

static const struct un_key_table top_table = {"", KEYS(top_keys), sizeof(struct top)};
static const struct un_key_table run_table = {"run", KEYS(run_keys), sizeof(struct run)};
static const struct un_key_table data_table = {"data", KEYS(data_keys), sizeof(struct data)};
static const struct un_key_table optim_table = {"optim", KEYS(optim_keys), sizeof(struct optim)};
static const struct un_key_table train_table = {"train", KEYS(train_keys), sizeof(struct train)};
static const struct un_key_table speed_table = {"train", KEYS(speed_keys), sizeof(struct speed)};

const struct un_key_table *const config_tables[] = {&top_table,   &run_table,   &data_table,
                                                    &optim_table, &train_table, &speed_table};

const char config_full[] = "device: cpu\n"                      /* 1 */
                           "run: {dir: runs/base, seed: 1e6}\n" /* 2 */
                           "data:\n"                            /* 3 */
                           "  max_txt_len: 30\n"                /* 4 */
                           "  train:\n"                         /* 5 */
                           "    - {name: coco, text: data/coco_*.txt.h5, mix: {mlm: 8, itm: 6.5}}\n"
                           "    - name: vg\n"                               /* 7 */
                           "      text: [a.h5, \"b: #.h5\"]\n"              /* 8 */
                           "      ratio: 0.25\n"                            /* 9 */
                           "optim:\n"                                       /* 10 */
                           "  lr: 1.0e-4\n"                                 /* 11 */
                           "  betas: [0.8, 9e-1]\n"                         /* 12 */
                           "  nesterov: on\n"                               /* 13 */
                           "train: {lanes: 64, tokens_per_lane: 200000}\n"; /* 14 */

enum un_status config_bind_all(struct un_config *config, struct all *all) {
    UN_TRY(un_config_bind(config, &top_table, &all->top));
    UN_TRY(un_config_bind(config, &run_table, &all->run));
    UN_TRY(un_config_bind(config, &data_table, &all->data));
    UN_TRY(un_config_bind(config, &optim_table, &all->optim));
    UN_TRY(un_config_bind(config, &train_table, &all->train));
    UN_TRY(un_config_bind(config, &speed_table, &all->speed));
    return un_config_finish(config);
}

enum un_status config_load(struct un_config **config, const char *text, const char *const *overrides, int n,
                           struct all *all) {
    memset(all, 0, sizeof *all);
    UN_TRY(un_config_parse(config, "big.yaml", text, overrides, n));
    return config_bind_all(*config, all);
}

static bool same_strings(const struct un_strings *a, const struct un_strings *b) {
    bool same = a->n == b->n;
    for (int64_t i = 0; same && i < a->n; ++i) same = strcmp(a->list[i], b->list[i]) == 0;
    return same;
}

static bool same_sets(const struct un_list *a, const struct un_list *b) {
    bool same = a->n == b->n;
    const struct set *x = a->items, *y = b->items;
    for (int64_t i = 0; same && i < a->n; ++i)
        same = strcmp(x[i].name, y[i].name) == 0 && same_strings(&x[i].text, &y[i].text) &&
               memcmp(x[i].mix, y[i].mix, sizeof x[i].mix) == 0 && x[i].ratio == y[i].ratio;
    return same;
}

bool config_same(const struct all *a, const struct all *b) {
    return a->top.device == b->top.device && memcmp(&a->run, &b->run, sizeof a->run) == 0 &&
           a->data.max_txt_len == b->data.max_txt_len && a->data.conf_th == b->data.conf_th &&
           same_sets(&a->data.train, &b->data.train) && same_sets(&a->data.valid, &b->data.valid) &&
           a->optim.lr == b->optim.lr && memcmp(a->optim.betas, b->optim.betas, sizeof a->optim.betas) == 0 &&
           a->optim.nesterov == b->optim.nesterov && memcmp(&a->train, &b->train, sizeof a->train) == 0 &&
           a->speed.tokens == b->speed.tokens;
}
