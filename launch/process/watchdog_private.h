/* Inside of the watchdog: the clock (watchdog.c) and the publisher of lines (watchdog_lines.c). Law: `lock`
 * guards what both threads use, and nobody holds it during input or output; phase and pulses are atomics
 * written by the threads that are watched. */
#ifndef UN_LAUNCH_PROCESS_WATCHDOG_PRIVATE_H
#define UN_LAUNCH_PROCESS_WATCHDOG_PRIVATE_H

#include "io/disk/files.h"
#include "launch/process/beat.h"
#include "launch/process/watchdog.h"

#include <pthread.h>

enum look { LOOK_NONE, LOOK_EARLY, LOOK_FINAL };

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

static inline double un_clamp(double value, double least, double most) {
    return value < least ? least : value > most ? most : value;
}

/* Waits for a change under the lock, at most so long. */
void un_watchdog_wait(struct un_watchdog *w, double seconds);
/* Without signals of its own. */
enum un_status un_watchdog_thread(pthread_t *thread, void *(*run)(void *), struct un_watchdog *w);
/* Where this rank stands. */
void un_watchdog_stand(const struct un_watchdog *w, struct un_beat *b);

#endif
