/* What OpenMP and OpenBLAS take from the system, taken in time. Each ends a program, or spins for ever, where it
 * cannot have it: OpenMP's team when a thread does not start, OpenBLAS when a buffer is wanted in the middle of a
 * product. */
#include "runtime/cpu/cpu.h"

#include <omp.h>
#include <pthread.h>
#include <string.h>

enum {
    BUFFER = 128 << 20
}; /* address space that OpenBLAS maps for a thread that calls it; little is touched */

/* OpenBLAS's own, exported by its library; where they are hidden the buffers come with the first products. */
extern void *blas_memory_alloc(int unused) __attribute__((weak));
extern void blas_memory_free(void *buffer) __attribute__((weak));

size_t un_cpu_library_bytes(const struct un_device *d) {
    return (size_t)d->threads * BUFFER + (size_t)(d->threads - 1) * un_memory_stack();
}

struct trial_team {
    pthread_mutex_t lock;
    pthread_cond_t go;
    bool over;
};

static void *wait_over(void *context) {
    struct trial_team *t = context;
    pthread_mutex_lock(&t->lock);
    while (!t->over) pthread_cond_wait(&t->go, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* As many threads as the team will have, all at once: OpenMP would end the program. */
static enum un_status try_threads(int n) {
    struct trial_team t = {.over = false};
    pthread_t *ids = un_alloc((size_t)n, sizeof *ids, "threads of the ops");
    if (!ids) return UN_MEMORY;
    pthread_mutex_init(&t.lock, NULL);
    pthread_cond_init(&t.go, NULL);
    int started = 0, failed = 0;
    while (started < n && (failed = pthread_create(&ids[started], NULL, wait_over, &t)) == 0) ++started;
    pthread_mutex_lock(&t.lock);
    t.over = true;
    pthread_cond_broadcast(&t.go);
    pthread_mutex_unlock(&t.lock);
    for (int i = 0; i < started; ++i) pthread_join(ids[i], NULL);
    pthread_cond_destroy(&t.go);
    pthread_mutex_destroy(&t.lock);
    un_free(ids);
    if (!failed) return UN_OK;
    return un_fail(
        UN_MEMORY,
        "thread %d of the %d that compute cannot be started (%s): raise the limit of processes (ulimit "
        "-u) or of memory (ulimit -v), or take fewer run.threads",
        started + 2, n + 1, strerror(failed));
}

/* The team lives as long as the process. An empty region would be compiled away. */
static void start_team(int threads) {
    int started = 0;
#pragma omp parallel num_threads(threads) reduction(+ : started)
    started += omp_get_num_threads() > 0;
    if (started < threads) /* OMP_DYNAMIC, OMP_THREAD_LIMIT */
        un_log(UN_LOG_WARN, "OpenMP gives %d of the %d threads of run.threads: this will be slow", started,
               threads);
}

/* One for each thread, all at once; given back they stay mapped, and OpenBLAS hands them out again. */
static enum un_status take_buffers(int n) {
    if (!blas_memory_alloc || !blas_memory_free) return UN_OK;
    void **buffers = un_alloc((size_t)n, sizeof *buffers, "buffers of OpenBLAS");
    if (!buffers) return UN_MEMORY;
    for (int i = 0; i < n; ++i) buffers[i] = blas_memory_alloc(0);
    for (int i = 0; i < n; ++i)
        if (buffers[i]) blas_memory_free(buffers[i]);
    un_free(buffers);
    return UN_OK;
}

enum un_status un_cpu_take_libraries(struct un_device *d) {
    size_t bytes = un_cpu_library_bytes(d);
    if (!un_memory_room(bytes))
        return un_fail(
            UN_MEMORY,
            "OpenBLAS and OpenMP want %zu MiB of addresses for %d threads (%d MiB a thread and its "
            "stack), which the system does not give: raise the limit of memory (ulimit -v), or take "
            "fewer run.threads",
            bytes >> 20, d->threads, BUFFER >> 20);
    UN_TRY(try_threads(d->threads - 1));
    start_team(d->threads);
    return take_buffers(d->threads);
}
