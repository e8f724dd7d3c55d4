/* Packed attention, of a batch to itself or to another one. One task is one head of one sample: its whole score
 * matrix, queries x keys, lies in the scratch of the thread that took it (both <= UN_MAX_SAMPLE_TOKENS), products run
 * on panels packed from the strided rows.
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

/* What is attended to, from where: columns [H] of the packed batches. Self-attention: three views of qkv. */
struct sides {
    struct un_mat query, key, value;
};

/* One head of one sample. */
struct task {
    int64_t first, queries;          /* rows of the packed batch of queries */
    int64_t key_first, keys, padded; /* of that of keys; keys rounded up */
    int64_t head, heads, width;      /* a, A, D */
    float scale;                     /* 1 / sqrt D */
    const struct un_dropout *drop;   /* NULL: none */
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

static struct task task_of(const struct un_layout *queries, const struct un_layout *keys, int64_t heads,
                           int64_t hidden, int64_t index, const struct un_dropout *drop) {
    const int64_t s = index / heads, count = keys->start[s + 1] - keys->start[s];
    return (struct task){.first = queries->start[s],
                         .queries = queries->start[s + 1] - queries->start[s],
                         .key_first = keys->start[s],
                         .keys = count,
                         .padded = un_tile_round(count),
                         .head = index % heads,
                         .heads = heads,
                         .width = hidden / heads,
                         .scale = 1.0f / sqrtf((float)(hidden / heads)),
                         .drop = drop && drop->threshold ? drop : NULL};
}

/* The head's columns in its first query, and in its first key. */
static float *of_query(struct un_mat m, const struct task *t) {
    return un_cpu_row(m, t->first) + t->head * t->width;
}
static float *of_key(struct un_mat m, const struct task *t) {
    return un_cpu_row(m, t->key_first) + t->head * t->width;
}

static int64_t chunk_width(const struct task *t, int64_t column) {
    return t->width - column < UN_TILE_COLS ? t->width - column : UN_TILE_COLS;
}

/* to[queries, padded] = x y^T over the head's columns; both strided rows, of queries and of keys. */
static void scores(float *to, float *panel, const struct task *t, const float *x, int64_t x_stride,
                   const float *y, int64_t y_stride) {
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const int64_t chunk = chunk_width(t, d);
        un_tile_transpose(panel, y + d, y_stride, t->keys, chunk);
        un_tile_product(to, t->padded, (struct un_tile_left){x + d, x_stride, 1}, panel, t->padded,
                        t->queries, t->padded, chunk, d > 0);
    }
}

