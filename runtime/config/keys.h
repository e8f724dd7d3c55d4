/* Rows of key tables, one a key: UN_KEY_<TYPE>(struct, member, default, [range, unit,] meaning).
 *
 * The key is named after the member; a member of another C type than the row's does not compile. The default
 * is written as in YAML, UN_REQUIRED where there is none. A range 0, 0 is none. Rows that several tables have
 * are a table of their own, taken in by UN_KEY_PART. */
#ifndef UN_RUNTIME_CONFIG_KEYS_H
#define UN_RUNTIME_CONFIG_KEYS_H

#include "runtime/config/config.h"
#include <stddef.h>

#define UN_REQUIRED NULL

#define UN_KEY_TABLE(section, type, keys)                                                                    \
    { section, keys, sizeof keys / sizeof *keys, sizeof(struct type) }

#define UN_KEY_INT(type, member, fallback, low, high, unit, meaning)                                         \
    UN_KEY_INT_NAMED(#member, type, member, fallback, low, high, unit, meaning)
#define UN_KEY_FLOAT(type, member, fallback, low, high, unit, meaning)                                       \
    UN_KEY_ROW(#member, UN_KEY_FLOAT, UN_KEY_AT(type, member, double *), fallback, unit, meaning,            \
               .min = low, .max = high)
#define UN_KEY_BOOL(type, member, fallback, meaning)                                                         \
    UN_KEY_ROW(#member, UN_KEY_BOOL, UN_KEY_AT(type, member, bool *), fallback, "", meaning, .min = 0)
#define UN_KEY_STRING(type, member, fallback, unit, meaning)                                                 \
    UN_KEY_ROW(#member, UN_KEY_STRING, UN_KEY_AT(type, member, char(*)[256]), fallback, unit, meaning,       \
               .min = 0)
#define UN_KEY_STRINGS(type, member, fallback, meaning)                                                      \
    UN_KEY_ROW(#member, UN_KEY_STRINGS, UN_KEY_AT(type, member, struct un_strings *), fallback, "", meaning, \
               .min = 0)
/* The same of files, folders and patterns of files. */
#define UN_KEY_PATH(type, member, fallback, unit, meaning)                                                   \
    UN_KEY_ROW(#member, UN_KEY_STRING, UN_KEY_AT(type, member, char(*)[256]), fallback, unit, meaning,       \
               .path = true)
#define UN_KEY_PATHS(type, member, fallback, meaning)                                                        \
    UN_KEY_ROW(#member, UN_KEY_STRINGS, UN_KEY_AT(type, member, struct un_strings *), fallback, "", meaning, \
               .path = true)
/* A whole number or `auto`, which is its default. */
#define UN_KEY_INT_AUTO(type, member, low, high, unit, meaning)                                              \
    UN_KEY_ROW(#member, UN_KEY_INT, UN_KEY_AT(type, member, int64_t *), "auto", unit, meaning, .min = low,   \
               .max = high, .automatic = "auto")
/* words: a NULL-terminated list of constants. */
#define UN_KEY_CHOICE(type, member, fallback, words, meaning)                                                \
    UN_KEY_CHOICE_NAMED(#member, type, member, fallback, words, meaning)
/* For keys whose name can be no member's ("case", "short"). */
#define UN_KEY_INT_NAMED(key, type, member, fallback, low, high, unit, meaning)                              \
    UN_KEY_ROW(key, UN_KEY_INT, UN_KEY_AT(type, member, int64_t *), fallback, unit, meaning, .min = low,     \
               .max = high)
#define UN_KEY_CHOICE_NAMED(key, type, member, fallback, words, meaning)                                     \
    UN_KEY_ROW(key, UN_KEY_CHOICE, UN_KEY_AT(type, member, int *), fallback, "", meaning, .choices = words)
#define UN_KEY_FLOATS(type, member, count, fallback, low, high, meaning)                                     \
    UN_KEY_ROW(#member, UN_KEY_FLOATS, UN_KEY_AT(type, member, double(*)[count]), fallback, "", meaning,     \
               .min = low, .max = high, .floats_count = count)
/* The member is an array as long as `words`. */
#define UN_KEY_WEIGHTS(type, member, fallback, low, high, unit, words, meaning)                              \
    UN_KEY_ROW(#member, UN_KEY_WEIGHTS, UN_KEY_AT(type, member[0], double *), fallback, unit, meaning,       \
               .min = low, .max = high, .choices = words)
#define UN_KEY_LIST(type, member, fallback, table, meaning)                                                  \
    UN_KEY_ROW(#member, UN_KEY_LIST, UN_KEY_AT(type, member, struct un_list *), fallback, "", meaning,       \
               .sub = &(table))
#define UN_KEY_PART(type, member, table)                                                                     \
    UN_KEY_ROW(#member, UN_KEY_PART, offsetof(struct type, member), "", "", "", .sub = &(table))

/* Of this header only. */
#define UN_KEY_AT(type, member, pointer)                                                                     \
    _Generic(&((struct type *)0)->member, pointer : offsetof(struct type, member))
#define UN_KEY_ROW(name_, type_, offset_, fallback_, unit_, meaning_, ...)                                   \
    {                                                                                                        \
        .name = name_, .type = type_, .offset = offset_, .fallback = fallback_, .unit = unit_,               \
        .meaning = meaning_, __VA_ARGS__                                                                     \
    }

#endif
