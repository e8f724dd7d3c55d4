/* Memory of the emulated card: each block in pages of its own, its end at the end of its last page but for
 * the alignment, a page that cannot be touched before and behind it. What lies between is a pattern that is
 * checked when the block is freed. When memory is hidden, the pages can be touched only while something of
 * the card runs; a signal handler then says which block the host reached into. */
#include "tests/cards/emu/memory.h"

#include "runtime/memory.h"
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/sanitizer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, PATTERN = 0xA5 };

struct block {
    struct block *next;
    unsigned char *pages, *start; /* of what may be touched, of what was asked for */
    size_t pages_bytes, bytes;
    char what[48];
};

static struct {
    struct block *blocks;
    bool hidden;
    int shown; /* how often */
} memory;

/* Called by a launch: see block.cpp. */
extern void (*un_emu_launch_hook)(bool begins);

static void protect(const struct block *b, int how) {
    if (mprotect(b->pages, b->pages_bytes, how) != 0) {
        perror("emulated card: memory");
        abort();
    }
}

static bool is_pattern(const unsigned char *p, const unsigned char *end) {
    for (; p < end; ++p)
        if (*p != PATTERN) return false;
    return true;
}

void *un_emu_memory_alloc(size_t bytes, const char *what) {
    struct block *b = un_alloc(1, sizeof *b, what); /* the tests' planted failures, too */
    if (!b) return NULL;
    const size_t room = (bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
    b->bytes = bytes;
    b->pages_bytes = (room + PAGE) / PAGE * PAGE;
    unsigned char *map = mmap(NULL, b->pages_bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) {
        un_free(b);
        un_fail(UN_MEMORY, "%s: no memory for %zu bytes on the emulated card", what, bytes);
        return NULL;
    }
    b->pages = map + PAGE;
    b->start = b->pages + b->pages_bytes - room;
    snprintf(b->what, sizeof b->what, "%s", what);
    protect(b, PROT_READ | PROT_WRITE);
    memset(b->pages, PATTERN, (size_t)(b->start - b->pages));
    memset(b->start + bytes, PATTERN, room - bytes);
    ASAN_POISON_MEMORY_REGION(b->pages, (size_t)(b->start - b->pages));
    ASAN_POISON_MEMORY_REGION(b->start + bytes, room - bytes);
    if (memory.hidden && memory.shown == 0) protect(b, PROT_NONE);
    b->next = memory.blocks;
    memory.blocks = b;
    return b->start;
}

void un_emu_memory_free(void *ptr) {
    if (!ptr) return;
    struct block **at = &memory.blocks;
    while (*at && (*at)->start != ptr) at = &(*at)->next;
    struct block *b = *at;
    if (!b) {
        fprintf(stderr, "emulated card: %p to be freed is none of its blocks\n", ptr);
        abort();
    }
    protect(b, PROT_READ | PROT_WRITE);
    ASAN_UNPOISON_MEMORY_REGION(b->pages, b->pages_bytes);
    if (!is_pattern(b->pages, b->start) || !is_pattern(b->start + b->bytes, b->pages + b->pages_bytes)) {
        fprintf(stderr, "emulated card: a byte outside the %zu of \"%s\" was overwritten\n", b->bytes,
                b->what);
        abort();
    }
    *at = b->next;
    munmap(b->pages - PAGE, b->pages_bytes + 2 * PAGE);
    un_free(b);
}

/* ---- hidden memory ---- */

static void protect_all(int how) {
    for (const struct block *b = memory.blocks; b; b = b->next) protect(b, how);
}

void un_emu_memory_show(void) {
    if (memory.shown++ == 0 && memory.hidden) protect_all(PROT_READ | PROT_WRITE);
}

void un_emu_memory_hide(void) {
    if (--memory.shown == 0 && memory.hidden) protect_all(PROT_NONE);
}

static void around_launch(bool begins) {
    (begins ? un_emu_memory_show : un_emu_memory_hide)();
}

static void on_fault(int signal_number, siginfo_t *info, void *context) {
    (void)context;
    const unsigned char *p = info->si_addr;
    char text[200];
    for (const struct block *b = memory.blocks; b; b = b->next) {
        if (p < b->pages - PAGE || p >= b->pages + b->pages_bytes + PAGE) continue;
        const int n =
            snprintf(text, sizeof text,
                     "emulated card: memory of the device was touched outside its ops or its bounds: byte "
                     "%td of the %zu of \"%s\"\n",
                     p - b->start, b->bytes, b->what);
        if (write(2, text, (size_t)n) < 0) break;
    }
    signal(signal_number, SIG_DFL); /* and the access is tried again */
}

void un_emu_hide_memory(bool on) {
    const struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
    if (on) sigaction(SIGSEGV, &action, NULL);
    un_emu_launch_hook = around_launch;
    memory.hidden = on;
    if (memory.shown == 0) protect_all(on ? PROT_NONE : PROT_READ | PROT_WRITE);
}
