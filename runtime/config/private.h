/* What the files config*.c share; nobody else includes this.
 *
 * A configuration is two trees: `given` is what the user wrote (file, then overrides put over it),
 * `effective` grows with every bind and note and holds each bound key once, with its value and origin. Known
 * keys are those of `effective`. The mark `bound` of a node says in `given`: somebody took it (the others are
 * unknown keys); in `effective`: this is the value of a key, not a section or a list of sections. */
#ifndef UN_RUNTIME_CONFIG_PRIVATE_H
#define UN_RUNTIME_CONFIG_PRIVATE_H

#include "runtime/config/config.h"
#include "runtime/config/yaml.h"

struct un_config {
    char *name;                /* of the file, for messages */
    struct un_yaml *given;     /* a mapping */
    struct un_yaml *effective; /* a mapping */
    void **owned;              /* strings and lists handed out */
    int64_t n_owned, capacity;
};

/* Zero-filled memory that lives as long as the configuration. NULL: error recorded. */
void *un_config_own(struct un_config *config, size_t count, size_t size, const char *what);

/* The node at "data.train[0].name" or "data.train.0.name" below root; NULL when absent. "" is root. */
struct un_yaml *un_config_find(struct un_yaml *root, const char *dotted);

/* The node at `dotted`, made with all mappings and sequences above it when absent. An index may be at most
 * the length of its list. What stands in the way is UN_USAGE with `what` in front. NULL: error recorded. */
struct un_yaml *un_config_reach(struct un_yaml *root, const char *dotted, const char *source,
                                const char *what);

/* Stores the value of `node` at out + key->offset. Every type but UN_KEY_LIST and UN_KEY_PART. */
enum un_status un_config_store(struct un_config *config, const struct un_key *key, const struct un_yaml *node,
                               void *out);

/* "; did you mean <prefix><nearest word>?", or "" when none is near. Returns buffer. */
const char *un_config_hint(char buffer[UN_YAML_TEXT], const char *prefix, const char *word,
                           const char *const *known, int64_t n);

#endif
