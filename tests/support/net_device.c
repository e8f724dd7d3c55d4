/* The devices of the program itself, see net.h. */
#include "runtime/device.h"
#include "tests/support/net.h"

enum un_status net_device_open(const char *name, int threads, struct un_device **device) {
    return un_device_open(name, threads, 0, device);
}
