/* The training program on the emulated card: what opens devices finds one card, with products by the CPU backend. */
#include "runtime/backends.h"
#include "tests/cards/emu/device.h"

/* In place of those of runtime/cuda. */
int un_cuda_count(void) {
    return 1;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    (void)ordinal;
    un_emu_host_products(true); /* the kernels of products have tests of their own, and take minutes here */
    return un_emu_open(device);
}
