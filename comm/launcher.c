/* Launchers by their variables. The nearest one wins: an mpirun inside a Slurm job has set both kinds.
 *
 * Slurm sets SLURM_PROCID and SLURM_NTASKS in a batch script as well, where a plain `uniter_dist` is alone;
 * only SLURM_STEP_ID tells that srun started this very process. */
#include "comm/launcher.h"
#include <sched.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* A number in [1, 2^24], else 0. */
static int count_of(const char *name) {
    const char *text = name ? getenv(name) : NULL;
    if (!text || *text < '0' || *text > '9') return 0;
    char *end;
    long value = strtol(text, &end, 10);
    return *end == '\0' && value >= 1 && value <= 1 << 24 ? (int)value : 0;
}

static int rank_of(const char *name) {
    const char *text = getenv(name);
    return text && strcmp(text, "0") == 0 ? 0 : count_of(name) > 0 ? count_of(name) : -1;
}

/* What Slurm was asked for, where nothing nearer is known. In a step its own number counts: an interactive step is
 * one task in a job of many, whose number is what SLURM_NTASKS holds there. mpirun starts its helper on the other
 * nodes as a step of one task a node, and the ranks there inherit that step's numbers, which say nothing about the
 * job. */
static int tasks_of(const char *mark) {
    bool of_helper = strcmp(mark, "SLURM_STEP_ID") != 0 && getenv("SLURM_STEP_ID");
    return of_helper || count_of("SLURM_STEP_NUM_TASKS") > 0 ? 0 : count_of("SLURM_NTASKS");
}

struct un_launcher un_launcher_find(void) {
    static const struct {
        const char *mark, *size, *local_size, *rank;
    } known[] = {
        {"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE",
         "OMPI_COMM_WORLD_RANK"},
        {"MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_RANK"},
        {"PMI_RANK", "PMI_SIZE", "MPI_LOCALNRANKS", "PMI_RANK"},
        {"SLURM_STEP_ID", "SLURM_STEP_NUM_TASKS", NULL, "SLURM_PROCID"},
        {"PMIX_RANK", NULL, NULL, "PMIX_RANK"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; ++i)
        if (getenv(known[i].mark))
            return (struct un_launcher){known[i].mark, count_of(known[i].size), count_of(known[i].local_size),
                                        rank_of(known[i].rank), tasks_of(known[i].mark)};
    return (struct un_launcher){NULL, 1, 1, 0, 0};
}

enum un_status un_launcher_check(const struct un_launcher *l, int size) {
    if (l->size > 0 && l->size != size)
        return un_fail(UN_USAGE,
                       "the launcher started %d processes (%s), but MPI sees %d: start them with the mpirun "
                       "of the MPI this program was built with, or with srun --mpi=pmix",
                       l->size, l->name, size);
    if (l->tasks > 0 && l->tasks != size)
        return un_fail(UN_USAGE,
                       "Slurm was asked for %d tasks (SLURM_NTASKS), but %d process%s started (%s): use srun "
                       "--mpi=pmix or mpirun -np $SLURM_NTASKS, or unset SLURM_NTASKS if it is meant so",
                       l->tasks, size, size > 1 ? "es were" : " was", l->name);
    return UN_OK;
}

void un_launcher_warn(const struct un_launcher *l, int size) {
    if (un_launcher_check(l, size) == UN_OK) return;
    un_log(UN_LOG_WARN, "%s", un_error_get()->text);
    un_error_clear();
}

int un_launcher_cores(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int cores = CPU_COUNT(&set);
    return cores > 0 ? cores : 1;
}
