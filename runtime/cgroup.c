#include "runtime/cgroup.h"

#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

struct walk {
    const char *root, *controller;
    void (*visit)(void *context, const char *folder);
    void *context;
};

/* From `group` up to the root of its tree. */
static void walk_up(const struct walk *w, const char *tree, const char *group) {
    char folder[2 * PATH_MAX];
    const int front = snprintf(folder, sizeof folder, "%s%s%s", w->root, tree[0] ? "/" : "", tree);
    if (front < 0 || front + strlen(group) >= sizeof folder) return;
    char *path = strcpy(folder + front, group);
    for (;;) {
        w->visit(w->context, folder);
        char *slash = strrchr(path, '/');
        if (slash == NULL) return;
        *slash = '\0';
    }
}

/* Does the comma-separated list name the controller? */
static bool names(const char *list, size_t length, const char *controller) {
    while (length > 0) {
        const char *comma = memchr(list, ',', length);
        size_t word = comma == NULL ? length : (size_t)(comma - list);
        if (word == strlen(controller) && memcmp(list, controller, word) == 0) return true;
        if (comma == NULL) return false;
        list += word + 1;
        length -= word + 1;
    }
    return false;
}

/* One line "id:controllers:/path". An empty list of controllers is version 2, mounted at the root, or in "unified" beside
 * version 1. */
static void walk_line(const struct walk *w, char *line) {
    char *list = strchr(line, ':'), *path = list == NULL ? NULL : strchr(list + 1, ':');
    if (path == NULL) return;
    ++list;
    const size_t length = (size_t)(path - list);
    ++path;
    path[strcspn(path, "\n")] = '\0';
    if (length == 0) {
        walk_up(w, "", path);
        walk_up(w, "unified", path);
    } else if (names(list, length, w->controller))
        walk_up(w, w->controller, path);
}

void un_cgroups_each(const char *groups, const char *root, const char *controller,
                     void (*visit)(void *context, const char *folder), void *context) {
    const struct walk w = {root, controller, visit, context};
    char line[PATH_MAX + 256];
    FILE *stream = fopen(groups, "re");
    if (stream == NULL) return;
    while (fgets(line, sizeof line, stream) != NULL) walk_line(&w, line);
    fclose(stream);
}
