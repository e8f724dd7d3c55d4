/* The ops under test are those of the card that this machine has: see tests/unit/runtime/ops/harness.h. Without one the
 * program ends with 77, "skipped".
 *
 * Law: buffers are locked host memory, which the card reads and writes where it lies; after every op the
 * queue is waited for, so a test may look at once. UN_CARD_SMALL=1 in the environment keeps to small cases,
 * for the checkers of the toolkit, under which a kernel takes a thousand times as long. */
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/cuda/cuda.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SKIPPED = 77, CHUNK = 1 << 20 };

/* Not const here: UN_CARD_SMALL is read before the first test. */
int un_harness_variations = 5;
double un_harness_most_work = 2e9;
bool un_harness_by_address;

static bool small;
static const struct un_ops *real; /* one for all cards */

__attribute__((constructor)) static void read_environment(void) {
    const char *word = getenv("UN_CARD_SMALL");
    small = word && strcmp(word, "1") == 0;
    if (!small) return;
    un_harness_variations = 2;
    un_harness_most_work = 1e6;
}

/* An error stays with the queue, whose owner asks for it. */
static void settle(struct un_queue *q) {
    (void)q->device->mem->queue_wait(q);
}

#define WAITED(name, parameters, arguments)                                                                  \
    static void name parameters {                                                                            \
        real->name arguments;                                                                                \
        settle(q);                                                                                           \
    }

/* Products: their library picks another kernel for another alignment. */
static void gemm(struct un_queue *q, struct un_mat c, struct un_mat a, bool transpose_a, struct un_mat b,
                 bool transpose_b, float beta, const struct un_epilogue *epilogue) {
    un_harness_by_address = true;
    real->gemm(q, c, a, transpose_a, b, transpose_b, beta, epilogue);
    settle(q);
}
static void linear_grad(struct un_queue *q, struct un_mat dw, float *dbias, struct un_mat dy,
                        struct un_mat x) {
    un_harness_by_address = true;
    real->linear_grad(q, dw, dbias, dy, x);
    settle(q);
}
WAITED(col_sum, (struct un_queue * q, float *dbias, struct un_mat dy), (q, dbias, dy))
#include "tests/cards/real/waited_fp8.h"
WAITED(gelu_bwd, (struct un_queue * q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat z),
       (q, dz, dbias, dy, z))
WAITED(tanh_bwd, (struct un_queue * q, struct un_mat dz, struct un_mat dy, struct un_mat y), (q, dz, dy, y))
WAITED(relu_bwd, (struct un_queue * q, struct un_mat dz, float *dbias, struct un_mat dy, struct un_mat y),
       (q, dz, dbias, dy, y))
WAITED(dropout, (struct un_queue * q, struct un_mat y, struct un_mat x, const struct un_dropout *d),
       (q, y, x, d))
WAITED(add_row,
       (struct un_queue * q, struct un_mat r, struct un_mat a, struct un_mat b, struct un_mat table,
        const int32_t *index),
       (q, r, a, b, table, index))
WAITED(add, (struct un_queue * q, float *dst, const float *src, int64_t count), (q, dst, src, count))
WAITED(zero, (struct un_queue * q, void *ptr, size_t bytes), (q, ptr, bytes))
WAITED(cast,
       (struct un_queue * q, void *dst, enum un_type dst_type, const void *src, enum un_type src_type,
        int64_t count),
       (q, dst, dst_type, src, src_type, count))
WAITED(norm_fwd,
       (struct un_queue * q, struct un_mat y, struct un_mat r, float *mean, float *rstd, struct un_mat x,
        struct un_mat residual, const float *gamma, const float *beta, const struct un_dropout *drop),
       (q, y, r, mean, rstd, x, residual, gamma, beta, drop))
WAITED(norm_bwd,
       (struct un_queue * q, struct un_mat dr, struct un_mat dx, float *dgamma, float *dbeta, float *dbias,
        struct un_mat dy, struct un_mat r, const float *mean, const float *rstd, const float *gamma,
        const struct un_dropout *drop),
       (q, dr, dx, dgamma, dbeta, dbias, dy, r, mean, rstd, gamma, drop))
WAITED(norm_scatter_fwd,
       (struct un_queue * q, struct un_mat y, const int32_t *index, struct un_mat r, float *mean, float *rstd,
        const float *gamma, const float *beta, const struct un_dropout *drop),
       (q, y, index, r, mean, rstd, gamma, beta, drop))
