/* Orders of threads and blocks: see order.h. */
#include "tests/cards/emu/order.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

namespace {

enum mode { UNSET, FORWARD, REVERSE, RANDOM };
enum { SIZE = 1024 }; /* a power of two, and no less than the threads of a block */

struct {
    enum mode mode;
    uint32_t seed, random;
    uint16_t ring[SIZE];
    unsigned head, tail;
} order;

uint32_t draw() {
    uint32_t x = order.random;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return order.random = x;
}

void swap(unsigned i, unsigned j) {
    const uint16_t keep = order.ring[i % SIZE];
    order.ring[i % SIZE] = order.ring[j % SIZE];
    order.ring[j % SIZE] = keep;
}

uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        const uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

} // namespace

extern "C" void un_emu_order(const char *name) {
    char *end;
    if (!strcmp(name, "forward")) {
        order.mode = FORWARD;
    } else if (!strcmp(name, "reverse")) {
        order.mode = REVERSE;
    } else {
        order.mode = RANDOM;
        order.seed = (uint32_t)strtoul(name, &end, 10);
        if (end == name || *end) {
            fprintf(stderr, "emulator: the order is forward, reverse or a number, not \"%s\"\n", name);
            exit(2);
        }
    }
}

void un_emu_order_start() {
    if (order.mode == UNSET) {
        const char *name = getenv("UN_EMU_ORDER");
        un_emu_order(name ? name : "forward");
    }
    order.random = 2 * order.seed + 1;
    order.head = order.tail = 0;
}

void un_emu_queue_put(int thread) {
    order.ring[order.tail++ % SIZE] = (uint16_t)thread;
}

int un_emu_queue_take() {
    if (order.head == order.tail) return -1;
    if (order.mode == FORWARD) return order.ring[order.head++ % SIZE];
    if (order.mode == RANDOM) {
        const uint32_t r = draw();
        if (r & 1u) swap(order.tail - 1, order.head + (r >> 8) % (order.tail - order.head));
    }
    return order.ring[--order.tail % SIZE];
}

/* At random: i -> a i + c modulo n, a without a common divisor with n. */
uint64_t un_emu_order_block(uint64_t i, uint64_t n) {
    if (order.mode == FORWARD) return i;
    if (order.mode == REVERSE) return n - 1 - i;
    uint64_t a = (order.seed * 0x9E3779B97F4A7C15u >> 20) % n;
    while (common_divisor(a, n) != 1) ++a;
    return (a * i + order.seed) % n;
}
