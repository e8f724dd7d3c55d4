/* Taking, checking and giving back a run's folder (owner.h).
 *
 * Law: the record decides, and it is replaced by one rename. The lock only makes the answer quick and sure on
 * one machine: there a lock that is free means that its holder is dead, whatever its record says. A lock that
 * a silent run still holds (stopped, or a lease of a lost host) is left to it, and a new file takes its
 * place. */
#include "io/run/owner.h"
#include "io/disk/calls.h"
#include "io/disk/digest.h"
#include "io/run/owner_record.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BEATS_MAX = 64 << 20 };

/* A folder seen by a start that wants it. */
struct siege {
    char record_path[UN_PATH_MAX], lock_path[UN_PATH_MAX], beats_path[UN_PATH_MAX];
    struct un_owner_record self, owner;
    int lock;     /* -1: not taken */
    bool held;    /* another process holds the lock */
    bool looked;  /* `seen` is valid */
    double begin; /* of the waiting */
    double moved; /* when something last changed, on this host's clock */
    bool silent;  /* taken over, not given back */
    bool lives;   /* something has changed since we came */
    struct un_digest seen;
};

static void sleep_for(double seconds) {
    struct timespec t = {.tv_sec = (time_t)seconds,
                         .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9)};
    nanosleep(&t, NULL);
}

enum un_status un_owner_beats_path(char path[UN_PATH_MAX], const char *run_dir) {
    return un_files_join(path, run_dir, "log/beats");
}

static enum un_status siege_open(struct siege *s, const char *run_dir) {
    char folder[UN_PATH_MAX];
    *s = (struct siege){.lock = -1};
    UN_TRY(un_files_join(folder, run_dir, "ckpt"));
    UN_TRY(un_files_make_folder(folder));
    UN_TRY(un_files_join(folder, run_dir, "log"));
    UN_TRY(un_files_make_folder(folder));
    UN_TRY(un_files_sync_folder(run_dir)); /* a start that was killed may have made them */
    UN_TRY(un_files_join(s->record_path, run_dir, "log/owner.json"));
    UN_TRY(un_files_join(s->lock_path, run_dir, "log/lock"));
    UN_TRY(un_owner_beats_path(s->beats_path, run_dir));
    un_owner_record_self(&s->self);
    return UN_OK;
}

