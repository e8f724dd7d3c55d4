#include "io/convert/image/source_files.h"
#include "io/disk/files.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum un_status add_path(struct un_source_files *f, const char *path) {
    if (f->n == f->capacity) {
        void *paths = f->path;
        int64_t more = 2 * f->capacity + 64;
        UN_TRY(un_grow(&paths, (size_t)f->capacity, (size_t)more, sizeof *f->path, "names of files"));
        f->path = paths;
        f->capacity = more;
    }
    if (!(f->path[f->n] = un_strdup(path))) return UN_MEMORY;
    ++f->n;
    return UN_OK;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum un_status add_folder(struct un_source_files *f, const char *folder, const char *ending,
                                 const char *but) {
    char path[UN_PATH_MAX];
    int64_t first = f->n;
    enum un_status status = UN_OK;
    DIR *dir = opendir(folder);
    if (!dir) return un_fail(UN_IO, "%s: cannot open: %s", folder, strerror(errno));
    for (struct dirent *entry; status == UN_OK && (errno = 0, entry = readdir(dir));) {
        const char *name = entry->d_name;
        if (name[0] == '.' || !un_ends(name, ending) || (but && un_ends(name, but))) continue;
        status = un_files_join(path, folder, name);
        if (status == UN_OK) status = add_path(f, path);
    }
    if (status == UN_OK && errno != 0)
        status = un_fail(UN_IO, "%s: cannot read: %s", folder, strerror(errno));
    closedir(dir);
    UN_TRY(status);
    if (f->n == first) return un_fail(UN_DATA, "%s: no %s files in it", folder, ending);
    qsort(f->path + first, (size_t)(f->n - first), sizeof *f->path, compare);
    return UN_OK;
}

enum un_status un_source_files_add(struct un_source_files *f, const char *const *paths, int n,
                                   const char *ending, const char *but) {
    for (int i = 0; i < n; ++i) {
        struct stat st;
        if (stat(paths[i], &st) != 0) return un_fail(UN_IO, "%s: cannot open: %s", paths[i], strerror(errno));
        UN_TRY(S_ISDIR(st.st_mode) ? add_folder(f, paths[i], ending, but) : add_path(f, paths[i]));
    }
    return UN_OK;
}

void un_source_files_free(struct un_source_files *f) {
    for (int64_t i = 0; i < f->n; ++i) un_free(f->path[i]);
    un_free(f->path);
    *f = (struct un_source_files){0};
}

void un_source_files_id(const char *path, const char *ending, char id[UN_IMAGE_ID_MAX + 2]) {
    const char *name = strrchr(path, '/');
    snprintf(id, UN_IMAGE_ID_MAX + 2, "%s", name ? name + 1 : path);
    size_t length = strlen(id), tail = strlen(ending);
    if (length > tail && un_ends(id, ending)) id[length - tail] = '\0';
}
