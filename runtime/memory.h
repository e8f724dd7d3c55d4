/* Host memory: the one place of malloc and free, and arenas that are measured first and carved after.
 *
 * Nothing is allocated inside a training step: launch calls un_memory_freeze(true) around it, and every
 * un_alloc of the calling thread until un_memory_freeze(false) is counted (frozen_allocs), which a test
 * asserts to be zero. Other threads (loaders) are not frozen. */
#ifndef UN_RUNTIME_MEMORY_H
#define UN_RUNTIME_MEMORY_H

#include "runtime/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { UN_ALIGN = 64 }; /* bytes: a cache line and an AVX-512 register */

/* Zero-filled memory, UN_ALIGN-aligned; count * size checked for overflow. NULL on failure (error recorded as
 * UN_MEMORY with `what`). Freed by un_free; un_free(NULL) is nothing. */
void *un_alloc(size_t count, size_t size, const char *what);
/* Grows *ptr (old_count -> count elements), keeps the content, zero-fills the rest. */
enum un_status un_grow(void **ptr, size_t old_count, size_t count, size_t size, const char *what);
void un_free(void *ptr);
/* Gives freed pages back to the system: after much was freed that will not be taken again. */
void un_memory_trim(void);
/* Would the system give so many bytes of addresses now? Asks for them and gives them back; what limits of the
 * process (ulimit -v) and strict overcommitment leave. Libraries that end the program, or hang, without them are
 * asked for only after this. */
bool un_memory_room(size_t bytes);
/* Addresses that the stack of a thread takes. */
size_t un_memory_stack(void);
/* "; ulimit -v is 400 MiB, 231 of them taken", or "" where there is no such limit. */
void un_memory_limit(char *text, size_t size);
char *un_strdup(const char *text);
/* printf into fresh memory, owned by the caller. */
char *un_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

struct un_memory_counts {
    uint64_t live_bytes, peak_bytes, live_blocks, frozen_allocs;
};
struct un_memory_counts un_memory_counts(void);
void un_memory_freeze(bool frozen);
/* Tests: the n-th allocation from now fails once (0 = never). */
void un_memory_fail_at(uint64_t n);

/* An arena over memory of any kind (host or device). base == NULL: measuring, takes return NULL but advance.
 * After measuring, give it `used` bytes (rounded to UN_ALIGN by itself) and carve in the same order. */
struct un_arena {
    const char *name;
    unsigned char *base; /* borrowed */
    size_t size, used, peak;
};
/* UN_ALIGN-aligned; running over `size` while carving is an own bug (assert) and returns NULL. */
void *un_arena_take(struct un_arena *arena, size_t count, size_t size);
static inline size_t un_arena_mark(const struct un_arena *arena) {
    return arena->used;
}
static inline void un_arena_reset(struct un_arena *arena, size_t mark) {
    arena->used = mark;
}

#ifdef __cplusplus
}
#endif
#endif
