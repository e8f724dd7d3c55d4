/* The table of names: an open-addressing table of phrases over XXH3, plurals among them. */
#include "io/convert/world/names.h"
#include "io/disk/name_list.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { CLASSES_MOST = 65535, WORDS_MOST = 16, NAME_BYTES = 255, FORMS = 3 };

struct entry {
    uint64_t hash;
    char *phrase; /* NULL: free */
    int id;
    bool plural, made; /* made here, not a name of the list */
};
struct un_names {
    char *path;
    struct un_name_list lines;
    int count, longest;
    struct entry *table;
    size_t mask, used;
    struct un_words *words; /* scratch of parsing */
};

static struct entry *find(const struct un_names *n, const char *phrase, size_t length) {
    uint64_t hash = XXH3_64bits(phrase, length);
    size_t at = hash & n->mask;
    for (; n->table[at].phrase; at = (at + 1) & n->mask)
        if (n->table[at].hash == hash && strlen(n->table[at].phrase) == length &&
            memcmp(n->table[at].phrase, phrase, length) == 0)
            break;
    return n->table + at;
}

static enum un_status grow(struct un_names *n) {
    size_t old = n->table ? n->mask + 1 : 0;
    struct entry *from = n->table;
    n->mask = old ? 2 * old - 1 : 1023;
    n->table = un_alloc(n->mask + 1, sizeof *n->table, "names of classes");
    if (!n->table) {
        n->table = from;
        n->mask = old - 1;
        return UN_MEMORY;
    }
    for (size_t i = 0; i < old; ++i)
        if (from[i].phrase) *find(n, from[i].phrase, strlen(from[i].phrase)) = from[i];
    un_free(from);
    return UN_OK;
}

static enum un_status insert(struct un_names *n, const char *phrase, size_t length, int id, bool made) {
    if (!n->table || 2 * n->used > n->mask) UN_TRY(grow(n));
    struct entry *e = find(n, phrase, length);
    if (e->phrase) {
        if (made) {
            e->plural = true;
            return UN_OK;
        }
        if (e->id == id) return UN_OK;
        return un_fail(UN_DATA, "%s: \"%s\" stands twice: line %d and line %d", n->path, e->phrase, e->id,
                       id);
    }
    char *copy = un_alloc(length + 1, 1, "a name");
    if (!copy) return UN_MEMORY;
    memcpy(copy, phrase, length);
    *e = (struct entry){XXH3_64bits(phrase, length), copy, id, made, made};
    ++n->used;
    return UN_OK;
}

/* ---- plurals: endings of the last word, the first that fits ---- */
struct ending {
    const char *one, *many;
    bool whole; /* only the whole word, not an ending of one */
};
static const struct ending irregular[] = {
    {"human", "humans", true},   {"german", "germans", true}, {"roman", "romans", true},
    {"man", "men", false},       {"child", "children", true}, {"grandchild", "grandchildren", true},
    {"person", "people", true},  {"foot", "feet", true},      {"tooth", "teeth", true},
    {"goose", "geese", true},    {"mouse", "mice", true},     {"ox", "oxen", true},
    {"leaf", "leaves", false},   {"knife", "knives", false},  {"wolf", "wolves", false},
    {"shelf", "shelves", false}, {"calf", "calves", true},    {"half", "halves", true},
    {"loaf", "loaves", false},   {"scarf", "scarves", true},  {"hoof", "hooves", true},
    {"thief", "thieves", true},  {"wife", "wives", false},    {"life", "lives", true},
    {"elf", "elves", true},      {"cactus", "cacti", true},   {"die", "dice", true},
};

static bool ends(const char *word, size_t n, const char *with) {
    size_t m = strlen(with);
    return n >= m && memcmp(word + n - m, with, m) == 0;
}

static size_t join(char *form, const char *phrase, size_t keep, const char *end) {
    return (size_t)snprintf(form, NAME_BYTES + 8, "%.*s%s", (int)keep, phrase, end);
}

/* Plurals of a phrase whose last word begins at `last`; returns how many. */
static int plurals_of(char form[FORMS][NAME_BYTES + 8], const char *phrase, size_t length, size_t last) {
    const char *word = phrase + last;
    size_t n = length - last;
    int forms = 0;
    for (size_t i = 0; i < sizeof irregular / sizeof *irregular && forms == 0; ++i) {
        size_t m = strlen(irregular[i].one);
        if (!ends(word, n, irregular[i].one) || (irregular[i].whole && n != m)) continue;
        join(form[forms++], phrase, length - m, irregular[i].many);
    }
    bool vowel = n >= 2 && strchr("aeiou", word[n - 2]) != NULL;
    if (ends(word, n, "s") || ends(word, n, "x") || ends(word, n, "z") || ends(word, n, "ch") ||
        ends(word, n, "sh"))
        join(form[forms++], phrase, length, "es");
    else if (ends(word, n, "y") && n >= 2 && !vowel)
        join(form[forms++], phrase, length - 1, "ies");
    else
        join(form[forms++], phrase, length, "s");
    if (ends(word, n, "o") && !vowel) join(form[forms++], phrase, length, "es");
    return forms;
}

