/* What the environment says about who started this process: mpirun, srun, or nobody.
 *
 * Asked before the message-passing library is started, because starting it as a lone process is slow and
 * fragile, and in builds without that library, where N copies that each believe to be alone would write the
 * same run.
 */
#ifndef UN_LAUNCHER_H
#define UN_LAUNCHER_H

#include <stdbool.h>

struct un_launcher {
    const char *name; /* the variable that gave it away; NULL: not started by a launcher */
    int size;         /* processes of the job step; 0: unknown */
    int local_size;   /* of them on this host; 0: unknown */
};

struct un_launcher un_launcher_find(void);
/* Cores this process may be scheduled on. */
int un_launcher_cores(void);

#endif
