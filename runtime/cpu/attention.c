/* Packed self-attention. One task is one head of one sample: its whole l x l score matrix lies in the scratch
 * of the thread that took it (l <= UN_MAX_SAMPLE_TOKENS), products run on panels packed from the strided rows
 * of qkv.
 *
 * Law: a task writes only its own columns of its own rows, in one order that its shape alone gives. Heads
 * wider than a panel are worked off in chunks of UN_TILE_COLS columns. Dropout is drawn again in the
 * backward. */
#include "runtime/cpu/cpu.h"
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/tile.h"

#include <omp.h>

enum { DRAW_ROWS = 16 }; /* rows whose dropout numbers are drawn side by side */

/* What one thread works in, for samples of up to `padded` (a multiple of UN_TILE_LANES) tokens. */
struct work {
    float *score;   /* [padded, padded] scores, then what multiplies the values */
    float *slope;   /* [padded, padded] backward: gradient of the scores */
    float *panel;   /* [padded, UN_TILE_COLS] or its transpose */
    uint16_t *bits; /* [DRAW_ROWS, padded] */
};

/* One head of one sample. */
struct task {
    int64_t first, tokens, padded; /* rows of the packed batch; tokens rounded up */
    int64_t head, heads, width;    /* a, A, D */
    float scale;                   /* 1 / sqrt D */
    const struct un_dropout *drop; /* NULL: none */
};

static size_t work_bytes(int64_t longest) {
    const size_t n = (size_t)un_tile_round(longest);
    return 2 * n * n * sizeof(float) + n * UN_TILE_COLS * sizeof(float) + DRAW_ROWS * n * sizeof(uint16_t);
}

size_t un_cpu_attention_scratch(const struct un_limits *limits, int threads) {
    int64_t longest = limits->max_tokens < UN_MAX_SAMPLE_TOKENS ? limits->max_tokens : UN_MAX_SAMPLE_TOKENS;
    return (size_t)threads * work_bytes(longest);
}

static struct work work_of_thread(const struct un_arena *arena, int64_t longest) {
    const size_t n = (size_t)un_tile_round(longest);
    float *base = (float *)(void *)(arena->base + (size_t)omp_get_thread_num() * work_bytes(longest));
    return (struct work){.score = base,
                         .slope = base + n * n,
                         .panel = base + 2 * n * n,
                         .bits = (uint16_t *)(void *)(base + 2 * n * n + n * UN_TILE_COLS)};
}

static struct task task_of(const struct un_layout *layout, int64_t heads, int64_t hidden, int64_t index,
                           const struct un_dropout *drop) {
    const int64_t s = index / heads, first = layout->start[s], tokens = layout->start[s + 1] - first;
    return (struct task){.first = first,
                         .tokens = tokens,
                         .padded = un_tile_round(tokens),
                         .head = index % heads,
                         .heads = heads,
                         .width = hidden / heads,
                         .scale = 1.0f / sqrtf((float)(hidden / heads)),
                         .drop = drop && drop->threshold ? drop : NULL};
}

/* The head's columns of third `third` (0 query, 1 key, 2 value) in its first row. */
static float *head_of(struct un_mat m, const struct task *t, int64_t third) {
    return un_cpu_row(m, t->first) + (third * t->heads + t->head) * t->width;
}

static int64_t chunk_width(const struct task *t, int64_t column) {
    return t->width - column < UN_TILE_COLS ? t->width - column : UN_TILE_COLS;
}

/* to[tokens, padded] = x y^T over the head's columns; both strided rows. */
static void scores(float *to, float *panel, const struct task *t, const float *x, int64_t x_stride,
                   const float *y, int64_t y_stride) {
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const int64_t chunk = chunk_width(t, d);
        un_tile_transpose(panel, y + d, y_stride, t->tokens, chunk);
        un_tile_product(to, t->padded, (struct un_tile_left){x + d, x_stride, 1}, panel, t->padded, t->tokens,
                        t->padded, chunk, d > 0);
    }
}

