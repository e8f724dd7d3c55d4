/* The one-process table, and what is built on any table: agreement on errors. */
#include "comm/comm.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

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

static enum un_status self_exchange_parts(struct un_comm *c, float *recv, const float *send,
                                          const int *counts, const int *at) {
    return self_copy(c, recv, send + at[0], (size_t)counts[0] * sizeof *recv);
}

static enum un_status self_gather_parts(struct un_comm *c, float *data, const int *counts, const int *at) {
    (void)c, (void)data, (void)counts, (void)at;
    return UN_OK;
}

static enum un_status self_reduce_scatter(struct un_comm *c, float *recv, const float *send,
                                          const int *counts) {
    return self_copy(c, recv, send, (size_t)counts[0] * sizeof *recv);
}

static enum un_status self_duplicate(struct un_comm *c, struct un_comm **copy) {
    (void)c;
    return un_comm_open_self(copy);
}

static enum un_status self_split(struct un_comm *c, int colour, struct un_comm **part) {
    (void)c, (void)colour;
    return un_comm_open_self(part);
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
    .all_to_all_parts = self_exchange_parts,
    .all_gather_parts = self_gather_parts,
    .reduce_scatter = self_reduce_scatter,
    .duplicate = self_duplicate,
    .split = self_split,
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
                          .levels = {1, 1},
                          .twins = 1,
                          .piece_bytes = UN_COMM_PIECE};
    *comm = c;
    return UN_OK;
}

void un_comm_close(struct un_comm *comm) {
    if (!comm) return;
    comm->ops->close(comm);
    un_free(comm);
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
    if (comm->size == 1) return un_comm_alike(comm, mine);
    comm->agreed = false; /* a collective that fails leaves the others anywhere */
    /* The second number is largest on the lowest failing rank; failures are rare, so it rides along. */
    int64_t worst[2] = {mine, mine == UN_OK ? 0 : comm->size - comm->rank};
    UN_TRY(comm->ops->max_i64(comm, worst, 2));
    if (worst[0] == UN_OK) return UN_OK;
    UN_TRY(adopt_from(comm, comm->size - (int)worst[1], mine));
    return un_comm_alike(comm, (enum un_status)worst[0]);
}

enum un_status un_comm_alike(struct un_comm *comm, enum un_status status) {
    comm->agreed = status != UN_OK && !comm->broken;
    return status;
}

bool un_comm_agreed(const struct un_comm *comm) {
    return comm->agreed;
}
