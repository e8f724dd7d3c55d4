/* The cores a process may use, in an order in which neighbours share most (package, core, thread of a core),
 * and how ranks of a host that may all use the same ones divide them. */
#ifndef UN_RUNTIME_CORES_H
#define UN_RUNTIME_CORES_H

#include "runtime/status.h"

enum { UN_CORES_MAX = 4096 };

struct un_cores {
    int n;
    int cpu[UN_CORES_MAX];
};

/* Of the affinity mask of this process, ordered by what `root` (/sys/devices/system/cpu) says of them; by
 * number where it says nothing. */
void un_cores_allowed(struct un_cores *cores, const char *root);
/* Part r of n; contiguous, sizes differ by at most one, together they are the whole. Fewer cores than parts:
 * the whole each, as then nobody can have one alone. */
void un_cores_part(struct un_cores *part, const struct un_cores *cores, int r, int n);
/* This thread and those it starts later run on these cores only. UN_IO when the system refuses. */
enum un_status un_cores_bind(const struct un_cores *cores);
/* "0-3,8" */
void un_cores_print(const struct un_cores *cores, char *text, size_t size);

/* Cores this process may really use: affinity mask and cgroup quota, at least 1. */
int un_cores_count(void);
/* The smallest CPU quota, in cores, of the cgroups that the file `groups` (/proc/self/cgroup) lists and of
 * all above them, below `root` (/sys/fs/cgroup), versions 1 and 2; 0: no limit. */
double un_cores_quota(const char *groups, const char *root);

#endif
