/* Buckets at and beyond 2^31 elements, by arithmetic: addresses that no memory stands behind go through a device and
 * collectives that only note them. Every part that is sent, added, kept or gathered is where shard.h says. */
#include "comm/device_parts.h"
#include "comm/parts.h"
#include "runtime/device.h"
#include "runtime/memory.h"
#include "runtime/ops.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { RANKS_MAX = 16 };

/* Addresses: floats [at, at + n). */
struct room {
    float *at;
    int64_t n;
};

/* What the calls of one rank may touch, and what they did. One rank at a time: mutable. */
static struct seen {
    struct room bucket, scratch;
    int64_t share; /* of the bucket at hand */
    float *kept;   /* where the sum went */
    int64_t added; /* floats that were added */
    int64_t taken; /* floats that came from ranks */
    int64_t moved; /* floats of whole buckets that were gathered */
} seen;

static struct room room_open(int64_t n) {
    void *at =
        mmap(NULL, (size_t)n * sizeof(float), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    return (struct room){at, n};
}

static void room_close(struct room *room) {
    assert_int_equal(munmap(room->at, (size_t)room->n * sizeof(float)), 0);
    *room = (struct room){0};
}

static void inside(const struct room *room, const float *at, int64_t n) {
    assert_true(n > 0 && at >= room->at && n <= room->n - (at - room->at));
}

/* ---- the device ---- */

static void *note_alloc(struct un_device *d, size_t bytes, const char *what) {
    (void)d;
    (void)what;
    seen.scratch = room_open((int64_t)(bytes / sizeof(float)));
    return seen.scratch.at;
}

static void note_free(struct un_device *d, void *ptr) {
    (void)d;
    assert_ptr_equal(ptr, seen.scratch.at);
    room_close(&seen.scratch);
}

static void note_add(struct un_queue *q, float *dst, const float *src, int64_t count) {
    (void)q;
    inside(&seen.scratch, dst, count);
    inside(&seen.scratch, src, count);
    assert_true(dst + count <= src || src + count <= dst);
    seen.added += count;
}

/* ---- collectives of one of `size` ranks ---- */

static enum un_status exchange_parts(struct un_device_comm *c, float *recv, const int *slot,
                                     const float *send, int64_t each) {
    const struct room *from = c->state; /* what is brought here */
    for (int r = 0; r < c->size; ++r) {
        inside(&seen.scratch, recv + slot[r] * each, each);
        inside(from, send + r * each, each);
    }
    assert_ptr_equal(send, from->at);
    assert_true(from->n == c->size * each);
    seen.taken += c->size * each;
    return UN_OK;
}

static enum un_status reduce_parts(struct un_device_comm *c, float *data, int64_t each) {
    inside(&seen.bucket, data, c->size * each);
    seen.moved += c->size * each;
    return UN_OK;
}

static enum un_status copy(struct un_device_comm *c, void *dst, const void *src, size_t bytes) {
    (void)c;
    inside(&seen.scratch, src, (int64_t)(bytes / sizeof(float)));
    inside(&seen.bucket, dst, (int64_t)(bytes / sizeof(float)));
    assert_true((int64_t)bytes == seen.share * (int64_t)sizeof(float));
    seen.kept = dst;
    return UN_OK;
}

static const struct un_device_comm_ops table = {.exchange_parts = exchange_parts,
                                                .reduce_parts = reduce_parts,
                                                .gather_parts = reduce_parts,
                                                .copy = copy};
static const struct un_device_ops mem = {.alloc = note_alloc, .free = note_free};
static const struct un_ops ops = {.add = note_add};

/* ---- a rank ---- */

struct rank {
    struct un_device device;
    struct un_device_parts parts;
    struct room set; /* what this place owns, of every rank of the node */
    struct un_device_comm near, far;
};

/* One level is one node, whose exchange is all there is. */
static void reduce(struct rank *k, const struct un_shard *s, int64_t b, float *bucket) {
    if (s->nodes == 1) {
        assert_int_equal(un_device_parts_reduce(&k->near, &k->parts, b, bucket, true), UN_OK);
        return;
    }
    k->set = (struct room){k->parts.sets[b % 2], s->nodes * seen.share};
    assert_int_equal(un_device_parts_reduce_inside(&k->near, &k->parts, b, b, bucket, true), UN_OK);
    assert_int_equal(un_device_parts_reduce_across(&k->far, &k->parts, b, b, bucket, true), UN_OK);
}

static void gather(struct rank *k, const struct un_shard *s, int64_t b, float *bucket) {
    if (s->nodes > 1)
        assert_int_equal(un_device_parts_gather_across(&k->far, &k->parts, b, bucket, UN_F32), UN_OK);
    assert_int_equal(un_device_parts_gather_inside(&k->near, &k->parts, b, bucket, UN_F32), UN_OK);
}

/* A tree over n blocks has n - 1 additions of blocks. */
static void check_bucket(struct rank *k, const struct un_shard *s, int64_t b) {
    const struct room buffer = seen.bucket;
    const int64_t places = s->size / s->nodes, share = un_shard_share(s, b);
    const int64_t begin = un_shard_bucket(s, b).begin, kept = un_shard_part(s, b, k->parts.rank).begin;
    seen = (struct seen){
        .bucket = {buffer.at + begin, s->size * share}, .scratch = seen.scratch, .share = share};
    reduce(k, s, b, seen.bucket.at);
    assert_true(seen.kept == buffer.at + kept);
    assert_true(seen.taken == s->size * share + (s->nodes > 1 ? s->nodes * share : 0));
    assert_true(seen.added == (places - 1) * s->nodes * share + (s->nodes - 1) * share);
    gather(k, s, b, seen.bucket.at);
    assert_true(seen.moved == s->size * share + (s->nodes > 1 ? s->nodes * share : 0));
    seen.bucket = buffer;
}

static void check_rank(const struct un_shard *s, int r) {
    const int places = s->size / s->nodes;
    struct rank k = {.device = {.mem = &mem, .ops = &ops}};
    k.near = (struct un_device_comm){
        .ops = &table, .rank = r % places, .size = places, .device = &k.device, .state = &seen.bucket};
    k.far = (struct un_device_comm){
        .ops = &table, .rank = r / places, .size = s->nodes, .device = &k.device, .state = &k.set};
    struct un_comm_memory memory = {.device = &k.device};
    assert_int_equal(un_device_parts_open(&k.parts, s, r, &memory), UN_OK);
    assert_true((size_t)seen.scratch.n * sizeof(float) == un_device_parts_bytes(s));
    for (int64_t b = 0; b < s->buckets; ++b) check_bucket(&k, s, b);
    un_device_parts_close(&k.parts);
}

/* nodes, places, floats of a bucket */
static const int64_t cases[][3] = {{1, 4, INT64_C(1) << 31},
                                   {1, 3, INT64_C(1) << 33},
                                   {2, 4, INT64_C(1) << 31},
                                   {4, 2, INT64_C(1) << 32},
                                   {2, 2, (INT64_C(1) << 31) - 4 * UN_PARAM_BLOCK}};

static void test_big(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; ++i) {
        struct un_shard s;
        const int size = (int)(cases[i][0] * cases[i][1]);
        un_shard_set(&s, 2 * cases[i][2] + 5 * UN_PARAM_BLOCK + 64, size,
                     (size_t)cases[i][2] * sizeof(float));
        un_shard_spread(&s, (int)cases[i][0]);
        assert_true(s.buckets == 3 || s.buckets == 2);
        seen.bucket = room_open(un_shard_room(&s));
        for (int r = 0; r < size; ++r) check_rank(&s, r);
        room_close(&seen.bucket);
    }
    assert_true(un_memory_counts().live_blocks == 0);
}

/* Through the host, whose library counts in ints, they are refused before anything is taken. */
static void test_host_refuses(void **state) {
    (void)state;
    struct un_shard s;
    struct un_parts parts;
    un_shard_set(&s, INT64_C(1) << 32, 4, (size_t)1 << 33);
    assert_true(s.bucket == INT64_C(1) << 31);
    assert_int_equal(un_parts_open(&parts, &s), UN_USAGE);
    un_error_clear();
    assert_true(un_memory_counts().live_blocks == 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_big), cmocka_unit_test(test_host_refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
