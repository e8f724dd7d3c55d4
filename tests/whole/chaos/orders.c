/* Names of calls, what is to become of them, and their record (chaos.h).
 *
 * Law: a lock of this process and of the record's file is held from a call until its line is written, so the record has the
 * order in which things happened, of all ranks. */
#include "chaos.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct chaos chaos = {.lock = PTHREAD_MUTEX_INITIALIZER, .log = -1};

static const char *text_of(const char *name) {
    const char *text = getenv(name);
    return text ? text : "";
}

static void read_order(void) {
    const char *what = text_of("CHAOS_DO");
    chaos.kill = strcmp(what, "kill") == 0;
    if (strcmp(what, "after") == 0) chaos.fate = CHAOS_AFTER;
    if (strcmp(what, "half") == 0) chaos.fate = CHAOS_HALF;
    if (strcmp(what, "short") == 0) chaos.fate = CHAOS_SHORT;
    if (strncmp(what, "errno ", 6) == 0) chaos.fate = CHAOS_FAIL, chaos.value = atol(what + 6);
    if (strncmp(what, "sleep ", 6) == 0) chaos.sleep = true, chaos.value = atol(what + 6);
}

static void prepare(void) {
    if (chaos.ready) return;
    chaos.ready = true;
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *wanted = getenv("CHAOS_RANK"),
               *log = getenv("CHAOS_LOG");
    chaos.off = !getenv("CHAOS_ROOT") || (wanted && strcmp(wanted, rank ? rank : "0") != 0);
    snprintf(chaos.root, sizeof chaos.root, "%s/", text_of("CHAOS_ROOT"));
    snprintf(chaos.at, sizeof chaos.at, "%s", text_of("CHAOS_AT"));
    snprintf(chaos.from, sizeof chaos.from, ",%s,", text_of("CHAOS_FROM"));
    chaos.passed = !chaos.at[0];
    chaos.reads = getenv("CHAOS_READS") != NULL;
    read_order();
    if (log && !chaos.off)
        chaos.log = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

void chaos_enter(void) {
    pthread_mutex_lock(&chaos.lock);
    prepare();
    if (chaos.log >= 0) flock(chaos.log, LOCK_EX);
}

void chaos_leave(void) {
    int kept = errno;
    if (chaos.log >= 0) flock(chaos.log, LOCK_UN);
    pthread_mutex_unlock(&chaos.lock);
    errno = kept;
}

bool chaos_inside(const char *path) {
    prepare();
    size_t length = strlen(chaos.root);
    return !chaos.off && path &&
           (strncmp(path, chaos.root, length) == 0 ||
            (strncmp(path, chaos.root, length - 1) == 0 && !path[length - 1]));
}

bool chaos_watched(int fd) {
    return fd >= 0 && fd < CHAOS_FILES && chaos.name[fd];
}

const char *chaos_below(const char *path, char *out) {
    if (!chaos_inside(path)) return "";
    size_t length = strlen(chaos.root);
    snprintf(out, PATH_MAX, "%s", strlen(path) >= length ? path + length : ".");
    return out[0] ? out : ".";
}

/* Parts of names that differ from run to run become words. */
static void put_words(char *path) {
    char *last = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
    if (strncmp(last, "events.out.tfevents.", 20) == 0) strcpy(last + 20, "X");
    if (strncmp(last, "lock.", 5) == 0 && strlen(last) > 10) strcpy(last + 5, "X");
}

static int count_of(const char *key) {
    for (int i = 0; i < chaos.keys; ++i)
        if (strcmp(chaos.key[i], key) == 0) return ++chaos.count[i];
    if (chaos.keys == CHAOS_KEYS) return 0;
    chaos.key[chaos.keys] = strdup(key);
    chaos.count[chaos.keys] = 1;
    ++chaos.keys;
    return 1;
}

static void fired(void) {
    const char *path = getenv("CHAOS_FIRED");
    int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) syscall(SYS_close, fd);
}

/* Is it the call at which, or from which on, something is to happen? `kind`: operation as CHAOS_FROM names it. */
static bool is_due(const char *operation, const char *key) {
    char word[64];
    bool here = chaos.at[0] && strcmp(chaos.at, key) == 0;
    if (here) chaos.passed = true;
    snprintf(word, sizeof word, ",%s,", operation);
    return here || (chaos.passed && strstr(chaos.from, word));
}

enum chaos_fate chaos_fate_of(const char *operation, const char *path, char *key) {
    char name[CHAOS_KEY - 16];
    snprintf(name, sizeof name, "%s:%s", operation, path);
    put_words(name);
    snprintf(key, CHAOS_KEY, "%s:%d", name, count_of(name));
    if (!is_due(operation, key)) return CHAOS_GO;
    fired();
    if (chaos.kill) kill(getpid(), SIGKILL);
    if (chaos.sleep) nanosleep(&(struct timespec){chaos.value / 1000, chaos.value % 1000 * 1000000}, NULL);
    errno = (int)chaos.value;
    return chaos.fate;
}

void chaos_record(enum chaos_fate fate, const char *key, const char *path, const char *other, long opened,
                  long long at, const void *data, size_t bytes, long result) {
    int kept = errno;
    char line[3 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%s\t%s\t%d.%ld\t%lld\t%zu\t%ld\t%d\n", key, path, other,
                          (int)getpid(), opened, at, bytes, result, result < 0 ? kept : 0);
    if (chaos.log >= 0) {
        syscall(SYS_write, chaos.log, line, (size_t)length);
        if (bytes) syscall(SYS_write, chaos.log, data, bytes);
    }
    if (fate == CHAOS_AFTER || fate == CHAOS_HALF) kill(getpid(), SIGKILL);
    errno = kept;
}
