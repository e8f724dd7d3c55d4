/* The writer's thread and what the ranks agree on (writer.h).
 *
 * Law: the thread touches *part, its publisher and what the lock guards; everything else belongs to the
 * training's thread. It is joined before the next one starts. */
#include "io/checkpoint/writer.h"
#include "io/checkpoint/best.h"
#include "io/checkpoint/folder.h"
#include "io/checkpoint/private.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/thread.h"
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

/* Seconds, or the time-out if that is less, for a cancelled thread to come back from the file system. */
enum { PATIENCE = 30 };

enum stage { WRITING, WRITTEN, OVER };

struct un_checkpoint_writer {
    struct un_comm *comm;
    struct un_checkpoint_writer_setup setup;
    struct un_checkpoint c; /* of the save under way; digests of the last one */
    struct un_checkpoint_part part;
    struct un_checkpoint_publisher publisher; /* rank 0 */
    atomic_bool cancel;
    bool busy;     /* a save was started and not waited for; the same on all ranks */
    bool threaded; /* a thread is to be joined */
    pthread_t thread;
    double begun;

    pthread_mutex_t lock;
    pthread_cond_t changed;
    enum stage stage;      /* guarded, as is what follows */
    struct un_error error; /* of the part or of publishing */
    double seconds;        /* of the newest published save, 0 when told */
};

/* ---- the thread ---- */

static void tell(struct un_checkpoint_writer *w, enum stage stage, enum un_status status) {
    pthread_mutex_lock(&w->lock);
    if (status != UN_OK && w->error.status == UN_OK) {
        w->error = *un_error_get();
        w->error.status = status;
    }
    w->stage = stage;
    if (stage == OVER && w->error.status == UN_OK) w->seconds = un_clock() - w->begun;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

/* The best is known as such, and there is room for the next ones. Changes nothing about this one. */
static void tidy(const struct un_checkpoint_writer *w) {
    enum un_status status = un_owner_check(w->c.owner); /* else what is there is another run's */
    const struct un_checkpoint_best best = {w->c.step, w->c.measure};
    if (status == UN_OK && w->c.best) status = un_checkpoint_best_mark(w->setup.run_dir, &best);
    if (status == UN_OK) status = un_checkpoint_folder_sweep(w->setup.run_dir);
    if (status == UN_OK)
        status = un_checkpoint_folder_prune(w->setup.run_dir, w->setup.keep, w->setup.keep_every, w->c.step);
    if (status == UN_OK) return;
    un_log(UN_LOG_WARN, "old checkpoints stay: %s", un_error_get()->text);
    un_error_clear();
}

static void *work(void *context) {
    struct un_checkpoint_writer *w = context;
    un_error_clear();
    enum un_status status = un_checkpoint_part_write(&w->part);
    tell(w, w->comm->rank == 0 ? WRITTEN : OVER, status);
    if (w->comm->rank != 0) return NULL;
    if (status == UN_OK) {
        status = un_checkpoint_publish(&w->publisher, &w->part, w->begun + w->setup.timeout,
                                       w->c.param_digest, w->c.state_digest);
        if (status == UN_OK) tidy(w);
    }
    tell(w, OVER, status);
    un_error_clear();
    return NULL;
}

/* ---- the training's side ---- */

static enum un_status take_memory(struct un_checkpoint_writer *w) {
    const struct un_checkpoint *c = w->setup.checkpoint;
    w->part.record = un_alloc(un_checkpoint_record_bytes(c, w->comm->rank), 1, "record of a checkpoint");
    if (!w->part.record) return UN_MEMORY;
    return w->comm->rank == 0 ? un_checkpoint_publisher_open(&w->publisher, c) : UN_OK;
}

static void free_memory(struct un_checkpoint_writer *w) {
    un_free(w->part.record);
    un_checkpoint_publisher_close(&w->publisher);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    un_free(w);
}

static void init_lock(struct un_checkpoint_writer *w) {
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, &how);
    pthread_condattr_destroy(&how);
}

size_t un_checkpoint_writer_bytes(int64_t owned) {
    return 3 * (size_t)owned * sizeof(float);
}

enum un_status un_checkpoint_writer_open(struct un_checkpoint_writer **writer, struct un_comm *comm,
                                         const struct un_checkpoint_writer_setup *setup) {
    struct un_checkpoint_writer *w = un_alloc(1, sizeof *w, "writer of checkpoints");
    enum un_status status = w ? UN_OK : UN_MEMORY;
    uint64_t nonce = 0;
    *writer = NULL;
    if (w) {
        *w = (struct un_checkpoint_writer){.comm = comm, .setup = *setup, .stage = OVER};
        init_lock(w);
        status = take_memory(w);
    }
    if (status == UN_OK && comm->rank == 0 && getrandom(&nonce, sizeof nonce, 0) != sizeof nonce)
        nonce = (uint64_t)(un_clock() * 1e9);
    status = un_comm_agree(comm, status);
    if (status == UN_OK) status = comm->ops->broadcast(comm, &nonce, sizeof nonce, 0);
    if (status != UN_OK) {
        if (w) free_memory(w);
        return status;
    }
    w->part.c = &w->c;
    w->part.run_dir = w->setup.run_dir;
    w->part.rank = comm->rank;
    w->part.nonce = nonce;
    w->part.cancel = &w->cancel;
    *writer = w;
    return UN_OK;
}

