/* Launches, blocks one after the other, barriers, and the report of what is wrong. The state is the
 * process's: a lock lets one launch run at a time. */
#include "tests/cards/emu/order.h"
#include "tests/cards/emu/state.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>

struct un_emu_thread *un_emu_self;
struct un_emu_place un_emu_now;
struct un_emu_block un_emu_block;
/* Set by memory.c: called before and after each launch. */
extern "C" void (*un_emu_launch_hook)(bool begins);
void (*un_emu_launch_hook)(bool begins);
void (*un_emu_launch_told)(const char *kernel, dim3 grid, dim3 block);

namespace {

pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* The fiber of the launch; what it lends to the threads. */
struct {
    struct un_fiber fiber;
    void (*body)(void *);
    void *context;
    bool running;
    char starts, ends; /* keys of TSan */
} host;

/* The barrier that threads wait at now. Votes and TSan's key alternate between odd and even barriers: a fast
 * thread may come to the next one before a slow one has left this one. */
struct {
    int here;
    unsigned number;
    struct un_emu_site site;
    struct un_emu_votes votes[2];
    char key[2];
} barrier;

/* Kernels that may have more dynamic shared memory, and how much. */
enum { KERNELS = 512 };
const size_t USUAL_SHARED = 48 << 10;
struct {
    const void *address;
    size_t bytes;
} allowed[KERNELS];

void run_next() {
    struct un_emu_thread_state *const self = un_emu_state();
    const int next = un_emu_queue_take();
    if (next < 0) {
        if (un_emu_block.live > 0) un_emu_die("deadlock: nobody can go on");
        un_fiber_switch(&self->fiber, &host.fiber);
        return;
    }
    struct un_emu_thread_state *const t = &un_emu_block.thread[next];
    if (t == self) return;
    un_emu_self = &t->open;
    un_fiber_switch(&self->fiber, &t->fiber);
}

/* The life of a fiber: one CUDA thread in every block. */
void live() {
    un_fiber_begin(&host.fiber);
    for (;;) {
        un_fiber_acquire(&host.starts);
        host.body(host.context);
        un_fiber_release(&host.ends);
        struct un_emu_thread_state *const self = un_emu_state();
        self->wait = UN_EMU_ENDED;
        --un_emu_block.live;
        un_emu_warp_end(self->open.rank);
        un_emu_copies_end(self->open.rank);
        if (barrier.here > 0)
            un_emu_die("a thread ended while %d wait at the barrier of %s:%d", barrier.here,
                       barrier.site.file, barrier.site.line);
        run_next();
    }
}

} // namespace

void un_emu_sleep(enum un_emu_wait wait, struct un_emu_site site) {
    struct un_emu_thread_state *const self = un_emu_state();
    self->wait = wait;
    self->site = site;
    run_next();
}

void un_emu_wake(struct un_emu_thread_state *t) {
    t->wait = UN_EMU_RUNS;
    un_emu_queue_put(t->open.rank);
}

struct un_emu_votes un_emu_barrier(struct un_emu_site site, bool vote) {
    const unsigned odd = barrier.number & 1u;
    if (barrier.here == 0) {
        barrier.site = site;
        barrier.votes[odd] = {0, un_emu_block.threads};
        if (un_emu_block.live < un_emu_block.threads)
            un_emu_die("a barrier (%s:%d) after %d threads have ended", site.file, site.line,
                       un_emu_block.threads - un_emu_block.live);
    } else if (!un_emu_same_site(barrier.site, site)) {
        un_emu_die("a thread is at the barrier of %s:%d while %d wait at that of %s:%d", site.file, site.line,
                   barrier.here, barrier.site.file, barrier.site.line);
    }
    barrier.votes[odd].count += vote;
    un_fiber_release(&barrier.key[odd]);
    if (++barrier.here == un_emu_block.threads) {
        barrier.here = 0;
        ++barrier.number;
        un_emu_state()->wait = UN_EMU_AT_BARRIER;
        for (int i = 0; i < un_emu_block.threads; ++i) un_emu_wake(&un_emu_block.thread[i]);
        run_next();
    } else {
        un_emu_sleep(UN_EMU_AT_BARRIER, site);
    }
    un_fiber_acquire(&barrier.key[odd]);
    return barrier.votes[odd];
}

/* ---- launches ---- */

static size_t *allowed_bytes(struct un_emu_kernel kernel) {
    for (int i = 0; i < KERNELS; ++i) {
        if (!allowed[i].address) {
            allowed[i].address = kernel.address;
            allowed[i].bytes = USUAL_SHARED;
        }
        if (allowed[i].address == kernel.address) return &allowed[i].bytes;
    }
    fprintf(stderr, "emulator: more than %d kernels\n", (int)KERNELS);
    abort();
}

extern "C" size_t un_emu_shared_limit(void) {
    static const char *const word = getenv("UN_EMU_SHARED");
    return word ? (size_t)strtoul(word, nullptr, 10) : (size_t)227 << 10;
}

void un_emu_shared_most(struct un_emu_kernel kernel, size_t bytes) {
    if (bytes > un_emu_shared_limit()) {
        fprintf(stderr,
                "emulator: UN_SHARED_MOST of %s: %zu bytes of shared memory, a block has at most %zu\n",
                kernel.name, bytes, un_emu_shared_limit());
        abort();
    }
    pthread_mutex_lock(&lock);
    *allowed_bytes(kernel) = bytes > USUAL_SHARED ? bytes : USUAL_SHARED;
    pthread_mutex_unlock(&lock);
}

