/* The ops under test are those of the emulated card: see tests/unit/runtime/ops/harness.h. */
#include "tests/unit/runtime/ops/harness.h"
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/sanitizer.h"

#include <stdlib.h>

/* What is left out is what sanitizers make slow: a test is to stay under 20 s, and 60 s with them. */
#if defined(UN_EMU_TSAN)
int un_harness_variations = 2;
double un_harness_most_work = 1e5;
#elif UN_EMU_ASAN
int un_harness_variations = 3; /* each way once */
double un_harness_most_work = 2e6;
#else
int un_harness_variations = 5;
double un_harness_most_work = 5e7;
#endif
bool un_harness_by_address;

enum un_status un_harness_device(int way, struct un_device **device) {
    const char *seed = getenv("UN_EMU_ORDER"); /* another shuffle for a run by hand */
    un_emu_order(way == 1 ? "forward" : way == 2 ? "reverse" : seed ? seed : "3");
    return un_emu_open(device);
}

void un_harness_poison_scratch(struct un_queue *q) {
    (void)q; /* un_cuda_scratch does, every time */
}
