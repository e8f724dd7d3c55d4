/* Threads, blocks, barriers and launches, for code in kernels. Every CUDA thread is a fiber; one block runs
 * at a time, on the thread that launched. A fiber gives way only at a barrier, at a warp operation or at its
 * end, so what runs in between is as if it took no time, in an order that un_emu_order (device.h) sets. */
#ifndef UN_TESTS_CARDS_EMU_BLOCK_H
#define UN_TESTS_CARDS_EMU_BLOCK_H

#include "tests/cards/emu/record.h"
#include "tests/cards/emu/types.h"

/* A place in the code; the default arguments below make it the place of the call. Places are told apart by
 * line, not by address: a compiler may emit one call several times. */
struct un_emu_site {
    const char *file;
    int line;
};
#define UN_EMU_HERE                                                                                          \
    un_emu_site {                                                                                            \
        file, line                                                                                           \
    }
#define UN_EMU_CALLER const char *file = __builtin_FILE(), int line = __builtin_LINE()

struct un_emu_thread {
    uint3 index;
    int rank; /* x first: lane rank % 32 of warp rank / 32 */
};

struct un_emu_place {
    dim3 grid, block;
    uint3 index; /* of the running block */
};

/* The running thread, and where it is: constant for as long as a thread runs. */
extern struct un_emu_thread *un_emu_self;
extern struct un_emu_place un_emu_now;
/* The dynamic shared memory of the running block. */
extern unsigned char *un_emu_dynamic;

#define threadIdx (un_emu_self->index)
#define blockIdx  (un_emu_now.index)
#define blockDim  (un_emu_now.block)
#define gridDim   (un_emu_now.grid)
#define warpSize  32

#define UN_DYNAMIC_SHARED(name) unsigned char *const name = un_emu_dynamic

struct un_emu_votes {
    int count, threads; /* how many said yes, of how many */
};
struct un_emu_votes un_emu_barrier(struct un_emu_site site, bool vote);

static inline void __syncthreads(UN_EMU_CALLER) {
    un_emu_barrier(UN_EMU_HERE, false);
}
static inline int __syncthreads_count(int vote, UN_EMU_CALLER) {
    return un_emu_barrier(UN_EMU_HERE, vote != 0).count;
}
static inline int __syncthreads_or(int vote, UN_EMU_CALLER) {
    return un_emu_barrier(UN_EMU_HERE, vote != 0).count > 0;
}
static inline int __syncthreads_and(int vote, UN_EMU_CALLER) {
    const struct un_emu_votes v = un_emu_barrier(UN_EMU_HERE, vote != 0);
    return v.count == v.threads;
}

/* Blocks run one after the other and threads of a block give way at barriers only: nothing to wait for. */
static inline void __threadfence() {
    __asm__ volatile("" ::: "memory");
}
static inline void __threadfence_block() {
    __asm__ volatile("" ::: "memory");
}

struct un_emu_kernel {
    const void *address;
    const char *name;
};
/* Runs body(context) as every thread of the grid. Ends the process with a message where the card would refuse
 * the launch, and at every fault that is found while it runs. */
void un_emu_run(struct un_emu_kernel kernel, dim3 grid, dim3 block, size_t bytes, void (*body)(void *context),
                void *context);
/* What a block may have at most: the environment's UN_EMU_SHARED in bytes, else that of sm_90. */
extern "C" size_t un_emu_shared_limit(void);
/* Allows a kernel more than 48 KiB of dynamic shared memory. */
void un_emu_shared_most(struct un_emu_kernel kernel, size_t bytes);

template <class F> static void un_emu_call(void *body) {
    (*(F *)body)();
}
template <class F>
static inline void un_emu_launch(struct un_emu_kernel kernel, dim3 grid, dim3 block, size_t bytes, F body) {
    un_emu_run(kernel, grid, block, bytes, un_emu_call<F>, &body);
}

#define UN_EMU_KERNEL(kernel)                                                                                \
    un_emu_kernel {                                                                                          \
        (const void *)(kernel), #kernel                                                                      \
    }
/* Told of every launch when it is queued, also while a graph is recorded; NULL: nobody. */
extern void (*un_emu_launch_told)(const char *kernel, dim3 grid, dim3 block);

/* Now, or when the graph that is being recorded is replayed; the arguments are those of now. */
template <class... P, class... A>
static inline void un_emu_queue(const void *queue, struct un_emu_kernel kernel, dim3 grid, dim3 block,
                                size_t bytes, void (*f)(P...), A... argument) {
    if (un_emu_launch_told) un_emu_launch_told(kernel.name, grid, block);
    const std::tuple<std::remove_cv_t<P>...> kept((std::remove_cv_t<P>)(argument)...);
    auto run = [=] { un_emu_launch(kernel, grid, block, bytes, [&] { std::apply(f, kept); }); };
    if (!un_emu_keep(queue, run)) run();
}
#define UN_LAUNCH(q, kernel, grid, block, bytes, ...)                                                        \
    un_emu_queue((q), UN_EMU_KERNEL(kernel), (grid), (block), (size_t)(bytes),                               \
                 kernel __VA_OPT__(, ) __VA_ARGS__)
#define UN_SHARED_MOST(q, kernel, bytes)                                                                     \
    ((void)(q), un_emu_shared_most(UN_EMU_KERNEL(kernel), (size_t)(bytes)))

#endif
