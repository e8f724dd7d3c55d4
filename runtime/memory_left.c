/* What is left of the machine's memory and of the control groups'; see the header. */
#include "runtime/memory_left.h"
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT = 16384 };

static bool read_text(const char *root, const char *folder, const char *file, char text[TEXT]) {
    char path[3 * PATH_MAX];
    size_t used = 0;
    snprintf(path, sizeof path, "%s%s%s", root, folder, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    for (ssize_t got = 1; fd >= 0 && got > 0 && used<TEXT - 1; used += got> 0 ? (size_t)got : 0)
        got = read(fd, text + used, TEXT - 1 - used);
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
    const char *mount, *limit, *used, *file, *shared;
};
static const struct names v2 = {"/sys/fs/cgroup", "/memory.max", "/memory.current", "file ", "shmem "};
static const struct names v1 = {"/sys/fs/cgroup/memory", "/memory.limit_in_bytes", "/memory.usage_in_bytes",
                                "total_cache ", "total_shmem "};

/* -1: no limit. */
static int64_t left_of(const char *root, const struct names *n, const char *group) {
    char folder[2 * PATH_MAX], text[TEXT];
    snprintf(folder, sizeof folder, "%s%s", n->mount, group);
    if (!read_text(root, folder, n->limit, text)) return -1;
    int64_t limit = value_of(text, "");
    if (limit < 0 || !read_text(root, folder, n->used, text)) return -1; /* "max" */
    int64_t used = value_of(text, "");
    if (used < 0 || !read_text(root, folder, "/memory.stat", text)) return -1;
    int64_t file = value_of(text, n->file), shared = value_of(text, n->shared);
    if (file > 0) used -= file - (shared > 0 ? shared : 0); /* shared memory counts as file, and stays */
    return limit > used ? limit - used : 0;
}

/* A group and all above it. Where a container hides their names, the topmost folder is the container's own. */
static int64_t left_above(const char *root, const struct names *n, char *group) {
    int64_t least = -1;
    for (;;) {
        size_t length = strlen(group);
        while (length > 0 && group[length - 1] == '/') group[--length] = '\0';
        least = smaller(least, left_of(root, n, group));
        if (length == 0) return least;
        *strrchr(group, '/') = '\0';
    }
}

/* Lines "NUMBER:controllers:/group"; in the second version the controllers are empty. */
static int64_t left_of_groups(const char *root) {
    char text[TEXT], *rest = text, *line;
    int64_t least = -1;
    if (!read_text(root, "/proc/self", "/cgroup", text)) return -1;
    while ((line = strsep(&rest, "\n"))) {
        char *controllers = strchr(line, ':'), *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group || group[1] != '/' || strlen(group) >= PATH_MAX) continue;
        *group++ = '\0';
        if (controllers[1] == '\0') least = smaller(least, left_above(root, &v2, group));
        if (strcmp(controllers, ":memory") == 0) least = smaller(least, left_above(root, &v1, group));
    }
    return least;
}

int64_t un_memory_left(const char *root) {
    char text[TEXT];
    int64_t kib = read_text(root, "/proc", "/meminfo", text) ? value_of(text, "MemAvailable:") : -1;
    return smaller(kib < 0 || kib > INT64_MAX / 1024 ? -1 : kib * 1024, left_of_groups(root));
}
