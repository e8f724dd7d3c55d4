/* Texts of facts (facts.h). */
#include "launch/job/facts.h"

#include "runtime/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { VALUE = 1200 }; /* a path and more */

static void put(struct un_text_out *out, const char *text) {
    for (const char *c = text; *c; ++c) un_text_put_bytes(out, (unsigned char)*c < 0x20 ? "?" : c, 1);
}

void un_facts_add(struct un_facts *facts, const char *key, const char *format, ...) {
    char value[VALUE];
    va_list args;
    va_start(args, format);
    vsnprintf(value, sizeof value, format, args);
    va_end(args);
    put(&facts->text, key);
    un_text_put_bytes(&facts->text, "\t", 1);
    put(&facts->text, value);
    un_text_put_bytes(&facts->text, "\n", 1);
}

enum un_status un_facts_visit(void *facts, const char *key, const char *value) {
    un_facts_add(facts, key, "%s", value);
    return UN_OK;
}

void un_facts_free(struct un_facts *facts) {
    un_free(facts->text.text);
    *facts = (struct un_facts){0};
}

struct line {
    const char *key, *value;
    int key_bytes, value_bytes;
};

/* The line at *at, which moves on; false at the end, and of what is no line. */
static bool next_line(const char **at, const char *end, struct line *line) {
    if (*at >= end) return false;
    const char *stop = memchr(*at, '\n', (size_t)(end - *at));
    const char *tab = stop ? memchr(*at, '\t', (size_t)(stop - *at)) : NULL;
    if (!tab) return false;
    *line = (struct line){*at, tab + 1, (int)(tab - *at), (int)(stop - tab - 1)};
    *at = stop + 1;
    return true;
}

/* Looks from *at on, then from the beginning: the two texts mostly have the same order. */
static bool find_line(const char *text, const char *end, const char **at, const struct line *wanted,
                      struct line *found) {
    for (int round = 0; round < 2; ++round, *at = text)
        while (next_line(at, end, found))
            if (found->key_bytes == wanted->key_bytes &&
                memcmp(found->key, wanted->key, (size_t)wanted->key_bytes) == 0)
                return true;
    return false;
}

static bool same(const struct line *a, const struct line *b) {
    return a->value_bytes == b->value_bytes && memcmp(a->value, b->value, (size_t)a->value_bytes) == 0;
}

/* Those of `mine` that differ, or (lacking) those that `theirs` has not. */
static int64_t pass(const char *mine, size_t mine_bytes, const char *theirs, size_t theirs_bytes,
                    bool lacking, un_facts_differ *differ, void *context) {
    const char *at = mine, *end = mine + mine_bytes, *other = theirs;
    struct line a, b;
    int64_t n = 0;
    while (next_line(&at, end, &a)) {
        bool there = find_line(theirs, theirs + theirs_bytes, &other, &a, &b);
        if (there && (lacking || same(&a, &b))) continue;
        struct un_fact_pair pair = {.key = a.key, .key_bytes = a.key_bytes};
        struct un_fact_pair lack = {a.key, NULL, a.value, a.key_bytes, 0, a.value_bytes};
        pair.mine = a.value;
        pair.mine_bytes = a.value_bytes;
        pair.theirs = there ? b.value : NULL;
        pair.theirs_bytes = there ? b.value_bytes : 0;
        differ(context, lacking ? &lack : &pair);
        ++n;
    }
    return n;
}

int64_t un_facts_compare(const char *mine, size_t mine_bytes, const char *theirs, size_t theirs_bytes,
                         un_facts_differ *differ, void *context) {
    return pass(mine, mine_bytes, theirs, theirs_bytes, false, differ, context) +
           pass(theirs, theirs_bytes, mine, mine_bytes, true, differ, context);
}
