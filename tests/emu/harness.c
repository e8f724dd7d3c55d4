/* The ops under test are those of the emulated card: see tests/ops/harness.h. */
#include "tests/ops/harness.h"
#include "tests/emu/device.h"

#include "runtime/cuda/cuda.h"

#include <string.h>

/* About a second of the emulator in the release build: five variations of a case. */
const double un_harness_most_work = 2e7;

enum un_status un_harness_device(int way, struct un_device **device) {
    un_emu_order(way == 1 ? "forward" : way == 2 ? "reverse" : "3");
    return un_emu_open(device);
}

void un_harness_poison_scratch(struct un_queue *q) {
    memset(q->scratch, UN_HARNESS_POISON, q->scratch_bytes);
}
