/* Parameters that go round as bf16: several ranks in one process, a path that copies between them. After a gathering every
 * rank computes with what the owners have, and has f32 values of nothing else; nothing leaves before it is right. */
#include "launch/traffic/exchange_path.h"
#include "runtime/backends.h"
#include "runtime/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = UN_PARAM_BLOCK, RANKS_MOST = 5, NOTES = 64 };

static struct un_exchange x[RANKS_MOST];
static struct un_comm comm[RANKS_MOST];
static struct un_exchange_buffers buffers[RANKS_MOST];
static struct un_params table;
static struct un_device *device;
static struct un_queue *queue;
static int size;
/* Of rank 0, in order: -1 the lists, else a bucket. */
static int64_t sent[NOTES], awaited[NOTES];
static int sends, awaits;

static size_t bytes(const struct un_shard *shard, int64_t list) {
    return (size_t)(list * shard->size);
}
static enum un_status open(struct un_exchange *of) {
    (void)of;
    return UN_OK;
}
static void close(struct un_exchange *of) {
    (void)of;
}

static enum un_status gather(struct un_exchange *of, int64_t b) {
    if (of == x) sent[sends++] = b;
    return UN_OK;
}

/* The others' parts as they stand with their owners. */
static enum un_status gathered(struct un_exchange *of, int64_t b) {
    size_t each = (size_t)un_type_bytes(un_exchange_bucket_type(of, b));
    int64_t begin = un_shard_bucket(&of->shard, b).begin;
    for (int r = 0; r < size; ++r) {
        struct un_span part = un_shard_part(&of->shard, b, r);
        size_t at = (size_t)(part.begin - begin) * each;
        if (&x[r] != of)
            memcpy((char *)un_exchange_bucket(of, b) + at, (char *)un_exchange_bucket(&x[r], b) + at,
                   (size_t)un_span_count(part) * each);
    }
    if (of == x) awaited[awaits++] = b;
    return UN_OK;
}

static enum un_status list(struct un_exchange *of) {
    if (of == x) sent[sends++] = -1;
    return UN_OK;
}

static enum un_status listed(struct un_exchange *of) {
    size_t one = un_exchange_low_list_bytes(&of->low);
    for (int r = 0; r < size; ++r) memcpy((char *)of->low.lists + (size_t)r * one, x[r].low.mine, one);
    if (of == x) awaited[awaits++] = -1;
    return UN_OK;
}

static const struct un_exchange_path path = {.way = "copied",
                                             .bytes = bytes,
                                             .open = open,
                                             .close = close,
                                             .gather = gather,
                                             .gathered = gathered,
                                             .list = list,
                                             .listed = listed};

static void add(const char *name, int64_t rows, int64_t cols, bool low) {
    int64_t i = un_params_add(&table, name, rows, cols, UN_INIT_NORMAL, false);
    assert_true(i >= 0);
    table.list[i].low = low;
}

/* Two large tables, one read as f32; norms at odd places between matrices. */
static void make_table(int64_t width) {
    table = (struct un_params){0};
    add("words", 40 * width, 16, false);
    for (int layer = 0; layer < 6; ++layer) {
        char name[32];
        snprintf(name, sizeof name, "%d.matrix", layer);
        add(name, 5 * width, 77, true);
        snprintf(name, sizeof name, "%d.norm", layer);
        add(name, 130 + layer, 0, false);
        snprintf(name, sizeof name, "%d.vector", layer);
        add(name, 3, 0, true);
    }
}

static float value(int64_t element, int step) {
    return (float)((element * 7919 + step) % 8191) / 64.0f; /* some are not bf16 */
}

static uint16_t low_of(float v) {
    uint16_t low;
    device->ops->cast(queue, &low, UN_BF16, &v, UN_F32, 1);
    return low;
}

/* first: of the elements, in hundredths, what is read first. */
static void open_ranks(int ranks, int64_t width, size_t bucket_bytes, struct un_span first) {
    struct un_limits limits = {0};
    size = ranks;
    make_table(width);
    assert_int_equal(un_cpu_open(1, &device), UN_OK);
    limits.max_params = table.total;
    first = (struct un_span){first.begin * table.total / 100, first.end * table.total / 100};
    assert_int_equal(device->mem->queue_open(device, &limits, &queue), UN_OK);
    for (int r = 0; r < size; ++r) {
        struct un_exchange_setup setup = {.route = {.path = &path},
                                          .comm = &comm[r],
                                          .device = device,
                                          .queue = queue,
                                          .low = &table,
                                          .first = first};
        comm[r] = (struct un_comm){.rank = r, .size = size};
        un_shard_set(&setup.shard, table.total, size, bucket_bytes);
        size_t room = (size_t)un_shard_room(&setup.shard);
        buffers[r].params = un_alloc(room, sizeof(float), "parameters");
        buffers[r].low = un_alloc(room, sizeof(uint16_t), "bf16");
        for (size_t i = 0; i < room; ++i) buffers[r].params[i] = -1.0f;
        assert_int_equal(un_exchange_open(&x[r], &setup), UN_OK);
        un_exchange_attach(&x[r], &buffers[r]);
    }
}

