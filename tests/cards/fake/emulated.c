/* The training program on emulated cards (tests/cards/emu) with the collectives of fake ones: what a module posts is work of
 * the emulated queue, at once or as late as that runs. That collectives are urgent is seen on fake cards. */
#include "tests/cards/fake/fake_card.h"

#include "runtime/backends.h"
#include "runtime/cuda/cuda.h"
#include "runtime/memory.h"
#include "tests/cards/emu/device.h"
#include "tests/cards/emu/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct posted {
    struct un_queue *q;
    un_fake_work run;
    _Alignas(16) unsigned char context[UN_FAKE_CONTEXT];
};

static void run_posted(const void *data) {
    struct posted *p;
    memcpy(&p, data, sizeof p);
    if (p->run(p->context) != UN_OK) un_cuda_stick(p->q);
    un_free(p);
}

void un_fake_post(struct un_queue *q, un_fake_work work, const void *context, size_t bytes) {
    struct posted *p = un_alloc(1, sizeof *p, "work of an emulated queue");
    if (!p || bytes > sizeof p->context) abort();
    p->q = q;
    p->run = work;
    memcpy(p->context, context, bytes);
    un_emu_do(q, run_posted, &p, sizeof p);
}

bool un_fake_urgent(const struct un_queue *q) {
    return q != NULL;
}

/* In place of those of runtime/cuda. */
int un_cuda_count(void) {
    const char *count = getenv("UN_FAKE_CARDS");
    return count ? atoi(count) : 0;
}

enum un_status un_cuda_open(int ordinal, struct un_device **device) {
    un_emu_host_products(true); /* the kernels of products have tests of their own, and take minutes here */
    enum un_status status = un_emu_open(device);
    if (status == UN_OK) snprintf((*device)->id, sizeof(*device)->id, "emulated-%d", ordinal);
    return status;
}
