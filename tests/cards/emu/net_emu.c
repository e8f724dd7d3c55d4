/* The emulated card for the tests of whole networks (tests/support/net.h). */
#include "tests/cards/emu/device.h"
#include "tests/support/net.h"

enum un_status net_device_open(const char *name, int threads, struct un_device **device) {
    (void)name;
    (void)threads;
    un_emu_host_products(true); /* the kernels of products have tests of their own, and take minutes here */
    return un_emu_open(device);
}
