/* Threads that take pieces of work from one counter (workers.h). */
#include "io/convert/workers.h"
#include "runtime/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

int un_workers_count(void) {
    cpu_set_t set;
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n < 1 ? 1 : n;
}

struct crew {
    enum un_status (*work)(void *context, int thread, int64_t i);
    void *context;
    int64_t after;
    _Atomic int64_t next;
    _Atomic bool failed;
    pthread_mutex_t lock; /* of the two below */
    struct un_error error;
    int64_t error_at;
};
struct hand {
    struct crew *crew;
    int thread;
    pthread_t id;
};

static void keep_error(struct crew *crew, int64_t i) {
    pthread_mutex_lock(&crew->lock);
    if (crew->error.status == UN_OK || i < crew->error_at) {
        crew->error = *un_error_get();
        crew->error_at = i;
    }
    pthread_mutex_unlock(&crew->lock);
    atomic_store(&crew->failed, true);
    un_error_clear();
}

static void *take(void *argument) {
    struct hand *hand = argument;
    struct crew *crew = hand->crew;
    while (!atomic_load(&crew->failed)) {
        int64_t i = atomic_fetch_add(&crew->next, 1);
        if (i >= crew->after) break;
        if (crew->work(crew->context, hand->thread, i) != UN_OK) keep_error(crew, i);
    }
    return NULL;
}

enum un_status un_workers_run(int threads, int64_t first, int64_t after,
                              enum un_status (*work)(void *context, int thread, int64_t i), void *context) {
    if (threads > after - first) threads = after > first ? (int)(after - first) : 1;
    struct crew crew = {.work = work, .context = context, .after = after, .lock = PTHREAD_MUTEX_INITIALIZER};
    struct hand *hands = un_alloc((size_t)threads, sizeof *hands, "threads");
    if (!hands) return UN_MEMORY;
    atomic_store(&crew.next, first);
    int started = 1; /* fewer threads than asked for only make it slower */
    for (int t = 0; t < threads; ++t) hands[t] = (struct hand){.crew = &crew, .thread = t};
    while (started < threads && pthread_create(&hands[started].id, NULL, take, &hands[started]) == 0)
        ++started;
    take(&hands[0]);
    for (int t = 1; t < started; ++t) pthread_join(hands[t].id, NULL);
    un_free(hands);
    return crew.error.status == UN_OK ? UN_OK : un_error_adopt(&crew.error);
}
