/* Fibers: see fiber.h. On x86-64 a switch is a dozen instructions; elsewhere the C library's contexts do it,
 * some thirty times slower. Under ThreadSanitizer this file is compiled without instrumentation and with
 * UN_EMU_TSAN set. */
#include "tests/cards/emu/fiber.h"
#include "tests/cards/emu/sanitizer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { STACK = 256 << 10, PAGE = 4096 };

/* ---- sanitizers ---- */

#if UN_EMU_ASAN
static void leave_stack(struct un_fiber *from, const struct un_fiber *to) {
    __sanitizer_start_switch_fiber(&from->fake_stack, to->stack, to->stack_bytes);
}
static void enter_stack(void *fake_stack, struct un_fiber *before) {
    const void *bottom;
    size_t bytes;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &bytes);
    if (before && before->stack_bytes == 0) { /* the system's stack, learnt when it is first left */
        before->stack = (unsigned char *)(uintptr_t)bottom;
        before->stack_bytes = bytes;
    }
}
#else
static void leave_stack(struct un_fiber *, const struct un_fiber *) {}
static void enter_stack(void *, struct un_fiber *) {}
#endif

#ifdef UN_EMU_TSAN
#include <sanitizer/tsan_interface.h>
extern "C" void __tsan_read_range(void *p, unsigned long bytes);
extern "C" void __tsan_write_range(void *p, unsigned long bytes);
static void *tsan_make() {
    return __tsan_create_fiber(0);
}
static void *tsan_self() {
    return __tsan_get_current_fiber();
}
static void tsan_switch(void *to) {
    __tsan_switch_to_fiber(to, __tsan_switch_to_fiber_no_sync);
}
void un_fiber_release(void *key) {
    __tsan_release(key);
}
void un_fiber_acquire(void *key) {
    __tsan_acquire(key);
}
void un_fiber_reads(const void *p, size_t bytes) {
    __tsan_read_range((void *)(uintptr_t)p, bytes);
}
void un_fiber_writes(void *p, size_t bytes) {
    __tsan_write_range(p, bytes);
}
#else
static void *tsan_make() {
    return nullptr;
}
static void *tsan_self() {
    return nullptr;
}
static void tsan_switch(void *) {}
void un_fiber_release(void *) {}
void un_fiber_acquire(void *) {}
void un_fiber_reads(const void *, size_t) {}
void un_fiber_writes(void *, size_t) {}
#endif

/* ---- switching ---- */

#if defined(__x86_64__) && !defined(UN_EMU_UCONTEXT)
/* What a function must preserve goes on the stack, the stack pointer into *save; then the other way round. */
extern "C" void un_fiber_jump(void **save, void *to);
__asm__(".text\n"
        ".globl un_fiber_jump\n"
        ".type un_fiber_jump,@function\n"
        "un_fiber_jump:\n"
        "    push %rbp\n    push %rbx\n    push %r12\n    push %r13\n    push %r14\n    push %r15\n"
        "    mov %rsp,(%rdi)\n"
        "    mov %rsi,%rsp\n"
        "    pop %r15\n    pop %r14\n    pop %r13\n    pop %r12\n    pop %rbx\n    pop %rbp\n"
        "    ret\n"
        ".size un_fiber_jump,.-un_fiber_jump\n");

static void prepare(struct un_fiber *f, int colour, void (*entry)(void)) {
    enum { SAVED = 6, COLOURS = 64, LINE = 64 };
    void **top = (void **)(f->stack + STACK - colour % COLOURS * LINE) - 2;
    *top = (void *)entry; /* where `ret` goes; then the stack pointer is 8 beyond a multiple of 16 */
    memset(top - SAVED, 0, SAVED * sizeof *top);
    f->saved = top - SAVED;
}
static void jump(struct un_fiber *from, struct un_fiber *to) {
    un_fiber_jump(&from->saved, to->saved);
}
static void prepare_main(struct un_fiber *) {}
#else
#include <ucontext.h>
static void prepare_main(struct un_fiber *f) {
    if (!f->saved) f->saved = malloc(sizeof(ucontext_t));
}
static void prepare(struct un_fiber *f, int colour, void (*entry)(void)) {
    (void)colour;
    prepare_main(f);
    ucontext_t *c = (ucontext_t *)f->saved;
    getcontext(c);
    c->uc_stack.ss_sp = f->stack;
    c->uc_stack.ss_size = STACK;
    c->uc_link = nullptr;
    makecontext(c, entry, 0);
}
static void jump(struct un_fiber *from, struct un_fiber *to) {
    swapcontext((ucontext_t *)from->saved, (ucontext_t *)to->saved);
}
#endif

void un_fiber_make(struct un_fiber *f, int colour, void (*entry)(void)) {
    void *map = mmap(nullptr, STACK + PAGE, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED || mprotect(map, PAGE, PROT_NONE) != 0) {
        perror("emulator: no memory for stacks");
        abort();
    }
    f->stack = (unsigned char *)map + PAGE;
    f->stack_bytes = STACK;
    f->tsan = tsan_make();
    prepare(f, colour, entry);
}

void un_fiber_adopt(struct un_fiber *f) {
    f->tsan = tsan_self();
    prepare_main(f);
}

void un_fiber_switch(struct un_fiber *from, struct un_fiber *to) {
    leave_stack(from, to);
    tsan_switch(to->tsan);
    jump(from, to);
    enter_stack(from->fake_stack, nullptr);
}

void un_fiber_begin(struct un_fiber *main) {
    enter_stack(nullptr, main);
}
