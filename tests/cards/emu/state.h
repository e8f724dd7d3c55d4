/* The running block, for the files of the emulator: its threads, who waits where, and the queue of those that
 * can go on. */
#ifndef UN_TESTS_CARDS_EMU_STATE_H
#define UN_TESTS_CARDS_EMU_STATE_H

#include "tests/cards/emu/block.h"
#include "tests/cards/emu/fiber.h"

enum { UN_EMU_THREADS = 1024, UN_EMU_WARPS = UN_EMU_THREADS / 32 };

enum un_emu_wait { UN_EMU_RUNS, UN_EMU_AT_BARRIER, UN_EMU_AT_WARP, UN_EMU_ENDED };

/* un_emu_self points to `open`. */
struct un_emu_thread_state {
    struct un_emu_thread open;
    struct un_fiber fiber;
    enum un_emu_wait wait;
    struct un_emu_site site; /* of the wait */
};

struct un_emu_block {
    struct un_emu_thread_state thread[UN_EMU_THREADS];
    int threads, live;
    struct un_emu_kernel kernel;
};
extern struct un_emu_block un_emu_block;

static inline struct un_emu_thread_state *un_emu_state() {
    return (struct un_emu_thread_state *)un_emu_self;
}

/* The names are compared as text: each file that is compiled may have its own copy. */
static inline bool un_emu_same_site(struct un_emu_site a, struct un_emu_site b) {
    return a.line == b.line && (a.file == b.file || !strcmp(a.file, b.file));
}

/* Lets other threads run until somebody has called un_emu_wake for this one. */
void un_emu_sleep(enum un_emu_wait wait, struct un_emu_site site);
void un_emu_wake(struct un_emu_thread_state *t);

/* Says what is wrong and where, and who waits for what; ends the process. */
[[noreturn]] void un_emu_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- hooks of the parts ---- */

void un_emu_warp_start(int threads);
/* A thread has ended: nobody may wait for it. */
void un_emu_warp_end(int rank);

/* Before a launch: room for the dynamic shared memory. Before each block: all shared memory is NaN. After
 * each: nothing outside was written. */
void un_emu_shared_launch(size_t bytes);
void un_emu_shared_start();
void un_emu_shared_check();
bool un_emu_is_shared(const void *p, size_t bytes);
/* Copies that a thread never waited for are gone. */
void un_emu_copies_end(int rank);

#endif