/* to = weight y, or weight^T y; weight [tokens, tokens] with stride padded. */
static void mix(float *to, int64_t to_stride, float *panel, const struct task *t, const float *weight,
                bool transpose, const float *y, int64_t y_stride) {
    const struct un_tile_left left = {weight, transpose ? 1 : t->padded, transpose ? t->padded : 1};
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const int64_t chunk = chunk_width(t, d);
        un_tile_pack(panel, y + d, y_stride, t->tokens, chunk);
        un_tile_product(to + d, to_stride, left, panel, un_tile_round(chunk), t->tokens, chunk, t->tokens,
                        false);
    }
}

/* The 16-bit dropout numbers of DRAW_ROWS rows from query `row` on: bits[r * padded + u] belongs to
 * (row + r, u). Rows past the sample's end are drawn and not used. */
static void draw_bits(uint16_t *bits, const struct task *t, int64_t row) {
    const struct un_dropout *d = t->drop;
    const uint32_t key0 = un_rng_key0(d->seed), key1 = un_rng_key1(d->seed, UN_RNG_DROPOUT);
    const uint32_t site = d->site, step = d->at[0], lane = d->at[1];
    const uint32_t groups_per_query = UN_MAX_SAMPLE_TOKENS / 8,
                   row_step = (uint32_t)t->heads * groups_per_query;
    const uint32_t base = (uint32_t)((t->first + row) * t->heads + t->head) * groups_per_query;
    for (uint32_t g = 0; g < (uint32_t)t->padded / 8; ++g) {
        uint32_t words[4][DRAW_ROWS];
        for (uint32_t r = 0; r < DRAW_ROWS; ++r) {
            /* element numbers are 32 bits wide, so groups of 8 are 29 */
            struct un_rng4 w =
                un_philox((base + r * row_step + g) & 0x1FFFFFFFu, site, lane, step, key0, key1);
            for (int k = 0; k < 4; ++k) words[k][r] = w.v[k];
        }
        for (uint32_t r = 0; r < DRAW_ROWS; ++r) {
            uint32_t four[4] = {words[0][r], words[1][r], words[2][r], words[3][r]};
            memcpy(bits + r * t->padded + 8 * g, four, sizeof four); /* halves in memory order: see lanes.h */
        }
    }
}

/* One row of products q.k becomes dropout(softmax); returns log sum exp. bits NULL: no dropout. */
static float softmax_row(float *s, const struct task *t, const uint16_t *bits) {
    for (int64_t u = 0; u < t->padded; ++u) s[u] *= t->scale;
    for (int64_t u = t->tokens; u < t->padded; ++u) s[u] = -INFINITY;
    const float largest = un_tile_max(s, t->padded);
    for (int64_t u = 0; u < t->padded; ++u) s[u] = un_lanes_exp_neg(s[u] - largest);
    const float sum = un_lanes_sum(s, t->padded), factor = 1.0f / sum;
    if (bits) {
        const float kept = factor * t->drop->scale;
        const uint32_t threshold = t->drop->threshold;
        for (int64_t u = 0; u < t->padded; ++u) s[u] *= bits[u] < threshold ? 0.0f : kept;
    } else {
        for (int64_t u = 0; u < t->padded; ++u) s[u] *= factor;
    }
    return largest + logf(sum);
}

static void forward_task(struct un_mat out, float *lse, struct un_mat qkv, const struct task *t,
                         struct work w) {
    scores(w.score, w.panel, t, head_of(qkv, t, 0), qkv.stride, head_of(qkv, t, 1), qkv.stride);
    for (int64_t i = 0; i < t->tokens; ++i) {
        if (t->drop && i % DRAW_ROWS == 0) draw_bits(w.bits, t, i);
        const uint16_t *bits = t->drop ? w.bits + i % DRAW_ROWS * t->padded : NULL;
        lse[(t->first + i) * t->heads + t->head] = softmax_row(w.score + i * t->padded, t, bits);
    }
    mix(head_of(out, t, 0), out.stride, w.panel, t, w.score, false, head_of(qkv, t, 2), qkv.stride);
}

/* Row of products q.k in `s` and of dout.v in `g`: s becomes dropout(softmax), g the gradient of q.k. With p
 * the softmax and f the dropout factors: g = p (f g - sum_u p f g) / sqrt D. */
