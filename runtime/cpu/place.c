/* Where the threads of the ops run. The team of OpenMP lives as long as the process, because every op asks
 * for the same number of threads; so placing it once is enough. */
#include "runtime/cpu/cpu.h"

#include <omp.h>
#include <sched.h>

/* The first thread, which is the caller, stays free to move: threads it starts later inherit its mask, and
 * one core would not be enough for all of them. A thread that cannot be placed stays where it may run. */
void un_cpu_place_threads(const struct un_device *d, const int *cores) {
    if (d->threads < 2) return;
#pragma omp parallel num_threads(d->threads)
    {
        int i = omp_get_thread_num();
        cpu_set_t set[4]; /* UN_CORES_MAX processors */
        CPU_ZERO_S(sizeof set, set);
        CPU_SET_S(cores[i], sizeof set, set);
        if (i > 0) sched_setaffinity(0, sizeof set, set);
    }
}
