/* One value of a configuration: from a node to the member of a room's struct.
 *
 * Law: numbers are plain decimal words, read whole; text in quotes is never a number or a truth value. A
 * whole number may be written with an exponent (1e6) where that is exact. The decimal sign is a point: nobody
 * sets a locale. */
#include "runtime/config/path.h"
#include "runtime/config/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* `node` is not what the key wants: "big.yaml:7:9: train.lanes: "many" is not a whole number". */
static enum un_status refuse(const struct un_yaml *node, const char *problem) {
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT], shown[UN_YAML_TEXT];
    un_yaml_where(node, where);
    un_yaml_path(node, path);
    if (un_yaml_is_null(node))
        return un_fail(UN_USAGE, "%s: %s: no value is given; leave the key out to have its default", where,
                       path);
    return un_fail(UN_USAGE, "%s: %s: %s%s %s", where, path, un_yaml_show(node, shown),
                   node->quoted && node->text[0] != '\0' ? " in quotes" : "", problem);
}

/* Words that consist of the characters of decimal numbers alone: keeps hexadecimal, "inf" and "nan" out. */
static bool looks_decimal(const struct un_yaml *node) {
    return node->kind == UN_YAML_SCALAR && !node->quoted && node->text != NULL && node->text[0] != '\0' &&
           strspn(node->text, "0123456789+-.eE") == strlen(node->text);
}

static bool read_number(const struct un_yaml *node, double *value) {
    if (!looks_decimal(node)) return false;
    char *end;
    *value = strtod(node->text, &end);
    return *end == '\0' && isfinite(*value);
}

static bool read_whole(const struct un_yaml *node, int64_t *value) {
    if (!looks_decimal(node)) return false;
    char *end;
    errno = 0;
    *value = strtoll(node->text, &end, 10);
    if (*end == '\0') return errno == 0;
    double number;
    if (!read_number(node, &number) || number != floor(number) || fabs(number) > 0x1p53) return false;
    *value = (int64_t)number;
    return true;
}

/* Limits of a key, inclusive; a whole number is compared as a double, exact up to 2^53. */
static enum un_status check_range(const struct un_key *key, const struct un_yaml *node, double value) {
    if (!(key->min < key->max) || (value >= key->min && value <= key->max)) return UN_OK;
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT];
    un_yaml_where(node, where);
    un_yaml_path(node, path);
    if (value < key->min && key->max >= 1e15)
        return un_fail(UN_USAGE, "%s: %s: %s is below %.15g", where, path, node->text, key->min);
    return un_fail(UN_USAGE, "%s: %s: %s is outside %.15g .. %.15g", where, path, node->text, key->min,
                   key->max);
}

static enum un_status store_int(const struct un_key *key, const struct un_yaml *node, int64_t *out) {
    if (key->automatic && node->kind == UN_YAML_SCALAR && node->text &&
        strcmp(node->text, key->automatic) == 0) {
        *out = UN_AUTO;
        return UN_OK;
    }
    if (!read_whole(node, out))
        return refuse(node, key->automatic ? "is neither a whole number nor auto" : "is not a whole number");
    return check_range(key, node, (double)*out);
}

static enum un_status store_float(const struct un_key *key, const struct un_yaml *node, double *out) {
    if (!read_number(node, out)) return refuse(node, "is not a number");
    return check_range(key, node, *out);
}

static enum un_status store_bool(const struct un_yaml *node, bool *out) {
    static const char *const word[] = {"false", "true", "no", "yes", "off", "on"};
    for (size_t i = 0; node->kind == UN_YAML_SCALAR && !node->quoted && i < sizeof word / sizeof *word; ++i)
        if (node->text != NULL && strcasecmp(node->text, word[i]) == 0) {
            *out = i % 2 == 1;
            return UN_OK;
        }
    return refuse(node, "is neither true nor false");
}

static bool is_text(const struct un_yaml *node) {
    return node->kind == UN_YAML_SCALAR && !un_yaml_is_null(node);
}

enum { STRING_BYTES = 256 }; /* of UN_KEY_STRING, with the end */

/* The text that a key holds; of a path, expanded. */
static enum un_status read_text(const struct un_key *key, const struct un_yaml *node, bool required,
                                char *out, size_t size) {
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT], place[2 * UN_YAML_TEXT + 4];
    if (!is_text(node)) return refuse(node, "is not a text");
    un_yaml_where(node, where);
    un_yaml_path(node, path);
    if (key->path && required && node->text[0] == '\0')
        return un_fail(UN_USAGE, "%s: %s: an empty path (a variable of the shell that was not set?)", where,
                       path);
    size_t length = strlen(node->text);
    if (length >= size)
        return un_fail(UN_USAGE, "%s: %s: a text of %zu bytes; at most %zu fit", where, path, length,
                       size - 1);
    memset(out, 0, size);
    snprintf(place, sizeof place, "%s: %s", where, path);
    if (key->path) return un_path_expand(out, size, node->text, place);
    memcpy(out, node->text, length);
    return UN_OK;
}

static enum un_status store_string(const struct un_key *key, const struct un_yaml *node, char *out) {
    return read_text(key, node, key->fallback == NULL, out, STRING_BYTES);
}

static int64_t count_choices(const struct un_key *key) {
    int64_t n = 0;
    while (key->choices[n] != NULL) ++n;
    return n;
}

