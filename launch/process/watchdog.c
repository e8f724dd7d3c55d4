/* The watchdog's two threads (watchdog.h). Law: `lock` guards what both threads use, and nobody holds it
 * during input or output; phase and pulses are atomics written by the threads that are watched. */
#include "launch/process/watchdog.h"

#include "comm/launcher.h"
#include "launch/process/beat.h"
#include "launch/process/end.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum look { LOOK_NONE, LOOK_EARLY, LOOK_FINAL };

static const double spread = 0.3;      /* rank r of n waits so much longer, times r/n */
static const double early_share = 0.7; /* of a rank's limit, when it first reads the others' lines */
static const double grace_share = 0.2; /* of run.timeout, that the last reading may take */

/* Something that must move on: a number that changes when it does. */
struct clock_of {
    uint64_t seen;
    double since;
};

struct un_watchdog {
    double timeout;
    struct un_pulse pulses[UN_PULSE_COUNT];
    _Atomic(const char *) phase;
    _Atomic int64_t step;
    _Atomic uint64_t phases; /* begun so far */

    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stop_clock, stop_publisher;
    int rank, size;
    bool early_good;
    enum look wanted, done;        /* readings of the others' lines */
    struct un_beat *early, *final; /* [size] */

    /* of the clock's thread */
    double now, ticked; /* time watched so far; the last look at the real clock */
    struct clock_of phase_clock, line_clock[UN_PULSE_COUNT];

    /* of the publisher's thread */
    const struct un_owner *owner;
    struct un_owner_place {
        char path[UN_PATH_MAX], host[65];
    } place;
    char *lines; /* [size * UN_BEAT_BYTES] */
    uint64_t beats, phase_seen;
    double phase_since;
    int fd;

    pthread_t clock, publisher;
    bool clock_runs, publisher_runs;
};

void un_watchdog_phase(struct un_watchdog *w, const char *phase, int64_t step) {
    if (!w) return;
    atomic_store_explicit(&w->phase, phase, memory_order_relaxed);
    atomic_store_explicit(&w->step, step, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->phases, 1, memory_order_release);
}

/* Waits for a change under the lock, at most so long. */
static void wait_changed(struct un_watchdog *w, double seconds) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    long ns = until.tv_nsec + (long)((seconds - (double)(time_t)seconds) * 1e9);
    until.tv_sec += (time_t)seconds + ns / 1000000000;
    until.tv_nsec = ns % 1000000000;
    pthread_cond_timedwait(&w->changed, &w->lock, &until);
}

static double clamp(double value, double least, double most) {
    return value < least ? least : value > most ? most : value;
}

/* ---- where this rank stands ---- */

static void stand(const struct un_watchdog *w, struct un_beat *b) {
    const char *phase = atomic_load_explicit(&w->phase, memory_order_relaxed);
    *b = (struct un_beat){.present = true, .rank = w->rank, .pid = getpid()};
    b->step = atomic_load_explicit(&w->step, memory_order_relaxed);
    memcpy(b->host, w->place.host, sizeof b->host);
    snprintf(b->phase, sizeof b->phase, "%s", phase);
    for (int i = 0; i < UN_PULSE_COUNT; ++i) {
        const struct un_pulse *p = &w->pulses[i];
        uint64_t ended = atomic_load_explicit(&p->ended, memory_order_acquire);
        b->begun[i] = atomic_load_explicit(&p->begun, memory_order_acquire);
        b->under_way[i] = ended != b->begun[i];
        const char *what = atomic_load_explicit(&p->what, memory_order_relaxed);
        snprintf(b->what[i], sizeof b->what[i], "%s", what ? what : "none");
    }
}

/* ---- the clock ---- */

/* Seconds since `number` last changed. */
static double lasting(const struct un_watchdog *w, struct clock_of *c, uint64_t number) {
    if (number != c->seen) *c = (struct clock_of){number, w->now};
    return w->now - c->since;
}

/* A stop of the whole process, as by a scheduler that suspends a job, is not time that anybody waited. */
static void tick(struct un_watchdog *w, double pause) {
    double real = un_clock();
    w->now += clamp(real - w->ticked, 0, pause + 1);
    w->ticked = real;
}

/* Fills times and line of the verdict; returns the longest time. */
static double measure(struct un_watchdog *w, struct un_verdict *v) {
    v->line = -1;
    v->collective_time = 0;
    v->phase_time = lasting(w, &w->phase_clock, atomic_load_explicit(&w->phases, memory_order_acquire));
    for (int i = 0; i < UN_PULSE_COUNT; ++i) {
        uint64_t ended = atomic_load_explicit(&w->pulses[i].ended, memory_order_acquire);
        uint64_t begun = atomic_load_explicit(&w->pulses[i].begun, memory_order_acquire);
        double time = lasting(w, &w->line_clock[i], begun + ended); /* grows by one at each end, too */
        if (begun == ended || (v->line >= 0 && time <= v->collective_time)) continue;
        v->line = i;
        v->collective_time = time;
    }
    return v->collective_time > v->phase_time ? v->collective_time : v->phase_time;
}

