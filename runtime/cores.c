/* Cores: ordering, dividing, binding, counting (cores.h).
 *
 * Law of the count: the smaller of the affinity mask and every cgroup quota (version 1 and 2) from the
 * process's group up to the root. A quota of 2.5 cores gives 2: a third thread would be stopped in the middle
 * of every barrier. */
#include "runtime/cores.h"
#include "runtime/cgroup.h"
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WORDS = UN_CORES_MAX / CPU_SETSIZE };

struct place {
    int package, core, cpu;
};

static int number_in(const char *root, int cpu, const char *file) {
    char path[512];
    int value = -1;
    if (snprintf(path, sizeof path, "%s/cpu%d/topology/%s", root, cpu, file) >= (int)sizeof path) return -1;
    FILE *f = fopen(path, "re");
    if (!f) return -1;
    if (fscanf(f, "%d", &value) != 1) value = -1;
    fclose(f);
    return value;
}

static int compare(const void *a, const void *b) {
    const struct place *x = a, *y = b;
    if (x->package != y->package) return x->package < y->package ? -1 : 1;
    if (x->core != y->core) return x->core < y->core ? -1 : 1;
    return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

void un_cores_allowed(struct un_cores *cores, const char *root) {
    static const char package[] = "physical_package_id", core[] = "core_id";
    cpu_set_t set[WORDS];
    struct place places[UN_CORES_MAX];
    cores->n = 0;
    memset(set, 0, sizeof set);
    if (sched_getaffinity(0, sizeof set, set) != 0) return;
    for (int cpu = 0; cpu < UN_CORES_MAX; ++cpu)
        if (CPU_ISSET_S(cpu, sizeof set, set))
            places[cores->n++] =
                (struct place){number_in(root, cpu, package), number_in(root, cpu, core), cpu};
    qsort(places, (size_t)cores->n, sizeof *places, compare);
    for (int i = 0; i < cores->n; ++i) cores->cpu[i] = places[i].cpu;
}

void un_cores_part(struct un_cores *part, const struct un_cores *cores, int r, int n) {
    if (cores->n < n) {
        *part = *cores;
        return;
    }
    int64_t begin = (int64_t)cores->n * r / n, end = (int64_t)cores->n * (r + 1) / n;
    part->n = (int)(end - begin);
    memcpy(part->cpu, cores->cpu + begin, (size_t)part->n * sizeof *part->cpu);
}

enum un_status un_cores_bind(const struct un_cores *cores) {
    cpu_set_t set[WORDS];
    memset(set, 0, sizeof set);
    for (int i = 0; i < cores->n; ++i) CPU_SET_S(cores->cpu[i], sizeof set, set);
    if (sched_setaffinity(0, sizeof set, set) == 0) return UN_OK;
    return un_fail(UN_IO, "run.bind: cannot bind to %d cores: %s", cores->n, strerror(errno));
}

void un_cores_print(const struct un_cores *cores, char *text, size_t size) {
    size_t used = 0;
    if (size > 0) text[0] = '\0';
    for (int i = 0; i < cores->n && used < size; ++i) {
        int first = cores->cpu[i];
        while (i + 1 < cores->n && cores->cpu[i + 1] == cores->cpu[i] + 1) ++i;
        const char *comma = used > 0 ? "," : "";
        int length = cores->cpu[i] > first
                         ? snprintf(text + used, size - used, "%s%d-%d", comma, first, cores->cpu[i])
                         : snprintf(text + used, size - used, "%s%d", comma, first);
        used += length > 0 ? (size_t)length : 0;
    }
}

/* The first one or two numbers of a one-line file; returns how many were read ("max" counts as none). */
static int read_numbers(const char *folder, const char *file, double number[2]) {
    char path[2 * PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    FILE *stream = fopen(path, "re");
    if (stream == NULL) return 0;
    int n = fscanf(stream, "%lf %lf", &number[0], &number[1]);
    fclose(stream);
    return n < 0 ? 0 : n;
}

/* Cores the quota of one group allows; 0 = no limit. */
static double group_quota(const char *folder) {
    double v2[2], quota[2], period[2];
    if (read_numbers(folder, "cpu.max", v2) == 2 && v2[1] > 0) return v2[0] / v2[1];
    if (read_numbers(folder, "cpu.cfs_quota_us", quota) >= 1 &&
        read_numbers(folder, "cpu.cfs_period_us", period) >= 1 && quota[0] > 0 && period[0] > 0)
        return quota[0] / period[0];
    return 0;
}

static void take_quota(void *context, const char *folder) {
    double *least = context, cores = group_quota(folder);
    if (cores > 0 && (*least == 0 || cores < *least)) *least = cores;
}

double un_cores_quota(const char *groups, const char *root) {
    double least = 0;
    un_cgroups_each(groups, root, "cpu", take_quota, &least);
    return least;
}

int un_cores_count(void) {
    cpu_set_t set[16]; /* 16,384 processors: the call fails when the set is smaller than the kernel's */
    int cores = sched_getaffinity(0, sizeof set, set) == 0 ? CPU_COUNT_S(sizeof set, set)
                                                           : (int)sysconf(_SC_NPROCESSORS_ONLN);
    double quota = un_cores_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0 && quota < cores) cores = (int)quota;
    return cores < 1 ? 1 : cores;
}
