/* What is left of the machine's memory and of the control groups'; see the header. */
#include "runtime/memory_left.h"
#include "runtime/cgroup.h"
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 16384 };

static bool read_text(const char *folder, const char *file, char text[TEXT]) {
    char path[2 * PATH_MAX + 64];
    size_t used = 0;
    snprintf(path, sizeof path, "%s%s", folder, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got; fd >= 0 && (got = read(fd, text + used, TEXT - 1 - used)) > 0;) used += (size_t)got;
    text[used] = '\0';
    if (fd >= 0) close(fd);
    return used > 0;
}

/* The number behind `name` at the beginning of a line; -1: there is none. */
static int64_t value_of(const char *text, const char *name) {
    size_t length = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, name, length) != 0) continue;
        char *end;
        long long value = strtoll(line + length, &end, 10);
        if (end > line + length && value >= 0) return value;
    }
    return -1;
}

static int64_t smaller(int64_t a, int64_t b) {
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Files of one version of control groups. */
struct names {
    const char *limit, *used, *file, *shared;
};
static const struct names versions[] = {
    {"/memory.max", "/memory.current", "file ", "shmem "},
    {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_cache ", "total_shmem "}};

/* -1: no limit. */
static int64_t left_of(const char *folder, const struct names *n) {
    char text[TEXT];
    if (!read_text(folder, n->limit, text)) return -1;
    int64_t limit = value_of(text, "");
    if (limit < 0 || !read_text(folder, n->used, text)) return -1; /* "max" */
    int64_t used = value_of(text, "");
    if (used < 0 || !read_text(folder, "/memory.stat", text)) return -1;
    int64_t file = value_of(text, n->file), shared = value_of(text, n->shared);
    if (file > 0) used -= file - (shared > 0 ? shared : 0); /* shared memory counts as file, and stays */
    return limit > used ? limit - used : 0;
}

static void take_group(void *context, const char *folder) {
    int64_t *least = context;
    for (size_t i = 0; i < sizeof versions / sizeof *versions; ++i)
        *least = smaller(*least, left_of(folder, &versions[i]));
}

int64_t un_memory_left(const char *root) {
    char text[TEXT], groups[PATH_MAX], mount[PATH_MAX];
    snprintf(groups, sizeof groups, "%s/proc/self/cgroup", root);
    snprintf(mount, sizeof mount, "%s/sys/fs/cgroup", root);
    int64_t kib = read_text(root, "/proc/meminfo", text) ? value_of(text, "MemAvailable:") : -1;
    int64_t least = kib < 0 || kib > INT64_MAX / 1024 ? -1 : kib * 1024;
    un_cgroups_each(groups, mount, "memory", take_group, &least);
    return least;
}