WAITED(norm_gather_bwd,
       (struct un_queue * q, struct un_mat dr, float *dgamma, float *dbeta, float *dbias, struct un_mat dy,
        const int32_t *index, struct un_mat r, const float *mean, const float *rstd, const float *gamma,
        const struct un_dropout *drop),
       (q, dr, dgamma, dbeta, dbias, dy, index, r, mean, rstd, gamma, drop))
WAITED(gather_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *index),
       (q, dst, src, index))
WAITED(scatter_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *index),
       (q, dst, src, index))
WAITED(scatter_add_rows, (struct un_queue * q, struct un_mat dst, struct un_mat src, const int32_t *index),
       (q, dst, src, index))
WAITED(segment_add_rows,
       (struct un_queue * q, struct un_mat dst, struct un_mat src, const struct un_segments *seg),
       (q, dst, src, seg))
WAITED(embed_words,
       (struct un_queue * q, struct un_mat r, const int32_t *id, const int32_t *pos, struct un_mat word,
        struct un_mat position, struct un_mat type, const int32_t *kind),
       (q, r, id, pos, word, position, type, kind))
WAITED(mask_features,
       (struct un_queue * q, struct un_mat x, struct un_mat feature, const int32_t *index,
        const uint8_t *masked, const float *mask_row),
       (q, x, feature, index, masked, mask_row))
WAITED(patches,
       (struct un_queue * q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
        const struct un_window *window, int64_t first),
       (q, dst, src, maps, window, first))
WAITED(max_pool,
       (struct un_queue * q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
        const struct un_window *window),
       (q, y, x, maps, window))
WAITED(region_pool,
       (struct un_queue * q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
        const float *box, int64_t regions, int64_t pool, float scale),
       (q, y, x, height, width, box, regions, pool, scale))
WAITED(add_relu, (struct un_queue * q, struct un_mat y, struct un_mat a, struct un_mat b), (q, y, a, b))
WAITED(mean_rows, (struct un_queue * q, struct un_mat y, struct un_mat x, int64_t count), (q, y, x, count))
WAITED(attention_fwd,
       (struct un_queue * q, struct un_mat out, float *lse, struct un_mat qkv, const struct un_layout *layout,
        int64_t heads, const struct un_dropout *drop),
       (q, out, lse, qkv, layout, heads, drop))
WAITED(attention_bwd,
       (struct un_queue * q, struct un_mat dqkv, float *dbias, struct un_mat dout, struct un_mat out,
        const float *lse, struct un_mat qkv, const struct un_layout *layout, int64_t heads,
        const struct un_dropout *drop),
       (q, dqkv, dbias, dout, out, lse, qkv, layout, heads, drop))
WAITED(cross_attention_fwd,
       (struct un_queue * q, struct un_mat out, float *lse, struct un_mat query, struct un_mat key_value,
        const struct un_layout *queries, const struct un_layout *keys, int64_t heads,
        const struct un_dropout *drop),
       (q, out, lse, query, key_value, queries, keys, heads, drop))
WAITED(cross_attention_bwd,
       (struct un_queue * q, struct un_mat dquery, struct un_mat dkey_value, struct un_mat dout,
        struct un_mat out, const float *lse, struct un_mat query, struct un_mat key_value,
        const struct un_layout *queries, const struct un_layout *keys, int64_t heads,
        const struct un_dropout *drop),
       (q, dquery, dkey_value, dout, out, lse, query, key_value, queries, keys, heads, drop))
WAITED(attention_pool_fwd,
       (struct un_queue * q, struct un_mat out, float *weight, struct un_mat x, const float *score,
        const struct un_layout *layout, const struct un_dropout *drop),
       (q, out, weight, x, score, layout, drop))
WAITED(attention_pool_bwd,
       (struct un_queue * q, struct un_mat dx, float *dscore, struct un_mat dout, struct un_mat x,
        const float *weight, const struct un_layout *layout, const struct un_dropout *drop),
       (q, dx, dscore, dout, x, weight, layout, drop))
WAITED(cross_entropy,
       (struct un_queue * q, float *row_loss, float *hit, struct un_mat dlogits, struct un_mat logits,
        const int32_t *target, const float *scale),
       (q, row_loss, hit, dlogits, logits, target, scale))
