// cuemu.h - run simple CUDA kernels on the CPU, for tests.  g++ -std=c++17 -x c++ -include cuemu.h kernel.cu
// One fiber per CUDA thread, one block at a time on one OS thread; a fiber is switched away only at a
// barrier, a warp operation or its end.  The order in which fibers run is a setting
// (UN_EMU_ORDER=forward|reverse|<seed>), so that a missing barrier shows up as a wrong result; under
// -fsanitize=thread every CUDA thread is a TSan fiber and a missing barrier is reported as a data race.  A
// deadlock (divergent barrier, lane missing from a shuffle mask) is detected and reported.
#pragma once
#pragma GCC system_header
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <vector>
#ifdef CUEMU_UCONTEXT
#include <ucontext.h>
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif
#ifdef CUEMU_VALGRIND
#include <valgrind/valgrind.h>
#endif
#define CUEMU 1
#if defined(__SANITIZE_THREAD__)
#define CUEMU_NS __attribute__((no_sanitize("thread"), noinline)) // the emulator itself is not to be checked
#else
#define CUEMU_NS
#endif
#define __global__
#define __device__
#define __host__
#define __constant__
#define __forceinline__ inline
#define __align__(n)    __attribute__((aligned(n)))
#define __launch_bounds__(...)
#define __shared__                                                                                           \
    thread_local // function scope: static storage; also valid after "extern" (dynamic shared memory)
// one per name of an "extern __shared__ T name[]": its definition, registered so that each block starts with
// it full of NaNs
#define CUEMU_DYNAMIC_SHARED(T, name, bytes)                                                                 \
    alignas(128) thread_local T name[(bytes) / sizeof(T)];                                                   \
    static const int cuemu_reg_##name =                                                                      \
        (cuemu::dyn[cuemu::ndyn++] = {[]() -> void * { return name; }, bytes}, 0)
struct uint3 {
    unsigned x, y, z;
};
struct dim3 {
    unsigned x, y, z;
    dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};
struct alignas(8) float2 {
    float x, y;
};
struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) int4 {
    int x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) {
    return {x, y, z, w};
}

