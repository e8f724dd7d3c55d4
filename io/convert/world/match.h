/* Which objects a sentence names, and what it says of them. */
#ifndef UN_IO_CONVERT_WORLD_MATCH_H
#define UN_IO_CONVERT_WORLD_MATCH_H

#include "io/convert/world/names.h"

enum { UN_MENTION_ATTRIBUTES = 4, UN_CAPTION_MENTIONS = 256 };

struct un_match_span {
    int32_t begin, end; /* bytes of the sentence, whole words */
};
struct un_mention {
    int class_;
    int count;      /* objects meant: a number word before it, 2 for a bare plural, else 1 */
    int attributes; /* those directly before it, the nearest when there are more */
    int attribute[UN_MENTION_ATTRIBUTES];
    struct un_match_span name, said[UN_MENTION_ATTRIBUTES];
};

/* Mentions in the order of the sentence, at most `capacity`; returns how many. Longest names first, left to
 * right. A word that is the name of an attribute too ("brick", "orange") is one where another object follows
 * it. attributes NULL: none are looked for. most_alike: bound of count. */
int un_captions_match(const struct un_names *classes, const struct un_names *attributes,
                      const struct un_words *words, int most_alike, struct un_mention *mention, int capacity);

#endif
