/* Packed attention, of a batch to itself or to another one. One task is one head of one sample (attention_head.c): its
 * whole score matrix, queries x keys, lies in the scratch of the thread that took it (both <= UN_MAX_SAMPLE_TOKENS),
 * products run on panels packed from the strided rows.
 *
 * Law: a task writes only its own columns of its own rows, in one order that its shape alone gives. Heads
 * wider than a panel are worked off in chunks of UN_TILE_COLS columns. Dropout is drawn again in the
 * backward.
 *
 * bf16 operands are widened as they are packed; every product is a chain of f32 multiply-adds, its depth ascending,
 * and a result is rounded once. As on a card, self-attention of heads of ROUNDED_HEAD columns rounds to bf16 also the
 * factors it makes itself, dropped probabilities and gradients of scores; elsewhere those stay f32. */
#include "runtime/cpu/attention_head.h"
#include "runtime/cpu/rows.h"
#include "runtime/cpu/tile.h"

#include <math.h>
#include <omp.h>

enum { ROUNDED_HEAD = 64 };

static size_t work_bytes(int64_t longest) {
    const size_t n = (size_t)un_tile_round(longest);
    return 2 * n * n * sizeof(float) + 2 * n * UN_TILE_COLS * sizeof(float) +
           UN_ATTENDING_DRAWS * n * sizeof(uint16_t);
}

size_t un_cpu_attention_scratch(const struct un_limits *limits, int threads) {
    int64_t longest = limits->max_tokens < UN_MAX_SAMPLE_TOKENS ? limits->max_tokens : UN_MAX_SAMPLE_TOKENS;
    return (size_t)threads * work_bytes(longest);
}

static struct un_attending_work work_of_thread(const struct un_arena *arena, int64_t longest) {
    const size_t n = (size_t)un_tile_round(longest);
    float *base = (float *)(void *)(arena->base + (size_t)omp_get_thread_num() * work_bytes(longest));
    return (struct un_attending_work){.score = base,
                                      .slope = base + n * n,
                                      .panel = base + 2 * n * n,
                                      .side = base + 2 * n * n + n * UN_TILE_COLS,
                                      .bits = (uint16_t *)(void *)(base + 2 * n * n + 2 * n * UN_TILE_COLS)};
}

