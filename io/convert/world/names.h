/* Names of a detector's classes or attributes, and the words of a sentence in which they are looked for.
 *
 * A file of names has one class a line, synonyms separated by commas; line n is class n, 0 is the background.
 * Names and sentences are cut into words alike: runs of letters and digits, lower-cased; so "t-shirt" is "t
 * shirt". */
#ifndef UN_IO_CONVERT_WORLD_NAMES_H
#define UN_IO_CONVERT_WORLD_NAMES_H

#include "runtime/status.h"

enum { UN_CAPTION_BYTES = 4096, UN_CAPTION_WORDS = UN_CAPTION_BYTES / 2 };

/* What stands between a word and the one before it. */
enum un_word_gap { UN_GAP_JOIN /* spaces, hyphens, apostrophes */, UN_GAP_COMMA, UN_GAP_OTHER };
struct un_words {
    int n;
    struct un_word {
        int32_t begin, end; /* bytes of the sentence */
        int32_t at, after;  /* of text: words lower-cased, one space between them */
        enum un_word_gap gap;
    } word[UN_CAPTION_WORDS];
    char text[2 * UN_CAPTION_BYTES];
};
/* bytes <= UN_CAPTION_BYTES. Any bytes: broken UTF-8 parts words. */
void un_words_cut(struct un_words *words, const char *sentence, size_t bytes);
bool un_words_is(const struct un_words *words, int at, const char *word);

struct un_names;

/* plurals: also match the plural of every name (of its last word): regular ones, and the irregular ones of
 * English. A name of the list goes before a plural made from another: "giraffes" is its own class where the
 * list has it. UN_DATA naming the lines: a name of two classes, a name without a letter or digit, none at
 * all. */
enum un_status un_names_parse(struct un_names **names, const char *path, const char *text, size_t bytes,
                              bool plurals);
enum un_status un_names_open(struct un_names **names, const char *path, bool plurals);
void un_names_close(struct un_names *names); /* NULL allowed */
int un_names_count(const struct un_names *names);
/* The line of class `id` in 1..count, as it stands in the file. */
const char *un_names_line(const struct un_names *names, int id);

struct un_name_match {
    int id;      /* 0: none */
    int words;   /* how many words the name has */
    bool plural; /* the plural of a name of the list */
};
/* The longest name that begins at word `at`; words of one name are joined. names NULL: none. */
struct un_name_match un_names_match(const struct un_names *names, const struct un_words *words, int at);

#endif
