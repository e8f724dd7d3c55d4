/* The one-process table, and what is built on any table: the sum over ranks in tree order, and agreement on
 * errors.
 *
 * Law: un_comm_sum_tree adds in an order that is a function of the number of ranks alone, and allocates
 * nothing.
 */
#include "comm/comm.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

enum {
    SMALL_COUNT = 256, /* up to here one all-gather is cheaper than two collectives */
    TREE_COUNT = 2048  /* elements of a block added at a time, so that partial sums stay in the cache */
};

static enum un_status self_barrier(struct un_comm *c) {
    (void)c;
    return UN_OK;
}

static enum un_status self_copy(struct un_comm *c, void *recv, const void *send, size_t bytes) {
    (void)c;
    if (bytes > 0) memmove(recv, send, bytes);
    return UN_OK;
}

static enum un_status self_broadcast(struct un_comm *c, void *data, size_t bytes, int root) {
    (void)c, (void)data, (void)bytes, (void)root;
    return UN_OK;
}

static enum un_status self_i64(struct un_comm *c, int64_t *data, int64_t count) {
    (void)c, (void)data, (void)count;
    return UN_OK;
}

static void self_abort(struct un_comm *c, int code) {
    (void)c, (void)code;
    fflush(NULL);
}

static void self_close(struct un_comm *c) {
    (void)c;
}

static const struct un_comm_ops self_ops = {
    .barrier = self_barrier,
    .all_gather = self_copy,
    .all_to_all = self_copy,
    .broadcast = self_broadcast,
    .sum_i64 = self_i64,
    .max_i64 = self_i64,
    .abort = self_abort,
    .close = self_close,
};

enum un_status un_comm_open_self(struct un_comm **comm) {
    struct un_comm *c = un_alloc(1, sizeof *c, "communicator");
    if (!c) return UN_MEMORY;
    *c = (struct un_comm){.ops = &self_ops,
                          .name = "self",
                          .size = 1,
                          .local_size = 1,
                          .nodes = 1,
                          .twins = 1,
                          .piece_bytes = UN_COMM_PIECE};
    *comm = c;
    return UN_OK;
}

void un_comm_close(struct un_comm *comm) {
    if (!comm) return;
    comm->ops->close(comm);
    un_free(comm->scratch);
    un_free(comm);
}

/* Elements that go by one all-gather: at least the remainder of a division by the number of ranks. */
static int64_t small_count(const struct un_comm *c) {
    return c->size > SMALL_COUNT ? c->size : SMALL_COUNT;
}

enum un_status un_comm_reserve(struct un_comm *comm, size_t bucket_bytes) {
    if (comm->size == 1) return UN_OK;
    int64_t part = (int64_t)(bucket_bytes / sizeof(float)) / comm->size;
    if (part < small_count(comm)) part = small_count(comm);
    part = (part + 15) & ~(int64_t)15; /* whole cache lines */
    un_free(comm->scratch);
    comm->scratch_count = 0;
    comm->scratch = un_alloc((size_t)part * (size_t)comm->size, sizeof(float), "scratch of the gradient sum");
    if (!comm->scratch) return UN_MEMORY;
    comm->scratch_count = part * comm->size;
    return UN_OK;
}

/* to += from, element by element. */
static void add(float *restrict to, const float *restrict from, int64_t count) {
    for (int64_t i = 0; i < count; ++i) to[i] += from[i];
}

/* Block 0 becomes the sum of the `size` blocks of `count` elements: neighbours first, then neighbouring
 * pairs; a block without a partner goes up unchanged. The other blocks are spent. */
static void sum_blocks(float *blocks, int size, int64_t count) {
    for (int64_t at = 0; at < count; at += TREE_COUNT) {
        int64_t some = count - at < TREE_COUNT ? count - at : TREE_COUNT;
        for (int64_t width = 1; width < size; width *= 2)
            for (int64_t i = 0; i + width < size; i += 2 * width)
                add(blocks + i * count + at, blocks + (i + width) * count + at, some);
    }
}

/* Everybody gets everything and adds by itself: one collective, for few elements. */
static enum un_status sum_small(struct un_comm *c, float *data, int64_t count) {
    UN_TRY(c->ops->all_gather(c, c->scratch, data, (size_t)count * sizeof *data));
    sum_blocks(c->scratch, c->size, count);
    memcpy(data, c->scratch, (size_t)count * sizeof *data);
    return UN_OK;
}

/* data [size * part]: rank r adds part r, then all parts go to everybody. */
static enum un_status sum_piece(struct un_comm *c, float *data, int64_t part) {
    UN_TRY(c->ops->all_to_all(c, c->scratch, data, (size_t)part * sizeof *data));
    sum_blocks(c->scratch, c->size, part);
    return c->ops->all_gather(c, data, c->scratch, (size_t)part * sizeof *data);
}

enum un_status un_comm_sum_tree(struct un_comm *comm, float *data, int64_t count) {
    if (comm->size == 1 || count == 0) return UN_OK;
    if (!comm->scratch)
        return un_fail(UN_INTERNAL, "sum of %lld elements without un_comm_reserve", (long long)count);
    const int64_t most = comm->scratch_count / comm->size, small = small_count(comm);
    for (int64_t at = 0; at < count;) {
        int64_t left = count - at, part = left / comm->size < most ? left / comm->size : most;
        if (left <= small) return sum_small(comm, data + at, left);
        UN_TRY(sum_piece(comm, data + at, part));
        at += part * comm->size;
    }
    return UN_OK;
}

/* The message of rank `root` to all; those that failed by themselves keep their own. */
static enum un_status adopt_from(struct un_comm *c, int root, enum un_status mine) {
    struct un_error theirs = {.status = mine};
    if (c->rank == root) {
        const struct un_error *own = un_error_get();
        const char *text = own->status != UN_OK ? own->text : un_status_text(mine);
        snprintf(theirs.text, sizeof theirs.text, "rank %d: %.*s", root, UN_ERROR_MAX - 32, text);
    }
    UN_TRY(c->ops->broadcast(c, &theirs, sizeof theirs, root));
    if (mine == UN_OK) un_error_adopt(&theirs);
    return UN_OK;
}

enum un_status un_comm_agree(struct un_comm *comm, enum un_status mine) {
    if (comm->size == 1) return mine;
    /* The second number is largest on the lowest failing rank; failures are rare, so it rides along. */
    int64_t worst[2] = {mine, mine == UN_OK ? 0 : comm->size - comm->rank};
    UN_TRY(comm->ops->max_i64(comm, worst, 2));
    if (worst[0] == UN_OK) return UN_OK;
    UN_TRY(adopt_from(comm, comm->size - (int)worst[1], mine));
    return (enum un_status)worst[0];
}