static const char *refusal(struct un_emu_kernel kernel, dim3 grid, dim3 block, size_t bytes) {
    if (grid.x == 0 || grid.y == 0 || grid.z == 0) return "a grid without blocks";
    if (block.x == 0 || block.y == 0 || block.z == 0) return "a block without threads";
    if (grid.x > 0x7FFFFFFFu || grid.y > 65535u || grid.z > 65535u)
        return "a grid of more than 2^31 - 1 x 65535 x 65535 blocks";
    if (block.x > 1024u || block.y > 1024u || block.z > 64u ||
        (uint64_t)block.x * block.y * block.z > UN_EMU_THREADS)
        return "a block of more than 1024 threads or 1024 x 1024 x 64";
    if (bytes > un_emu_shared_limit()) return "more shared memory than a block can have";
    if (bytes > *allowed_bytes(kernel)) return "more shared memory than UN_SHARED_MOST allowed";
    return nullptr;
}

static void prepare_threads(dim3 block) {
    un_emu_block.threads = (int)(block.x * block.y * block.z);
    for (int i = 0; i < un_emu_block.threads; ++i) {
        struct un_emu_thread_state *t = &un_emu_block.thread[i];
        const unsigned rank = (unsigned)i;
        if (!t->fiber.stack) un_fiber_make(&t->fiber, 17 * i, live);
        t->open.index = {rank % block.x, rank / block.x % block.y, rank / (block.x * block.y)};
        t->open.rank = i;
    }
}

static void run_block() {
    barrier.here = 0;
    un_emu_block.live = un_emu_block.threads;
    un_emu_warp_start(un_emu_block.threads);
    un_emu_shared_start();
    un_fiber_release(&host.starts);
    for (int i = 0; i < un_emu_block.threads; ++i) un_emu_wake(&un_emu_block.thread[i]);
    struct un_emu_thread_state *const first = &un_emu_block.thread[un_emu_queue_take()];
    un_emu_self = &first->open;
    un_fiber_switch(&host.fiber, &first->fiber);
    un_emu_self = nullptr;
    un_fiber_acquire(&host.ends);
    un_emu_shared_check();
}

void un_emu_run(struct un_emu_kernel kernel, dim3 grid, dim3 block, size_t bytes, void (*body)(void *context),
                void *context) {
    pthread_mutex_lock(&lock);
    const char *refused =
        host.running ? "an earlier launch never came to its end" : refusal(kernel, grid, block, bytes);
    if (refused) {
        fprintf(stderr,
                "emulator: launch of %s with %u x %u x %u blocks of %u x %u x %u threads and %zu bytes of "
                "dynamic "
                "shared memory: %s\n",
                kernel.name, grid.x, grid.y, grid.z, block.x, block.y, block.z, bytes, refused);
        abort();
    }
    host.running = true;
    if (un_emu_launch_hook) un_emu_launch_hook(true);
    host.body = body;
    host.context = context;
    un_fiber_adopt(&host.fiber);
    un_emu_block.kernel = kernel;
    un_emu_now.grid = grid;
    un_emu_now.block = block;
    prepare_threads(block);
    un_emu_order_start();
    un_emu_shared_launch(bytes);
    const uint64_t blocks = (uint64_t)grid.x * grid.y * grid.z;
    for (uint64_t i = 0; i < blocks; ++i) {
        const uint64_t b = un_emu_order_block(i, blocks);
        un_emu_now.index = {(unsigned)(b % grid.x), (unsigned)(b / grid.x % grid.y),
                            (unsigned)(b / grid.x / grid.y)};
        run_block();
    }
    if (un_emu_launch_hook) un_emu_launch_hook(false);
    host.running = false;
    pthread_mutex_unlock(&lock);
}

/* ---- reports ---- */

void un_emu_die(const char *format, ...) {
    static const char *const waits[] = {"can go on", "waits at a barrier", "waits at a warp operation",
                                        "ended"};
    va_list list;
    va_start(list, format);
    fprintf(stderr, "emulator: ");
    vfprintf(stderr, format, list);
    va_end(list);
    const uint3 b = un_emu_now.index;
    fprintf(stderr, "\n  in %s, block (%u, %u, %u)", un_emu_block.kernel.name, b.x, b.y, b.z);
    if (un_emu_self) fprintf(stderr, ", thread %d", un_emu_self->rank);
    fprintf(stderr, "\n");
    for (int i = 0, told = 0; i < un_emu_block.threads && told < 12; ++i) {
        const struct un_emu_thread_state *t = &un_emu_block.thread[i], *before = t - 1;
        const bool asleep = t->wait == UN_EMU_AT_BARRIER || t->wait == UN_EMU_AT_WARP;
        if (i > 0 && t->wait == before->wait && (!asleep || un_emu_same_site(t->site, before->site)))
            continue;
        fprintf(stderr, "  from thread %d: %s", i, waits[t->wait]);
        if (asleep) fprintf(stderr, ", %s:%d", t->site.file, t->site.line);
        fprintf(stderr, "\n");
        ++told;
    }
    abort();
}
