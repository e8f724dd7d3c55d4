/* Names of a command to photos (list.h). */
#include "launch/extract/list.h"
#include "io/convert/format/lines.h"
#include "io/convert/image/source.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static enum un_status grow(struct un_extract_list *l) {
    int64_t more = 2 * l->capacity + 64;
    void *photos = l->list, *ids = l->ids;
    UN_TRY(un_grow(&photos, (size_t)l->capacity, (size_t)more, sizeof *l->list, "photos"));
    l->list = photos;
    UN_TRY(un_grow(&ids, (size_t)l->capacity, (size_t)more, sizeof *l->ids, "image ids"));
    l->ids = ids;
    l->capacity = more;
    return UN_OK;
}

/* File name without folder and ending. */
static char *id_of(const char *path) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    int length = dot && dot > name ? (int)(dot - name) : (int)strlen(name);
    return un_format("%.*s", length, name);
}

static enum un_status check_id(const char *path, const char *id) {
    size_t length = strlen(id);
    if (length == 0 || length > UN_IMAGE_ID_MAX)
        return un_fail(UN_DATA, "%s: an image id has 1 to %d bytes, not %zu", path, UN_IMAGE_ID_MAX, length);
    for (const char *c = id; *c; ++c)
        if ((unsigned char)*c < 32 || *c == 127)
            return un_fail(UN_DATA, "%s: a control character in its image id", path);
    const char *fault = un_caption_text_fault(id, length);
    return fault ? un_fail(UN_DATA, "%s: its image id is %s", path, fault) : UN_OK;
}

/* id NULL: the file's name. must: it has to be there. */
static enum un_status add_photo(struct un_extract_list *l, const char *path, const char *id, bool must) {
    struct stat st;
    int64_t twin;
    if (l->n == l->capacity) UN_TRY(grow(l));
    struct un_extract_photo *p = l->list + l->n;
    *p = (struct un_extract_photo){un_strdup(path), id ? un_strdup(id) : id_of(path), -1, 0, 0};
    l->ids[l->n++] = p->id; /* from here on the list frees it */
    if (!p->path || !p->id) return UN_MEMORY;
    UN_TRY(check_id(path, p->id));
    if (stat(path, &st) == 0) {
        p->bytes = (int64_t)st.st_size;
        p->seconds = (int64_t)st.st_mtim.tv_sec;
        p->nanoseconds = (int64_t)st.st_mtim.tv_nsec;
    } else if (must) {
        return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    }
    UN_TRY(un_idmap_add(&l->map, l->ids, l->n - 1, &twin));
    if (twin >= 0)
        return un_fail(UN_DATA, "%s and %s: two photos of one image id, %s; a list (*.tsv) can name others",
                       l->list[twin].path, path, p->id);
    return UN_OK;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of the plain files in a folder, hidden ones left out. */
static enum un_status folder_names(const char *folder, DIR *dir, char ***names, int64_t *n) {
    int64_t capacity = 0;
    for (struct dirent *entry; (errno = 0, entry = readdir(dir));) {
        struct stat st;
        if (entry->d_name[0] == '.') continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && !S_ISREG(st.st_mode)) continue;
        if (*n == capacity) {
            void *grown = *names;
            int64_t more = 2 * capacity + 64;
            UN_TRY(un_grow(&grown, (size_t)capacity, (size_t)more, sizeof **names, "names of photos"));
            *names = grown;
            capacity = more;
        }
        if (!((*names)[*n] = un_strdup(entry->d_name))) return UN_MEMORY;
        ++*n;
    }
    return errno == 0 ? UN_OK : un_fail(UN_IO, "%s: cannot read: %s", folder, strerror(errno));
}

