/* Key tables bound to structs, and what is left over.
 *
 * Law: every key of a table ends in the struct, from the document or from its default, and in the effective
 * tree. Several tables may share a section, and a table may take in others. A default that does not fit its
 * own key is an own bug (UN_INTERNAL). */
#include "runtime/config/private.h"
#include "runtime/memory.h"
#include <inttypes.h>
#include <string.h>

/* The default as YAML: an empty one is the empty value of its type, not "no value". */
static const char *fallback_text(const struct un_key *key) {
    if (key->fallback[0] != '\0') return key->fallback;
    switch (key->type) {
    case UN_KEY_STRING: return "\"\"";
    case UN_KEY_STRINGS:
    case UN_KEY_LIST: return "[]";
    case UN_KEY_WEIGHTS: return "{}";
    default: return "";
    }
}

/* A fresh child of the effective mapping for `key`: in place of an older one when a table is bound again. */
static struct un_yaml *effective_child(struct un_yaml *effective, const char *key) {
    struct un_yaml *node = un_yaml_child(effective, key);
    return node != NULL ? node : un_yaml_append(effective, key);
}

static void mark_bound(struct un_yaml *node) {
    node->bound = true;
    for (struct un_yaml *child = node->first; child != NULL; child = child->next) mark_bound(child);
}

/* "data.train[0].name" where the value is absent: by the section's node if there is one, else by its name. */
static enum un_status refuse_missing(const struct un_config *config, const struct un_yaml *given,
                                     const struct un_yaml *effective, const struct un_key *key) {
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT];
    bool placed = given != NULL && given->parent != NULL;
    un_yaml_path(effective, path);
    return un_fail(UN_USAGE, "%s: %s%s%s: required, but not given: %s",
                   placed ? un_yaml_key_where(given, where) : config->name, path, path[0] == '\0' ? "" : ".",
                   key->name, key->meaning);
}

static enum un_status bind_keys(struct un_config *config, const struct un_key_table *table,
                                struct un_yaml *given, struct un_yaml *effective, void *out);

/* A sequence of mappings into an array of structs. */
static enum un_status bind_list(struct un_config *config, const struct un_key *key, struct un_yaml *node,
                                struct un_yaml *effective, void *out) {
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT], shown[UN_YAML_TEXT];
    struct un_list list = {0};
    if (node->kind != UN_YAML_SEQUENCE)
        return un_fail(UN_USAGE, "%s: %s: %s is not a list of mappings", un_yaml_where(node, where),
                       un_yaml_path(node, path), un_yaml_show(node, shown));
    const struct un_key_table *sub = key->sub;
    if (node->n > 0) list.items = un_config_own(config, (size_t)node->n, sub->item_size, key->name);
    if (node->n > 0 && list.items == NULL) return UN_MEMORY;
    un_yaml_clear(effective, UN_YAML_SEQUENCE);
    for (struct un_yaml *item = node->first; item != NULL; item = item->next, ++list.n) {
        item->bound = true;
        if (item->kind != UN_YAML_MAPPING)
            return un_fail(UN_USAGE, "%s: %s: %s is not a mapping of keys", un_yaml_where(item, where),
                           un_yaml_path(item, path), un_yaml_show(item, shown));
        struct un_yaml *child = un_yaml_append(effective, NULL);
        if (child == NULL) return UN_MEMORY;
        un_yaml_clear(child, UN_YAML_MAPPING);
        UN_TRY(bind_keys(config, sub, item, child,
                         (unsigned char *)list.items + (size_t)list.n * sub->item_size));
    }
    memcpy((unsigned char *)out + key->offset, &list, sizeof list);
    return UN_OK;
}

static enum un_status bind_value(struct un_config *config, const struct un_key *key, struct un_yaml *node,
                                 struct un_yaml *effective, void *out) {
    UN_TRY(un_yaml_copy(effective, node));
    node->bound = true;
    if (key->type == UN_KEY_LIST) return bind_list(config, key, node, effective, out);
    mark_bound(node);
    effective->bound = true;
    return un_config_store(config, key, node, out);
}

/* A place in the default's own text says nothing to a reader. */
static void forget_places(struct un_yaml *node) {
    node->line = 0;
    for (struct un_yaml *child = node->first; child != NULL; child = child->next) forget_places(child);
}

static enum un_status bind_fallback(struct un_config *config, const struct un_key *key,
                                    struct un_yaml *effective, void *out) {
    const char *text = fallback_text(key);
    struct un_yaml *node;
    enum un_status status = un_yaml_parse(&node, "default", text, strlen(text));
    if (status == UN_OK) status = bind_value(config, key, node, effective, out);
    un_yaml_free(node);
    forget_places(effective);
    if (status != UN_USAGE) return status;
    char path[UN_YAML_TEXT], why[UN_ERROR_MAX];
    memcpy(why, un_error_get()->text, sizeof why);
    un_error_clear();
    return un_fail(UN_INTERNAL, "key %s: its default \"%s\" does not fit: %.500s",
                   un_yaml_path(effective, path), text, why);
}

