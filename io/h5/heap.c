/* Collections of the global heap, where variable-length texts stand, and references to them, checked before
 * HDF5 follows them: HDF5 1.10 goes from object to object by the sizes they say, for ever when one is zero;
 * it takes a reference's index without looking how many objects there are, and copies as many bytes as the
 * object has into room for as many as the reference says. None of them carry checksums.
 *
 * Source: HDF5 File Format Specification 3.0, III.D and E (local and global heaps), IV.B (variable-length
 * data). */
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <string.h>
#include <unistd.h>

enum {
    HEAD = 16,         /* bytes of a collection's head, of an object's, of a free piece's */
    OBJECTS = 1 << 16, /* indices */
    NO_PIECE = 1       /* ends a list of free pieces */
};

static uint64_t number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; --i) v = v << 8 | p[i];
    return v;
}

/* Objects one behind the other fill it to its end; index 0 is the free room, whose size counts its head. */
static bool objects_fit(const unsigned char *p, uint64_t left) {
    while (left >= HEAD) {
        uint64_t index = number(p, 2), bytes = number(p + 8, 8);
        if (bytes > left || (index == 0 && bytes < HEAD)) return false;
        uint64_t step = index == 0 ? bytes : HEAD + ((bytes + 7) & ~(uint64_t)7);
        if (step > left) return false;
        p += step;
        left -= step;
    }
    return true;
}

static bool lies_in_file(const struct un_h5 *f, uint64_t address, uint64_t bytes) {
    return bytes >= HEAD && address <= (uint64_t)f->bytes && bytes <= (uint64_t)f->bytes - address;
}

/* The collection at `address` whole, `bytes` long, if it holds together; NULL otherwise. */
static unsigned char *read_collection(const struct un_h5 *f, uint64_t address, uint64_t bytes) {
    unsigned char *all = lies_in_file(f, address, bytes) ? un_alloc(bytes, 1, "a heap of texts") : NULL;
    if (all && pread(f->fd, all, bytes, (off_t)address) == (ssize_t)bytes &&
        objects_fit(all + HEAD, bytes - HEAD))
        return all;
    un_free(all);
    return NULL;
}

bool un_h5_heap_fits(const struct un_h5 *f, uint64_t address, const unsigned char *head) {
    unsigned char *all = read_collection(f, address, number(head + 8, 8));
    bool good = all != NULL;
    un_free(all);
    return good;
}

bool un_h5_names_fit(const struct un_h5 *f, const unsigned char *head) {
    uint64_t bytes = number(head + 8, 8), next = number(head + 16, 8), address = number(head + 24, 8);
    if (address > (uint64_t)f->bytes || bytes > (uint64_t)f->bytes - address) return false;
    /* Its free pieces name one another: HDF5 takes memory for each, for ever where they go round. */
    for (uint64_t left = bytes / HEAD; next != NO_PIECE; --left) {
        unsigned char piece[8];
        if (left == 0 || next > bytes || bytes - next < HEAD ||
            pread(f->fd, piece, sizeof piece, (off_t)(address + next)) != sizeof piece)
            return false;
        next = number(piece, 8);
    }
    return true;
}

struct un_h5_heap {
    const struct un_h5 *file;
    uint64_t address;       /* of the collection below, 0: none yet */
    uint64_t size[OBJECTS]; /* of its objects by index, all ones: there is none */
};

enum un_status un_h5_heap_open(struct un_h5_heap **heap, const struct un_h5 *f) {
    if (!(*heap = un_alloc(1, sizeof **heap, "an index of texts"))) return UN_MEMORY;
    (*heap)->file = f;
    return UN_OK;
}

void un_h5_heap_close(struct un_h5_heap *heap) {
    un_free(heap);
}

static bool load(struct un_h5_heap *heap, uint64_t address) {
    unsigned char head[HEAD];
    heap->address = 0;
    if (address > (uint64_t)heap->file->bytes || pread(heap->file->fd, head, HEAD, (off_t)address) != HEAD ||
        memcmp(head, "GCOL", 4) != 0)
        return false;
    uint64_t bytes = number(head + 8, 8);
    unsigned char *all = read_collection(heap->file, address, bytes);
    if (!all) return false;
    memset(heap->size, 0xFF, sizeof heap->size);
    for (uint64_t at = HEAD, step; bytes - at >= HEAD; at += step) {
        uint64_t index = number(all + at, 2), length = number(all + at + 8, 8);
        step = index == 0 ? length : HEAD + ((length + 7) & ~(uint64_t)7);
        if (index) heap->size[index] = length;
    }
    un_free(all);
    heap->address = address;
    return true;
}

int64_t un_h5_heap_find_bad(struct un_h5_heap *heap, const unsigned char *references, int64_t n) {
    for (int64_t i = 0; i < n; ++i, references += UN_H5_REFERENCE) {
        uint64_t length = number(references, 4), address = number(references + 4, 8),
                 index = number(references + 12, 4);
        if (address == 0 && length == 0) continue; /* HDF5's null: no text */
        if (address != heap->address && !load(heap, address)) return i;
        if (index == 0 || index >= OBJECTS || heap->size[index] != length) return i;
    }
    return -1;
}
