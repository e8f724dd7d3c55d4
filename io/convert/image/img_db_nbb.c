/* nbb_*.json beside an img_db against the images in it (img_db.h). */
#include "io/convert/image/img_db.h"
#include "io/disk/files.h"
#include "io/disk/ids.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { LIMIT = 1 << 30 };

/* "" when the folder's name is none that has such a file. */
static void side_path(char path[UN_PATH_MAX], const char *folder) {
    static const char tail[] = "_compressed";
    char name[UN_PATH_MAX];
    path[0] = '\0';
    if (snprintf(name, sizeof name, "%s", folder) >= (int)sizeof name) return;
    size_t length = strlen(name);
    while (length > 1 && name[length - 1] == '/') name[--length] = '\0';
    if (length > sizeof tail && strcmp(name + length - sizeof tail + 1, tail) == 0)
        name[length - sizeof tail + 1] = '\0';
    char *last = strrchr(name, '/');
    const char *own = last ? last + 1 : name;
    if (strncmp(own, "feat_", 5) != 0) return;
    int parent = last ? (int)(last - name) + 1 : 0;
    if (snprintf(path, UN_PATH_MAX, "%.*snbb_%s.json", parent, name, own + 5) >= UN_PATH_MAX) path[0] = '\0';
}

static enum un_status compare(const char *path, json_t *root, const struct un_image_list *list, int64_t first,
                              const struct un_idmap *map) {
    const char *id, *odd = NULL;
    int64_t differ = 0, odd_says = 0, odd_has = 0;
    json_t *value;
    if (!json_is_object(root)) return un_fail(UN_DATA, "%s: not an object of image: regions", path);
    json_object_foreach(root, id, value) {
        int64_t at = un_idmap_find(map, id);
        if (at < 0) return un_fail(UN_DATA, "%s: image %.255s is not in the database", path, id);
        if (!json_is_integer(value)) return un_fail(UN_DATA, "%s: image %.255s: no number", path, id);
        int64_t has = list->list[first + at].regions, says = json_integer_value(value);
        if (has == says) continue;
        if (differ++ == 0) odd = id, odd_says = says, odd_has = has;
    }
    if (differ > 0)
        un_log(UN_LOG_WARN,
               "%s: %lld of %lld images have other numbers of regions in the database (%s: %lld there, %lld "
               "here); all of the database are taken",
               path, (long long)differ, (long long)json_object_size(root), odd, (long long)odd_has,
               (long long)odd_says);
    return UN_OK;
}

static enum un_status compare_list(const char *path, json_t *root, const struct un_image_list *list,
                                   int64_t first) {
    int64_t n = list->n - first, one, two;
    struct un_idmap map = {0};
    const char **ids = un_alloc((size_t)(n > 0 ? n : 1), sizeof *ids, "image ids");
    if (!ids) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) ids[i] = list->list[first + i].id;
    enum un_status status = un_idmap_open(&map, ids, n, &one, &two);
    if (status == UN_OK) status = compare(path, root, list, first, &map);
    un_idmap_close(&map);
    un_free(ids);
    return status;
}

enum un_status un_lmdb_nbb_check(const char *folder, const struct un_image_list *list, int64_t first) {
    char path[UN_PATH_MAX], *text;
    size_t bytes;
    json_error_t error;
    side_path(path, folder);
    if (!path[0] || access(path, F_OK) != 0) return UN_OK;
    UN_TRY(un_files_read(path, LIMIT, &text, &bytes));
    json_t *root = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, &error);
    un_free(text);
    if (!root)
        return un_fail(UN_DATA, "%s:%d: %s (jansson: %s)", path, error.line, un_json_fault(&error),
                       error.text);
    enum un_status status = compare_list(path, root, list, first);
    json_decref(root);
    return status;
}