/* Signals are for the training's thread. Where no thread can be had the save is done here and now. */
static void launch(struct un_checkpoint_writer *w) {
    w->threaded = un_thread_start(&w->thread, NULL, work, w) == 0;
    if (!w->threaded) work(w);
}

enum un_status un_checkpoint_writer_start(struct un_checkpoint_writer *w) {
    if (w->busy || w->threaded)
        return un_fail(UN_INTERNAL, "checkpoint of step %lld is under way", (long long)w->c.step);
    w->c = *w->setup.checkpoint;
    int64_t first = un_lane_begin(w->c.lanes, w->comm->rank, w->c.shard.size);
    int64_t n = un_lane_begin(w->c.lanes, w->comm->rank + 1, w->c.shard.size) - first;
    if (n > 0)
        memcpy(un_checkpoint_record_states(&w->c, w->comm->rank, w->part.record), w->c.states + first,
               (size_t)n * sizeof *w->c.states);
    atomic_store(&w->cancel, false);
    w->error = (struct un_error){0};
    w->stage = WRITING;
    w->begun = un_clock();
    w->busy = true;
    launch(w);
    return UN_OK;
}

int64_t un_checkpoint_writer_busy(const struct un_checkpoint_writer *w) {
    return w->busy ? w->c.step : -1;
}

static enum un_status overdue(const struct un_checkpoint_writer *w) {
    char path[UN_PATH_MAX] = "";
    un_checkpoint_folder_path(path, w->setup.run_dir, w->c.step, true);
    return un_fail(UN_IO, "%s: not written after %.0f s (checkpoint.timeout): the file system hangs", path,
                   un_clock() - w->begun);
}

enum un_status un_checkpoint_writer_poll(struct un_checkpoint_writer *w) {
    if (!w->busy) return UN_OK;
    pthread_mutex_lock(&w->lock);
    enum stage stage = w->stage;
    struct un_error error = w->error;
    pthread_mutex_unlock(&w->lock);
    if (error.status != UN_OK) return un_error_adopt(&error);
    return stage != OVER && un_clock() > w->begun + w->setup.timeout ? overdue(w) : UN_OK;
}

/* Until the thread is that far, or un_clock() is `deadline`: false. */
static bool await_stage(struct un_checkpoint_writer *w, enum stage stage, double deadline) {
    struct timespec until = {(time_t)deadline, (long)((deadline - (double)(time_t)deadline) * 1e9)};
    int code = 0;
    pthread_mutex_lock(&w->lock);
    while (w->stage < stage && code != ETIMEDOUT)
        code = pthread_cond_timedwait(&w->changed, &w->lock, &until);
    bool there = w->stage >= stage;
    pthread_mutex_unlock(&w->lock);
    return there;
}

/* The outcome on this rank; rank 0's publisher has its own time-out, a little grace lets it speak. */
static enum un_status outcome(struct un_checkpoint_writer *w, enum stage stage, double grace) {
    if (!await_stage(w, stage, w->begun + w->setup.timeout + grace)) return overdue(w);
    pthread_mutex_lock(&w->lock);
    struct un_error error = w->error;
    pthread_mutex_unlock(&w->lock);
    return error.status == UN_OK ? UN_OK : un_error_adopt(&error);
}

static bool join(struct un_checkpoint_writer *w) {
    if (!w->threaded) return true;
    double patience = w->setup.timeout < PATIENCE ? w->setup.timeout : PATIENCE;
    atomic_store(&w->cancel, true);
    if (!await_stage(w, OVER, un_clock() + patience)) return false;
    pthread_join(w->thread, NULL);
    w->threaded = false;
    return true;
}

/* All ranks are here with a save that failed somewhere: nobody writes any more, so its folder can go. */
static void abandon(struct un_checkpoint_writer *w) {
    struct un_error error = *un_error_get();
    bool over = join(w);
    un_error_clear();
    enum un_status all = un_comm_agree(w->comm, over ? UN_OK : UN_IO);
    if (all == UN_OK && w->comm->rank == 0 && un_owner_check(w->c.owner) == UN_OK)
        un_checkpoint_folder_sweep(w->setup.run_dir);
    un_error_clear();
    un_error_adopt(&error); /* the error that made the save fail is the one to report */
}

enum un_status un_checkpoint_writer_wait(struct un_checkpoint_writer *w) {
    if (!w->busy) return UN_OK;
    enum un_status status = un_comm_agree(w->comm, outcome(w, WRITTEN, 0));
    if (status == UN_OK) status = un_comm_agree(w->comm, outcome(w, OVER, 1));
    if (status != UN_OK)
        abandon(w);
    else
        join(w);
    memcpy(w->setup.checkpoint->param_digest, w->c.param_digest, sizeof w->c.param_digest);
    memcpy(w->setup.checkpoint->state_digest, w->c.state_digest, sizeof w->c.state_digest);
    w->busy = false;
    return status;
}

double un_checkpoint_writer_seconds(struct un_checkpoint_writer *w) {
    pthread_mutex_lock(&w->lock);
    double seconds = w->comm->rank == 0 ? w->seconds : 0;
    w->seconds = 0;
    pthread_mutex_unlock(&w->lock);
    return seconds;
}

bool un_checkpoint_writer_close(struct un_checkpoint_writer *w, bool together) {
    if (!w) return true;
    if (w->busy && together)
        abandon(w);
    else
        join(w);
    if (w->threaded) return false;
    free_memory(w);
    return true;
}
