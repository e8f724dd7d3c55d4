/* Attribute and filter messages of an object header, checked before HDF5 decodes them: HDF5 1.10 reads as
 * many bytes as the sizes inside such a message say, past the end of its buffers. These are the decoders that
 * flipped bits were seen to crash, and files of the older format carry no checksums. Dense storage of
 * attributes (newer format only) has checksums and is left to HDF5.
 *
 * Source: HDF5 File Format Specification 3.0, IV.A.1 (headers), IV.A.2.b, d, l, m, q (dataspace, datatype,
 * filters, attribute, continuation). */
#include "io/disk/patience.h"
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <string.h>
#include <unistd.h>

#if H5_VERSION_GE(1, 12, 0)
typedef H5O_info1_t object_info;
typedef H5L_info1_t link_info;
#define get_link_info H5Lget_info1
#else
typedef H5O_info_t object_info;
typedef H5L_info_t link_info;
#define get_link_info H5Lget_info
#endif

enum {
    MESSAGE_FILTERS = 0x0B,
    MESSAGE_ATTRIBUTE = 0x0C,
    FILTERS_MAX = 32,
    MESSAGE_CONTINUATION = 0x10,
    CHUNKS_MAX = 64,
    CHUNK_BYTES_MAX = 1 << 24
};

/* Bytes not yet read; taking more than there are sets `short_` and gives zero. */
struct cursor {
    const unsigned char *p, *end;
    bool short_;
};

static const unsigned char *take(struct cursor *c, uint64_t bytes) {
    const unsigned char *p = c->p;
    if (c->short_ || bytes > (uint64_t)(c->end - c->p)) {
        c->short_ = true;
        return NULL;
    }
    c->p += bytes;
    return p;
}
static uint64_t number(struct cursor *c, int bytes) {
    const unsigned char *p = take(c, (uint64_t)bytes);
    uint64_t v = 0;
    for (int i = bytes - 1; p && i >= 0; --i) v = v << 8 | p[i];
    return v;
}
static struct cursor part(struct cursor *c, uint64_t bytes) {
    const unsigned char *p = take(c, bytes);
    return (struct cursor){p, p ? p + bytes : NULL, !p};
}

/* Sizes of the properties that follow the class, bits and size of a datatype, for the classes an attribute of
 * ours has. */
static bool datatype_fits(struct cursor type, uint64_t *element_bytes, bool *text) {
    unsigned class_ = (unsigned)number(&type, 1) & 15u, kind = (unsigned)number(&type, 1) & 15u;
    number(&type, 2);
    *element_bytes = number(&type, 4);
    if (class_ == H5T_INTEGER) number(&type, 4);
    if (class_ == H5T_FLOAT) number(&type, 12);
    *text = class_ == H5T_VLEN && kind == 1; /* 0: a sequence of anything */
    if (class_ == H5T_VLEN) {
        number(&type, 4);
        uint64_t base_bytes = number(&type, 4);
        if (*text && (base_bytes != 1 || *element_bytes != UN_H5_REFERENCE)) return false;
    }
    return !type.short_ && *element_bytes > 0;
}

static bool dataspace_fits(struct cursor space, uint64_t *elements) {
    unsigned version = (unsigned)number(&space, 1), rank = (unsigned)number(&space, 1);
    unsigned has_max = (unsigned)number(&space, 1) & 1u,
             kind = (unsigned)number(&space, version == 1 ? 5 : 1);
    *elements = version == 2 && kind == H5S_NULL ? 0 : 1;
    if (rank > H5S_MAX_RANK || version < 1 || version > 2) return false;
    for (unsigned i = 0; i < rank; ++i)
        if (__builtin_mul_overflow(*elements, number(&space, 8), elements)) return false;
    for (unsigned i = 0; i < rank && has_max; ++i) number(&space, 8);
    return !space.short_;
}

static uint64_t padded(uint64_t bytes, unsigned version) {
    return version == 1 ? (bytes + 7) & ~(uint64_t)7 : bytes;
}