/* Ends the process. The lock is held. */
static void end(struct un_watchdog *w, struct un_verdict *v) {
    static char text[4000]; /* file-level life, because the thread's stack is small; used once */
    struct un_beat mine;
    double deadline = un_clock() + clamp(grace_share * w->timeout, 0.3, 60);
    w->wanted = LOOK_FINAL;
    pthread_cond_broadcast(&w->changed);
    while (w->publisher_runs && w->done != LOOK_FINAL && un_clock() < deadline)
        wait_changed(w, clamp(deadline - un_clock(), 0.01, 1));
    stand(w, &mine);
    v->mine = &mine;
    v->size = w->size;
    v->timeout = w->timeout;
    v->final = w->done == LOOK_FINAL ? w->final : NULL;
    v->early = v->final && w->early_good ? w->early : NULL;
    un_beat_verdict(v, text, sizeof text);
    un_end_now(UN_IO, w->rank, text);
}

static void *run_clock(void *context) {
    struct un_watchdog *w = context;
    w->ticked = un_clock();
    pthread_mutex_lock(&w->lock);
    while (!w->stop_clock) {
        struct un_verdict v;
        double pause = clamp(w->timeout / 50, 0.02, 1);
        wait_changed(w, pause);
        tick(w, pause);
        double longest = measure(w, &v);
        double limit = w->timeout * (1 + spread * w->rank / w->size);
        if (longest > limit)
            end(w, &v);
        else if (longest <= early_share * limit)
            w->wanted = w->done = LOOK_NONE, w->early_good = false;
        else if (w->wanted == LOOK_NONE) {
            w->wanted = LOOK_EARLY;
            pthread_cond_broadcast(&w->changed);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- the publisher ---- */

static void write_line(struct un_watchdog *w, bool ended) {
    char line[UN_BEAT_BYTES];
    struct un_beat beat;
    stand(w, &beat);
    uint64_t phases = atomic_load_explicit(&w->phases, memory_order_acquire);
    if (phases != w->phase_seen || w->beats == 0) w->phase_since = un_clock();
    w->phase_seen = phases;
    beat.phase_time = un_clock() - w->phase_since;
    beat.count = ++w->beats;
    if (ended) snprintf(beat.phase, sizeof beat.phase, UN_BEAT_ENDED);
    un_beat_print(line, &beat, w->owner->token);
    ssize_t wrote = pwrite(w->fd, line, sizeof line, (off_t)w->rank * UN_BEAT_BYTES);
    (void)wrote; /* a line that is missing is what the readers will say */
}

/* Opened afresh: on network file systems that is when others' writes become visible. */
static bool read_lines(struct un_watchdog *w) {
    size_t bytes = (size_t)w->size * UN_BEAT_BYTES, used = 0;
    int fd = open(w->place.path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    for (ssize_t got = 1; used < bytes && got > 0; used += got > 0 ? (size_t)got : 0) do
            got = read(fd, w->lines + used, bytes - used);
        while (got < 0 && errno == EINTR);
    close(fd);
    memset(w->lines + used, ' ', bytes - used);
    return used > 0;
}

static void take_look(struct un_watchdog *w, enum look wanted) {
    bool good = read_lines(w);
    if (wanted == LOOK_FINAL) write_line(w, true); /* after the reading: the first one finds nobody ended */
    pthread_mutex_lock(&w->lock);
    if (good && w->wanted == wanted) {
        struct un_beat *to = wanted == LOOK_EARLY ? w->early : w->final;
        for (int r = 0; r < w->size; ++r)
            un_beat_parse(&to[r], w->lines + (size_t)r * UN_BEAT_BYTES, w->owner->token, r);
        w->done = wanted;
        w->early_good = w->early_good || wanted == LOOK_EARLY;
        pthread_cond_broadcast(&w->changed);
    }
    pthread_mutex_unlock(&w->lock);
}

/* Only a newer owner ends the run here; a record that cannot be read now may be readable when it matters. */
static void check_owner(const struct un_watchdog *w) {
    if (w->rank == 0 && un_owner_check(w->owner) == UN_USAGE)
        un_end_now(UN_USAGE, w->rank, un_error_get()->text);
    un_error_clear();
}

/* Seconds between two lines: the owner of a folder shows that it lives, the others where they stand. */
static double beat_pause(const struct un_watchdog *w) {
    double most = w->rank == 0 ? 1 : 60;
    return w->timeout > 0 ? clamp(w->timeout / 8, 0.1, most) : most;
}

static void *run_publisher(void *context) {
    struct un_watchdog *w = context;
    double pause = beat_pause(w), next = 0;
    pthread_mutex_lock(&w->lock);
    while (!w->stop_publisher) {
        enum look wanted = w->wanted;
        bool look = wanted != w->done && wanted != LOOK_NONE;
        pthread_mutex_unlock(&w->lock);
        if (un_clock() >= next) {
            check_owner(w);
            write_line(w, false);
            next = un_clock() + pause;
        }
        if (look) take_look(w, wanted);
        pthread_mutex_lock(&w->lock);
        double left = next - un_clock();
        if (!w->stop_publisher && w->wanted == wanted && left > 0) wait_changed(w, left);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

/* ---- opening and closing ---- */

/* Signals are the main thread's business. */
static enum un_status start_thread(pthread_t *thread, void *(*run)(void *), struct un_watchdog *w) {
    sigset_t all, before;
    sigfillset(&all);
    const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    for (size_t i = 0; i < sizeof own / sizeof *own; ++i) sigdelset(&all, own[i]);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? un_fail(UN_INTERNAL, "watchdog: no thread: %s", strerror(failed)) : UN_OK;
}

enum un_status un_watchdog_open(struct un_watchdog **watchdog, double timeout) {
    pthread_condattr_t monotonic;
    *watchdog = NULL;
    struct un_watchdog *w = un_alloc(1, sizeof *w, "watchdog");
    if (!w) return UN_MEMORY;
    w->timeout = timeout;
    struct un_launcher launcher = un_launcher_find();
    w->rank = launcher.rank > 0 ? launcher.rank : 0;
    w->size = launcher.size > w->rank ? launcher.size : w->rank + 1;
    w->fd = -1;
    atomic_store(&w->phase, w->size > 1 ? UN_BEAT_UNKNOWN : "start");
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    enum un_status status = timeout > 0 ? start_thread(&w->clock, run_clock, w) : UN_OK;
    w->clock_runs = timeout > 0 && status == UN_OK;
    if (status == UN_OK)
        *watchdog = w;
    else
        un_watchdog_close(w);
    return status;
}

void un_watchdog_attach(struct un_watchdog *w, struct un_comm *comm) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->rank = comm->rank;
    w->size = comm->size;
    pthread_mutex_unlock(&w->lock);
    un_pulse_watch(comm, w->pulses);
    un_watchdog_phase(w, "start", 0);
}

enum un_status un_watchdog_publish(struct un_watchdog *w, const struct un_owner *owner) {
    if (!w) return UN_OK;
    UN_TRY(un_owner_beats_path(w->place.path, owner->run_dir));
    gethostname(w->place.host, sizeof w->place.host - 1);
    w->lines = un_alloc((size_t)w->size, UN_BEAT_BYTES, "lines of all ranks");
    struct un_beat *early = un_alloc((size_t)w->size, sizeof *early, "lines of all ranks");
    struct un_beat *final = un_alloc((size_t)w->size, sizeof *final, "lines of all ranks");
    /* O_DSYNC: a network client would keep the line back, or write a whole page with others' old lines in it */
    w->fd = open(w->place.path, O_WRONLY | O_DSYNC | O_CLOEXEC);
    int failed = errno;
    pthread_mutex_lock(&w->lock);
    w->early = early;
    w->final = final;
    w->owner = owner;
    pthread_mutex_unlock(&w->lock);
    if (!w->lines || !early || !final) return UN_MEMORY;
    if (w->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", w->place.path, strerror(failed));
    UN_TRY(start_thread(&w->publisher, run_publisher, w));
    pthread_mutex_lock(&w->lock);
    w->publisher_runs = true;
    pthread_mutex_unlock(&w->lock);
    return UN_OK;
}

void un_watchdog_hurry(struct un_watchdog *w, const char *phase, int64_t step, double seconds) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    if (w->timeout > seconds) w->timeout = seconds;
    pthread_mutex_unlock(&w->lock);
    un_watchdog_phase(w, phase, step);
}

void un_watchdog_silence(struct un_watchdog *w) {
    if (!w || !w->publisher_runs) return;
    pthread_mutex_lock(&w->lock);
    w->stop_publisher = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->publisher, NULL); /* the clock still runs, should this hang */
    pthread_mutex_lock(&w->lock);
    w->publisher_runs = false;
    pthread_mutex_unlock(&w->lock);
}

void un_watchdog_close(struct un_watchdog *w) {
    if (!w) return;
    un_watchdog_silence(w);
    pthread_mutex_lock(&w->lock);
    w->stop_clock = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    if (w->clock_runs) pthread_join(w->clock, NULL);
    if (w->fd >= 0) close(w->fd);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    un_free(w->lines);
    un_free(w->early);
    un_free(w->final);
    un_free(w);
}