/* to = weight y, a row for each query, or weight^T y, a row for each key; weight [queries, keys] with stride padded. */
static void mix(float *to, int64_t to_stride, float *panel, const struct task *t, const float *weight,
                bool transpose, const float *y, int64_t y_stride) {
    const struct un_tile_left left = {weight, transpose ? 1 : t->padded, transpose ? t->padded : 1};
    const int64_t rows = transpose ? t->keys : t->queries, depth = transpose ? t->queries : t->keys;
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const int64_t chunk = chunk_width(t, d);
        un_tile_pack(panel, y + d, y_stride, depth, chunk);
        un_tile_product(to + d, to_stride, left, panel, un_tile_round(chunk), rows, chunk, depth, false);
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
    for (int64_t u = t->keys; u < t->padded; ++u) s[u] = -INFINITY;
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

/* Queries without keys get zeros. */
static void forward_task(struct un_mat out, float *lse, const struct sides *in, const struct task *t,
                         struct work w) {
    scores(w.score, w.panel, t, of_query(in->query, t), in->query.stride, of_key(in->key, t), in->key.stride);
    for (int64_t i = 0; i < t->queries; ++i) {
        float *sum = lse + (t->first + i) * t->heads + t->head;
        *sum = 0.0f;
        if (t->keys == 0) continue;
        if (t->drop && i % DRAW_ROWS == 0) draw_bits(w.bits, t, i);
        *sum = softmax_row(w.score + i * t->padded, t, t->drop ? w.bits + i % DRAW_ROWS * t->padded : NULL);
    }
    mix(of_query(out, t), out.stride, w.panel, t, w.score, false, of_key(in->value, t), in->value.stride);
}

/* Row of products q.k in `s` and of dout.v in `g`: s becomes dropout(softmax), g the gradient of q.k. With p
 * the softmax and f the dropout factors: g = p (f g - sum_u p f g) / sqrt D. */
static void slope_row(float *s, float *g, float lse, const struct task *t, const uint16_t *bits) {
    for (int64_t u = 0; u < t->padded; ++u) s[u] = un_lanes_exp_neg(s[u] * t->scale - lse);
    for (int64_t u = t->keys; u < t->padded; ++u) s[u] = 0.0f;
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

static void backward_task(const struct sides *grad, struct un_mat dout, const float *lse,
                          const struct sides *in, const struct task *t, struct work w) {
    const float *query = of_query(in->query, t), *key = of_key(in->key, t), *value = of_key(in->value, t);
    const float *dhead = of_query(dout, t);
    scores(w.score, w.panel, t, query, in->query.stride, key, in->key.stride);
    scores(w.slope, w.panel, t, dhead, dout.stride, value, in->value.stride);
    for (int64_t i = 0; i < t->queries; ++i) {
        if (t->drop && i % DRAW_ROWS == 0) draw_bits(w.bits, t, i);
        const uint16_t *bits = t->drop ? w.bits + i % DRAW_ROWS * t->padded : NULL;
        slope_row(w.score + i * t->padded, w.slope + i * t->padded, lse[(t->first + i) * t->heads + t->head],
                  t, bits);
    }
    mix(of_query(grad->query, t), grad->query.stride, w.panel, t, w.slope, false, key, in->key.stride);
    mix(of_key(grad->key, t), grad->key.stride, w.panel, t, w.slope, true, query, in->query.stride);
    mix(of_key(grad->value, t), grad->value.stride, w.panel, t, w.score, true, dhead, dout.stride);
}

/* Rows behind the last sample (a replay of fixed shape) hold zeros. */
static void zero_tail(struct un_mat m, const struct un_layout *layout) {
    for (int64_t i = layout->samples > 0 ? layout->start[layout->samples] : 0; i < m.rows; ++i)
        memset(un_cpu_row(m, i), 0, (size_t)m.cols * sizeof(float));
}

static int64_t longest_of(const struct un_layout *queries, const struct un_layout *keys) {
    return queries->longest > keys->longest ? queries->longest : keys->longest;
}

static bool take_scratch(struct un_queue *q, struct un_arena *arena, int64_t longest) {
    const size_t bytes = (size_t)q->threads * work_bytes(longest);
    return un_cpu_scratch(q, arena, bytes, "attention") && un_arena_take(arena, bytes, 1);
}

static struct un_mat columns_of(struct un_mat m, int64_t part, int64_t cols) {
    return (struct un_mat){(float *)m.data + part * cols, m.type, m.rows, cols, m.stride};
}

/* The key is part `part` of key_value, the value the one behind it: 1 in qkv, 0 without a query before them. */
static struct sides sides_of(struct un_mat query, struct un_mat key_value, int64_t part) {
    const int64_t cols = key_value.cols / (2 + part);
    return (struct sides){columns_of(query, 0, cols), columns_of(key_value, part, cols),
                          columns_of(key_value, part + 1, cols)};
}

static void attend(struct un_queue *q, struct un_mat out, float *lse, const struct sides *in,
                   const struct un_layout *queries, const struct un_layout *keys, int64_t heads,
                   const struct un_dropout *drop) {
    const int64_t tasks = queries->samples * heads, longest = longest_of(queries, keys);
    struct un_arena arena;
    zero_tail(out, queries);
    zero_tail(un_mat32(lse, out.rows, heads), queries);
    if (tasks == 0 || !take_scratch(q, &arena, longest)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct task t = task_of(queries, keys, heads, out.cols, i, drop);
        forward_task(out, lse, in, &t, work_of_thread(&arena, longest));
    }
}

static void attend_bwd(struct un_queue *q, const struct sides *grad, struct un_mat dout, const float *lse,
                       const struct sides *in, const struct un_layout *queries, const struct un_layout *keys,
                       int64_t heads, const struct un_dropout *drop) {
    const int64_t tasks = queries->samples * heads, longest = longest_of(queries, keys);
    struct un_arena arena;
    if (tasks == 0 || !take_scratch(q, &arena, longest)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct task t = task_of(queries, keys, heads, dout.cols, i, drop);
        backward_task(grad, dout, lse, in, &t, work_of_thread(&arena, longest));
    }
}

void un_cpu_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    const struct sides in = sides_of(qkv, qkv, 1);
    attend(q, out, lse, &in, layout, layout, heads, drop);
}

/* out is not needed: the sum over a row of p f dp is dout.out, and it is at hand. */
void un_cpu_attention_bwd(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                          const float *lse, struct un_mat qkv, const struct un_layout *layout, int64_t heads,
                          const struct un_dropout *drop) {
    const struct sides in = sides_of(qkv, qkv, 1), grad = sides_of(dqkv, dqkv, 1);
    (void)out;
    zero_tail(dqkv, layout);
    attend_bwd(q, &grad, dout, lse, &in, layout, layout, heads, drop);
}

void un_cpu_cross_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct sides in = sides_of(query, key_value, 0);
    UN_ASSERT(queries->samples == keys->samples);
    attend(q, out, lse, &in, queries, keys, heads, drop);
}

void un_cpu_cross_attention_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct sides in = sides_of(query, key_value, 0), grad = sides_of(dquery, dkey_value, 0);
    (void)out;
    UN_ASSERT(queries->samples == keys->samples);
    zero_tail(dquery, queries);
    zero_tail(dkey_value, keys);
    attend_bwd(q, &grad, dout, lse, &in, queries, keys, heads, drop);
}
