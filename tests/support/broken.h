/* Ways to break a good pair of data files, one at a time, and what must come of each. */
#ifndef UN_TESTS_SUPPORT_BROKEN_H
#define UN_TESTS_SUPPORT_BROKEN_H

#include "runtime/status.h"

/* The pair under test: files of make_files_default with alignment. */
extern const char *img, *txt;

/* Rows of the good files: where the words of a text, the regions of an image begin. */
int64_t word_row(int64_t text);
int64_t region_row(int64_t image);

/* Who finds it: some breaks show only in a pair, some only in a whole file. */
enum { BOTH, READ_ONLY, VERIFY_ONLY };

struct broken {
    const char *name;
    void (*how)(void);
    int who;
    enum un_status status;
    const char *words[4];
};
extern const struct broken broken_cases[];
extern const int64_t broken_cases_count;
/* Breaks the pair in the way of that name. */
void broken_apply(const char *name);

#endif
