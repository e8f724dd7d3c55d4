/* A head's scores, softmax, dropout and products; see attention.c for what is rounded where. */
#include "runtime/cpu/attention_head.h"
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"
#include "runtime/cpu/tile.h"

/* The head's columns of its queries, and of its keys. */
static struct un_mat of_query(struct un_mat m, const struct un_attending *t) {
    return un_rows_part(m, t->first, t->queries, t->head * t->width, t->width);
}
static struct un_mat of_key(struct un_mat m, const struct un_attending *t) {
    return un_rows_part(m, t->key_first, t->keys, t->head * t->width, t->width);
}

/* The next columns of a head, as many as a panel has. */
static struct un_mat chunk_of(struct un_mat m, int64_t column) {
    const int64_t left = m.cols - column;
    return un_rows_part(m, 0, m.rows, column, left < UN_TILE_COLS ? left : UN_TILE_COLS);
}

/* A chunk as a left factor: as it lies there, or widened. */
static struct un_tile_left left_of(float *side, struct un_mat x) {
    if (x.type == UN_F32) return (struct un_tile_left){x.data, x.stride, 1};
    for (int64_t i = 0; i < x.rows; ++i)
        un_rows_widen(side + i * UN_TILE_COLS, x.type, un_rows_at(x, i, 0), x.cols);
    return (struct un_tile_left){side, UN_TILE_COLS, 1};
}

/* to[queries, padded] = x y^T over the head's columns; x of queries, y of keys. */
static void scores(float *to, const struct un_attending_work *w, const struct un_attending *t,
                   struct un_mat x, struct un_mat y) {
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const struct un_mat part = chunk_of(y, d);
        un_tile_transpose(w->panel, part);
        un_tile_product(to, t->padded, left_of(w->side, chunk_of(x, d)), w->panel, t->padded, t->queries,
                        t->padded, part.cols, d > 0);
    }
}

/* to = weight y, a row for each query, or weight^T y, a row for each key; weight [queries, keys] with stride padded. */
static void mix(struct un_mat to, const struct un_attending_work *w, const struct un_attending *t,
                const float *weight, bool transpose, struct un_mat y) {
    const struct un_tile_left left = {weight, transpose ? 1 : t->padded, transpose ? t->padded : 1};
    for (int64_t d = 0; d < t->width; d += UN_TILE_COLS) {
        const struct un_mat part = chunk_of(y, d), out = chunk_of(to, d);
        const bool direct = out.type == UN_F32;
        un_tile_pack(w->panel, part);
        un_tile_product(direct ? out.data : w->side, direct ? out.stride : UN_TILE_COLS, left, w->panel,
                        un_tile_round(part.cols), out.rows, part.cols, part.rows, false);
        for (int64_t i = 0; i < out.rows; ++i) un_rows_put(out, i, 0, out.cols, w->side + i * UN_TILE_COLS);
    }
}

/* The 16-bit dropout numbers of UN_ATTENDING_DRAWS rows from query `row` on: bits[r * padded + u] belongs to
 * (row + r, u). Rows past the sample's end are drawn and not used. */
static void draw_bits(uint16_t *bits, const struct un_attending *t, int64_t row) {
    const uint32_t groups_per_query = UN_MAX_SAMPLE_TOKENS / 8,
                   row_step = (uint32_t)t->heads * groups_per_query;
    const uint32_t base = (uint32_t)((t->first + row) * t->heads + t->head) * groups_per_query;
    for (uint32_t g = 0; g < (uint32_t)t->padded / 8; ++g) {
        uint64_t words[UN_LANES_GROUPS][2];
        un_lanes_drop_words(words, t->drop, base + g, row_step);
        for (uint32_t r = 0; r < UN_ATTENDING_DRAWS; ++r)
            memcpy(bits + r * t->padded + 8 * g, words[r],
                   sizeof words[r]); /* in memory order: see lanes.h */
    }
}

_Static_assert((int)UN_ATTENDING_DRAWS == (int)UN_LANES_GROUPS, "rows are drawn side by side");

/* One row of products q.k becomes dropout(softmax); returns log sum exp. bits NULL: no dropout. */
static float softmax_row(float *s, const struct un_attending *t, const uint16_t *bits) {
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

static void round_row(float *s, int64_t n) {
    for (int64_t u = 0; u < n; ++u) s[u] = un_half_from_bf16(un_half_to_bf16(s[u]));
}

void un_attending_fwd(struct un_mat out, float *lse, const struct un_attending_sides *in,
                      const struct un_attending *t, const struct un_attending_work *w) {
    scores(w->score, w, t, of_query(in->query, t), of_key(in->key, t));
    for (int64_t i = 0; i < t->queries; ++i) {
        float *sum = lse + (t->first + i) * t->heads + t->head, *row = w->score + i * t->padded;
        *sum = 0.0f;
        if (t->keys == 0) continue;
        if (t->drop && i % UN_ATTENDING_DRAWS == 0) draw_bits(w->bits, t, i);
        *sum = softmax_row(row, t, t->drop ? w->bits + i % UN_ATTENDING_DRAWS * t->padded : NULL);
        if (in->rounds) round_row(row, t->padded);
    }
    mix(of_query(out, t), w, t, w->score, false, of_key(in->value, t));
}

/* Row of products q.k in `s` and of dout.v in `g`: s becomes dropout(softmax), g the gradient of q.k. With p
 * the softmax and f the dropout factors: g = p (f g - sum_u p f g) / sqrt D. */
static void slope_row(float *s, float *g, float lse, const struct un_attending *t, const uint16_t *bits) {
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

void un_attending_bwd(const struct un_attending_sides *grad, struct un_mat dout, const float *lse,
                      const struct un_attending_sides *in, const struct un_attending *t,
                      const struct un_attending_work *w) {
    const struct un_mat query = of_query(in->query, t), key = of_key(in->key, t), dhead = of_query(dout, t);
    scores(w->score, w, t, query, key);
    scores(w->slope, w, t, dhead, of_key(in->value, t));
    for (int64_t i = 0; i < t->queries; ++i) {
        if (t->drop && i % UN_ATTENDING_DRAWS == 0) draw_bits(w->bits, t, i);
        const uint16_t *bits = t->drop ? w->bits + i % UN_ATTENDING_DRAWS * t->padded : NULL;
        float *score = w->score + i * t->padded, *slope = w->slope + i * t->padded;
        slope_row(score, slope, lse[(t->first + i) * t->heads + t->head], t, bits);
        if (!in->rounds) continue;
        round_row(score, t->padded);
        round_row(slope, t->padded);
    }
    mix(of_query(grad->query, t), w, t, w->slope, false, key);
    mix(of_key(grad->key, t), w, t, w->slope, true, query);
    mix(of_key(grad->value, t), w, t, w->score, true, dhead);
}