static struct un_attending task_of(const struct un_layout *queries, const struct un_layout *keys,
                                   int64_t heads, int64_t hidden, int64_t index,
                                   const struct un_dropout *drop) {
    const int64_t s = index / heads, count = keys->start[s + 1] - keys->start[s];
    return (struct un_attending){.first = queries->start[s],
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

/* Rows behind the last sample (a replay of fixed shape) hold zeros. */
static void zero_tail(struct un_mat m, const struct un_layout *layout) {
    for (int64_t i = layout->samples > 0 ? layout->start[layout->samples] : 0; i < m.rows; ++i)
        un_rows_zero(m, i);
}

static int64_t longest_of(const struct un_layout *queries, const struct un_layout *keys) {
    return queries->longest > keys->longest ? queries->longest : keys->longest;
}

static bool take_scratch(struct un_queue *q, struct un_arena *arena, int64_t longest) {
    const size_t bytes = (size_t)q->threads * work_bytes(longest);
    return un_cpu_scratch(q, arena, bytes, "attention") && un_arena_take(arena, bytes, 1);
}

static struct un_mat columns_of(struct un_mat m, int64_t part, int64_t cols) {
    return un_rows_part(m, 0, m.rows, part * cols, cols);
}

/* The key is part `part` of key_value, the value the one behind it: 1 in qkv, 0 without a query before them. */
static struct un_attending_sides sides_of(struct un_mat query, struct un_mat key_value, int64_t part) {
    const int64_t cols = key_value.cols / (2 + part);
    return (struct un_attending_sides){columns_of(query, 0, cols), columns_of(key_value, part, cols),
                                       columns_of(key_value, part + 1, cols), false};
}

static void attend(struct un_queue *q, struct un_mat out, float *lse, const struct un_attending_sides *in,
                   const struct un_layout *queries, const struct un_layout *keys, int64_t heads,
                   const struct un_dropout *drop) {
    const int64_t tasks = queries->samples * heads, longest = longest_of(queries, keys);
    struct un_arena arena;
    zero_tail(out, queries);
    zero_tail(un_mat32(lse, out.rows, heads), queries);
    if (tasks == 0 || !take_scratch(q, &arena, longest)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct un_attending_work w = work_of_thread(&arena, longest);
        const struct un_attending t = task_of(queries, keys, heads, out.cols, i, drop);
        un_attending_fwd(out, lse, in, &t, &w);
    }
}

static void attend_bwd(struct un_queue *q, const struct un_attending_sides *grad, struct un_mat dout,
                       const float *lse, const struct un_attending_sides *in, const struct un_layout *queries,
                       const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const int64_t tasks = queries->samples * heads, longest = longest_of(queries, keys);
    struct un_arena arena;
    if (tasks == 0 || !take_scratch(q, &arena, longest)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t i = 0; i < tasks; ++i) {
        const struct un_attending_work w = work_of_thread(&arena, longest);
        const struct un_attending t = task_of(queries, keys, heads, dout.cols, i, drop);
        un_attending_bwd(grad, dout, lse, in, &t, &w);
    }
}

/* False, and an error on the queue, for operands that no task may see. m: `count` of them, all of the first one's type;
 * alike: do their shapes fit? */
static bool is_sound(struct un_queue *q, const struct un_mat *m, int count, bool alike, int64_t heads,
                     int64_t longest) {
    const bool even = heads > 0 && m[0].cols % heads == 0;
    bool right = alike && even && longest <= UN_MAX_SAMPLE_TOKENS;
    for (int i = 0; i < count; ++i)
        right = right && m[i].type == m[0].type && (m[i].type == UN_F32 || m[i].type == UN_BF16);
    if (right) return true;
    un_cpu_fail(q, UN_INTERNAL,
                "attention: %lld x %lld of type %d from %lld x %lld of type %d, %lld heads, samples of up to "
                "%lld tokens",
                (long long)m[0].rows, (long long)m[0].cols, (int)m[0].type, (long long)m[1].rows,
                (long long)m[1].cols, (int)m[1].type, (long long)heads, (long long)longest);
    return false;
}

static bool packs_three(struct un_mat out, struct un_mat qkv) {
    return qkv.cols == 3 * out.cols && qkv.rows == out.rows;
}

static struct un_attending_sides sides_of_self(struct un_mat qkv, int64_t heads) {
    struct un_attending_sides in = sides_of(qkv, qkv, 1);
    in.rounds = qkv.type == UN_BF16 && in.query.cols == ROUNDED_HEAD * heads;
    return in;
}

void un_cpu_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {out, qkv};
    if (!is_sound(q, all, 2, packs_three(out, qkv), heads, layout->longest)) return;
    const struct un_attending_sides in = sides_of_self(qkv, heads);
    attend(q, out, lse, &in, layout, layout, heads, drop);
}

/* out is not needed: the sum over a row of p f dp is dout.out, and it is at hand. */
void un_cpu_attention_bwd(struct un_queue *q, struct un_mat dqkv, float *dbias, struct un_mat dout,
                          struct un_mat out, const float *lse, struct un_mat qkv,
                          const struct un_layout *layout, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {dout, dqkv, out, qkv};
    const bool alike = packs_three(dout, dqkv) && packs_three(out, qkv);
    if (!is_sound(q, all, 4, alike, heads, layout->longest)) return;
    const struct un_attending_sides in = sides_of_self(qkv, heads), grad = sides_of(dqkv, dqkv, 1);
    zero_tail(dqkv, layout);
    attend_bwd(q, &grad, dout, lse, &in, layout, layout, heads, drop);
    if (dbias) un_cpu_col_sum(q, dbias, dqkv);
}

static bool pairs_up(struct un_mat query, struct un_mat key_value, const struct un_layout *queries,
                     const struct un_layout *keys) {
    return key_value.cols == 2 * query.cols && queries->samples == keys->samples;
}

void un_cpu_cross_attention_fwd(struct un_queue *q, struct un_mat out, float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {query, key_value, out};
    const bool alike = pairs_up(query, key_value, queries, keys);
    if (!is_sound(q, all, 3, alike, heads, longest_of(queries, keys))) return;
    const struct un_attending_sides in = sides_of(query, key_value, 0);
    attend(q, out, lse, &in, queries, keys, heads, drop);
}

void un_cpu_cross_attention_bwd(struct un_queue *q, struct un_mat dquery, struct un_mat dkey_value,
                                struct un_mat dout, struct un_mat out, const float *lse, struct un_mat query,
                                struct un_mat key_value, const struct un_layout *queries,
                                const struct un_layout *keys, int64_t heads, const struct un_dropout *drop) {
    const struct un_mat all[] = {query, key_value, out, dout, dquery, dkey_value};
    const bool alike = pairs_up(query, key_value, queries, keys);
    if (!is_sound(q, all, 6, alike, heads, longest_of(queries, keys))) return;
    const struct un_attending_sides in = sides_of(query, key_value, 0),
                                    grad = sides_of(dquery, dkey_value, 0);
    zero_tail(dquery, queries);
    zero_tail(dkey_value, keys);
    attend_bwd(q, &grad, dout, lse, &in, queries, keys, heads, drop);
}
