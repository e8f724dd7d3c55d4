/* Images that an import leaves out when it is told to (bad=skip), each with where it stands and why.
 *
 * Of two kinds: those that a survey could not list are found again by every survey; those that are in the list, whose
 * values are bad, keep their place there with no regions. The second kind is written to OUT.partial.bad as soon as it is
 * found, so that a later run leaves them out at once and goes on behind them. Format:
 *   uniter-bad 1 DIGEST               of the source and its list, as surveyed
 *   INDEX <TAB> WHERE <TAB> REASON    a line each; believed when it is whole
 * At the end all of them are OUT.skipped.tsv, in the order of the source, as `uniter data extract` has it. */
#ifndef UN_IO_CONVERT_IMAGE_BAD_H
#define UN_IO_CONVERT_IMAGE_BAD_H

#include "io/convert/image/source.h"
#include "io/disk/digest.h"

#include <pthread.h>

struct un_image_bad_one {
    int64_t index; /* in the list; -1: a survey could not take it */
    char *where, *reason;
};
struct un_image_bad {
    struct un_image_bad_one *one; /* [n] */
    int64_t n, capacity;
    int unreadable; /* in a row */
    int said;
    pthread_mutex_t lock;
    char *path; /* OUT.partial.bad */
    int fd;     /* -1: not opened yet */
    struct un_digest digest;
};
void un_image_bad_open(struct un_image_bad *bad);
void un_image_bad_close(struct un_image_bad *bad); /* its file stays */

/* One more, with its status (UN_DATA, or UN_IO: could not be read) and this thread's recorded error, which is cleared; of
 * the reason `where` and `name` (the source's) are left away when it begins with them. The first ten are told.
 * Thread-safe. UN_IO: many in a row could not be read, so it is their disk that is bad. Any other status is returned as it
 * is. */
enum un_status un_image_bad_add(struct un_image_bad *bad, int64_t index, const char *where, const char *name,
                                enum un_status status);
/* One that was good: those in a row end. */
void un_image_bad_none(struct un_image_bad *bad);

/* What an earlier run over the same list (an equal digest) has found; otherwise its file goes. Under the import's lock. */
enum un_status un_image_bad_load(struct un_image_bad *bad, const char *out, const struct un_digest *digest,
                                 int64_t n);
/* Takes the regions of all that are known out of the list. */
void un_image_bad_apply(const struct un_image_bad *bad, struct un_image_list *list);
/* UN_DATA: more are left out than are good, so it is no matter of a few; says the first reason. */
enum un_status un_image_bad_few(const struct un_image_bad *bad, const struct un_image_list *list,
                                const char *name);

/* Does OUT.skipped.tsv stand there? */
bool un_image_bad_listed(const char *out);
/* OUT.skipped.tsv, durable; none when nothing was left out. */
enum un_status un_image_bad_write(struct un_image_bad *bad, const char *out);
/* Removes OUT.partial.bad, if it is there. */
void un_image_bad_forget(const char *out);

#endif