/* Is the open file the one that stands under its name? Another start may have put a new one there. */
static bool same_file(int fd, const char *path) {
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

/* Tries the lock once. File systems without locks count as free: the record alone decides there. */
static enum un_status try_lock(struct siege *s) {
    if (s->lock >= 0) return UN_OK;
    int fd = un_calls_open(s->lock_path, O_RDWR | O_CREAT | O_CLOEXEC);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", s->lock_path, strerror(errno));
    int failed = flock(fd, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
    bool none = failed == ENOLCK || failed == ENOSYS || failed == EOPNOTSUPP;
    if (failed == 0 && same_file(fd, s->lock_path)) {
        s->lock = fd;
        s->held = false;
        return UN_OK;
    }
    close(fd);
    s->held = !none;
    if (failed == 0 || none || failed == EWOULDBLOCK || failed == EINTR) return UN_OK;
    return un_fail(UN_IO, "%s: cannot lock: %s", s->lock_path, strerror(failed));
}

/* Reads the record and notes whether it or the beats have changed since the last look. */
static enum un_status look(struct siege *s) {
    char text[UN_OWNER_TEXT];
    struct un_digest now[2] = {0};
    int64_t bytes = un_owner_record_read(s->record_path, text, sizeof text);
    if (bytes < 0 && errno != ENOENT && errno != ESTALE)
        return un_fail(UN_IO, "%s: cannot read: %s", s->record_path, strerror(errno));
    un_owner_record_parse(&s->owner, text, bytes > 0 ? (size_t)bytes : 0);
    now[0] = un_digest_of(text, bytes > 0 ? (size_t)bytes : 0);
    char *beats;
    size_t size;
    if (un_files_read(s->beats_path, BEATS_MAX, &beats, &size) == UN_OK) {
        now[1] = un_digest_of(beats, size);
        un_free(beats);
    } else {
        un_error_clear(); /* not there: no sign of life */
    }
    struct un_digest seen = un_digest_of(now, sizeof now);
    bool moved = !s->looked || !un_digest_equal(&seen, &s->seen);
    s->lives = s->lives || (s->looked && moved);
    if (moved) s->moved = un_clock();
    s->seen = seen;
    s->looked = true;
    return UN_OK;
}

/* Nobody can be writing here any more. */
static bool is_free(const struct siege *s) {
    if (s->held) return false;
    if (!s->owner.present || s->owner.ended) return true;
    return s->lock >= 0 && s->owner.boot[0] && strcmp(s->owner.boot, s->self.boot) == 0;
}

static enum un_status wait_until_free(struct siege *s, double patience) {
    enum { ALIVE_SECONDS = 4 }; /* a living owner beats once a second */
    char name[300];
    bool said = false;
    s->begin = un_clock();
    for (;;) {
        UN_TRY(try_lock(s));
        UN_TRY(look(s));
        if (is_free(s)) return UN_OK;
        double now = un_clock(), waited = now - s->begin;
        un_owner_record_name(&s->owner, name, sizeof name);
        if (now - s->moved >= patience) {
            un_log(UN_LOG_WARN, "%s: its run (%s) has shown no sign of life for %.0f s: taken over",
                   s->record_path, name, patience);
            s->silent = true;
            return UN_OK;
        }
        if (waited >= patience && s->lives && now - s->moved < ALIVE_SECONDS)
            return un_fail(UN_USAGE,
                           "%s: the folder is held by another run (%s); end it, or take another run.dir",
                           s->record_path, name);
        if (!said && waited > 1)
            un_log(UN_LOG_INFO, "waiting for another run (%s) to leave %s", name, s->record_path);
        said = said || waited > 1;
        sleep_for(0.1);
    }
}

/* A silent run still holds the lock: leave it that file and lock a new one in its place. */
static enum un_status renew_lock(struct siege *s, const char *token) {
    char path[UN_PATH_MAX];
    if (s->lock >= 0 || !s->held) return UN_OK;
    if (snprintf(path, sizeof path, "%s.%s", s->lock_path, token) >= (int)sizeof path)
        return un_fail(UN_USAGE, "%s: a path of too many bytes", s->lock_path);
    s->lock = un_calls_open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC);
    if (s->lock < 0) return un_fail(UN_IO, "%s: cannot create: %s", path, strerror(errno));
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0 || rename(path, s->lock_path) != 0) {
        int failed = errno;
        unlink(path);
        return un_fail(UN_IO, "%s: cannot lock: %s", path, strerror(failed));
    }
    return UN_OK;
}

static enum un_status draw_token(char token[UN_OWNER_TOKEN]) {
    uint64_t bits;
    if (getrandom(&bits, sizeof bits, 0) != (ssize_t)sizeof bits)
        return un_fail(UN_IO, "no random numbers from the system: %s", strerror(errno));
    snprintf(token, UN_OWNER_TOKEN, "%016" PRIx64, bits);
    return UN_OK;
}

/* An empty line for each rank, in a file that an older run has never opened. */
static enum un_status renew_beats(const struct siege *s, int ranks) {
    size_t bytes = (size_t)ranks * UN_BEAT_BYTES;
    char *blank = un_alloc(bytes, 1, "beats");
    if (!blank) return UN_MEMORY;
    memset(blank, ' ', bytes);
    for (int r = 0; r < ranks; ++r) blank[(size_t)(r + 1) * UN_BEAT_BYTES - 1] = '\n';
    enum un_status status = un_files_replace(s->beats_path, blank, bytes);
    un_free(blank);
    return status;
}

