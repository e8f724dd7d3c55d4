/* The ops under test are those of the CPU backend: see harness.h. */
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/backends.h"
#include "runtime/cpu/cpu.h"

#include <math.h>
#include <string.h>

int un_harness_variations = 5;
double un_harness_most_work = INFINITY;
bool un_harness_by_address;

enum un_status un_harness_device(int way, struct un_device **device) {
    return un_cpu_open(way, device);
}

void un_harness_poison_scratch(struct un_queue *q) {
    memset(q->scratch, UN_HARNESS_POISON, q->scratch_bytes);
}
