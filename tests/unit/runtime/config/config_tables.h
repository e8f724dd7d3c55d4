/* Key tables for the tests of the configuration: every type, a shared section, and a list of sections. */
#ifndef UN_TESTS_UNIT_RUNTIME_CONFIG_CONFIG_TABLES_H
#define UN_TESTS_UNIT_RUNTIME_CONFIG_CONFIG_TABLES_H

#include "runtime/config/config.h"

struct top {
    int device;
};
struct run {
    char dir[256];
    int64_t seed;
    char note[256];
};
struct set {
    char name[256];
    struct un_strings text;
    double mix[3];
    double ratio;
};
struct data {
    int64_t max_txt_len;
    double conf_th;
    struct un_list train; /* struct set */
    struct un_list valid;
};
struct optim {
    double lr;
    double betas[2];
    bool nesterov;
};
struct train {
    int64_t lanes, steps;
};
struct speed { /* shares the section of struct train */
    int64_t tokens_per_lane;
};

struct all {
    struct top top;
    struct run run;
    struct data data;
    struct optim optim;
    struct train train;
    struct speed speed;
};

extern const struct un_key_table *const config_tables[];
enum { CONFIG_TABLES = 6 };

/* A configuration that gives something of every type; its line numbers are used in tests. */
extern const char config_full[];

/* Binds all tables and finishes. */
enum un_status config_bind_all(struct un_config *config, struct all *all);
/* Parse, bind, finish; the caller frees *config, which is NULL where nothing was parsed. */
enum un_status config_load(struct un_config **config, const char *text, const char *const *overrides, int n,
                           struct all *all);
/* Member by member, lists and texts by content. */
bool config_same(const struct all *a, const struct all *b);

#endif