/* A run that is taken over may still hold its log: what it writes from now on goes into the old file. */
static enum un_status renew_log(const struct siege *s, const char *run_dir) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    UN_TRY(un_files_join(path, run_dir, "log/metrics.jsonl"));
    if (!s->silent || access(path, F_OK) != 0) return UN_OK;
    UN_TRY(un_files_read(path, SIZE_MAX, &text, &bytes));
    enum un_status status = un_files_replace(path, text, bytes);
    un_free(text);
    return status;
}

static enum un_status write_record(struct siege *s, struct un_owner *o, int ranks) {
    s->self.start = s->owner.start + 1;
    o->start = s->self.start;
    if (!un_owner_record_print(o->text, &s->self, o->token, ranks))
        return un_fail(UN_INTERNAL, "%s: a record of too many bytes", s->record_path);
    UN_TRY(un_files_replace(s->record_path, o->text, strlen(o->text)));
    return un_owner_check(o); /* another host may have started in the same moment: the last one wins */
}

static enum un_status take(struct siege *s, struct un_owner *o, double patience, int ranks) {
    UN_TRY(wait_until_free(s, patience));
    UN_TRY(draw_token(o->token));
    UN_TRY(renew_lock(s, o->token));
    UN_TRY(write_record(s, o, ranks));
    UN_TRY(renew_log(s, o->run_dir));
    return renew_beats(s, ranks);
}

enum un_status un_owner_take(struct un_owner *owner, const char *run_dir, double patience, int ranks) {
    struct siege s;
    *owner = (struct un_owner){.lock = -1};
    if (snprintf(owner->run_dir, sizeof owner->run_dir, "%s", run_dir) >= (int)sizeof owner->run_dir)
        return un_fail(UN_USAGE, "run.dir: %s is too long", run_dir);
    UN_TRY(siege_open(&s, run_dir));
    enum un_status status = take(&s, owner, patience, ranks);
    owner->lock = s.lock;
    owner->leads = true;
    if (status != UN_OK) {
        if (s.lock >= 0) close(s.lock);
        *owner = (struct un_owner){.lock = -1};
    }
    return status;
}

/* The record, tried again a few times: a network file system may answer late or with a stale handle. */
static int64_t read_patiently(const char *path, char *text, size_t size) {
    enum { TRIES = 4 };
    int64_t bytes = -1;
    for (int i = 0; i < TRIES && bytes < 0; ++i) {
        if (i > 0) sleep_for(0.05 * i);
        bytes = un_owner_record_read(path, text, size);
    }
    return bytes;
}

enum un_status un_owner_check(const struct un_owner *o) {
    if (!o || !o->token[0]) return UN_OK;
    char path[UN_PATH_MAX], text[UN_OWNER_TEXT], name[300];
    UN_TRY(un_files_join(path, o->run_dir, "log/owner.json"));
    int64_t bytes = read_patiently(path, text, sizeof text);
    if (bytes < 0)
        return un_fail(UN_IO, "%s: cannot read who owns the run's folder: %s", path, strerror(errno));
    if ((size_t)bytes == strlen(o->text) && memcmp(text, o->text, (size_t)bytes) == 0) return UN_OK;
    struct un_owner_record other;
    un_owner_record_parse(&other, text, (size_t)bytes);
    un_owner_record_name(&other, name, sizeof name);
    return un_fail(UN_USAGE,
                   "%s: the folder now belongs to another run (%s); this one (start %" PRId64
                   ") writes nothing more and ends",
                   path, name, o->start);
}

void un_owner_release(struct un_owner *o) {
    char path[UN_PATH_MAX], *text = strstr(o->text, "\"ended\":false");
    struct un_error before = *un_error_get();
    if (text && o->leads && un_owner_check(o) == UN_OK &&
        un_files_join(path, o->run_dir, "log/owner.json") == UN_OK) {
        memcpy(text, "\"ended\":true ", strlen("\"ended\":false"));
        un_files_replace(path, o->text, strlen(o->text)); /* if not: the next start looks at the lock */
    }
    un_error_clear();
    un_error_adopt(&before);
    if (o->lock >= 0) close(o->lock);
    *o = (struct un_owner){.lock = -1};
}
