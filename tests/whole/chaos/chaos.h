/* The preloaded library of the chaos tests.
 *
 * A position is a call on a file or folder under CHAOS_ROOT that changes something, named OPERATION:PATH:N, the N-th of that
 * operation on that path in this process (PATH relative to the root, pids and the like in it made to X). So it names the same call in every run, whatever threads
 * do meanwhile. Reads are positions where CHAOS_READS is set.
 *
 *   CHAOS_ROOT   folder that is looked at
 *   CHAOS_RANK   only in this rank; not set: in all
 *   CHAOS_LOG    file to which every call is appended: a line of fields between tabs, then the bytes of a write
 *   CHAOS_AT     position at which something happens
 *   CHAOS_DO     what: kill, after, half, short, errno N, sleep MS
 *   CHAOS_FROM   operations, with commas between, that fare so from that position on (CHAOS_AT not set: from the start)
 *   CHAOS_FIRED  file that is made when it has happened
 *   CHAOS_CLOCK  seconds by which the wall clock jumps back and forth */
#ifndef UN_TESTS_WHOLE_CHAOS_CHAOS_H
#define UN_TESTS_WHOLE_CHAOS_CHAOS_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { CHAOS_FILES = 1024, CHAOS_KEYS = 8192, CHAOS_KEY = 400 };

/* What is to become of a call. */
enum chaos_fate { CHAOS_GO, CHAOS_SHORT, CHAOS_HALF, CHAOS_AFTER, CHAOS_FAIL };

extern struct chaos {
    pthread_mutex_t lock;
    bool ready, off, reads, passed;
    char root[PATH_MAX], at[CHAOS_KEY], from[256];
    enum chaos_fate fate;
    bool kill, sleep;
    long value; /* errno, or milliseconds */
    int log;
    char *name[CHAOS_FILES]; /* by descriptor: path below the root */
    long opened[CHAOS_FILES];
    bool append[CHAOS_FILES], writes[CHAOS_FILES];
    long opens;
    char *key[CHAOS_KEYS]; /* operation:path */
    int count[CHAOS_KEYS], keys;
} chaos;

/* The lock of this process and of the record, around a call and its line. errno stays. */
void chaos_enter(void);
void chaos_leave(void);
/* The path below the root, "" outside. out [PATH_MAX] */
const char *chaos_below(const char *path, char *out);
/* Under the lock: names the call (key [CHAOS_KEY]) and says what becomes of it. Where it shall fail, errno is set. */
enum chaos_fate chaos_fate_of(const char *operation, const char *path, char *key);
/* Under the lock: one line, and the bytes of a write; then the kill that was to come after the call. */
void chaos_record(enum chaos_fate fate, const char *key, const char *path, const char *other, long opened,
                  long long at, const void *data, size_t bytes, long result);

/* What a stream's own functions need of the calls (streams.c): as open, write and close of the program. */
int chaos_open(const char *path, int flags, mode_t mode);
ssize_t chaos_write(int fd, const void *data, size_t bytes);
int chaos_close(int fd);
/* Is the descriptor one of a file under the root? */
bool chaos_watched(int fd);
/* Is the path under the root, and this process one that is looked at? */
bool chaos_inside(const char *path);

#endif
