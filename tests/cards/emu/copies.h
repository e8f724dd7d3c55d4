/* The asynchronous copies of machine.cuh. A copy's target holds NaNs from the moment it is asked for; the
 * copy happens when its thread waits for its group. So what is read too early is a NaN, and what is
 * overwritten too early was one. */
#ifndef UN_TESTS_CARDS_EMU_COPIES_H
#define UN_TESTS_CARDS_EMU_COPIES_H

#include "tests/cards/emu/block.h"

void un_emu_copy_async(void *shared, const void *global, int bytes, struct un_emu_site site);
void un_emu_copy_commit();
void un_emu_copy_wait(int left);

static inline void un_copy_async(void *shared, const void *global, int bytes, UN_EMU_CALLER) {
    un_emu_copy_async(shared, global, bytes, UN_EMU_HERE);
}
static inline void un_copy_commit() {
    un_emu_copy_commit();
}
template <int left> static inline void un_copy_wait() {
    un_emu_copy_wait(left);
}

#endif