static bool references_fit(const struct un_h5 *f, const unsigned char *references, uint64_t n) {
    struct un_h5_heap *heap;
    if (un_h5_heap_open(&heap, f) != UN_OK) return false;
    bool good = un_h5_heap_find_bad(heap, references, (int64_t)n) < 0;
    un_h5_heap_close(heap);
    return good;
}

/* Why the message is refused, NULL when it is good. */
static const char *attribute_fault(const struct un_h5 *f, struct cursor m) {
    uint64_t element_bytes, elements, bytes;
    bool text;
    unsigned version = (unsigned)number(&m, 1), flags = (unsigned)number(&m, 1);
    uint64_t name_bytes = number(&m, 2), type_bytes = number(&m, 2), space_bytes = number(&m, 2);
    if (version < 1 || version > 3) return "of unknown version";
    if (version > 1 && flags) return "whose type or extent is shared";
    if (version == 3) number(&m, 1);
    struct cursor name = part(&m, padded(name_bytes, version)), type = part(&m, padded(type_bytes, version));
    struct cursor space = part(&m, padded(space_bytes, version));
    if (m.short_ || name_bytes == 0 || !memchr(name.p, 0, name_bytes)) return "with parts outside it";
    if (!datatype_fits(type, &element_bytes, &text) || !dataspace_fits(space, &elements))
        return "of a broken type or extent";
    if (__builtin_mul_overflow(element_bytes, elements, &bytes)) return "with its value outside it";
    const unsigned char *value = take(&m, bytes);
    if (m.short_) return "with its value outside it";
    return text && !references_fit(f, value, elements) ? "with a text that is not there" : NULL;
}

static bool filter_fits(struct cursor *m, unsigned version) {
    unsigned id = (unsigned)number(m, 2);
    uint64_t name_bytes = version == 1 || id >= 256 ? number(m, 2) : 0;
    number(m, 2);
    uint64_t values = number(m, 2);
    const unsigned char *name = take(m, name_bytes);
    take(m, 4 * (values + (version == 1 ? values & 1u : 0)));
    return !m->short_ && (name_bytes == 0 || memchr(name, 0, name_bytes));
}

static const char *filters_fault(struct cursor m) {
    unsigned version = (unsigned)number(&m, 1), n = (unsigned)number(&m, 1);
    if (version < 1 || version > 2 || n > FILTERS_MAX) return "with filters of an unknown kind";
    if (version == 1) take(&m, 6);
    for (unsigned i = 0; i < n; ++i)
        if (!filter_fits(&m, version)) return "with a filter outside it";
    return NULL;
}

struct chunk {
    uint64_t address, bytes;
};
struct header {
    struct un_h5 *file;
    bool attributes; /* they are about to be decoded too */
    int version;     /* of the format: 1 or 2 */
    bool ordered;    /* messages carry the order of creation */
    int64_t chunks_count;
    struct chunk chunks[CHUNKS_MAX]; /* message areas, found and still to walk */
    const char *fault;
};

static void add_chunk(struct header *h, uint64_t address, uint64_t bytes) {
    if (h->chunks_count == CHUNKS_MAX || bytes > CHUNK_BYTES_MAX || address > (uint64_t)h->file->bytes ||
        bytes > (uint64_t)h->file->bytes - address) {
        h->fault = "with parts outside the file";
        return;
    }
    h->chunks[h->chunks_count++] = (struct chunk){address, bytes};
}

static void walk_message(struct header *h, unsigned type, unsigned flags, struct cursor body) {
    if (type == MESSAGE_FILTERS) h->fault = flags & 2u ? "with shared filters" : filters_fault(body);
    if (type == MESSAGE_ATTRIBUTE && h->attributes)
        h->fault = flags & 2u ? "with a shared attribute" : attribute_fault(h->file, body);
    if (type == MESSAGE_CONTINUATION) {
        uint64_t address = number(&body, 8), bytes = number(&body, 8);
        int ends = h->version == 2 ? 4 : 0; /* signature before, checksum behind */
        if (body.short_ || bytes < 2u * (unsigned)ends) h->fault = "with a broken continuation";
        if (!h->fault) add_chunk(h, address + (unsigned)ends, bytes - 2u * (unsigned)ends);
    }
}

