/* The sentence as items, each an object, an attribute or a plain word; a chain of attributes ends in the
 * object that it describes: "a large, brown and white dog". */
#include "io/convert/world/match.h"

enum item_kind { PLAIN, ATTRIBUTE, OBJECT };
struct item {
    enum item_kind kind;
    int first, words;      /* of the sentence */
    int class_, attribute; /* 0: none; an object may be an attribute too */
    bool plural;
    bool named; /* it is a mention */
};
enum { WINDOW = 16 }; /* items that one object's chain may reach back */

static struct item item_at(const struct un_names *classes, const struct un_names *attributes,
                           const struct un_words *w, int at) {
    struct un_name_match c = un_names_match(classes, w, at), a = un_names_match(attributes, w, at);
    if (c.id && c.words >= a.words)
        return (struct item){OBJECT, at, c.words, c.id, a.words == c.words ? a.id : 0, c.plural, false};
    if (a.id) return (struct item){ATTRIBUTE, at, a.words, 0, a.id, false, false};
    return (struct item){PLAIN, at, 1, 0, 0, false, false};
}

static enum un_word_gap gap_before(const struct un_words *w, const struct item *item) {
    return w->word[item->first].gap;
}

static struct un_match_span span_of(const struct un_words *w, const struct item *item) {
    return (struct un_match_span){w->word[item->first].begin, w->word[item->first + item->words - 1].end};
}

static bool is_and(const struct un_words *w, const struct item *item) {
    return item->kind == PLAIN && un_words_is(w, item->first, "and");
}

static int number_of(const struct un_words *w, int at) {
    static const char *const number[] = {"one", "two",   "three", "four", "five",
                                         "six", "seven", "eight", "nine", "ten"};
    static const char *const digits[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};
    for (int i = 0; i < 10; ++i)
        if (un_words_is(w, at, number[i]) || un_words_is(w, at, digits[i])) return i + 1;
    return 0;
}

/* Walks back from the object: *used items before it are its attributes and what joins them. */
static void collect(struct un_mention *m, const struct un_words *w, const struct item *object, int reach,
                    int *used) {
    const struct item *at = object;
    *used = 0;
    while (*used < reach) {
        enum un_word_gap gap = gap_before(w, at);
        int step = 1;
        if (at != object && *used + 1 < reach && is_and(w, object - *used - 1) && gap == UN_GAP_JOIN) {
            gap = gap_before(w, object - *used - 1);
            step = 2;
        }
        const struct item *before = object - *used - step;
        bool joined = gap == UN_GAP_JOIN || (gap == UN_GAP_COMMA && at != object);
        if (!joined || before->attribute == 0) return;
        if (m->attributes < UN_MENTION_ATTRIBUTES) {
            m->attribute[m->attributes] = before->attribute;
            m->said[m->attributes++] = span_of(w, before);
        }
        *used += step;
        at = before;
    }
}

static int count_of(const struct un_words *w, const struct item *item, const struct item *front, bool first,
                    int most_alike) {
    int n = 0;
    if (!first && gap_before(w, front) == UN_GAP_JOIN)
        n = number_of(w, front[-1].first + front[-1].words - 1);
    if (n == 0) n = item->plural ? 2 : 1;
    return n < most_alike ? n : most_alike;
}

int un_captions_match(const struct un_names *classes, const struct un_names *attributes,
                      const struct un_words *w, int most_alike, struct un_mention *mention, int capacity) {
    struct item item[WINDOW + 1]; /* the last ones; item[n - 1] is the newest */
    int n = 0, found = 0;
    for (int at = 0; at < w->n && found < capacity;) {
        if (n == WINDOW + 1) {
            for (int i = 1; i < n; ++i) item[i - 1] = item[i];
            --n;
        }
        item[n++] = item_at(classes, attributes, w, at);
        const struct item *newest = &item[n - 1];
        at += newest->words;
        if (newest->kind != OBJECT) continue;
        struct un_mention m = {.class_ = newest->class_, .name = span_of(w, newest)};
        int used;
        collect(&m, w, newest, n - 1, &used);
        for (int i = n - 1 - used; i < n - 1; ++i) { /* an object in the chain was an attribute after all */
            found -= item[i].named;
            item[i].named = false;
        }
        m.count = count_of(w, newest, newest - used, n - 1 - used == 0, most_alike);
        mention[found++] = m;
        item[n - 1].named = true;
    }
    return found;
}
