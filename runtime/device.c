/* Opens a backend by name, and restarts the program when its libraries want other settings. */
#include "runtime/device.h"
#include "runtime/cores.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static enum un_status open_cuda(int ordinal, struct un_device **device) {
    int count = un_cuda_count();
    return un_cuda_open(count > 0 && ordinal > 0 ? ordinal % count : 0, device);
}

enum un_status un_device_open(const char *name, int threads, int ordinal, struct un_device **device) {
    *device = NULL;
    bool cpu = strcmp(name, "cpu") == 0, cuda = strcmp(name, "cuda") == 0, any = strcmp(name, "auto") == 0;
    if (!cpu && !cuda && !any) return un_fail(UN_USAGE, "device: \"%s\" is none of auto, cpu, cuda", name);
    if (cuda || (any && un_cuda_count() > 0)) return open_cuda(ordinal, device);
    return un_cpu_open(threads > 0 ? threads : un_cores_count(), device);
}

void un_device_close(struct un_device *device) {
    if (device != NULL) device->mem->close(device);
}

/* Before the ranks know each other, the launcher's variables tell which process may speak for all. */
static bool speaks_for_all(void) {
    static const char *const variable[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"};
    for (size_t i = 0; i < sizeof variable / sizeof *variable; ++i) {
        const char *rank = getenv(variable[i]);
        if (rank != NULL) return strcmp(rank, "0") == 0;
    }
    return true;
}

/* GNU OpenMP's idle threads spin for milliseconds by default, which slows a rank tenfold when ranks or other
 * programs share its cores. About 50 microseconds bridge the gaps between two ops. */
static const char *spin_remedy(void) {
    bool chosen = getenv("OMP_WAIT_POLICY") != NULL || getenv("GOMP_SPINCOUNT") != NULL;
    return chosen ? NULL : "3000";
}

void un_device_prepare(char **argv) {
    static const char guard[] = "UN_RESTARTED"; /* a restart that did not help is never tried again */
    if (getenv(guard) != NULL) {
        prctl(PR_SET_NAME, program_invocation_short_name); /* after /proc/self/exe it is called "exe" */
        return;
    }
    const char *core = un_cpu_blas_remedy(), *spin = spin_remedy();
    if (core == NULL && spin == NULL) return;
    if ((core != NULL && setenv("OPENBLAS_CORETYPE", core, 1) != 0) ||
        (spin != NULL && setenv("GOMP_SPINCOUNT", spin, 1) != 0) || setenv(guard, "1", 1) != 0)
        return;
    if (core != NULL && speaks_for_all())
        un_log(UN_LOG_INFO,
               "OpenBLAS chose a slow kernel for this processor: starting anew with OPENBLAS_CORETYPE=%s",
               core);
    execv("/proc/self/exe", argv);
    un_log(UN_LOG_WARN,
           "cannot start anew with the right settings of OpenBLAS and OpenMP (%m): this will be slow");
}
