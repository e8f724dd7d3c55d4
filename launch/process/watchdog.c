/* The watchdog's clock (watchdog.h), and opening and closing. */
#include "launch/process/watchdog_private.h"

#include "comm/launcher.h"
#include "launch/process/end.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <string.h>
#include <time.h>
#include <unistd.h>

static const double spread = 0.3;      /* rank r of n waits so much longer, times r/n */
static const double early_share = 0.7; /* of a rank's limit, when it first reads the others' lines */
static const double grace_share = 0.2; /* of run.timeout, that the last reading may take */

void un_watchdog_phase(struct un_watchdog *w, const char *phase, int64_t step) {
    if (!w) return;
    atomic_store_explicit(&w->phase, phase, memory_order_relaxed);
    atomic_store_explicit(&w->step, step, memory_order_relaxed);
    atomic_fetch_add_explicit(&w->phases, 1, memory_order_release);
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
    w->now += un_clamp(real - w->ticked, 0, pause + 1);
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
    double deadline = un_clock() + un_clamp(grace_share * w->timeout, 0.3, 60);
    w->wanted = LOOK_FINAL;
    pthread_cond_broadcast(&w->changed);
    while (w->publisher_runs && w->done != LOOK_FINAL && un_clock() < deadline)
        un_watchdog_wait(w, un_clamp(deadline - un_clock(), 0.01, 1));
    un_watchdog_stand(w, &mine);
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
        double pause = un_clamp(w->timeout / 50, 0.02, 1);
        un_watchdog_wait(w, pause);
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

/* ---- opening and closing ---- */

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
    enum un_status status = timeout > 0 ? un_watchdog_thread(&w->clock, run_clock, w) : UN_OK;
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

void un_watchdog_hurry(struct un_watchdog *w, const char *phase, int64_t step, double seconds) {
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    if (w->timeout > seconds) w->timeout = seconds;
    pthread_mutex_unlock(&w->lock);
    un_watchdog_phase(w, phase, step);
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