static enum un_status add_folder(struct un_extract_list *l, const char *folder) {
    char path[UN_PATH_MAX], **names = NULL;
    int64_t n = 0;
    DIR *dir = opendir(folder);
    if (!dir) return un_fail(UN_IO, "%s: cannot open: %s", folder, strerror(errno));
    enum un_status status = folder_names(folder, dir, &names, &n);
    closedir(dir);
    if (status == UN_OK && n == 0) status = un_fail(UN_DATA, "%s: no files in it", folder);
    if (n > 0) qsort(names, (size_t)n, sizeof *names, compare);
    for (int64_t i = 0; i < n && status == UN_OK; ++i) {
        status = un_files_join(path, folder, names[i]);
        if (status == UN_OK) status = add_photo(l, path, NULL, false);
    }
    for (int64_t i = 0; i < n; ++i) un_free(names[i]);
    un_free(names);
    return status;
}

static enum un_status add_line(struct un_extract_list *l, const char *list, int64_t number, char *line) {
    char path[UN_PATH_MAX];
    const char *slash = strrchr(list, '/');
    char *tab = strchr(line, '\t'), *id = tab ? tab + 1 : NULL;
    if (tab) *tab = '\0';
    if (id && id[strcspn(id, "\t")] != '\0')
        return un_fail(UN_DATA, "%s:%lld: more than a path and an image id", list, (long long)number);
    int front = line[0] == '/' || !slash ? 0 : (int)(slash - list) + 1;
    int length = snprintf(path, sizeof path, "%.*s%s", front, list, line);
    if (line[0] == '\0' || length < 0 || length >= (int)sizeof path)
        return un_fail(UN_DATA, "%s:%lld: the path of a photo has 1 to %d bytes", list, (long long)number,
                       UN_PATH_MAX - 1);
    return add_photo(l, path, id, false);
}

static enum un_status add_list(struct un_extract_list *l, const char *list) {
    struct un_caption_lines lines = {0};
    char *text;
    size_t bytes;
    bool more = true;
    enum un_status status = un_caption_lines_open(&lines, list);
    while (status == UN_OK) {
        status = un_caption_lines_next(&lines, &text, &bytes, &more);
        if (status != UN_OK || !more) break;
        const char *fault = un_caption_text_fault(text, bytes);
        if (fault)
            status = un_fail(UN_DATA, "%s:%lld: %s", list, (long long)lines.number, fault);
        else if (bytes > 0)
            status = add_line(l, list, lines.number, text);
    }
    un_caption_lines_close(&lines);
    return status;
}

static bool is_list(const char *path) {
    const char *dot = strrchr(path, '.');
    return dot && (strcmp(dot, ".txt") == 0 || strcmp(dot, ".tsv") == 0);
}

enum un_status un_extract_list_open(struct un_extract_list *l, const char *const *names, int n) {
    *l = (struct un_extract_list){0};
    for (int i = 0; i < n; ++i) {
        struct stat st;
        if (stat(names[i], &st) != 0) return un_fail(UN_IO, "%s: cannot open: %s", names[i], strerror(errno));
        if (S_ISDIR(st.st_mode))
            UN_TRY(add_folder(l, names[i]));
        else if (is_list(names[i]))
            UN_TRY(add_list(l, names[i]));
        else
            UN_TRY(add_photo(l, names[i], NULL, true));
    }
    return l->n > 0 ? UN_OK : un_fail(UN_DATA, "%s: no photos", n > 0 ? names[0] : "nothing named");
}

void un_extract_list_close(struct un_extract_list *l) {
    for (int64_t i = 0; i < l->n; ++i) {
        un_free(l->list[i].path);
        un_free(l->list[i].id);
    }
    un_idmap_close(&l->map);
    un_free(l->list);
    un_free(l->ids);
    *l = (struct un_extract_list){0};
}

struct un_digest un_extract_list_digest(const struct un_extract_list *l) {
    struct entry {
        struct un_digest before, id;
        int64_t numbers[3];
    } entry = {0};
    for (int64_t i = 0; i < l->n; ++i) {
        const struct un_extract_photo *p = l->list + i;
        entry.id = un_digest_of(p->id, strlen(p->id));
        entry.numbers[0] = p->bytes;
        entry.numbers[1] = p->seconds;
        entry.numbers[2] = p->nanoseconds;
        entry.before = un_digest_of(&entry, sizeof entry);
    }
    return entry.before;
}