static void close_ranks(void) {
    for (int r = 0; r < size; ++r) {
        un_exchange_close(&x[r]);
        un_free(buffers[r].params);
        un_free(buffers[r].low);
    }
    device->mem->queue_close(queue);
    un_device_close(device);
    un_params_free(&table);
    assert_true(un_memory_counts().live_blocks == 0);
}

/* What un_optim_apply leaves of every rank's own parts; then all that goes round. */
static void step(int number) {
    sends = awaits = 0;
    for (int r = 0; r < size; ++r)
        for (int64_t turn = 0; turn < x[r].shard.buckets; ++turn) {
            int64_t b = un_exchange_gather_bucket(&x[r].order, turn);
            struct un_span part = un_shard_part(&x[r].shard, b, r);
            for (int64_t i = part.begin; i < part.end; ++i) {
                buffers[r].params[i] = value(i, number);
                ((uint16_t *)buffers[r].low)[i] = low_of(value(i, number));
            }
            assert_true(r > 0 || sends == 0 || !x[0].low.bucket); /* nothing leaves before all is updated */
            assert_int_equal(un_exchange_updated(&x[r], b), UN_OK);
        }
}

static bool reads_f32(int64_t element) {
    for (int64_t i = 0; i < table.n; ++i) {
        const struct un_param *p = &table.list[i];
        if (p->offset <= element && element < p->offset + p->count) return !p->low;
    }
    return false;
}

static void expect_settled(int rank, int number) {
    const struct un_shard *s = &x[rank].shard;
    int64_t old = 0;
    for (int64_t i = 0; i < s->total; ++i) {
        float v = value(i, number);
        assert_int_equal(((uint16_t *)buffers[rank].low)[i], low_of(v));
        if (reads_f32(i)) assert_true(buffers[rank].params[i] == v);
        old += buffers[rank].params[i] != v;
    }
    int64_t own = un_shard_count(s, rank);
    assert_true((old > (s->total - own) / 2) == (x[rank].low.bucket != NULL)); /* most of the f32 stayed */
}

static void test_replicas_compute_with_the_owners_values(void **state) {
    (void)state;
    static const struct un_span firsts[] = {{0, 0}, {40, 52}, {90, 100}};
    for (int ranks = 2; ranks <= RANKS_MOST; ++ranks) {
        open_ranks(ranks, 97, 6 * BLOCK * sizeof(float), firsts[ranks % 3]);
        const struct un_shard *s = &x[0].shard;
        int64_t front = un_exchange_gather_bucket(&x[0].order, 0);
        assert_true((front == s->buckets - 1) == (ranks % 3 == 0));
        assert_non_null(x[0].low.bucket);
        assert_true(un_exchange_low_buckets(&x[0]) < s->buckets); /* words go as f32 */
        for (int number = 1; number < 3; ++number) {
            step(number);
            assert_true(sends == s->buckets + 1 && sent[0] == -1 && sent[1] == front);
            int64_t begin = un_shard_bucket(s, front).begin;
            assert_int_equal(un_exchange_need(&x[0], begin, begin + 1), UN_OK);
            assert_true(awaits == 2 && awaited[0] == -1 && awaited[1] == front);
            for (int r = 0; r < size; ++r) assert_int_equal(un_exchange_settle(&x[r]), UN_OK);
            assert_int_equal(awaits, s->buckets + 1);
            for (int r = 0; r < size; ++r) expect_settled(r, number);
        }
        close_ranks();
    }
}

/* Lists would be longer than what is saved: all goes as f32, each bucket as soon as it is updated. */
static void test_small_networks_stay_f32(void **state) {
    (void)state;
    open_ranks(5, 2, BLOCK * sizeof(float), (struct un_span){0, 0});
    assert_null(x[0].low.bucket);
    assert_int_equal(un_exchange_low_bytes(&x[0].shard, &table, true), 0);
    step(1);
    assert_true(sends == x[0].shard.buckets && sent[0] == x[0].shard.buckets - 1);
    for (int r = 0; r < size; ++r) assert_int_equal(un_exchange_settle(&x[r]), UN_OK);
    for (int r = 0; r < size; ++r) expect_settled(r, 1);
    close_ranks();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_replicas_compute_with_the_owners_values),
        cmocka_unit_test(test_small_networks_stay_f32),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
