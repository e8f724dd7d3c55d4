/* Collections of the global heap, where variable-length texts stand, checked before HDF5 decodes them:
 * HDF5 1.10 goes from object to object by the sizes they say, for ever when one is zero. They carry no
 * checksums.
 *
 * Source: HDF5 File Format Specification 3.0, III.E (global heap).
 */
#include "io/h5_private.h"
#include "runtime/memory.h"
#include <string.h>
#include <unistd.h>

enum { HEAD = 16 }; /* bytes of a collection's head, and of an object's */

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

bool un_h5_heap_fits(const struct un_h5 *f, uint64_t address, const unsigned char *head) {
    uint64_t bytes = number(head + 8, 8);
    if (bytes < HEAD || address > (uint64_t)f->bytes || bytes > (uint64_t)f->bytes - address) return false;
    unsigned char *all = un_alloc(bytes, 1, "a heap of texts");
    bool good = all && pread(f->fd, all, bytes, (off_t)address) == (ssize_t)bytes &&
                objects_fit(all + HEAD, bytes - HEAD);
    un_free(all);
    return good;
}
