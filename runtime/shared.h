/* Memory that one process of a host fills and the others read: an anonymous file (memfd), sealed before anybody else sees it, which
 * the others find under /proc/PID/fd/N of the first and map read-only. Its name also holds a token that stands at its head, so that a
 * file of another process (a PID of another container) is never taken for it. It has no name in any folder: when the last process that
 * maps it is gone, by whatever end, it is gone.
 *
 * MPI's own shared windows were not taken: they lie in /dev/shm or /tmp, which containers keep small, and a write past that room is a
 * SIGBUS. Where /proc of the others is hidden (other users, containers, PID namespaces) opening fails, and whoever wanted to read
 * says why. Contents have no pointers: each process has its own addresses. */
#ifndef UN_RUNTIME_SHARED_H
#define UN_RUNTIME_SHARED_H

#include "runtime/status.h"

struct un_shared {
    const void *data; /* UN_ALIGN-aligned, [bytes]; NULL: nothing is mapped */
    size_t bytes;     /* of data: put so far */
    int fd;           /* of who made it; 0: closed */
    uint64_t token[2];
};

/* How others find it: plain bytes, to be sent. */
struct un_shared_name {
    int64_t pid, fd, bytes;
    uint64_t token[2];
};

enum { UN_SHARED_WHY = 160 }; /* bytes of a reason */

/* Empty, to be filled by its maker. False, as below: the system does not give it, *why says why, it is closed. */
bool un_shared_make(struct un_shared *s, char why[UN_SHARED_WHY]);
/* Puts bytes behind what was put before, at the next multiple of UN_ALIGN. A system without memory says so here: nobody meets a page
 * that is not there. */
bool un_shared_put(struct un_shared *s, const void *data, size_t bytes, char why[UN_SHARED_WHY]);
/* From here on nobody can write to it, its maker neither, who has it mapped now. Others find it until un_shared_hide. */
bool un_shared_seal(struct un_shared *s, struct un_shared_name *name, char why[UN_SHARED_WHY]);
/* Nobody can find it any more; who has it keeps it. */
void un_shared_hide(struct un_shared *s);
/* Maps what another process of this host has made. False: it cannot be reached, or it is another file. */
bool un_shared_open(struct un_shared *s, const struct un_shared_name *name, char why[UN_SHARED_WHY]);
/* Of an open one, of a closed one, of zeros. */
void un_shared_close(struct un_shared *s);
/* Does a pointer point into it? */
static inline bool un_shared_holds(const struct un_shared *s, const void *pointer) {
    const char *data = s->data, *at = pointer;
    return data && at >= data && at < data + s->bytes;
}

#endif