static int64_t find_choice(const struct un_key *key, const char *word) {
    for (int64_t i = 0; key->choices[i] != NULL; ++i)
        if (strcmp(key->choices[i], word) == 0) return i;
    return -1;
}

/* "is none of auto, cpu, cuda; did you mean cuda?" */
static enum un_status refuse_choice(const struct un_key *key, const struct un_yaml *node, const char *where,
                                    const char *word) {
    char list[512] = "", hint[UN_YAML_TEXT], path[UN_YAML_TEXT];
    for (int64_t i = 0; key->choices[i] != NULL; ++i) {
        size_t used = strlen(list);
        if (used + strlen(key->choices[i]) + 3 > sizeof list) break;
        strcat(strcat(list, i == 0 ? "" : ", "), key->choices[i]);
    }
    un_config_hint(hint, "", word, key->choices, count_choices(key));
    return un_fail(UN_USAGE, "%s: %s: \"%.80s\" is none of %s%s", where, un_yaml_path(node, path), word, list,
                   hint);
}

static enum un_status store_choice(const struct un_key *key, const struct un_yaml *node, int *out) {
    if (node->kind != UN_YAML_SCALAR || un_yaml_is_null(node)) return refuse(node, "is not a word");
    char where[UN_YAML_TEXT];
    int64_t index = find_choice(key, node->text);
    if (index < 0) return refuse_choice(key, node, un_yaml_where(node, where), node->text);
    *out = (int)index;
    return UN_OK;
}

static enum un_status store_floats(const struct un_key *key, const struct un_yaml *node, double *out) {
    char problem[64];
    snprintf(problem, sizeof problem, "is not a list of %d numbers", key->floats_count);
    if (node->kind != UN_YAML_SEQUENCE) return refuse(node, problem);
    char where[UN_YAML_TEXT], path[UN_YAML_TEXT];
    if (node->n != key->floats_count)
        return un_fail(UN_USAGE, "%s: %s: a list of %" PRId64 " where %d numbers are wanted",
                       un_yaml_where(node, where), un_yaml_path(node, path), node->n, key->floats_count);
    for (const struct un_yaml *item = node->first; item != NULL; item = item->next)
        UN_TRY(store_float(key, item, out++));
    return UN_OK;
}

/* One text of a list into memory of the document. */
static enum un_status own_text(struct un_config *config, const struct un_key *key, const struct un_yaml *node,
                               char **out) {
    enum { LONGEST = 8192 };
    char *text = un_alloc(LONGEST, 1, "text of a configuration");
    enum un_status status = text ? read_text(key, node, true, text, LONGEST) : UN_MEMORY;
    if (status == UN_OK) {
        *out = un_config_own(config, strlen(text) + 1, 1, "text of a configuration");
        status = *out ? UN_OK : UN_MEMORY;
    }
    if (status == UN_OK) strcpy(*out, text);
    un_free(text);
    return status;
}

static enum un_status store_strings(struct un_config *config, const struct un_key *key,
                                    const struct un_yaml *node, struct un_strings *out) {
    *out = (struct un_strings){0};
    if (node->kind == UN_YAML_MAPPING) return refuse(node, "is neither a text nor a list of texts");
    if (node->kind == UN_YAML_SEQUENCE && node->n == 0) return UN_OK;
    const struct un_yaml *item = node->kind == UN_YAML_SEQUENCE ? node->first : node;
    int64_t n = node->kind == UN_YAML_SEQUENCE ? node->n : 1;
    char **list = un_config_own(config, (size_t)n, sizeof *list, "texts of a configuration");
    if (list == NULL) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i, item = item->next) UN_TRY(own_text(config, key, item, &list[i]));
    *out = (struct un_strings){list, n};
    return UN_OK;
}

static enum un_status store_weights(const struct un_key *key, const struct un_yaml *node, double *out) {
    memset(out, 0, (size_t)count_choices(key) * sizeof *out);
    if (node->kind != UN_YAML_MAPPING) return refuse(node, "is not a mapping of names to numbers");
    for (const struct un_yaml *item = node->first; item != NULL; item = item->next) {
        char where[UN_YAML_TEXT];
        int64_t index = find_choice(key, item->key);
        if (index < 0) return refuse_choice(key, node, un_yaml_key_where(item, where), item->key);
        UN_TRY(store_float(key, item, &out[index]));
    }
    return UN_OK;
}

enum un_status un_config_store(struct un_config *config, const struct un_key *key, const struct un_yaml *node,
                               void *out) {
    void *member = (unsigned char *)out + key->offset;
    switch (key->type) {
    case UN_KEY_INT: return store_int(key, node, member);
    case UN_KEY_FLOAT: return store_float(key, node, member);
    case UN_KEY_BOOL: return store_bool(node, member);
    case UN_KEY_STRING: return store_string(key, node, member);
    case UN_KEY_CHOICE: return store_choice(key, node, member);
    case UN_KEY_FLOATS: return store_floats(key, node, member);
    case UN_KEY_STRINGS: return store_strings(config, key, node, member);
    case UN_KEY_WEIGHTS: return store_weights(key, node, member);
    case UN_KEY_LIST:
    case UN_KEY_PART: break;
    }
    return un_fail(UN_INTERNAL, "key %s of type %d has no value of its own", key->name, (int)key->type);
}