WAITED(sigmoid_cross_entropy,
       (struct un_queue * q, float *row_loss, float *hit, struct un_mat dlogits, struct un_mat logits,
        struct un_mat target, const int32_t *row, const float *scale),
       (q, row_loss, hit, dlogits, logits, target, row, scale))
WAITED(segment_cross_entropy,
       (struct un_queue * q, float *row_loss, float *hit, float *dscores, const float *scores,
        const int32_t *start, const int32_t *target, int64_t n, int64_t members, const float *scale),
       (q, row_loss, hit, dscores, scores, start, target, n, members, scale))
WAITED(margin_rank,
       (struct un_queue * q, float *row_loss, float *hit, float *dscores, const float *scores,
        const int32_t *start, const int32_t *target, const int32_t *wrong, int64_t n, int64_t members,
        float margin, const float *scale),
       (q, row_loss, hit, dscores, scores, start, target, wrong, n, members, margin, scale))
WAITED(kl_divergence,
       (struct un_queue * q, float *row_loss, float *hit, float *unit, struct un_mat dlogits,
        struct un_mat logits, struct un_mat soft, const float *scale),
       (q, row_loss, hit, unit, dlogits, logits, soft, scale))
WAITED(squared_error,
       (struct un_queue * q, float *row_loss, float *unit, struct un_mat dpred, struct un_mat pred,
        struct un_mat feature, const int32_t *region, const float *scale),
       (q, row_loss, unit, dpred, pred, feature, region, scale))
WAITED(transport_fwd,
       (struct un_queue * q, float *distance, float *plan, float *cost, struct un_mat x,
        const struct un_pairs *pairs, const struct un_transport *how),
       (q, distance, plan, cost, x, pairs, how))
WAITED(transport_bwd,
       (struct un_queue * q, struct un_mat dx, const float *coef, const float *plan, const float *cost,
        struct un_mat x, const struct un_pairs *pairs),
       (q, dx, coef, plan, cost, x, pairs))
WAITED(square_sums, (struct un_queue * q, double *partial, const float *g, int64_t count),
       (q, partial, g, count))
WAITED(check_finite, (struct un_queue * q, double *word, const float *x, int64_t count), (q, word, x, count))
WAITED(clip_factor, (struct un_queue * q, float *out, const double *partial, int64_t chunks, float max_norm),
       (q, out, partial, chunks, max_norm))
WAITED(adamw,
       (struct un_queue * q, float *p, void *low, float *m, float *v, const float *g, const uint8_t *decay,
        int64_t count, const struct un_adamw *how, const float *clip, const float *finite),
       (q, p, low, m, v, g, decay, count, how, clip, finite))

static const struct un_ops waited = {
    .gemm = gemm,
    .col_sum = col_sum,
    .linear_grad = linear_grad,
    .quantize = quantize,
    .gemm_fp8 = gemm_fp8,
    .gelu_bwd_fp8 = gelu_bwd_fp8,
    .norm_fwd_fp8 = norm_fwd_fp8,
    .norm_bwd_fp8 = norm_bwd_fp8,
    .attention_fwd_fp8 = attention_fwd_fp8,
    .attention_bwd_fp8 = attention_bwd_fp8,
    .gelu_bwd = gelu_bwd,
    .tanh_bwd = tanh_bwd,
    .relu_bwd = relu_bwd,
    .dropout = dropout,
    .add_row = add_row,
    .add = add,
    .zero = zero,
    .cast = cast,
    .norm_fwd = norm_fwd,
    .norm_bwd = norm_bwd,
    .norm_scatter_fwd = norm_scatter_fwd,
    .norm_gather_bwd = norm_gather_bwd,
    .gather_rows = gather_rows,
    .scatter_rows = scatter_rows,
    .scatter_add_rows = scatter_add_rows,
    .segment_add_rows = segment_add_rows,
    .embed_words = embed_words,
    .mask_features = mask_features,
    .patches = patches,
    .max_pool = max_pool,
    .region_pool = region_pool,
    .add_relu = add_relu,
    .mean_rows = mean_rows,
    .attention_fwd = attention_fwd,
    .attention_bwd = attention_bwd,
    .cross_attention_fwd = cross_attention_fwd,
    .cross_attention_bwd = cross_attention_bwd,
    .attention_pool_fwd = attention_pool_fwd,
    .attention_pool_bwd = attention_pool_bwd,
    .cross_entropy = cross_entropy,
    .sigmoid_cross_entropy = sigmoid_cross_entropy,
    .segment_cross_entropy = segment_cross_entropy,
    .margin_rank = margin_rank,
    .kl_divergence = kl_divergence,
    .squared_error = squared_error,
    .transport_fwd = transport_fwd,
    .transport_bwd = transport_bwd,
    .square_sums = square_sums,
    .check_finite = check_finite,
    .clip_factor = clip_factor,
    .adamw = adamw,
};

