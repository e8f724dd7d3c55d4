/* Choices that a correct kernel's results do not depend on: which thread runs next, which block. Set by
 * un_emu_order (device.h). */
#ifndef UN_TESTS_CARDS_EMU_ORDER_H
#define UN_TESTS_CARDS_EMU_ORDER_H

#include <stdint.h>

/* Starts the choices of a launch anew: the same launches are the same each time. */
void un_emu_order_start();

/* The threads that can run. forward: who waited longest; reverse: who came last, so that one runs far ahead;
 * at random: one or the other. */
void un_emu_queue_put(int thread);
int un_emu_queue_take(); /* -1: empty */

/* The block that runs as the i-th of n. */
uint64_t un_emu_order_block(uint64_t i, uint64_t n);

#endif