static void walk_messages(struct header *h, struct cursor c) {
    int head = h->version == 1 ? 8 : h->ordered ? 6 : 4;
    while (!h->fault && c.end - c.p >= head) {
        unsigned type = (unsigned)number(&c, h->version == 1 ? 2 : 1);
        uint64_t bytes = number(&c, 2);
        unsigned flags = (unsigned)number(&c, 1);
        take(&c, (uint64_t)(head - (h->version == 1 ? 5 : 4)));
        struct cursor body = part(&c, bytes);
        if (c.short_)
            h->fault = "with a message outside it";
        else
            walk_message(h, type, flags, body);
    }
}

static int64_t read_bytes(struct un_h5 *f, void *out, size_t bytes, uint64_t at) {
    int64_t got = un_patience_pread(f->path, f->fd, out, bytes, (int64_t)at, f->tries);
    if (got < 0) f->io_errno = errno;
    return got;
}

/* The first message area from the prefix at `address`. */
static void read_prefix(struct header *h, uint64_t address) {
    unsigned char bytes[48];
    int64_t got = read_bytes(h->file, bytes, sizeof bytes, address);
    struct cursor c = {bytes, bytes + (got > 0 ? got : 0), false};
    h->version = got >= 4 && memcmp(bytes, "OHDR", 4) == 0 ? 2 : 1;
    if (h->version == 1) {
        take(&c, 8);
        uint64_t size = number(&c, 4);
        take(&c, 4);
        if (!c.short_) add_chunk(h, address + 16, size);
    } else {
        take(&c, 5);
        unsigned flags = (unsigned)number(&c, 1);
        take(&c, (flags & 0x20u ? 16u : 0) + (flags & 0x10u ? 4u : 0));
        h->ordered = flags & 4u;
        uint64_t size = number(&c, 1 << (flags & 3u));
        if (!c.short_) add_chunk(h, address + (uint64_t)(c.p - bytes), size);
    }
    if (c.short_) h->fault = "outside the file";
}

static enum un_status walk_chunk(struct header *h, const struct chunk *chunk) {
    unsigned char *bytes = un_alloc(chunk->bytes + 1, 1, "an object header");
    if (!bytes) return UN_MEMORY;
    int64_t got = read_bytes(h->file, bytes, chunk->bytes, chunk->address);
    if (got == (int64_t)chunk->bytes)
        walk_messages(h, (struct cursor){bytes, bytes + got, false});
    else
        h->fault = "that cannot be read";
    un_free(bytes);
    return UN_OK;
}

static enum un_status check_header(struct un_h5 *f, const char *object, uint64_t address, bool attributes) {
    struct header h = {.file = f, .attributes = attributes};
    if (address > (uint64_t)f->bytes) return un_h5_error(f, object, "its header lies outside the file");
    read_prefix(&h, address);
    for (int64_t i = 0; i < h.chunks_count && !h.fault; ++i) UN_TRY(walk_chunk(&h, h.chunks + i));
    return h.fault ? un_h5_error(f, object, "an attribute or header %s", h.fault) : UN_OK;
}

enum un_status un_h5_check_header(struct un_h5 *f, const char *object, uint64_t address) {
    return check_header(f, object, address, false);
}

enum un_status un_h5_check_attributes(struct un_h5 *f, const char *object, hid_t id) {
    object_info info;
    if (f->partial) return UN_OK; /* our own, in work */
    if (H5Oget_info2(id, &info, H5O_INFO_BASIC) < 0) return un_h5_error(f, object, "cannot find its header");
    return check_header(f, object, info.addr, true);
}

enum un_status un_h5_check_filters(struct un_h5 *f, const char *object) {
    link_info info;
    if (f->partial) return UN_OK;
    if (get_link_info(f->id, object, &info, H5P_DEFAULT) < 0 || info.type != H5L_TYPE_HARD)
        return un_h5_error(f, object, "cannot find its header");
    return un_h5_check_header(f, object, info.u.address);
}
