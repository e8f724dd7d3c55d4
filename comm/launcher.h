/* What the environment says about who started this process: mpirun, srun, or nobody.
 *
 * Asked before the message-passing library is started, because starting it as a lone process is slow and
 * fragile, and in builds without that library, where N copies that each believe to be alone would write the
 * same run. */
#ifndef UN_COMM_LAUNCHER_H
#define UN_COMM_LAUNCHER_H

#include "runtime/status.h"

struct un_launcher {
    const char *name; /* the variable that gave it away; NULL: not started by a launcher */
    int size;         /* processes of the job step; 0: unknown */
    int local_size;   /* of them on this host; 0: unknown */
    int rank;         /* of this process among them, before the library tells; -1: unknown */
    int tasks; /* that Slurm was asked for, when a launcher started this process outside a step; 0: unknown */
};

struct un_launcher un_launcher_find(void);
/* Is a communicator of `size` what the launcher started and what Slurm was asked for? UN_USAGE with the
 * numbers otherwise: ranks that do not see each other would each train alone. */
enum un_status un_launcher_check(const struct un_launcher *launcher, int size);
/* Warns of the same and goes on: for what writes nothing. */
void un_launcher_warn(const struct un_launcher *launcher, int size);
/* Cores this process may be scheduled on. */
int un_launcher_cores(void);

#endif
