/* The tables of config_tables.h, and comparison of what was bound. */
#include "config_tables.h"

#include "runtime/config/keys.h"
#include <string.h>

static const char *const devices[] = {"auto", "cpu", "cuda", NULL};
static const char *const tasks[] = {"mlm", "mrfr", "itm", NULL};

static const struct un_key top_keys[] = {
    UN_KEY_CHOICE(top, device, "auto", devices, "where to compute"),
};
static const struct un_key run_keys[] = {
    UN_KEY_STRING(run, dir, UN_REQUIRED, "", "folder of the run"),
    UN_KEY_INT(run, seed, "42", 0, 1e18, "", "of all random numbers"),
    UN_KEY_STRING(run, note, "", "", "free text"),
};
static const struct un_key set_keys[] = {
    UN_KEY_STRING(set, name, UN_REQUIRED, "", "of the dataset"),
    UN_KEY_STRINGS(set, text, "", "files or globs"),
    UN_KEY_WEIGHTS(set, mix, "{mlm: 1}", 0, 100, "", tasks, "shares of the objectives"),
    UN_KEY_FLOAT(set, ratio, "1", 0, 10, "", "of all samples"),
};
static const struct un_key_table set_table = UN_KEY_TABLE("", set, set_keys);
static const struct un_key data_keys[] = {
    UN_KEY_INT(data, max_txt_len, "60", 1, 510, "words", "longer texts are cut"),
    UN_KEY_FLOAT(data, conf_th, "0.2", -1, 1, "", "threshold"),
    UN_KEY_LIST(data, train, "[]", set_table, "training sets"),
    UN_KEY_LIST(data, valid, "", set_table, "validation sets"),
};
static const struct un_key optim_keys[] = {
    UN_KEY_FLOAT(optim, lr, "5.0e-5", 0, 1, "", "learning rate"),
    UN_KEY_FLOATS(optim, betas, 2, "[0.9, 0.98]", 0, 0.999999, "decay of the moments"),
    UN_KEY_BOOL(optim, nesterov, "false", "look ahead"),
};
static const struct un_key train_keys[] = {
    UN_KEY_INT(train, lanes, "8", 1, 65536, "", "streams"),
    UN_KEY_INT(train, steps, "100", 0, 0, "", "updates"),
};
static const struct un_key speed_keys[] = {
    UN_KEY_INT(speed, tokens_per_lane, "1024", 1, 1e15, "tokens", "at most, in a micro-batch"),
};

static const struct un_key_table top_table = UN_KEY_TABLE("", top, top_keys);
static const struct un_key_table run_table = UN_KEY_TABLE("run", run, run_keys);
static const struct un_key_table data_table = UN_KEY_TABLE("data", data, data_keys);
static const struct un_key_table optim_table = UN_KEY_TABLE("optim", optim, optim_keys);
static const struct un_key_table train_table = UN_KEY_TABLE("train", train, train_keys);
static const struct un_key_table speed_table = UN_KEY_TABLE("train", speed, speed_keys);

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
           a->speed.tokens_per_lane == b->speed.tokens_per_lane;
}