static enum un_status bind_keys(struct un_config *config, const struct un_key_table *table,
                                struct un_yaml *given, struct un_yaml *effective, void *out) {
    for (const struct un_key *key = table->keys; key < table->keys + table->n; ++key) {
        if (key->type == UN_KEY_PART) {
            UN_TRY(bind_keys(config, key->sub, given, effective, (unsigned char *)out + key->offset));
            continue;
        }
        struct un_yaml *node = given == NULL ? NULL : un_yaml_child(given, key->name);
        if (node == NULL && key->fallback == NULL) return refuse_missing(config, given, effective, key);
        struct un_yaml *child = effective_child(effective, key->name);
        if (child == NULL) return UN_MEMORY;
        if (node != NULL)
            UN_TRY(bind_value(config, key, node, child, out));
        else
            UN_TRY(bind_fallback(config, key, child, out));
    }
    return UN_OK;
}

/* The given mapping of a section, marked as bound; *section NULL when it is absent or empty. */
static enum un_status find_section(struct un_config *config, const char *name, struct un_yaml **section) {
    struct un_yaml *node = un_config_find(config->given, name);
    *section = NULL;
    if (node == NULL) return UN_OK;
    for (struct un_yaml *up = node; up != NULL; up = up->parent) up->bound = true;
    if (un_yaml_is_null(node)) return UN_OK;
    char where[UN_YAML_TEXT], shown[UN_YAML_TEXT];
    if (node->kind != UN_YAML_MAPPING)
        return un_fail(UN_USAGE, "%s: %s: %s is not a section of keys", un_yaml_where(node, where), name,
                       un_yaml_show(node, shown));
    *section = node;
    return UN_OK;
}

enum un_status un_config_bind(struct un_config *config, const struct un_key_table *table, void *out) {
    struct un_yaml *given, *effective;
    UN_TRY(find_section(config, table->section, &given));
    effective = un_config_reach(config->effective, table->section, "default", table->section);
    if (effective == NULL) return un_error_get()->status;
    if (effective->kind != UN_YAML_MAPPING) un_yaml_clear(effective, UN_YAML_MAPPING);
    return bind_keys(config, table, given, effective, out);
}

/* First value nobody has bound, in the order of the document, or NULL. */
static const struct un_yaml *first_unknown(const struct un_yaml *node) {
    if (!node->bound && node->parent != NULL) return node;
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next) {
        const struct un_yaml *unknown = first_unknown(child);
        if (unknown != NULL) return unknown;
    }
    return NULL;
}

/* The path of a known key called `name` anywhere in the effective tree, outside lists; "" if there is none. */
static const char *find_elsewhere(const struct un_yaml *node, const char *name, char path[UN_YAML_TEXT]) {
    path[0] = '\0';
    if (node->kind != UN_YAML_MAPPING) return path;
    for (const struct un_yaml *child = node->first; child != NULL; child = child->next) {
        if (strcmp(child->key, name) == 0) return un_yaml_path(child, path);
        if (find_elsewhere(child, name, path)[0] != '\0') return path;
    }
    return path;
}

/* "; did you mean optim.lr?": the nearest key beside the unknown one, or the same key in another section. */
static enum un_status write_hint(struct un_config *config, const struct un_yaml *unknown,
                                 char hint[UN_YAML_TEXT]) {
    char path[UN_YAML_TEXT], prefix[UN_YAML_TEXT];
    hint[0] = '\0';
    un_yaml_path(unknown->parent, prefix);
    struct un_yaml *beside = un_config_find(config->effective, prefix);
    if (prefix[0] != '\0') strcat(prefix, ".");
    if (beside != NULL && beside->kind == UN_YAML_MAPPING && beside->n > 0) {
        const char **known = un_alloc((size_t)beside->n, sizeof *known, "list of known keys");
        if (known == NULL) return UN_MEMORY;
        int64_t n = 0;
        for (const struct un_yaml *child = beside->first; child != NULL; child = child->next)
            known[n++] = child->key;
        un_config_hint(hint, prefix, unknown->key, known, n);
        un_free(known);
    }
    if (hint[0] == '\0' && find_elsewhere(config->effective, unknown->key, path)[0] != '\0')
        snprintf(hint, UN_YAML_TEXT, "; did you mean %.200s?", path);
    return UN_OK;
}

enum un_status un_config_finish(struct un_config *config) {
    const struct un_yaml *unknown = first_unknown(config->given);
    if (unknown == NULL) return UN_OK;
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT], hint[UN_YAML_TEXT];
    UN_TRY(write_hint(config, unknown, hint));
    return un_fail(UN_USAGE, "%s: %s: unknown key%s", un_yaml_key_where(unknown, where),
                   un_yaml_path(unknown, path), hint);
}