static void slope_row(float *s, float *g, float lse, const struct task *t, const uint16_t *bits) {
    for (int64_t u = 0; u < t->padded; ++u) s[u] = un_lanes_exp_neg(s[u] * t->scale - lse);
    for (int64_t u = t->tokens; u < t->padded; ++u) s[u] = 0.0f;
    if (bits) {
        const uint32_t threshold = t->drop->threshold;
        const float kept = t->drop->scale;
        for (int64_t u = 0; u < t->padded; ++u) g[u] *= bits[u] < threshold ? 0.0f : kept;
    }
    const float mean = un_lanes_dot(s, g, t->padded);
    for (int64_t u = 0; u < t->padded; ++u) g[u] = s[u] * (g[u] - mean) * t->scale;
    if (bits) {
        const uint32_t threshold = t->drop->threshold;
        const float kept = t->drop->scale;
        for (int64_t u = 0; u < t->padded; ++u) s[u] *= bits[u] < threshold ? 0.0f : kept;
    }
}

static void backward_task(struct un_mat dqkv, struct un_mat dout, const float *lse, struct un_mat qkv,
                          const struct task *t, struct work w) {
    const float *query = head_of(qkv, t, 0), *key = head_of(qkv, t, 1), *value = head_of(qkv, t, 2);
    const float *dhead = head_of(dout, t, 0);
    scores(w.score, w.panel, t, query, qkv.stride, key, qkv.stride);
    scores(w.slope, w.panel, t, dhead, dout.stride, value, qkv.stride);
    for (int64_t i = 0; i < t->tokens; ++i) {
        if (t->drop && i % DRAW_ROWS == 0) draw_bits(w.bits, t, i);
        const uint16_t *bits = t->drop ? w.bits + i % DRAW_ROWS * t->padded : NULL;
        slope_row(w.score + i * t->padded, w.slope + i * t->padded, lse[(t->first + i) * t->heads + t->head],
                  t, bits);
    }
    mix(head_of(dqkv, t, 0), dqkv.stride, w.panel, t, w.slope, false, key, qkv.stride);
    mix(head_of(dqkv, t, 1), dqkv.stride, w.panel, t, w.slope, true, query, qkv.stride);
    mix(head_of(dqkv, t, 2), dqkv.stride, w.panel, t, w.score, true, dhead, dout.stride);
}

/* Rows behind the last sample (a replay of fixed shape) hold zeros. */
static void zero_tail(struct un_mat m, const struct un_layout *layout) {
    for (int64_t i = layout->samples > 0 ? layout->start[layout->samples] : 0; i < m.rows; ++i)
        memset(un_cpu_row(m, i), 0, (size_t)m.cols * sizeof(float));
}

static bool take_scratch(struct un_queue *q, struct un_arena *arena, const struct un_layout *layout) {
    const size_t bytes = (size_t)q->threads * work_bytes(layout->longest);
    return un_cpu_scratch(q, arena, bytes, "attention") && un_arena_take(arena, bytes, 1);
}

void un_cpu_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    const int64_t tasks = layout->samples * heads;
    struct un_arena arena;
    zero_tail(out, layout);
    zero_tail(un_mat32(lse, out.rows, heads), layout);
    if (tasks == 0 || !take_scratch(q, &arena, layout)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct task t = task_of(layout, heads, out.cols, i, drop);
        forward_task(out, lse, qkv, &t, work_of_thread(&arena, layout->longest));
    }
}

/* out is not needed: the sum over a row of p f dp is dout.out, and it is at hand. */
void un_cpu_attention_bwd(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                          const float *lse, struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                          const struct un_dropout *drop) {
    const int64_t tasks = layout->samples * heads;
    struct un_arena arena;
    (void)out;
    zero_tail(dqkv, layout);
    if (tasks == 0 || !take_scratch(q, &arena, layout)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct task t = task_of(layout, heads, dout.cols, i, drop);
        backward_task(dqkv, dout, lse, qkv, &t, work_of_thread(&arena, layout->longest));
    }
}
