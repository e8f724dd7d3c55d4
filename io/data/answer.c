/* Answers in one form (answer.h). Law: the rules of the public VQA evaluator, in its order, its oddities
 * included. Whether a mark goes or becomes a blank is asked of the raw text, and of each kind of mark at once.
 *
 * Letters beyond ASCII keep their case but for those of Latin-1 (the labels hold no others). */
#include "io/data/answer.h"
#include "runtime/memory.h"
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* As typed without an apostrophe, or with too few, and as written; sorted by the first. The evaluator's table. */
struct contraction {
    const char *plain, *written;
};
static const struct contraction contractions[] = {
    {"'ow'sat", "'ow's'at"},
    {"'ows'at", "'ow's'at"},
    {"aint", "ain't"},
    {"arent", "aren't"},
    {"cant", "can't"},
    {"couldn'tve", "couldn't've"},
    {"couldnt", "couldn't"},
    {"couldnt've", "couldn't've"},
    {"couldve", "could've"},
    {"didnt", "didn't"},
    {"doesnt", "doesn't"},
    {"dont", "don't"},
    {"hadn'tve", "hadn't've"},
    {"hadnt", "hadn't"},
    {"hadnt've", "hadn't've"},
    {"hasnt", "hasn't"},
    {"havent", "haven't"},
    {"he'dve", "he'd've"},
    {"hed", "he'd"},
    {"hed've", "he'd've"},
    {"hes", "he's"},
    {"howd", "how'd"},
    {"howll", "how'll"},
    {"hows", "how's"},
    {"isnt", "isn't"},
    {"it'dve", "it'd've"},
    {"itd", "it'd"},
    {"itd've", "it'd've"},
    {"itll", "it'll"},
    {"maam", "ma'am"},
    {"mightn'tve", "mightn't've"},
    {"mightnt", "mightn't"},
    {"mightnt've", "mightn't've"},
    {"mightve", "might've"},
    {"mustnt", "mustn't"},
    {"mustve", "must've"},
    {"neednt", "needn't"},
    {"notve", "not've"},
    {"oclock", "o'clock"},
    {"oughtnt", "oughtn't"},
    {"ow's'at", "'ow's'at"},
    {"shant", "shan't"},
    {"she'dve", "she'd've"},
    {"shed've", "she'd've"},
    {"shouldn'tve", "shouldn't've"},
    {"shouldnt", "shouldn't"},
    {"shouldnt've", "shouldn't've"},
    {"shouldve", "should've"},
    {"somebody'd", "somebodyd"},
    {"somebody'dve", "somebody'd've"},
    {"somebodyd've", "somebody'd've"},
    {"somebodyll", "somebody'll"},
    {"somebodys", "somebody's"},
    {"someone'dve", "someone'd've"},
    {"someoned", "someone'd"},
    {"someoned've", "someone'd've"},
    {"someonell", "someone'll"},
    {"someones", "someone's"},
    {"something'dve", "something'd've"},
    {"somethingd", "something'd"},
    {"somethingd've", "something'd've"},
    {"somethingll", "something'll"},
    {"thats", "that's"},
    {"there'dve", "there'd've"},
    {"thered", "there'd"},
    {"thered've", "there'd've"},
    {"therere", "there're"},
    {"theres", "there's"},
    {"they'dve", "they'd've"},
    {"theyd", "they'd"},
    {"theyd've", "they'd've"},
    {"theyll", "they'll"},
    {"theyre", "they're"},
    {"theyve", "they've"},
    {"twas", "'twas"},
    {"wasnt", "wasn't"},
    {"we'dve", "we'd've"},
    {"wed've", "we'd've"},
    {"werent", "weren't"},
    {"weve", "we've"},
    {"whatll", "what'll"},
    {"whatre", "what're"},
    {"whats", "what's"},
    {"whatve", "what've"},
    {"whens", "when's"},
    {"whered", "where'd"},
    {"wheres", "where's"},
    {"whereve", "where've"},
    {"who'dve", "who'd've"},
    {"whod", "who'd"},
    {"whod've", "who'd've"},
    {"wholl", "who'll"},
    {"whos", "who's"},
    {"whove", "who've"},
    {"whyll", "why'll"},
    {"whyre", "why're"},
    {"whys", "why's"},
    {"wont", "won't"},
    {"wouldn'tve", "wouldn't've"},
    {"wouldnt", "wouldn't"},
    {"wouldnt've", "wouldn't've"},
    {"wouldve", "would've"},
    {"y'all'dve", "y'all'd've"},
    {"y'alld've", "y'all'd've"},
    {"y'allll", "y'all'll"},
    {"yall", "y'all"},
    {"yall'd've", "y'all'd've"},
    {"yall'll", "y'all'll"},
    {"you'dve", "you'd've"},
    {"youd", "you'd"},
    {"youd've", "you'd've"},
    {"youll", "you'll"},
    {"youre", "you're"},
    {"youve", "you've"},
};

