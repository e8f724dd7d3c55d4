/* The one place of malloc and free: counted, zero-filled, UN_ALIGN-aligned blocks, and arenas.
 *
 * Law: each block is preceded by a header of UN_ALIGN bytes that holds its size, so counts are exact. Zeroing
 * touches every page at once: memory the machine does not have is missed before the first step, not in the
 * middle. All counters are atomic; any thread may allocate and free. */
#include "runtime/memory.h"
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

struct header {
    size_t bytes;
    uint64_t magic; /* tells a block of ours from a foreign pointer, and from one freed before */
};
static const uint64_t MAGIC_LIVE = 0x756e5f6c69766521u, MAGIC_FREED = 0x756e5f6672656564u;

/* Mutable by nature: the counts of the whole process. */
static atomic_uint_fast64_t live_bytes, peak_bytes, live_blocks, frozen_allocs;
/* Mutable: the test's order "the n-th from now"; 0 or below = none. */
static atomic_int_fast64_t fail_countdown;
/* Mutable: whether this thread is inside a training step. Per thread, as loaders may work on beside it. */
static _Thread_local bool frozen;

static void count_block(size_t bytes) {
    uint_fast64_t live = atomic_fetch_add(&live_bytes, bytes) + bytes, peak = atomic_load(&peak_bytes);
    while (live > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, live)) {
    }
    atomic_fetch_add(&live_blocks, 1);
}

static bool must_fail_now(void) {
    return atomic_load(&fail_countdown) > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

void *un_alloc(size_t count, size_t size, const char *what) {
    if (frozen) atomic_fetch_add(&frozen_allocs, 1);
    size_t bytes, total;
    void *raw = NULL;
    if (__builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)UN_ALIGN, &total)) {
        un_fail(UN_MEMORY, "%s: %zu elements of %zu bytes are more than can be addressed", what, count, size);
        return NULL;
    }
    if (must_fail_now() || posix_memalign(&raw, UN_ALIGN, total) != 0) {
        char limit[96];
        un_memory_limit(limit, sizeof limit);
        un_fail(UN_MEMORY, "%s: no memory for %zu elements of %zu bytes (%.1f MiB); %.1f MiB are in use%s",
                what, count, size, (double)bytes / 1048576.0, (double)atomic_load(&live_bytes) / 1048576.0,
                limit);
        return NULL;
    }
    memset(raw, 0, total);
    struct header *header = raw;
    *header = (struct header){bytes, MAGIC_LIVE};
    count_block(bytes);
    return (unsigned char *)raw + UN_ALIGN;
}

void un_free(void *ptr) {
    if (ptr == NULL) return;
    struct header *header = (struct header *)(void *)((unsigned char *)ptr - UN_ALIGN);
    UN_ASSERT(header->magic == MAGIC_LIVE);
    atomic_fetch_sub(&live_bytes, header->bytes);
    atomic_fetch_sub(&live_blocks, 1);
    header->magic = MAGIC_FREED;
    free(header);
}

void un_memory_trim(void) {
    malloc_trim(0);
}

bool un_memory_room(size_t bytes) {
    /* Not reserved: a machine that overcommits is asked for addresses, not for pages. */
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    void *at = bytes > 0 ? mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0) : NULL;
    if (at == MAP_FAILED) return false;
    if (at) munmap(at, bytes);
    return true;
}

size_t un_memory_stack(void) {
    pthread_attr_t attributes;
    size_t bytes = 0;
    pthread_attr_init(&attributes);
    if (pthread_getattr_default_np(&attributes) == 0) pthread_attr_getstacksize(&attributes, &bytes);
    pthread_attr_destroy(&attributes);
    return bytes;
}

void un_memory_limit(char *text, size_t size) {
    struct rlimit limit;
    unsigned long long pages = 0;
    text[0] = '\0';
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f) return;
    if (fscanf(f, "%llu", &pages) == 1)
        snprintf(text, size, "; ulimit -v is %llu MiB, %llu of them taken",
                 (unsigned long long)limit.rlim_cur >> 20,
                 pages * (unsigned long long)sysconf(_SC_PAGESIZE) >> 20);
    fclose(f);
}

enum un_status un_grow(void **ptr, size_t old_count, size_t count, size_t size, const char *what) {
    UN_ASSERT(count >= old_count);
    void *grown = un_alloc(count, size, what);
    if (grown == NULL) return UN_MEMORY;
    if (old_count > 0) memcpy(grown, *ptr, old_count * size);
    un_free(*ptr);
    *ptr = grown;
    return UN_OK;
}

char *un_strdup(const char *text) {
    size_t length = strlen(text);
    char *copy = un_alloc(length + 1, 1, "text");
    if (copy != NULL) memcpy(copy, text, length);
    return copy;
}

char *un_format(const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = NULL;
    if (length < 0)
        un_fail(UN_INTERNAL, "text of format \"%s\" cannot be written", format);
    else
        text = un_alloc((size_t)length + 1, 1, "text");
    if (text != NULL) vsnprintf(text, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

struct un_memory_counts un_memory_counts(void) {
    return (struct un_memory_counts){atomic_load(&live_bytes), atomic_load(&peak_bytes),
                                     atomic_load(&live_blocks), atomic_load(&frozen_allocs)};
}

void un_memory_freeze(bool on) {
    frozen = on;
}

void un_memory_fail_at(uint64_t n) {
    atomic_store(&fail_countdown, (int_fast64_t)n);
}

void *un_arena_take(struct un_arena *arena, size_t count, size_t size) {
    size_t bytes, padded, end;
    bool fits = !__builtin_mul_overflow(count, size, &bytes) &&
                !__builtin_add_overflow(bytes, (size_t)(UN_ALIGN - 1), &padded) &&
                !__builtin_add_overflow(arena->used, padded / UN_ALIGN * UN_ALIGN, &end) &&
                (arena->base == NULL || end <= arena->size);
    if (!fits) {
        un_fail(UN_INTERNAL, "arena %s: %zu elements of %zu bytes do not fit: %zu of %zu bytes are taken",
                arena->name, count, size, arena->used, arena->size);
        UN_ASSERT(fits);
        return NULL;
    }
    unsigned char *start = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used = end;
    if (end > arena->peak) arena->peak = end;
    return start;
}
