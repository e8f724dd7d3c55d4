/* The exchange over a path that only notes what it is asked: which buckets a forward waits for, whose bf16
 * copies are made when they come, and where the partial norms of all ranks go. */
#include "launch/traffic/exchange_path.h"
#include "runtime/backends.h"
#include "runtime/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BLOCK = UN_PARAM_BLOCK, BUCKET = (1 << 20) / (4 * BLOCK), NOTES = 64 };

/* What the path was asked, in order. A test is one thread. */
static struct {
    int64_t reduced[NOTES], gathered[NOTES];
    int reduces, gathers;
    enum un_status fail;
} notes;

static size_t bytes(const struct un_shard *shard, int64_t list) {
    return (size_t)(list * shard->size);
}

static enum un_status open(struct un_exchange *x) {
    (void)x;
    return UN_OK;
}

static void close(struct un_exchange *x) {
    (void)x;
}

static enum un_status reduce(struct un_exchange *x, int64_t b) {
    (void)x;
    notes.reduced[notes.reduces++] = b;
    return UN_OK;
}

static enum un_status gather(struct un_exchange *x, int64_t b) {
    (void)x, (void)b;
    return UN_OK;
}

static enum un_status gathered(struct un_exchange *x, int64_t b) {
    (void)x;
    if (notes.fail == UN_OK) notes.gathered[notes.gathers++] = b;
    return notes.fail;
}

static const struct un_exchange_path path = {.way = "noted",
                                             .bytes = bytes,
                                             .open = open,
                                             .close = close,
                                             .reduce = reduce,
                                             .gather = gather,
                                             .gathered = gathered};

static const struct un_span nothing = {0, 0};

/* Opened anew by each test. */
static struct un_exchange x;
static struct un_comm comm;
static struct un_exchange_setup setup;
static struct un_exchange_buffers buffers;

static void open_exchange(int rank, int size, int64_t total, struct un_span first) {
    struct un_limits limits = {.max_params = total};
    memset(&notes, 0, sizeof notes);
    comm = (struct un_comm){.rank = rank, .size = size};
    setup = (struct un_exchange_setup){.route = {.path = &path}, .comm = &comm, .first = first};
    un_shard_set(&setup.shard, total, size, 1 << 20);
    assert_int_equal(un_cpu_open(1, &setup.device), UN_OK);
    assert_int_equal(setup.device->mem->queue_open(setup.device, &limits, &setup.queue), UN_OK);
    size_t room = (size_t)un_shard_room(&setup.shard);
    buffers.params = un_alloc(room, sizeof *buffers.params, "parameters");
    buffers.low = un_alloc(room, sizeof(uint16_t), "bf16");
    for (int64_t i = 0; i < total; ++i) buffers.params[i] = (float)(i % 251 + 1); /* exact in bf16 */
    assert_int_equal(un_exchange_open(&x, &setup), UN_OK);
    un_exchange_attach(&x, &buffers);
}

static void close_exchange(void) {
    un_exchange_close(&x);
    setup.device->mem->queue_close(setup.queue);
    un_device_close(setup.device);
    un_free(buffers.params);
    un_free(buffers.low);
    assert_true(un_memory_counts().live_blocks == 0);
}

static void update_all(void) {
    for (int64_t turn = 0; turn < x.shard.buckets; ++turn)
        assert_int_equal(un_exchange_updated(&x, un_exchange_gather_bucket(&x.order, turn)), UN_OK);
}

/* Copies are there exactly for the foreign parts of the buckets from `first` on. */
static void expect_low(int64_t first) {
    const struct un_shard *s = &x.shard;
    const uint16_t *low = buffers.low;
    for (int64_t i = 0; i < s->total; ++i) {
        int64_t b = un_shard_find(s, i);
        struct un_span own = un_shard_part(s, b, comm.rank);
        bool foreign = b >= first && (i < own.begin || i >= own.end);
        float value = foreign ? buffers.params[i] : 0.0f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        assert_int_equal(low[i], bits >> 16);
    }
}

static void test_arrivals(void **state) {
    (void)state;
    open_exchange(1, 3, (3 * BUCKET + 7) * BLOCK + 64, nothing);
    const struct un_shard *s = &x.shard;
    assert_int_equal(s->buckets, 4);
    assert_int_equal(un_exchange_need(&x, 0, s->total), UN_OK); /* nothing was sent yet */
    assert_int_equal(notes.gathers, 0);

    update_all();
    assert_int_equal(un_exchange_need(&x, 0, 1), UN_OK);
    assert_true(notes.gathers == 1 && notes.gathered[0] == 3);
    expect_low(3);
    assert_int_equal(un_exchange_need(&x, 5, un_shard_bucket(s, 3).end), UN_OK); /* the same bucket */
    assert_int_equal(un_exchange_need(&x, 9, 9), UN_OK);
    assert_int_equal(notes.gathers, 1);
    int64_t inside = un_shard_bucket(s, 1).begin + 1;
    assert_int_equal(un_exchange_need(&x, inside - 1, inside), UN_OK);
    assert_true(notes.gathers == 3 && notes.gathered[1] == 2 && notes.gathered[2] == 1);
    expect_low(1);

    notes.fail = UN_IO; /* what has not come is asked for again */
    assert_int_equal(un_exchange_settle(&x), UN_IO);
    notes.fail = UN_OK;
    assert_int_equal(un_exchange_settle(&x), UN_OK);
    assert_true(notes.gathers == 4 && notes.gathered[3] == 0);
    expect_low(0);
    assert_int_equal(un_exchange_settle(&x), UN_OK);
    assert_int_equal(notes.gathers, 4);
    update_all();
    assert_int_equal(un_exchange_settle(&x), UN_OK);
    assert_int_equal(notes.gathers, 8);
    close_exchange();
}

