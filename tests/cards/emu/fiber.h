/* Fibers: stacks that take turns on one thread of the system. Known to AddressSanitizer (which stack is in
 * use) and to ThreadSanitizer (each fiber is a thread of its own; switching orders nothing). */
#ifndef UN_TESTS_CARDS_EMU_FIBER_H
#define UN_TESTS_CARDS_EMU_FIBER_H

#include <stddef.h>

struct un_fiber {
    void *saved;          /* the stack pointer, or a ucontext_t */
    unsigned char *stack; /* NULL: the stack of the system's thread */
    size_t stack_bytes;
    void *fake_stack, *tsan; /* the sanitizers' own */
};

/* A fiber that runs entry() when it is first switched to; entry never returns. colour spreads the tops of the
 * stacks over the sets of the cache. */
void un_fiber_make(struct un_fiber *f, int colour, void (*entry)(void));
/* The caller becomes `f`, to be switched back to. */
void un_fiber_adopt(struct un_fiber *f);
void un_fiber_switch(struct un_fiber *from, struct un_fiber *to);
/* First in entry(). main: the fiber that was adopted. */
void un_fiber_begin(struct un_fiber *main);

/* What happened before a release of `key` happened before what follows an acquire of it. For TSan; nothing
 * otherwise. */
void un_fiber_release(void *key);
void un_fiber_acquire(void *key);
/* The running fiber reads or writes memory here, where the code is not instrumented. */
void un_fiber_reads(const void *p, size_t bytes);
void un_fiber_writes(void *p, size_t bytes);

#endif
