/* The watchdog's publisher: this rank's line in RUN/log/beats, the others' when the clock asks. */
#include "launch/process/watchdog_private.h"

#include "io/run/metrics.h"
#include "launch/process/end.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void un_watchdog_stand(const struct un_watchdog *w, struct un_beat *b) {
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

static void write_line(struct un_watchdog *w, bool ended) {
    char line[UN_BEAT_BYTES];
    struct un_beat beat;
    un_watchdog_stand(w, &beat);
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
    for (ssize_t got = 1; used < bytes && got > 0; used += got > 0 ? (size_t)got : 0) {
        do got = read(fd, w->lines + used, bytes - used);
        while (got < 0 && errno == EINTR);
    }
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
    return w->timeout > 0 ? un_clamp(w->timeout / 8, 0.1, most) : most;
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
        if (!w->stop_publisher && w->wanted == wanted && left > 0) un_watchdog_wait(w, left);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

enum un_status un_watchdog_publish(struct un_watchdog *w, const struct un_owner *owner) {
    if (!w) return UN_OK;
    UN_TRY(un_owner_beats_path(w->place.path, owner->run_dir));
    gethostname(w->place.host, sizeof w->place.host - 1);
    w->lines = un_alloc((size_t)w->size, UN_BEAT_BYTES, "lines of all ranks");
    struct un_beat *early = un_alloc((size_t)w->size, sizeof *early, "lines of all ranks");
    struct un_beat *final = un_alloc((size_t)w->size, sizeof *final, "lines of all ranks");
    /* O_DSYNC: a network client would keep the line back, or write a page with others' old lines in it */
    w->fd = open(w->place.path, O_WRONLY | O_DSYNC | O_CLOEXEC);
    int failed = errno;
    pthread_mutex_lock(&w->lock);
    w->early = early;
    w->final = final;
    w->owner = owner;
    pthread_mutex_unlock(&w->lock);
    if (!w->lines || !early || !final) return UN_MEMORY;
    if (w->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", w->place.path, strerror(failed));
    UN_TRY(un_watchdog_thread(&w->publisher, run_publisher, w));
    pthread_mutex_lock(&w->lock);
    w->publisher_runs = true;
    pthread_mutex_unlock(&w->lock);
    return UN_OK;
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