static void test_departures(void **state) {
    (void)state;
    open_exchange(0, 2, 3 * BUCKET * BLOCK, nothing);
    const struct un_shard *s = &x.shard;
    for (int step = 0; step < 2; ++step) {
        notes.reduces = 0;
        un_exchange_begin(&x);
        int64_t begin = un_shard_bucket(s, 0).begin;
        un_exchange_ready(&x, begin + 1, s->total);
        assert_int_equal(notes.reduces, 0); /* one element is missing */
        un_exchange_ready(&x, begin, begin + 1);
        assert_int_equal(notes.reduces, 1);
        un_exchange_ready(&x, 0, begin);
        assert_true(notes.reduces == 3 && notes.reduced[0] == 0 && notes.reduced[2] == 2);
    }
    close_exchange();
}

static void expect_notes(const int64_t *noted, int n, const int64_t *expected, int expected_n) {
    assert_int_equal(n, expected_n);
    assert_memory_equal(noted, expected, (size_t)n * sizeof *noted);
}

/* Six buckets; the elements that are read first lie in 4 and 3 of them, 5 is before and 2, 1, 0 are behind. */
static void test_first_in_and_last_out(void **state) {
    (void)state;
    static const int64_t order[] = {4, 3, 5, 2, 1, 0}, back[] = {0, 1, 2, 5, 3, 4};
    struct un_shard plan;
    un_shard_set(&plan, 6 * BUCKET * BLOCK, 2, 1 << 20);
    const int64_t words = un_shard_bucket(&plan, 3).begin - 64, layers = un_shard_bucket(&plan, 3).end - 64;
    open_exchange(0, 2, plan.total, (struct un_span){words, layers});
    for (int step = 0; step < 2; ++step) {
        notes.reduces = notes.gathers = 0;
        un_exchange_begin(&x);
        un_exchange_ready(&x, layers, plan.total);
        expect_notes(notes.reduced, notes.reduces, back, 3);
        un_exchange_ready(&x, 0, words - 1); /* 4 and 3 hold some of what is missing */
        expect_notes(notes.reduced, notes.reduces, back, 4);
        un_exchange_ready(&x, words - 1, layers - 1);
        expect_notes(notes.reduced, notes.reduces, back, 4);
        un_exchange_ready(&x, layers - 1, layers);
        expect_notes(notes.reduced, notes.reduces, back, 6);

        update_all();
        assert_int_equal(un_exchange_need(&x, words, layers), UN_OK);
        expect_notes(notes.gathered, notes.gathers, order, 2);
        assert_int_equal(un_exchange_need(&x, 0, words), UN_OK);
        expect_notes(notes.gathered, notes.gathers, order, 3);
        assert_int_equal(un_exchange_need(&x, layers, layers + 65), UN_OK);
        expect_notes(notes.gathered, notes.gathers, order, 4);
        assert_int_equal(un_exchange_settle(&x), UN_OK);
        expect_notes(notes.gathered, notes.gathers, order, 6);
    }
    close_exchange();
}

/* Each rank writes the numbers of its blocks where un_optim_sums would, then its word. */
static void test_norms(void **state) {
    (void)state;
    static const int64_t totals[] = {64, BLOCK, 5 * BLOCK + 64, (2 * BUCKET + 3) * BLOCK,
                                     7 * BUCKET * BLOCK - 128};
    for (size_t k = 0; k < sizeof totals / sizeof *totals; ++k)
        for (int size = 2; size < 9; ++size) {
            open_exchange(0, size, totals[k], nothing);
            int64_t blocks = un_param_blocks(totals[k]);
            double *all = un_alloc((size_t)(x.list * size), sizeof *all, "lists");
            for (int64_t i = 0; i < x.list * size; ++i) all[i] = -1;
            for (comm.rank = 0; comm.rank < size; ++comm.rank) {
                double *mine = all + comm.rank * x.list;
                for (int64_t b = 0; b < x.shard.buckets; ++b) {
                    struct un_optim_part part = un_exchange_part(&x, b);
                    for (int64_t i = 0; i < un_param_blocks(part.count); ++i)
                        mine[part.local / BLOCK + i] = (double)(part.begin / BLOCK + i);
                }
                mine[un_param_blocks(un_shard_count(&x.shard, comm.rank))] = (double)(blocks + comm.rank);
            }
            for (int64_t i = 0; i < blocks + size; ++i) assert_true(all[x.index[i]] == (double)i);
            un_free(all);
            close_exchange();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arrivals), cmocka_unit_test(test_departures),
                                       cmocka_unit_test(test_first_in_and_last_out),
                                       cmocka_unit_test(test_norms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
