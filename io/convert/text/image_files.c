/* See image_files.h. */
#include "io/convert/text/image_files.h"
#include "io/convert/format/json_items.h"
#include "io/disk/ids.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <string.h>

enum { ID_BYTES = 256 };

struct un_image_files {
    struct un_text_out pool; /* id, zero byte, file name, zero byte; and again */
    const char **id, **name; /* [n] into the pool */
    int64_t n;
    struct un_idmap by_id;
};

/* An image without a file name, or with an id that is none, is not in the table. */
static enum un_status add(struct un_image_files *f, const json_t *image) {
    char id[ID_BYTES];
    size_t bytes = un_json_id(json_object_get(image, "id"), id, sizeof id);
    const char *name = json_string_value(json_object_get(image, "file_name"));
    if (bytes == 0 || bytes >= sizeof id || !name || !name[0] || strlen(name) >= ID_BYTES) return UN_OK;
    un_text_put_bytes(&f->pool, id, bytes + 1);
    un_text_put_bytes(&f->pool, name, strlen(name) + 1);
    ++f->n;
    return f->pool.failed ? UN_MEMORY : UN_OK;
}

static enum un_status read_all(struct un_image_files *f, const char *path) {
    static const char *const keys[] = {"images"};
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    UN_TRY(un_json_items_open(&items, path, keys, 1));
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = un_json_items_next(items, &item, &more);
        if (status == UN_OK && more && item.element) status = add(f, item.value);
    }
    un_json_items_close(items);
    return status;
}

static enum un_status sort(struct un_image_files *f, const char *path) {
    int64_t first, second;
    size_t at = 0;
    f->id = un_alloc((size_t)f->n + 1, sizeof *f->id, "ids of images");
    f->name = un_alloc((size_t)f->n + 1, sizeof *f->name, "names of images");
    if (!f->id || !f->name) return UN_MEMORY;
    for (int64_t i = 0; i < f->n; ++i) {
        f->id[i] = f->pool.text + at;
        f->name[i] = f->id[i] + strlen(f->id[i]) + 1;
        at += strlen(f->id[i]) + strlen(f->name[i]) + 2;
    }
    UN_TRY(un_idmap_open(&f->by_id, f->id, f->n, &first, &second));
    if (first < 0) return UN_OK;
    return un_fail(UN_DATA, "%s: images: id %s stands twice, for %s and %s", path, f->id[first],
                   f->name[first], f->name[second]);
}

enum un_status un_image_files_open(struct un_image_files **files, const char *path) {
    struct un_image_files *f = un_alloc(1, sizeof *f, "names of images");
    *files = NULL;
    if (!f) return UN_MEMORY;
    enum un_status status = read_all(f, path);
    if (status == UN_OK) status = sort(f, path);
    if (status == UN_OK && f->n > 0)
        *files = f;
    else
        un_image_files_close(f);
    return status;
}

const char *un_image_files_find(const struct un_image_files *f, const char *id) {
    int64_t at = f ? un_idmap_find(&f->by_id, id) : -1;
    return at < 0 ? NULL : f->name[at];
}

void un_image_files_close(struct un_image_files *f) {
    if (!f) return;
    un_idmap_close(&f->by_id);
    un_free(f->pool.text);
    un_free(f->id);
    un_free(f->name);
    un_free(f);
}
