/* Starting the program anew with the settings its libraries want (restart.h). */
#include "runtime/restart.h"

#include "runtime/backends.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

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

/* Products run in the program's own threads, one each. OpenBLAS would start others when it is loaded, which take 128
 * MiB of addresses each and, where a limit does not give them, spin and let no program end. */
static const char *team_remedy(void) {
    return getenv("OPENBLAS_NUM_THREADS") != NULL ? NULL : "1";
}

static bool set(const char *name, const char *value) {
    return value == NULL || setenv(name, value, 1) == 0;
}

/* UN_RESTARTED holds the kernel that the last start was made with, or "1" where it had another reason. */
static const char guard[] = "UN_RESTARTED";

void un_restart_prepare(char **argv) {
    const char *last = getenv(guard);
    if (last != NULL) prctl(PR_SET_NAME, program_invocation_short_name); /* or it is called "exe" */
    const char *core = NULL, *spin = NULL, *team = NULL;
    if (last == NULL) {
        core = un_cpu_blas_remedy(NULL);
        spin = spin_remedy();
        team = team_remedy();
    } else if (strcmp(last, "1") != 0) {
        core = un_cpu_blas_remedy(last);
    }
    if (core == NULL && spin == NULL && team == NULL) return;
    if (!set("OPENBLAS_CORETYPE", core) || !set("GOMP_SPINCOUNT", spin) ||
        !set("OPENBLAS_NUM_THREADS", team) || !set(guard, core != NULL ? core : "1"))
        return;
    if (core != NULL && speaks_for_all())
        un_log(UN_LOG_INFO,
               "OpenBLAS chose a slow kernel for this processor: starting anew with OPENBLAS_CORETYPE=%s",
               core);
    execv("/proc/self/exe", argv);
    un_log(UN_LOG_WARN,
           "cannot start anew with the right settings of OpenBLAS and OpenMP (%m): this will be slow");
}