/* ---- the file ---- */

/* Calls use for every synonym of line `id`, cut into words. */
static enum un_status each_name(struct un_names *n, int id,
                                enum un_status (*use)(struct un_names *n, int id)) {
    for (const char *at = n->lines.name[id - 1];; ++at) {
        size_t bytes = strcspn(at, ",");
        if (bytes > NAME_BYTES)
            return un_fail(UN_DATA, "%s: line %d: a name of %zu bytes; at most %d", n->path, id, bytes,
                           NAME_BYTES);
        un_words_cut(n->words, at, bytes);
        if (n->words->n == 0 || n->words->n > WORDS_MOST)
            return un_fail(UN_DATA, "%s: line %d: a name of %d words; 1 to %d are allowed", n->path, id,
                           n->words->n, WORDS_MOST);
        UN_TRY(use(n, id));
        at += bytes;
        if (*at == '\0') return UN_OK;
    }
}

static enum un_status insert_name(struct un_names *n, int id) {
    const struct un_words *w = n->words;
    if (w->n > n->longest) n->longest = w->n;
    return insert(n, w->text, (size_t)w->word[w->n - 1].after, id, false);
}

static enum un_status insert_plurals(struct un_names *n, int id) {
    char form[FORMS][NAME_BYTES + 8];
    const struct un_word *last = &n->words->word[n->words->n - 1];
    if (last->after > NAME_BYTES) return UN_OK;
    int forms = plurals_of(form, n->words->text, (size_t)last->after, (size_t)last->at);
    for (int i = 0; i < forms; ++i) UN_TRY(insert(n, form[i], strlen(form[i]), id, true));
    return UN_OK;
}

static enum un_status index_names(struct un_names *n, bool plurals) {
    const int64_t lines = n->lines.n;
    if (lines < 1 || lines > CLASSES_MOST)
        return un_fail(UN_DATA, "%s: %lld lines; 1 to %d names are allowed", n->path, (long long)lines,
                       CLASSES_MOST);
    n->count = (int)lines;
    for (int id = 1; id <= n->count; ++id) UN_TRY(each_name(n, id, insert_name));
    for (int id = 1; id <= n->count && plurals; ++id) UN_TRY(each_name(n, id, insert_plurals));
    un_free(n->words);
    n->words = NULL;
    return UN_OK;
}

/* text NULL: of the file. */
static enum un_status make(struct un_names **names, const char *path, const char *text, size_t bytes,
                           bool plurals) {
    enum un_status status;
    struct un_names *n = *names = un_alloc(1, sizeof *n, "names of classes");
    if (!n) return UN_MEMORY;
    n->path = un_strdup(path);
    n->words = un_alloc(1, sizeof *n->words, "words of a name");
    if (!n->path || !n->words) UN_TRY_GOTO(UN_MEMORY, out);
    UN_TRY_GOTO(text ? un_name_list_parse(&n->lines, path, text, bytes) : un_name_list_read(&n->lines, path),
                out);
    UN_TRY_GOTO(index_names(n, plurals), out);
    return UN_OK;
out:
    un_names_close(n);
    *names = NULL;
    return status;
}

enum un_status un_names_parse(struct un_names **names, const char *path, const char *text, size_t bytes,
                              bool plurals) {
    return make(names, path, text ? text : "", bytes, plurals);
}

enum un_status un_names_open(struct un_names **names, const char *path, bool plurals) {
    return make(names, path, NULL, 0, plurals);
}

void un_names_close(struct un_names *n) {
    if (!n) return;
    for (size_t i = 0; n->table && i <= n->mask; ++i) un_free(n->table[i].phrase);
    un_free(n->table);
    un_name_list_free(&n->lines);
    un_free(n->path);
    un_free(n->words);
    un_free(n);
}

int un_names_count(const struct un_names *n) {
    return n->count;
}
const char *un_names_line(const struct un_names *n, int id) {
    return n->lines.name[id - 1];
}

struct un_name_match un_names_match(const struct un_names *n, const struct un_words *w, int at) {
    int most = 1;
    if (!n) return (struct un_name_match){0};
    while (most < n->longest && at + most < w->n && w->word[at + most].gap == UN_GAP_JOIN) ++most;
    for (; most > 0; --most) {
        int32_t from = w->word[at].at, after = w->word[at + most - 1].after;
        const struct entry *e = find(n, w->text + from, (size_t)(after - from));
        if (e->phrase) return (struct un_name_match){e->id, most, e->plural};
    }
    return (struct un_name_match){0};
}