static const char *const number_words[] = {"zero", "one",   "two",   "three", "four", "five",
                                           "six",  "seven", "eight", "nine",  "ten"};
static const char *const digits[] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* ---- marks ---- */

/* A comma between digits: then no mark of the answer becomes a blank. */
static bool joins_digits(const char *raw) {
    for (const char *comma = raw; (comma = strchr(comma, ',')); ++comma)
        if (comma > raw && is_digit(comma[-1]) && is_digit(comma[1])) return true;
    return false;
}

/* Does a blank stand beside the mark, anywhere in the text? */
static bool beside_blank(const char *raw, char mark) {
    const char before[] = {' ', mark, '\0'}, after[] = {mark, ' ', '\0'};
    return strstr(raw, before) || strstr(raw, after);
}

/* Marks gone or made blanks; then full stops gone that no digit follows. In place of `text`, a copy of raw. */
static void drop_marks(const char *raw, char *text) {
    static const char marks[] = ";/[]\"{}()=+\\_-><@`,?!";
    bool joins = joins_digits(raw), goes[sizeof marks];
    for (size_t m = 0; marks[m]; ++m) goes[m] = joins || beside_blank(raw, marks[m]);
    size_t used = 0;
    for (const char *c = raw; *c; ++c) {
        const char *mark = strchr(marks, *c);
        if (!mark)
            text[used++] = *c;
        else if (!goes[mark - marks])
            text[used++] = ' ';
    }
    text[used] = '\0';
    used = 0;
    for (const char *c = text; *c; ++c)
        if (*c != '.' || is_digit(c[1])) text[used++] = *c;
    text[used] = '\0';
}

/* ---- words ---- */

/* ASCII and Latin-1; the hard blank and "next line" become blanks, too. */
static void lower(char *text) {
    for (unsigned char *c = (unsigned char *)text; *c; ++c) {
        if (*c >= 'A' && *c <= 'Z') *c = (unsigned char)(*c + 'a' - 'A');
        if (*c == 0xC3 && c[1] >= 0x80 && c[1] <= 0x9E && c[1] != 0x97) c[1] = (unsigned char)(c[1] + 0x20);
        if (*c == 0xC2 && (c[1] == 0xA0 || c[1] == 0x85)) *c = c[1] = ' ';
    }
}

static int by_plain(const void *word, const void *row) {
    return strcmp(word, ((const struct contraction *)row)->plain);
}

/* The word as it is kept, NULL: not at all. */
static const char *kept_word(const char *word) {
    static const char *const articles[] = {"a", "an", "the"};
    for (size_t i = 0; i < sizeof articles / sizeof *articles; ++i)
        if (strcmp(word, articles[i]) == 0) return NULL;
    if (strcmp(word, "none") == 0) return digits[0];
    for (size_t i = 0; i < sizeof number_words / sizeof *number_words; ++i)
        if (strcmp(word, number_words[i]) == 0) return digits[i];
    const struct contraction *c = bsearch(word, contractions, sizeof contractions / sizeof *contractions,
                                          sizeof *contractions, by_plain);
    return c ? c->written : word;
}

char *un_answer_normal(const char *raw) {
    static const char blanks[] = " \t\n\v\f\r\x1c\x1d\x1e\x1f";
    size_t bytes = strlen(raw), used = 0;
    char *text = un_alloc(bytes + 1, 1, "an answer"), *normal = un_alloc(bytes + 1, 2, "an answer"), *rest;
    if (!text || !normal) {
        un_free(text);
        un_free(normal);
        return NULL;
    }
    drop_marks(raw, text);
    lower(text);
    for (char *word = strtok_r(text, blanks, &rest); word; word = strtok_r(NULL, blanks, &rest)) {
        const char *kept = kept_word(word);
        if (!kept) continue;
        if (used > 0) normal[used++] = ' ';
        size_t length = strlen(kept); /* at most a byte more than the word, so twice the bytes are enough */
        memcpy(normal + used, kept, length);
        used += length;
    }
    un_free(text);
    return normal;
}

float un_answer_score(int given) {
    return (float)fmin(1, 0.3 * given);
}
