/* Typed configuration: YAML (libyaml) bound to key tables that each room declares.
 *
 * A document is read once, dotted overrides ("optim.lr=1e-4") are applied on top, then each room binds its
 * part to its struct by its table. Unknown key, duplicate key, wrong type or out of range: UN_USAGE with
 * file, line, column and the nearest known key. What nobody bound is an unknown key (un_config_finish). */
#ifndef UN_RUNTIME_CONFIG_CONFIG_H
#define UN_RUNTIME_CONFIG_CONFIG_H

#include "runtime/status.h"
#include <stdio.h>

enum un_key_type {
    UN_KEY_INT,     /* int64_t */
    UN_KEY_FLOAT,   /* double */
    UN_KEY_BOOL,    /* bool */
    UN_KEY_STRING,  /* char[256]; longer is an error */
    UN_KEY_CHOICE,  /* int: index into choices */
    UN_KEY_FLOATS,  /* double[floats_count] from a sequence of exactly that many */
    UN_KEY_STRINGS, /* struct un_strings from a scalar or a sequence */
    UN_KEY_WEIGHTS, /* double[n of choices] from a mapping choice -> number; absent = 0 */
    UN_KEY_LIST,    /* struct un_list of elements bound by `sub`, from a sequence of mappings */
    UN_KEY_PART     /* no key: those of `sub` stand here, and their struct is a member of this one */
};

enum { UN_AUTO = -1 }; /* what a key with a word for it holds until the program has chosen */

struct un_strings {
    char **list; /* owned by the configuration document */
    int64_t n;
};
struct un_list {
    void *items; /* owned by the configuration document; n elements of the table's item_size */
    int64_t n;
};

struct un_key_table;

/* One key, written by a macro of keys.h. min/max are inclusive and only used when min < max. */
struct un_key {
    const char *name;
    enum un_key_type type;
    size_t offset;        /* offsetof in the room's struct */
    const char *fallback; /* default, as it would be written in YAML; NULL: required */
    double min, max;
    const char *unit;               /* "tokens", "steps", "" ... */
    const char *meaning;            /* one sentence */
    const char *const *choices;     /* NULL-terminated; CHOICE and WEIGHTS */
    const struct un_key_table *sub; /* LIST, PART */
    int floats_count;               /* FLOATS */
    bool path;             /* STRING, STRINGS: expanded (path.h); not empty where required or in a list */
    const char *automatic; /* INT: this word stands for UN_AUTO; NULL: none does */
};

struct un_key_table {
    const char *section; /* "optim"; "" for keys at the top level */
    const struct un_key *keys;
    int64_t n;
    size_t item_size; /* sizeof the struct: needed for tables used as `sub` */
};

struct un_config; /* a parsed document; owns all strings and lists bound from it */

/* Reads FILE ("-": standard input) and applies n overrides "a.b.c=value" (value parsed as YAML; indices of lists as
 * "data.train.0.name"). */
enum un_status un_config_read(struct un_config **config, const char *path, const char *const *overrides,
                              int n);
/* The same from a text in memory; `name` stands for the file in messages. */
enum un_status un_config_parse(struct un_config **config, const char *name, const char *text,
                               const char *const *overrides, int n);
/* Fills *out (a struct the table describes) from section table->section. */
enum un_status un_config_bind(struct un_config *config, const struct un_key_table *table, void *out);
/* Was "section.key" given by file or override (rather than a default)? */
bool un_config_given(const struct un_config *config, const char *dotted);
/* Error if any key of the document was bound by nobody, with the nearest key of the bound tables. */
enum un_status un_config_finish(struct un_config *config);
/* Writes all bound keys as YAML, each with the comment "# file:line", "# command line", "# default" or a
 * note. */
enum un_status un_config_write(const struct un_config *config, FILE *out);
/* A value worked out from the data ("model.vocab_size" = 28996): shown by un_config_write with origin `why`. */
enum un_status un_config_note(struct un_config *config, const char *dotted, const char *value,
                              const char *why);
/* Calls visit("optim.lr", "0.0001") for every key of a table whose struct `from` was bound, with the value as it stands
 * in the struct now: two that mean the same look the same. Lists: an entry for each element; shares of 0 are left
 * out. Ends with the first status that is not UN_OK. */
typedef enum un_status un_config_visit(void *context, const char *key, const char *value);
enum un_status un_config_each(const struct un_key_table *table, const void *from, un_config_visit *visit,
                              void *context);
void un_config_free(struct un_config *config);
/* "file.yaml:12:5" of a bound key, for messages of later cross-checks; "default" if not given. Thread-local
 * buffer. */
const char *un_config_where(const struct un_config *config, const char *dotted);

/* A key as people see it. The texts but key's are the visitor's until it returns. */
struct un_key_words {
    const struct un_key *key; /* of it: meaning, unit, choices, path */
    const char *section;      /* "optim"; of a key of a list's items "data.train[]" */
    const char *name;         /* "optim.lr", "data.train[].name" */
    const char *type;         /* "whole number", "one of" ... */
    const char *fallback;     /* the default; "required" */
    const char *range;        /* with its unit; of a choice the words */
};
/* Calls visit for every key of n tables in their order, those of parts and of lists' items among them. Ends with the first
 * status that is not UN_OK. */
typedef enum un_status un_key_visit(void *context, const struct un_key_words *words);
enum un_status un_config_keys(const struct un_key_table *const *tables, int64_t n, un_key_visit *visit,
                              void *context);
/* A scalar of a bound key as it was written or noted, NULL when there is none; and where a key's value comes from, as
 * un_config_write says it: "file.yaml:12", "command line", "default", a note. Of what has no place of its own, as an element
 * of a default, that of what it stands in. Live as long as the configuration; origin: thread-local buffers, four in turn. */
const char *un_config_text(const struct un_config *config, const char *dotted);
const char *un_config_origin(const struct un_config *config, const char *dotted);

/* --help-config: a table of key, type, unit, default, range, meaning. */
void un_config_help(FILE *out, const struct un_key_table *const *tables, int64_t n);
/* The known word nearest to `word` by edit distance, or NULL if none is near. */
const char *un_config_nearest(const char *word, const char *const *known, int64_t n);

#endif
