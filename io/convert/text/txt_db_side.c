/* Side files of a txt_db as tables (txt_db_side.h). */
#include "io/convert/text/txt_db_side.h"
#include "io/convert/format/json_items.h"
#include "runtime/memory.h"

#include <string.h>

void un_txt_side_close(struct un_txt_side *s) {
    un_idmap_close(&s->map);
    un_free(s->pool);
    un_free(s->key);
    un_free(s->text);
    un_free(s->number);
    un_free(s->id);
    *s = (struct un_txt_side){0};
}

static enum un_status pool_text(struct un_txt_side *s, const char *text, size_t *at) {
    size_t n = strlen(text) + 1, room = s->room ? s->room : 1 << 14;
    while (room < s->bytes + n) room *= 2;
    if (room > s->room) {
        UN_TRY(un_grow((void **)&s->pool, s->room, room, 1, "a side file"));
        s->room = room;
    }
    memcpy(s->pool + s->bytes, text, n);
    *at = s->bytes;
    s->bytes += n;
    return UN_OK;
}

static enum un_status add_member(struct un_txt_side *s, const struct un_json_item *item, bool texts) {
    int64_t room = s->list_room ? 2 * s->list_room : 1024;
    if (item->element || (texts ? !json_is_string(item->value) : !json_is_integer(item->value)))
        return un_fail(UN_DATA, "%s: line %lld: %s: %s is wanted", s->path, (long long)item->line, item->key,
                       texts ? "the name of one image" : "a whole number");
    if (s->n == s->list_room) {
        size_t old = (size_t)s->list_room, more = (size_t)room;
        UN_TRY(un_grow((void **)&s->key, old, more, sizeof *s->key, "a side file"));
        UN_TRY(un_grow((void **)&s->text, old, more, sizeof *s->text, "a side file"));
        UN_TRY(un_grow((void **)&s->number, old, more, sizeof *s->number, "a side file"));
        s->list_room = room;
    }
    UN_TRY(pool_text(s, item->key, &s->key[s->n]));
    if (texts) UN_TRY(pool_text(s, json_string_value(item->value), &s->text[s->n]));
    s->number[s->n++] = texts ? 0 : (int64_t)json_integer_value(item->value);
    return UN_OK;
}

static enum un_status index_side(struct un_txt_side *s) {
    int64_t first, second;
    s->id = un_alloc((size_t)s->n + 1, sizeof *s->id, "a side file");
    if (!s->id) return UN_MEMORY;
    for (int64_t i = 0; i < s->n; ++i) s->id[i] = s->pool + s->key[i];
    UN_TRY(un_idmap_open(&s->map, s->id, s->n, &first, &second));
    return first < 0 ? UN_OK : un_fail(UN_DATA, "%s: %s stands twice in it", s->path, s->id[first]);
}

enum un_status un_txt_side_read(struct un_txt_side *s, const char *folder, const char *name, bool texts) {
    struct un_json_items *items;
    struct un_json_item item;
    bool more = true;
    UN_TRY(un_files_join(s->path, folder, name));
    UN_TRY(un_json_items_open(&items, s->path, NULL, 0));
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = un_json_items_next(items, &item, &more);
        if (status == UN_OK && more) status = add_member(s, &item, texts);
    }
    un_json_items_close(items);
    return status == UN_OK ? index_side(s) : status;
}
