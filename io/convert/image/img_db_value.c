/* msgpack-numpy: a map name -> {nd: true, type: '<f2', kind: '', shape: [...], data: bytes}; keys are str or
 * bin. Entries that are no arrays are passed over (lmdb_image.h). */
#include "io/convert/image/img_db_value.h"
#include "io/convert/format/msgpack.h"

#include <string.h>

static bool is_word(const struct un_msgpack_item *item, const char *word) {
    return item->kind == UN_MSGPACK_BYTES && item->bytes == strlen(word) &&
           memcmp(item->data, word, item->bytes) == 0;
}

static bool take_shape(struct un_msgpack *in, struct un_npy *npy) {
    struct un_msgpack_item item, dim;
    if (!un_msgpack_next(in, &item) || item.kind != UN_MSGPACK_ARRAY || item.count > UN_NPY_RANK)
        return false;
    npy->rank = (int)item.count;
    for (int i = 0; i < npy->rank; ++i) {
        if (!un_msgpack_next(in, &dim) || dim.kind != UN_MSGPACK_INT) return false;
        npy->dims[i] = dim.number;
    }
    return true;
}

struct parts {
    bool nd, type, shape;
    struct un_npy npy;
    struct un_msgpack_item data;
};

/* One pair of an array's map. */
static bool take_part(struct un_msgpack *in, struct parts *p) {
    struct un_msgpack_item key, value;
    if (!un_msgpack_next(in, &key)) return false;
    if (key.kind == UN_MSGPACK_ARRAY || key.kind == UN_MSGPACK_MAP) return false;
    if (is_word(&key, "shape")) return p->shape = take_shape(in, &p->npy);
    bool nd = is_word(&key, "nd"), type = is_word(&key, "type"), data = is_word(&key, "data");
    if (!nd && !type && !data) return un_msgpack_skip(in);
    struct un_msgpack before = *in;
    if (!un_msgpack_next(in, &value)) return false;
    if (nd) p->nd = value.kind == UN_MSGPACK_BOOL && value.number == 1;
    if (data && value.kind == UN_MSGPACK_BYTES) p->data = value;
    if (type && value.kind == UN_MSGPACK_BYTES) {
        p->type = un_npy_type(&p->npy, (const char *)value.data, value.bytes);
        return p->type;
    }
    *in = before; /* structured types are lists */
    return un_msgpack_skip(in);
}

static enum un_status take_array(struct un_msgpack *in, const char *where, const struct un_msgpack_item *key,
                                 struct un_image_arrays *arrays) {
    struct un_msgpack_item value;
    struct parts p = {0};
    int name = (int)(key->bytes < 40 ? key->bytes : 40);
    const char *text = (const char *)key->data;
    int place;
    if (un_array_role(arrays, text, key->bytes, &place) == UN_ARRAY_ROLES) {
        un_image_arrays_other(arrays, text, key->bytes);
        return un_msgpack_skip(in) ? UN_OK : un_fail(UN_DATA, "%s: %.*s: bad msgpack", where, name, text);
    }
    bool good = un_msgpack_next(in, &value) && value.kind == UN_MSGPACK_MAP;
    for (int64_t i = 0; good && i < value.count; ++i) good = take_part(in, &p);
    if (!good || !p.nd || !p.type || !p.shape || !p.data.data || !un_npy_count(&p.npy))
        return un_fail(UN_DATA, "%s: %.*s: no msgpack-numpy array of a known type, or cut short", where, name,
                       text);
    if (p.npy.item_bytes == 0 || (uint64_t)(p.npy.items * p.npy.item_bytes) != p.data.bytes)
        return un_fail(UN_DATA, "%s: %.*s: %zu bytes, but its shape says %lld items of %lld", where, name,
                       text, p.data.bytes, (long long)p.npy.items, (long long)p.npy.item_bytes);
    un_image_arrays_add(arrays, text, key->bytes, &p.npy, p.data.data);
    return UN_OK;
}

static enum un_status find_msgpack(const void *value, size_t bytes, const char *where,
                                   struct un_image_arrays *arrays) {
    struct un_msgpack in = {value, (const unsigned char *)value + bytes};
    struct un_msgpack_item map, key;
    if (!un_msgpack_next(&in, &map) || map.kind != UN_MSGPACK_MAP)
        return un_fail(UN_DATA, "%s: %zu bytes that are neither a msgpack map nor an .npz", where, bytes);
    for (int64_t i = 0; i < map.count; ++i) {
        if (!un_msgpack_next(&in, &key) || key.kind != UN_MSGPACK_BYTES)
            return un_fail(UN_DATA, "%s: bad msgpack in %zu bytes: cut short, or a key that is no text",
                           where, bytes);
        UN_TRY(take_array(&in, where, &key, arrays));
    }
    if (un_msgpack_left(&in) > 0)
        return un_fail(UN_DATA, "%s: %zu bytes behind its msgpack", where, un_msgpack_left(&in));
    return UN_OK;
}

static enum un_status find_npz(struct un_npz *npz, struct un_image_arrays *arrays,
                               struct un_npz_member member[UN_ARRAY_ROLES]) {
    for (int64_t i = 0; i < un_npz_members(npz); ++i) {
        struct un_npz_member m;
        char name[64];
        int place;
        if (!un_npz_name(npz, i, name)) continue;
        enum un_array_role role = un_array_role(arrays, name, strlen(name), &place);
        if (role == UN_ARRAY_ROLES) {
            un_image_arrays_other(arrays, name, strlen(name));
            continue;
        }
        UN_TRY(un_npz_member(npz, i, &m));
        if (m.npy.type != UN_NPY_OBJECT && un_image_arrays_add(arrays, name, strlen(name), &m.npy, NULL))
            member[role] = m;
    }
    return UN_OK;
}

/* Of protocol 2 on: the number of the protocol first, STOP last. */
static bool is_pickle(const unsigned char *value, size_t bytes) {
    return bytes > 3 && value[0] == 0x80 && value[1] >= 2 && value[1] <= 5 && value[bytes - 1] == '.';
}

enum un_status un_lmdb_image_find(const void *value, size_t bytes, const char *where,
                                  struct un_image_arrays *arrays, struct un_npz **npz,
                                  struct un_npz_member member[UN_ARRAY_ROLES]) {
    *npz = NULL;
    if (is_pickle(value, bytes))
        return un_fail(UN_DATA,
                       "%s: a pickle of Python, which is not read; values must be msgpack-numpy or .npz "
                       "(numpy.savez), with features and norm_bb or boxes",
                       where);
    if (bytes < 4 || memcmp(value, "PK\3\4", 4) != 0) return find_msgpack(value, bytes, where, arrays);
    UN_TRY(un_npz_open_memory(npz, where, value, bytes));
    return find_npz(*npz, arrays, member);
}

enum un_status un_lmdb_image_load(struct un_npz *npz, const struct un_npz_member member[UN_ARRAY_ROLES],
                                  struct un_image_arrays *arrays, struct un_image_room *room, bool survey) {
    for (int role = survey ? UN_ARRAY_WIDTH : 0; role < UN_ARRAY_ROLES; ++role) {
        struct un_image_array *a = arrays->role + role;
        if (!a->there || (role >= UN_ARRAY_WIDTH && a->npy.items != 1)) continue;
        UN_TRY(un_image_room_take(room, (enum un_array_role)role,
                                  (size_t)(member[role].bytes - member[role].head)));
        UN_TRY(un_npz_read(npz, member + role, room->at[role]));
        a->data = room->at[role];
    }
    return UN_OK;
}
