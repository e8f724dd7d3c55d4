/* Opens a backend by name, and counts the cores this process may use.
 *
 * Law: the count is the smaller of the affinity mask and every cgroup quota (version 1 and 2) from the
 * process's group up to the root. A quota of 2.5 cores gives 2: a third thread would be stopped in the middle
 * of every barrier. */
#include "runtime/device.h"
#include <errno.h>
#include <sched.h>
#include <stdio.h>
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
    return un_cpu_open(threads > 0 ? threads : un_device_cores(), device);
}

void un_device_close(struct un_device *device) {
    if (device != NULL) device->mem->close(device);
}

/* The first one or two numbers of a one-line file; returns how many were read ("max" counts as none). */
static int read_numbers(const char *folder, const char *group, const char *file, double number[2]) {
    char path[1024];
    int length = snprintf(path, sizeof path, "%s%s/%s", folder, group, file);
    if (length < 0 || (size_t)length >= sizeof path) return 0;
    FILE *stream = fopen(path, "re");
    if (stream == NULL) return 0;
    int n = fscanf(stream, "%lf %lf", &number[0], &number[1]);
    fclose(stream);
    return n < 0 ? 0 : n;
}

/* Cores the quota of one group allows; 0 = no limit. */
static double group_quota(const char *folder, const char *group) {
    double v2[2], quota[2], period[2];
    if (read_numbers(folder, group, "cpu.max", v2) == 2 && v2[1] > 0) return v2[0] / v2[1];
    if (read_numbers(folder, group, "cpu.cfs_quota_us", quota) >= 1 &&
        read_numbers(folder, group, "cpu.cfs_period_us", period) >= 1 && quota[0] > 0 && period[0] > 0)
        return quota[0] / period[0];
    return 0;
}

/* Smallest quota from `group` up to the root of its tree; a group that is not visible from inside a container
 * is passed over. */
static double tree_quota(const char *root, const char *tree, const char *group) {
    char folder[1024], path[1024];
    if (snprintf(folder, sizeof folder, "%s%s", root, tree) >= (int)sizeof folder ||
        snprintf(path, sizeof path, "%s", group) >= (int)sizeof path)
        return 0;
    double least = 0;
    for (;;) {
        double cores = group_quota(folder, path);
        if (cores > 0 && (least == 0 || cores < least)) least = cores;
        char *slash = strrchr(path, '/');
        if (slash == NULL) return least;
        *slash = '\0';
    }
}

/* Does the comma-separated list of a /proc/self/cgroup line name the controller "cpu"? */
static bool has_cpu(const char *list, size_t length) {
    while (length > 0) {
        const char *comma = memchr(list, ',', length);
        size_t word = comma == NULL ? length : (size_t)(comma - list);
        if (word == 3 && memcmp(list, "cpu", 3) == 0) return true;
        if (comma == NULL) return false;
        list += word + 1;
        length -= word + 1;
    }
    return false;
}

/* Quota of the group in one line "id:controllers:/path"; 0 = no limit. An empty list of controllers is
 * version 2, mounted at the root, or in "unified" beside version 1. */
static double line_quota(char *line, const char *root) {
    char *list = strchr(line, ':'), *path = list == NULL ? NULL : strchr(list + 1, ':');
    if (path == NULL) return 0;
    ++list;
    size_t length = (size_t)(path - list);
    ++path;
    path[strcspn(path, "\n")] = '\0';
    if (length > 0) return has_cpu(list, length) ? tree_quota(root, "/cpu", path) : 0;
    double pure = tree_quota(root, "", path);
    return pure > 0 ? pure : tree_quota(root, "/unified", path);
}

double un_device_quota(const char *groups, const char *root) {
    FILE *stream = fopen(groups, "re");
    if (stream == NULL) return 0;
    double least = 0;
    char line[1024];
    while (fgets(line, sizeof line, stream) != NULL) {
        double cores = line_quota(line, root);
        if (cores > 0 && (least == 0 || cores < least)) least = cores;
    }
    fclose(stream);
    return least;
}

int un_device_cores(void) {
    cpu_set_t set[16]; /* 16,384 processors: the call fails when the set is smaller than the kernel's */
    int cores = sched_getaffinity(0, sizeof set, set) == 0 ? CPU_COUNT_S(sizeof set, set)
                                                           : (int)sysconf(_SC_NPROCESSORS_ONLN);
    double quota = un_device_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota > 0 && quota < cores) cores = (int)quota;
    return cores < 1 ? 1 : cores;
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