_Static_assert(sizeof waited == 51 * sizeof waited.gemm, "an op of the table that is not in `waited`");

/* The card is opened once, and so is a queue of given limits: with the workspace of its products and its scratch, that
 * takes longer than the case it is for. What tests open and close are copies of the device and a queue that waits. */
static struct un_device *opened;
static struct un_device_ops copied_ops;

enum { KEPT = 4 };
static struct kept_queue {
    struct un_queue *q; /* NULL: free */
    struct un_limits limits;
    bool untimed, tf32, out; /* out: a test has it */
} kept[KEPT];

static void close_copy(struct un_device *copy) {
    un_free(copy);
}

static enum un_status take_queue(struct un_device *d, const struct un_limits *limits,
                                 struct un_queue **queue) {
    struct kept_queue *place = NULL;
    for (int i = 0; i < KEPT; ++i) {
        struct kept_queue *k = &kept[i];
        if (k->q && !k->out && k->untimed == d->untimed && k->tf32 == d->tf32 &&
            memcmp(&k->limits, limits, sizeof *limits) == 0) {
            k->out = true;
            k->q->device = d;
            *queue = k->q;
            return UN_OK;
        }
        if (!k->out) place = k;
    }
    UN_TRY(opened->mem->queue_open(d, limits, queue));
    if (!place) return UN_OK; /* all are out: closed for good */
    if (place->q) {
        place->q->device = opened;
        opened->mem->queue_close(place->q);
    }
    *place = (struct kept_queue){*queue, *limits, d->untimed, d->tf32, true};
    return UN_OK;
}

/* One on which an error sticks is of no more use. */
static void leave_queue(struct un_queue *q) {
    for (int i = 0; q && i < KEPT; ++i)
        if (kept[i].q == q && opened->mem->queue_wait(q) == UN_OK) {
            kept[i].out = false;
            return;
        } else if (kept[i].q == q) {
            kept[i] = (struct kept_queue){0};
        }
    opened->mem->queue_close(q);
}

static enum un_status open_card(void) {
    if (un_device_count(UN_DEVICE_CUDA) <= 0) {
        (void)un_device_open("cuda", 0, 0, &opened);
        printf("skipped: no card: %s\n", un_error_get()->text);
        exit(SKIPPED);
    }
    UN_TRY(un_device_open("cuda", 0, 0, &opened));
    real = opened->ops;
    copied_ops = *opened->mem;
    copied_ops.close = close_copy;
    copied_ops.queue_open = take_queue;
    copied_ops.queue_close = leave_queue;
    return UN_OK;
}

/* way 3: products by the fastest algorithm, which is to give the bits of the first, that of ways 1 and 2. */
enum un_status un_harness_device(int way, struct un_device **device) {
    if (!opened) UN_TRY(open_card());
    struct un_device *copy = *device = un_alloc(1, sizeof *copy, "device");
    if (!copy) return UN_MEMORY;
    *copy = *opened;
    copy->mem = &copied_ops;
    copy->ops = &waited;
    copy->untimed = way != 3 || small;
    return UN_OK;
}

void un_harness_poison_scratch(struct un_queue *q) {
    const struct un_device_ops *mem = q->device->mem;
    const size_t first = q->scratch_bytes < CHUNK ? q->scratch_bytes : CHUNK;
    unsigned char *poison = mem->host_alloc(q->device, CHUNK, "poison"), *scratch = q->scratch;
    assert_non_null(poison);
    memset(poison, UN_HARNESS_POISON, CHUNK);
    mem->copy_in(q, scratch, poison, first);
    for (size_t done = first; done < q->scratch_bytes;) {
        const size_t rest = q->scratch_bytes - done, bytes = rest < done ? rest : done;
        mem->copy(q, scratch + done, scratch, bytes);
        done += bytes;
    }
    assert_int_equal(mem->queue_wait(q), UN_OK);
    mem->host_free(q->device, poison);
}
