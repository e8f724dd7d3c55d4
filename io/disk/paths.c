/* Lists of paths and patterns to files. Sorted by bytes here, because glob(3) sorts by the locale and the
 * order of the files is part of what is trained. */
#include "io/disk/paths.h"
#include "runtime/memory.h"
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare_paths(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum un_status append(char ***paths, int64_t *n, const char *path) {
    void *grown = *paths;
    UN_TRY(un_grow(&grown, (size_t)*n, (size_t)*n + 1, sizeof **paths, "a list of paths"));
    *paths = grown;
    if (!((*paths)[*n] = un_strdup(path))) return UN_MEMORY;
    ++*n;
    return UN_OK;
}

static enum un_status append_matches(char ***paths, int64_t *n, const char *pattern, const char *what) {
    glob_t found = {0};
    enum un_status status = UN_OK;
    int failed = glob(pattern, GLOB_NOSORT, NULL, &found);
    if (failed == GLOB_NOSPACE) UN_TRY_GOTO(un_fail(UN_MEMORY, "%s: out of memory", pattern), out);
    if (failed) UN_TRY_GOTO(un_fail(UN_IO, "%s: the pattern \"%s\" matches no file", what, pattern), out);
    qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, compare_paths);
    for (size_t i = 0; i < found.gl_pathc; ++i) UN_TRY_GOTO(append(paths, n, found.gl_pathv[i]), out);
out:
    globfree(&found);
    return status;
}

enum un_status un_paths_expand(char ***paths, int64_t *n, const struct un_strings *patterns,
                               const char *what) {
    enum un_status status = UN_OK;
    *paths = NULL;
    *n = 0;
    for (int64_t i = 0; i < patterns->n; ++i) {
        const char *path = patterns->list[i];
        /* A name without pattern characters is a file, and opening it says why it cannot be. */
        bool literal = !strpbrk(path, "*?[") || access(path, F_OK) == 0;
        UN_TRY_GOTO(literal ? append(paths, n, path) : append_matches(paths, n, path, what), out);
    }
    if (*n == 0) status = un_fail(UN_USAGE, "%s: no file is named", what);
out:
    if (status != UN_OK) {
        un_paths_free(*paths, *n);
        *paths = NULL;
        *n = 0;
    }
    return status;
}

void un_paths_free(char **paths, int64_t n) {
    for (int64_t i = 0; i < n; ++i) un_free(paths[i]);
    un_free(paths);
}
