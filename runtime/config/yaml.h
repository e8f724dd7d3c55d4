/* YAML as a small tree: scalars, sequences and mappings, each with the place it was written at.
 *
 * Law: one document; no tags; an alias (*name) is a copy of the value that is called &name above it, and "<<" merges
 * mappings; keys are non-empty scalars and unique in their mapping;
 * size, depth and number of nodes are bounded. Anything else is UN_USAGE with source, line and column.
 * Scalars stay text: what they mean is decided by the key table they are bound to. Read by libyaml. */
#ifndef UN_RUNTIME_CONFIG_YAML_H
#define UN_RUNTIME_CONFIG_YAML_H

#include "runtime/status.h"

enum { UN_YAML_MAX_BYTES = 1 << 20, UN_YAML_MAX_NODES = 10000, UN_YAML_MAX_DEPTH = 32 };

enum un_yaml_kind { UN_YAML_SCALAR, UN_YAML_SEQUENCE, UN_YAML_MAPPING };

struct un_yaml {
    enum un_yaml_kind kind;
    bool quoted;            /* a scalar in quotes or in block style: always text, never "no value" */
    bool bound;             /* free for the reader of the tree: somebody has taken this value */
    char *key;              /* owned; NULL unless inside a mapping */
    char *text;             /* owned; scalars: the value, without NUL inside */
    struct un_yaml *parent; /* NULL: root */
    struct un_yaml *first, *last, *next;
    int64_t n;                /* children */
    const char *source;       /* borrowed: file name, "command line", "default" */
    int key_line, key_column; /* from 1; 0: no place (not written in a file) */
    int line, column;
};

/* An empty text gives an empty plain scalar. `source` must outlive the tree. Owner: caller, un_yaml_free. */
enum un_status un_yaml_parse(struct un_yaml **root, const char *source, const char *text, size_t length);
/* Frees the node and all below it; it must be a root. NULL is nothing. */
void un_yaml_free(struct un_yaml *root);

/* Child by key or by index; NULL when absent or when `node` is not of that kind. */
struct un_yaml *un_yaml_child(const struct un_yaml *node, const char *key);
struct un_yaml *un_yaml_item(const struct un_yaml *node, int64_t index);
/* Appends an empty scalar; key NULL in a sequence. NULL: error recorded. */
struct un_yaml *un_yaml_append(struct un_yaml *parent, const char *key);
/* Takes a child out of its parent; it is a root then. */
void un_yaml_take_out(struct un_yaml *parent, struct un_yaml *child);
/* Makes `node` an empty one of `kind`; key, parent and place among its siblings stay. */
void un_yaml_clear(struct un_yaml *node, enum un_yaml_kind kind);
/* Makes the value of `node` a copy of that of `from`, places and sources included. */
enum un_status un_yaml_copy(struct un_yaml *node, const struct un_yaml *from);

/* A plain scalar that says nothing: empty, ~ or null. */
bool un_yaml_is_null(const struct un_yaml *node);

enum { UN_YAML_TEXT = 256 };
/* "optim.lr", "data.train[0].mix"; shortened to fit. Return buffer. */
const char *un_yaml_path(const struct un_yaml *node, char buffer[UN_YAML_TEXT]);
/* "big.yaml:12:3" of the key or of the value; "command line" where there is no line. */
const char *un_yaml_key_where(const struct un_yaml *node, char buffer[UN_YAML_TEXT]);
const char *un_yaml_where(const struct un_yaml *node, char buffer[UN_YAML_TEXT]);
/* The value for messages: "\"many\"", "a list", "a mapping"; control characters replaced, long ones
 * shortened. */
const char *un_yaml_show(const struct un_yaml *node, char buffer[UN_YAML_TEXT]);

#endif