namespace cuemu {
struct Dyn {
    void *(*get)();
    size_t bytes;
};
inline Dyn dyn[16];
inline int ndyn;
enum { STACK = 256 << 10, MAXT = 1024 };
struct WarpOp {
    unsigned mask = 0, here = 0, left = 0;
    uint16_t waiter[32];
    alignas(16) unsigned char v[32][64];
};
struct Cp {
    void *d;
    const void *s;
    int n, group;
};
struct Fiber {
    void *sp;
    unsigned char *stack;
    uint3 tid;
    int lin;
    bool done;
    const void *site;
    int waiting;
    std::vector<Cp> cp;
    int group;
#ifdef CUEMU_UCONTEXT
    ucontext_t uc;
#endif
#if defined(__SANITIZE_ADDRESS__)
    void *fake;
#endif
#if defined(__SANITIZE_THREAD__)
    void *ts;
#endif
};
struct Block {
    Fiber f[MAXT + 1];
    Fiber *cur;
    int n, live, at_bar, qh, qt, order, exit_ok;
    uint16_t q[MAXT], bar[MAXT];
    dim3 bd, gd;
    uint3 bi;
    WarpOp op[MAXT / 32][4];
    void (*fn)(void *);
    void *arg;
    unsigned long switches;
    uint32_t rng;
    const void *main_stack;
    size_t main_size;
    char sync_var;
};
inline thread_local Block *B, *mine;
[[noreturn]] inline void die(const char *m) {
    fprintf(stderr, "cuemu: %s in block (%u,%u,%u), thread (%u,%u,%u)\n", m, B->bi.x, B->bi.y, B->bi.z,
            B->cur->tid.x, B->cur->tid.y, B->cur->tid.z);
    for (int i = 0, k = 0; i < B->n && k < 8; i++)
        if (!B->f[i].done && B->f[i].waiting)
            k++, fprintf(stderr, "  thread %d waits at a %s (line %p)\n", i,
                         B->f[i].waiting == 1 ? "__syncthreads" : "warp operation", B->f[i].site);
    abort();
}
#ifndef CUEMU_UCONTEXT
extern "C" void cuemu_switch(void **save, void *to);
asm(".text\n.weak cuemu_switch\n.type cuemu_switch,@function\ncuemu_switch:\n"
    "push %rbp\npush %rbx\npush %r12\npush %r13\npush %r14\npush %r15\nmov %rsp,(%rdi)\nmov %rsi,%rsp\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbx\npop %rbp\nret\n");
#endif
CUEMU_NS inline void go(Fiber *to, bool ending = false) {
    Fiber *from = B->cur;
    B->cur = to;
    B->switches++;
#if defined(__SANITIZE_ADDRESS__)
    bool tm = to == &B->f[MAXT];
    __sanitizer_start_switch_fiber(ending ? nullptr : &from->fake, tm ? B->main_stack : to->stack,
                                   tm ? B->main_size : (size_t)STACK);
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_switch_to_fiber(to->ts, __tsan_switch_to_fiber_no_sync);
#endif
#ifdef CUEMU_UCONTEXT
    swapcontext(&from->uc, &to->uc);
#else
    cuemu_switch(&from->sp, to->sp);
#endif
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(from->fake, nullptr, nullptr);
#endif
    (void)ending;
}
CUEMU_NS inline void put(int i) {
    B->q[B->qt++ % MAXT] = i;
}
CUEMU_NS inline uint32_t rnd() {
    uint32_t &x = B->rng;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return x;
}
CUEMU_NS inline void put_all(uint16_t *w, int n) { // make n waiters runnable, in the order of the setting
    if (B->order == 1)
        for (int i = 0; i < n / 2; i++) std::swap(w[i], w[n - 1 - i]);
    if (B->order > 1)
        for (int i = n - 1; i > 0; i--) std::swap(w[i], w[rnd() % (i + 1)]);
    for (int i = 0; i < n; i++) {
        B->f[w[i]].waiting = 0;
        put(w[i]);
    }
}
CUEMU_NS inline void next(bool ending = false) { // give up the processor: run the next runnable fiber
    if (B->qh == B->qt) {
        if (ending && !B->live) return go(&B->f[MAXT], true);
        die("deadlock");
    }
    if (B->order == 1 || (B->order > 1 && rnd() & 1))
        std::swap(B->q[B->qh % MAXT], B->q[(B->qt - 1) % MAXT]); // newest first: a warp runs far ahead
    else if (B->order > 1)
        std::swap(B->q[B->qh % MAXT], B->q[(B->qh + rnd() % (B->qt - B->qh)) % MAXT]);
    Fiber *t = &B->f[B->q[B->qh++ % MAXT]];
    if (t != B->cur) go(t, ending);
}
CUEMU_NS inline void release_bar() {
    int n = B->at_bar;
    B->at_bar = 0;
    if (n < B->n && !B->exit_ok) die("__syncthreads after some threads have ended");
    uint16_t w[MAXT];
    memcpy(w, B->bar, n * sizeof *w);
    if (!B->order) {
        bool s[MAXT] = {};
        for (int i = 0; i < n; i++) s[w[i]] = true;
        for (int i = 0, k = 0; k < n; i++)
            if (s[i]) w[k++] = i;
    }
    put_all(w, n);
}
CUEMU_NS inline void barrier(const void *site) {
    Fiber *f = B->cur;
    f->site = site;
    f->waiting = 1;
    B->bar[B->at_bar++] = f->lin;
    if (B->f[B->bar[0]].site != site) die("__syncthreads reached at two places of the code");
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&B->sync_var);
#endif
    if (B->at_bar == B->live) release_bar();
    next();
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&B->sync_var);
#endif
}
// Every lane of mask deposits v; returns all lanes' values (valid until this lane's next warp operation).
template <class T> CUEMU_NS inline const unsigned char (*gather(unsigned mask, const T &v))[64] {
    static_assert(sizeof(T) <= 64, "warp operand too large");
    Fiber *f = B->cur;
    int lane = f->lin & 31, k = 0;
    WarpOp *o = B->op[f->lin >> 5];
    if (!(mask >> lane & 1)) die("lane not in its own mask");
    for (int i = 0; i < 4; i++)
        if (o[i].mask && (o[i].left >> lane & 1) == 0 && o[i].here == o[i].mask &&
            (o[i].mask >> lane & 1)) // finished with it
        {
            o[i].left |= 1u << lane;
            if (o[i].left == o[i].mask) o[i].mask = 0;
        }
    for (k = 0; k < 4 && !(o[k].mask == mask && !(o[k].here >> lane & 1)); k++)
        ;
    if (k == 4) {
        for (k = 0; k < 4 && o[k].mask; k++)
            ;
        if (k == 4) die("too many warp operations under way");
        o[k].mask = mask;
        o[k].here = o[k].left = 0;
    }
    memcpy(o[k].v[lane], &v, sizeof(T));
    o[k].waiter[__builtin_popcount(o[k].here)] = f->lin;
    o[k].here |= 1u << lane;
#if defined(__SANITIZE_THREAD__)
    __tsan_release(&o[k].mask); // __syncwarp and the *_sync operations order memory among their lanes
#endif
    if (o[k].here == mask) {
        put_all(o[k].waiter, __builtin_popcount(mask) - 1);
    } else {
        f->waiting = 2;
        f->site = __builtin_return_address(0);
        next();
    }
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&o[k].mask);
#endif
    return o[k].v;
}
CUEMU_NS inline void cp_run(Fiber *f, int keep) {
    for (auto &c : f->cp)
        if (c.n && c.group < f->group - keep) {
            memcpy(c.d, c.s, c.n);
            c.n = 0;
        }
    if (!keep) f->cp.clear();
}
CUEMU_NS inline void entry() {
#if defined(__SANITIZE_ADDRESS__)
    {
        const void *b;
        size_t s;
        __sanitizer_finish_switch_fiber(nullptr, &b, &s);
        if (!B->main_stack) {
            B->main_stack = b;
            B->main_size = s;
        }
    }
#endif
#if defined(__SANITIZE_THREAD__)
    __tsan_acquire(&B->sync_var);
#endif
    for (;;) {
        B->fn(B->arg);
        Fiber *f = B->cur;
        f->done = true;
        f->cp.clear();
        B->live--;
#if defined(__SANITIZE_THREAD__)
        __tsan_release(&B->sync_var);
#endif
        if (B->live && B->at_bar == B->live) release_bar();
        next(true);
        die("a finished thread was resumed");
    }
}
inline thread_local std::vector<unsigned char> dynmem;
inline thread_local unsigned char *dynp;
template <class F> CUEMU_NS void launch(dim3 g, dim3 b, size_t bytes, F body) {
    dynmem.assign(bytes + 128, 0xff);
    dynp = (unsigned char *)(((uintptr_t)dynmem.data() + 127) & ~(uintptr_t)127);
    if (!mine) mine = new Block();
    B = mine;
    int n = b.x * b.y * b.z;
    if (n > MAXT || n < 1) {
        fprintf(stderr, "cuemu: block of %d threads\n", n);
        abort();
    }
    const char *o = getenv("UN_EMU_ORDER");
    B->order = !o || *o == 'f' ? 0 : *o == 'r' ? 1 : 2;
    B->rng = o && B->order == 2 ? 2 * atoi(o) + 1 : 1;
    B->exit_ok = getenv("CUEMU_EXIT_OK") != 0;
    B->n = n;
    B->bd = b;
    B->gd = g;
    B->fn = [](void *p) { (*(F *)p)(); };
    B->arg = &body;
    B->cur = &B->f[MAXT];
#if defined(__SANITIZE_THREAD__)
    B->f[MAXT].ts = __tsan_get_current_fiber();
#endif
    for (int i = 0; i < n; i++)
        if (!B->f[i].stack) {
            B->f[i].stack = (unsigned char *)mmap(0, STACK + 4096, PROT_READ | PROT_WRITE,
                                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
            mprotect(B->f[i].stack, 4096, PROT_NONE);
            B->f[i].stack += 4096;
#ifdef CUEMU_VALGRIND
            VALGRIND_STACK_REGISTER(B->f[i].stack, B->f[i].stack + STACK);
#endif
#if defined(__SANITIZE_THREAD__)
            B->f[i].ts = __tsan_create_fiber(0);
#endif
        }
    for (unsigned z = 0; z < g.z; z++)
        for (unsigned y = 0; y < g.y; y++)
            for (unsigned x = 0; x < g.x; x++) {
                B->bi = {x, y, z};
                B->live = n;
                B->at_bar = B->qh = B->qt = 0;
                for (int i = 0; i < (n + 31) / 32 * 4; i++) B->op[i / 4][i % 4].mask = 0;
                memset(dynp, 0xff, bytes); // NaN: reading shared memory that was not written shows
                uint16_t w[MAXT];
                for (int i = 0; i < n; i++) {
                    Fiber *f = &B->f[i];
                    f->tid = {i % b.x, i / b.x % b.y, i / (b.x * b.y)};
                    f->lin = i;
                    f->done = false;
                    f->waiting = 0;
                    f->group = 0;
                    f->site = 0;
                    w[i] = i;
#ifdef CUEMU_UCONTEXT
                    getcontext(&f->uc);
                    f->uc.uc_stack.ss_sp = f->stack;
                    f->uc.uc_stack.ss_size = STACK;
                    f->uc.uc_link = 0;
                    makecontext(&f->uc, entry, 0);
#else
#if defined(__SANITIZE_ADDRESS__)
                    __asan_unpoison_memory_region(f->stack, STACK); // frames that the last block never left
#endif
                    void **s = (void **)(f->stack + STACK - i * 17 % 64 * 64) - 2;
                    *s = (void *)entry;
                    f->sp = s - 6;
                    memset(f->sp, 0, 48); // rsp is 8 mod 16 at entry
#endif
                }
#if defined(__SANITIZE_THREAD__)
                __tsan_release(&B->sync_var);
#endif
                put_all(w, n);
                Fiber *t = &B->f[B->q[B->qh++ % MAXT]];
                go(t);
#if defined(__SANITIZE_THREAD__)
                __tsan_acquire(&B->sync_var);
#endif
            }
}
} // namespace cuemu
namespace cuemu {
CUEMU_NS inline uint3 tid() {
    return B->cur->tid;
}
CUEMU_NS inline uint3 bid() {
    return B->bi;
}
CUEMU_NS inline dim3 bdim() {
    return B->bd;
}
CUEMU_NS inline dim3 gdim() {
    return B->gd;
}
CUEMU_NS inline int lane() {
    return B->cur->lin & 31;
}
} // namespace cuemu
#define threadIdx (cuemu::tid())
#define blockIdx  (cuemu::bid())
#define blockDim  (cuemu::bdim())
#define gridDim   (cuemu::gdim())
#define warpSize  32
inline void __syncthreads(uintptr_t line = __builtin_LINE()) {
    cuemu::barrier((const void *)line);
}
inline void __syncwarp(unsigned m = 0xffffffffu) {
    cuemu::gather(m, 0);
}
inline void __threadfence() {}
inline void __threadfence_block() {}
namespace cuemu {
template <class T> CUEMU_NS inline T pick(unsigned m, T v, int src) {
    auto g = gather(m, v);
    if (!(m >> (src & 31) & 1)) die("shuffle from a lane outside the mask");
    T r;
    memcpy(&r, g[src & 31], sizeof r);
    return r;
}
} // namespace cuemu
template <class T> inline T __shfl_sync(unsigned m, T v, int l, int w = 32) {
    int me = cuemu::lane();
    return cuemu::pick(m, v, (me & ~(w - 1)) | (l & (w - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned m, T v, int x, int w = 32) {
    int me = cuemu::lane(), s = me ^ x;
    return cuemu::pick(m, v, (s & ~(w - 1)) > (me & ~(w - 1)) ? me : s);
}
template <class T> inline T __shfl_down_sync(unsigned m, T v, int d, int w = 32) {
    int me = cuemu::lane();
    return cuemu::pick(m, v, (me & (w - 1)) + d < w ? me + d : me);
}
template <class T> inline T __shfl_up_sync(unsigned m, T v, int d, int w = 32) {
    int me = cuemu::lane();
    return cuemu::pick(m, v, (me & (w - 1)) - d >= 0 ? me - d : me);
}
CUEMU_NS inline unsigned __ballot_sync(unsigned m, int p) {
    auto g = cuemu::gather(m, p);
    unsigned r = 0;
    for (int i = 0; i < 32; i++) {
        int v;
        memcpy(&v, g[i], 4);
        if ((m >> i & 1) && v) r |= 1u << i;
    }
    return r;
}
inline int __any_sync(unsigned m, int p) {
    return __ballot_sync(m, p) != 0;
}
inline int __all_sync(unsigned m, int p) {
    return __ballot_sync(m, p) == m;
}
template <class T> inline T atomicAdd(T *p, T v) {
    T o, n;
    __atomic_load(p, &o, __ATOMIC_RELAXED);
    do n = o + v;
    while (!__atomic_compare_exchange(p, &o, &n, true, __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    return o;
}
inline float rsqrtf(float x) {
    return 1.0f / sqrtf(x);
}
inline float __expf(float x) {
    return expf(x);
}
template <class T> inline T __ldg(const T *p) {
    return *p;
}
// cp.async: the copy happens at the wait, until then the destination holds NaNs, so that a missing wait shows
CUEMU_NS inline void cp_async16(void *d, const void *s) {
    auto f = cuemu::B->cur;
    memset(d, 0xff, 16);
    f->cp.push_back({d, s, 16, f->group});
}
CUEMU_NS inline void cp_async_commit() {
    cuemu::B->cur->group++;
}
template <int N> CUEMU_NS inline void cp_async_wait() {
    cuemu::cp_run(cuemu::B->cur, N);
}
// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 on register fragments, as in the PTX manual
inline float cuemu_bf(uint32_t r, int h) {
    uint32_t u = (h ? r & 0xffff0000u : r << 16);
    float f;
    memcpy(&f, &u, 4);
    return f;
}
CUEMU_NS inline void mma_m16n8k16_bf16(float d[4], const uint32_t a[4], const uint32_t b[2],
                                       const float c[4]) {
    struct {
        uint32_t a[4], b[2];
    } mine, r[32];
    memcpy(mine.a, a, 16);
    memcpy(mine.b, b, 8);
    auto g = cuemu::gather(0xffffffffu, mine);
    for (int i = 0; i < 32; i++) memcpy(&r[i], g[i], sizeof mine);
    int lane = cuemu::lane();
    for (int q = 0; q < 4; q++) {
        int row = lane / 4 + 8 * (q >> 1), col = lane % 4 * 2 + (q & 1);
        float s = 0;
        for (int k = 0; k < 16; k++) {
            int la = row % 8 * 4 + k % 8 / 2, ra = (row >= 8) + 2 * (k >= 8), lb = col * 4 + k % 8 / 2;
            s += cuemu_bf(r[la].a[ra], k & 1) * cuemu_bf(r[lb].b[k >= 8], k & 1);
        }
        d[q] = c[q] + s;
    }
}

struct alignas(16) uint4 {
    unsigned x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
    return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
    return {x, y};
}
inline float2 make_float2(float x, float y) {
    return {x, y};
}
#include <algorithm>
using std::max;
using std::min;
#define UN_LAUNCH(q, kernel, grid, block, bytes, ...)                                                        \
    do {                                                                                                     \
        (void)(q);                                                                                           \
        cuemu::launch(grid, block, bytes, [&] { kernel(__VA_ARGS__); });                                     \
    } while (0)
#define UN_SHARED_MOST(q, kernel, bytes) ((void)(q), (void)(bytes))
#define UN_DYNAMIC_SHARED(name)          unsigned char *name = cuemu::dynp
inline uint32_t emu_bf(float f) {
    uint32_t u;
    memcpy(&u, &f, 4);
    if (f != f) return 0x7fff;
    return (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
inline uint32_t un_pack_bf16(float lo, float hi) {
    return emu_bf(lo) | emu_bf(hi) << 16;
}
inline float un_unpack_f16(uint16_t h) {
    _Float16 f;
    memcpy(&f, &h, 2);
    return (float)f;
}
inline uint16_t un_pack_f16(float v) {
    _Float16 f = (_Float16)v;
    uint16_t h;
    memcpy(&h, &f, 2);
    return h;
}
CUEMU_NS inline void un_copy_async(void *d, const void *s, int bytes) {
    auto f = cuemu::B->cur;
    memset(d, 0xff, 16);
    static const unsigned char zero[16] = {};
    if (bytes == 16)
        f->cp.push_back({d, s, 16, f->group});
    else {
        f->cp.push_back({d, zero, 16, f->group});
        if (bytes) f->cp.push_back({d, s, bytes, f->group});
    }
}
inline void un_copy_commit() {
    cp_async_commit();
}
template <int N> inline void un_copy_wait() {
    cp_async_wait<N>();
}
inline void un_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2]) {
    float c[4] = {d[0], d[1], d[2], d[3]};
    mma_m16n8k16_bf16(d, a, b, c);
}
CUEMU_NS inline void emu_ldm(uint32_t r[4], const void *row, bool t) {
    auto g = cuemu::gather(0xffffffffu, row);
    const uint16_t *p[32];
    for (int i = 0; i < 32; i++) memcpy(&p[i], g[i], sizeof p[i]);
    int l = cuemu::lane();
    for (int m = 0; m < 4; m++) {
        uint16_t lo = t ? p[m * 8 + l % 4 * 2][l / 4] : p[m * 8 + l / 4][l % 4 * 2],
                 hi = t ? p[m * 8 + l % 4 * 2 + 1][l / 4] : p[m * 8 + l / 4][l % 4 * 2 + 1];
        r[m] = lo | (uint32_t)hi << 16;
    }
}
inline void un_load_matrix(uint32_t r[4], const void *row) {
    emu_ldm(r, row, false);
}
inline void un_load_matrix_t(uint32_t r[4], const void *row) {
    emu_ldm(r, row, true);
}
