/* What the exchange of a step leaves exposed, without a network to train: gradients become ready bucket by bucket over
 * the time of a backward, parameters are needed bucket by bucket over that of a forward; both computations are
 * sleeps, so that the cores are free to communicate. Exposed is the time spent in waiting for buckets. Not a
 * test: nothing here passes or fails, but the checksum, which must not depend on ranks' hosts or levels.
 *
 *     mpirun -np N bench_exchange LEVELS [MB [BACKWARD_MS [FORWARD_MS [STEPS [BUCKET_MB]]]]]
 *
 * MB of gradients a rank (419 MiB: UNITER-base), 0 ms each, 3 steps after one that is not counted, 25. */
#include "launch/traffic/backend.h"
#include "runtime/clock.h"
#include "runtime/device.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static struct bench {
    struct un_comm *comm;
    struct un_device *device;
    struct un_queue *queue;
    struct un_exchange x;
    float *grads, *params;
    double backward, forward, reduce, gather; /* seconds of a step; exposed */
} bench;

static void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "bench_exchange: %s\n", un_error_get()->text);
    bench.comm->ops->abort(bench.comm, 1);
    exit(1);
}

static void compute(double seconds) {
    struct timespec t = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    if (seconds > 0) nanosleep(&t, NULL);
}

static void set_up(int levels, double megabytes, size_t bucket_mb) {
    static const enum un_level_wish wishes[] = {UN_LEVEL_BEST, UN_LEVEL_ONE, UN_LEVEL_TWO};
    struct un_limits limits = {.max_params = 1};
    struct un_exchange_setup setup = {.comm = bench.comm, .exact = true, .overlap = true};
    int64_t total = (int64_t)(megabytes * (1 << 18));
    check(un_device_open("cpu", 1, 0, &bench.device));
    check(bench.device->mem->queue_open(bench.device, &limits, &bench.queue));
    check(un_backend_settle(&setup.route, bench.comm, bench.device, UN_WISH_HOST, "bench"));
    check(un_backend_levels(&setup.route, bench.comm, wishes[levels], "bench"));
    un_shard_set(&setup.shard, total, bench.comm->size, bucket_mb << 20);
    un_shard_spread(&setup.shard, setup.route.nodes);
    setup.device = bench.device;
    setup.queue = bench.queue;
    bench.grads = un_alloc((size_t)total, sizeof(float), "gradients");
    bench.params = un_alloc((size_t)total, sizeof(float), "parameters");
    check(bench.grads && bench.params ? UN_OK : UN_MEMORY);
    check(un_exchange_open(&bench.x, &setup));
    un_exchange_attach(&bench.x, &(struct un_exchange_buffers){.grads = bench.grads, .params = bench.params});
    check(un_exchange_start(&bench.x));
}

/* Numbers whose sums depend on the order. */
static void fill(int64_t step) {
    uint32_t x = (uint32_t)(bench.comm->rank * 7919 + step) * 2654435761u + 1;
    for (int64_t i = 0; i < bench.x.shard.total; ++i) {
        x = x * 1664525u + 1013904223u;
        bench.grads[i] = (float)(int32_t)x * (float)(1u << (x >> 28));
    }
}

/* The owner's update: the sum is the parameter. */
static void update(int64_t b) {
    struct un_optim_part part = un_exchange_part(&bench.x, b);
    for (int64_t i = part.begin; i < part.begin + part.count; ++i) bench.params[i] = bench.grads[i];
    check(un_exchange_updated(&bench.x, b));
}

static void step(void) {
    struct un_exchange *x = &bench.x;
    int64_t buckets = x->shard.buckets;
    un_exchange_begin(x);
    for (int64_t b = 0; b < buckets; ++b) {
        compute(bench.backward / (double)buckets);
        un_exchange_ready(x, un_shard_bucket(&x->shard, b).begin, un_shard_bucket(&x->shard, b).end);
    }
    double start = un_clock();
    for (int64_t b = 0; b < buckets; ++b) check(un_exchange_reduced(x, b));
    bench.reduce = un_clock() - start;
    bench.gather = 0;
    for (int64_t b = buckets - 1; b >= 0; --b) update(b);
    for (int64_t b = buckets - 1; b >= 0; --b) {
        struct un_span bucket = un_shard_bucket(&x->shard, b);
        start = un_clock();
        check(un_exchange_need(x, bucket.begin, bucket.end));
        bench.gather += un_clock() - start;
        compute(bench.forward / (double)buckets);
    }
}

static uint64_t checksum(void) {
    uint64_t sum = 0;
    const uint32_t *bits = (const void *)bench.params;
    for (int64_t i = 0; i < bench.x.shard.total; ++i) sum = (sum ^ bits[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return sum;
}

/* The slowest rank's. */
static double slowest(double seconds) {
    int64_t ns = (int64_t)(seconds * 1e9);
    check(bench.comm->ops->max_i64(bench.comm, &ns, 1));
    return (double)ns * 1e-9;
}

static void report(int64_t k) {
    double reduce = slowest(bench.reduce), gather = slowest(bench.gather);
    if (bench.comm->rank != 0 || k == 0) return;
    printf("step %" PRId64 ": exposed %.3f s: gradients %.3f, parameters %.3f; checksum %016" PRIx64 "\n", k,
           reduce + gather, reduce, gather, checksum());
    fflush(stdout);
}

static double number(int argc, char **argv, int i, double otherwise) {
    return argc > i ? atof(argv[i]) : otherwise;
}

int main(int argc, char **argv) {
    int levels = (int)number(argc, argv, 1, 0);
    if (un_comm_open(&argc, &argv, &bench.comm) != UN_OK || levels < 0 || levels > 2) {
        fprintf(stderr, "bench_exchange LEVELS(0, 1 or 2) ...: %s\n", un_error_get()->text);
        return 1;
    }
    set_up(levels, number(argc, argv, 2, 419), (size_t)number(argc, argv, 6, 25));
    bench.backward = number(argc, argv, 3, 0) * 1e-3;
    bench.forward = number(argc, argv, 4, 0) * 1e-3;
    for (int64_t k = 0; k <= (int64_t)number(argc, argv, 5, 3); ++k) {
        fill(k);
        check(bench.comm->ops->barrier(bench.comm));
        step();
        report(k);
    }
    un_exchange_close(&bench.x);
    un_free(bench.grads);
    un_free(bench.params);
    bench.device->mem->queue_close(bench.queue);
    un_device_close(bench.device);
    un_comm_close(bench.comm);
    return 0;
}
