/* Reading ahead in the order of the files (warm.h). */
#include "launch/train/warm.h"

#include "io/data/warm.h"
#include "io/run/progress.h"
#include "launch/process/signals.h"
#include "runtime/clock.h"
#include "runtime/memory_left.h"
#include "runtime/thread.h"

#include <pthread.h>
#include <stdatomic.h>

/* The rest is for what nobody can count before: libraries, other programs, files of the run. */
static const double memory_share = 0.8;
static const double round_seconds = 0.5; /* after so long ranks hear of each other */

struct un_warming {
    struct un_job *job;
    struct un_warm *warm;
    pthread_t thread;
    bool started;
    atomic_bool stop;
    atomic_llong done; /* bytes */
    double start;
    _Atomic double end; /* 0: not through */
};

int64_t un_warming_room(int64_t left, int64_t ranks, int64_t taken) {
    if (left < 0) return INT64_MAX;
    int64_t room = (int64_t)((double)left * memory_share) / ranks - taken;
    return room > 0 ? room : 0;
}

static double mib(int64_t bytes) {
    return (double)bytes / (1 << 20);
}

static enum un_status open_pass(struct un_warming *w) {
    const struct un_job *job = w->job;
    bool soft[UN_MAX_DATASETS];
    for (int64_t i = 0; i < job->train.n; ++i)
        soft[i] = un_objective_mix_needs_soft_labels(job->train.keys[i].mix);
    return un_warm_open(&w->warm, job->train.sets, job->train.n, soft, job->lane_begin, job->lane_end);
}

/* Do the parts of all ranks fit? All ranks get the same answer, or one host would be slower than the others for nothing. Collective. */
static enum un_status ask_memory(const struct un_warming *w, bool *fits) {
    const struct un_job *job = w->job;
    int64_t bytes = un_warm_bytes(w->warm);
    int64_t room = un_warming_room(un_memory_left(""), job->comm->local_size, job->cache.taken);
    int64_t sums[3] = {bytes > room, bytes, un_warm_left_out(w->warm)};
    UN_TRY(job->comm->ops->sum_i64(job->comm, sums, 3));
    *fits = sums[0] == 0;
    if (job->comm->rank > 0) return UN_OK;
    if (sums[2] > 0)
        un_log(UN_LOG_INFO,
               "data.warm: %lld columns do not lie in one piece (they are in chunks, or of another type): "
               "not read ahead",
               (long long)sums[2]);
    if (!*fits)
        un_log(UN_LOG_INFO,
               "data.warm: the part of %lld of %d ranks is more than memory would keep (all: %.0f MiB; a "
               "rank of this host: %.0f "
               "MiB): nothing is read ahead",
               (long long)sums[0], job->comm->size, mib(sums[1]), mib(room));
    return UN_OK;
}

static void count_piece(struct un_warming *w, int64_t bytes) {
    atomic_fetch_add_explicit(&w->done, bytes, memory_order_relaxed);
    if (bytes == 0 && atomic_load(&w->end) <= 0) atomic_store(&w->end, un_clock());
}

/* ---- before the first step ---- */

/* Bytes that this rank has read in the round, whether something is left, whether it was asked to stop; then the sums of all ranks.
 * Collective. */
static enum un_status one_round(struct un_warming *w, int64_t sums[3]) {
    double until = un_clock() + round_seconds;
    int64_t piece = 1, before = atomic_load(&w->done);
    while (piece > 0 && un_clock() < until && !un_signals_stop_wanted())
        count_piece(w, piece = un_warm_next(w->warm));
    sums[0] = atomic_load(&w->done) - before;
    sums[1] = piece > 0;
    sums[2] = un_signals_stop_wanted();
    return w->job->comm->ops->sum_i64(w->job->comm, sums, 3);
}

static enum un_status read_before(struct un_warming *w, bool shows) {
    struct un_job *job = w->job;
    struct un_progress progress;
    int64_t sums[3] = {un_warm_bytes(w->warm), 1, 0};
    enum un_status status = job->comm->ops->sum_i64(job->comm, sums, 1);
    un_progress_open_work(&progress, sums[0], 1000000, "MB", shows);
    while (status == UN_OK && sums[1] > 0 && sums[2] == 0) {
        un_watchdog_phase(job->watchdog, "data.warm", job->step);
        status = one_round(w, sums);
        un_progress_add(&progress, sums[0]);
    }
    un_progress_close(&progress);
    return status;
}

/* ---- beside the training ---- */

static void *read_beside(void *context) {
    struct un_warming *w = context;
    int64_t piece = 1;
    while (piece > 0 && !atomic_load_explicit(&w->stop, memory_order_relaxed))
        count_piece(w, piece = un_warm_next(w->warm));
    return NULL;
}

/* A thread that the system does not give costs speed and nothing else. */
static void start_thread(struct un_warming *w) {
    w->started = un_thread_start(&w->thread, NULL, read_beside, w) == 0;
    if (!w->started) un_log(UN_LOG_WARN, "data.warm: the system gives no thread: nothing is read ahead");
}

enum un_status un_warming_open(struct un_warming **out, struct un_job *job, bool shows) {
    bool fits;
    *out = NULL;
    if (job->config.data.warm == UN_WARM_OFF) return UN_OK;
    struct un_warming *w = un_alloc(1, sizeof *w, "reading ahead");
    if (w) w->job = job;
    enum un_status status = un_comm_agree(job->comm, w ? open_pass(w) : UN_MEMORY);
    if (status == UN_OK) status = ask_memory(w, &fits);
    if (status != UN_OK || !fits) {
        if (w) un_warm_close(w->warm);
        un_free(w);
        return status;
    }
    *out = w;
    w->start = un_clock();
    if (job->config.data.warm == UN_WARM_BEFORE) return read_before(w, shows);
    start_thread(w);
    return UN_OK;
}

void un_warming_close(struct un_warming *w) {
    if (!w) return;
    atomic_store(&w->stop, true);
    if (w->started) pthread_join(w->thread, NULL);
    double end = atomic_load(&w->end);
    if (w->job->comm->rank == 0)
        un_log(UN_LOG_INFO,
               "data.warm: %.0f of %.0f MiB of rank 0's part read in the order of the files, %.1f s",
               mib(atomic_load(&w->done)), mib(un_warm_bytes(w->warm)),
               (end > 0 ? end : un_clock()) - w->start);
    un_warm_close(w->warm);
    un_free(w);
}
