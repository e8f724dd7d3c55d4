/* The emulated card for tests of whole networks (tests/support/net.h), its memory hidden: host code that looks
 * into it ends the test. Each launch and copy then costs in proportion to the memory taken. */
#include "tests/cards/emu/device.h"
#include "tests/support/net.h"

enum un_status net_device_open(const char *name, int threads, struct un_device **device) {
    (void)name;
    (void)threads;
    un_emu_host_products(true); /* the kernels of products have tests of their own, and take minutes here */
    un_emu_hide_memory(true);   /* the network's host code may not look */
    return un_emu_open(device);
}
