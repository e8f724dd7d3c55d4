/* Whether the kernels' index maps of fragments are those of the PTX manual. */
#include "runtime/cuda/kernel.cuh"

#include "tests/cards/lanes/test_lanes.h"

int main() {
    const struct CMUnitTest tests[] = {lanes_attention, lanes_transport, lanes_transport_bwd};
    return cmocka_run_group_tests(tests, nullptr, nullptr);
}

/* No launch: no queue that could fail. */
void un_cuda_stick(struct un_queue *q) {
    (void)q;
    abort();
}
