/* Word-region alignment: cosine costs, plans by IPOT (Xie et al., UAI 2019) or by Sinkhorn in the log domain, and the
 * gradient of the distance with the plan held constant. Arithmetic of reference/uniter_torch.py, in float.
 *
 * Law: one task is one pair, worked off by one thread in an order that its shape gives. Inside, rows of
 * regions are padded to whole lanes; the padding of costs is such that it carries no mass.
 *
 * Float is enough for Sinkhorn because an iteration forgets the rounding of the one before: what remains is
 * that of the last exponents, at most 2 / epsilon + 2 ln of the sizes in magnitude, some 3e-6 of a plan's
 * entry at epsilon 0.1. */
#include "runtime/cpu/lanes.h"
#include "runtime/cpu/rows.h"
#include "runtime/cpu/tile.h"

#include <omp.h>

#define NORM_FLOOR 1e-5f /* vectors shorter than this are divided by it instead of by their length */
#define NO_MASS    1e30f /* scaled cost of padding: its exponent underflows and stays finite */
#define FLUSH                                                                                                \
    0x1p-126f /* products below the normal numbers count as 0: denormals are slow and change nothing */

/* One pair. n words, m regions, stride = m rounded up to whole lanes. */
struct pair {
    int64_t n, m, stride;
    struct un_mat word, region; /* [n, H], [m, H]: f32, or bf16 and widened */
    float *plan, *cost;         /* [n, m] */
};

/* What one thread works in. */
struct solve_work {
    float *a, *t;                 /* [n, stride] */
    float *word_inv, *region_inv; /* 1 / max(|x|, floor) */
    float *word_dual, *region_dual;
    float *word_next;    /* the dual being computed */
    float *column;       /* sums down the columns */
    float *largest;      /* maxima down the columns */
    float *panel, *tile; /* backward: [max(n, m), UN_TILE_COLS] */
};

/* Carves a thread's part; base NULL measures. */
static struct solve_work work_carve(struct un_arena *arena, int64_t words, int64_t regions) {
    const size_t stride = (size_t)un_tile_round(regions), n = (size_t)words, size = sizeof(float);
    const size_t panel = (size_t)(words > regions ? words : regions) * UN_TILE_COLS;
    struct solve_work w;
    w.a = un_arena_take(arena, n * stride, size);
    w.t = un_arena_take(arena, n * stride, size);
    w.word_inv = un_arena_take(arena, n, size);
    w.region_inv = un_arena_take(arena, stride, size);
    w.word_dual = un_arena_take(arena, n, size);
    w.region_dual = un_arena_take(arena, stride, size);
    w.word_next = un_arena_take(arena, n, size);
    w.column = un_arena_take(arena, stride, size);
    w.largest = un_arena_take(arena, stride, size);
    w.panel = un_arena_take(arena, panel, size);
    w.tile = un_arena_take(arena, panel, size);
    return w;
}

static size_t work_bytes(int64_t words, int64_t regions) {
    struct un_arena measure = {.name = "transport"};
    (void)work_carve(&measure, words, regions);
    return (measure.used + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
}

size_t un_cpu_transport_scratch(const struct un_limits *limits, int threads) {
    int64_t most = limits->max_tokens < UN_MAX_SAMPLE_TOKENS ? limits->max_tokens : UN_MAX_SAMPLE_TOKENS;
    return (size_t)threads * work_bytes(most, most);
}

static bool is_float(struct un_queue *q, struct un_mat m, const char *what) {
    const bool right = m.type == UN_F32 || m.type == UN_BF16;
    if (!right) un_cpu_fail(q, UN_USAGE, "transport: %s is neither f32 nor bf16", what);
    return right;
}

/* The scratch of all threads in one piece; false with an error stuck to the queue. */
static bool take_scratch(struct un_queue *q, struct un_arena *arena, const struct un_pairs *pairs) {
    const int64_t words = pairs->longest_words, regions = pairs->longest_regions;
    if (words > UN_MAX_SAMPLE_TOKENS || regions > UN_MAX_SAMPLE_TOKENS) {
        un_cpu_fail(q, UN_USAGE, "transport: %lld words, %lld regions", (long long)words, (long long)regions);
        return false;
    }
    const size_t bytes = (size_t)q->threads * work_bytes(words, regions);
    return un_cpu_scratch(q, arena, bytes, "transport") && un_arena_take(arena, bytes, 1);
}

static struct solve_work work_of_thread(const struct un_arena *arena, const struct un_pairs *pairs) {
    const size_t bytes = work_bytes(pairs->longest_words, pairs->longest_regions);
    struct un_arena part = {
        .name = "transport", .base = arena->base + (size_t)omp_get_thread_num() * bytes, .size = bytes};
    return work_carve(&part, pairs->longest_words, pairs->longest_regions);
}

/* False for a pair without words or regions, and for -1, "no pair". */
static bool pair_of(struct pair *p, const struct un_pairs *pairs, int64_t b, struct un_mat x,
                    const float *plan, const float *cost) {
    const int64_t first = pairs->first[b], n = pairs->words[b], m = pairs->regions[b];
    if (first < 0 || n <= 0 || m <= 0) return false;
    UN_ASSERT(n <= pairs->longest_words && m <= pairs->longest_regions);
    *p = (struct pair){.n = n,
                       .m = m,
                       .stride = un_tile_round(m),
                       .word = un_rows_part(x, first, n, 0, x.cols),
                       .region = un_rows_part(x, first + n, m, 0, x.cols),
                       .plan = (float *)(uintptr_t)plan + pairs->plan_start[b],
                       .cost = (float *)(uintptr_t)cost + pairs->plan_start[b]};
    return true;
}

/* ---- cost ---- */

static float square_length(struct un_mat x, int64_t row) {
    float s[UN_LANES_SUMS] = {0};
    for (int64_t col = 0; col < x.cols; col += UN_ROWS_STRIP) {
        float strip[UN_ROWS_STRIP];
        const int64_t n = un_rows_strip(x.cols, col);
        const float *v = un_rows_in(x, row, col, n, strip);
        un_lanes_dot_more(s, v, v, n);
    }
    return un_lanes_fold(s);
}

static void inverse_norms(float *inv, struct un_mat x) {
    for (int64_t i = 0; i < x.rows; ++i) {
        const float norm = sqrtf(square_length(x, i));
        inv[i] = 1.0f / (norm < NORM_FLOOR ? NORM_FLOOR : norm);
    }
}

static void pair_norms(const struct pair *p, struct solve_work w) {
    inverse_norms(w.word_inv, p->word);
    inverse_norms(w.region_inv, p->region);
}

static void pair_cost(const struct pair *p, struct solve_work w) {
    pair_norms(p, w);
    un_tile_dots(p->cost, p->m, p->word, p->region);
    for (int64_t i = 0; i < p->n; ++i) {
        float *c = p->cost + i * p->m;
        for (int64_t j = 0; j < p->m; ++j) c[j] = 1.0f - c[j] * w.word_inv[i] * w.region_inv[j];
    }
}

/* ---- IPOT ---- */

static void ipot_start(const struct pair *p, struct solve_work w, float beta) {
    for (int64_t i = 0; i < p->n; ++i) {
        float *a = w.a + i * p->stride, *t = w.t + i * p->stride;
        const float *c = p->cost + i * p->m;
        for (int64_t j = 0; j < p->m; ++j) a[j] = un_lanes_exp(-c[j] / beta);
        for (int64_t j = p->m; j < p->stride; ++j) a[j] = 0.0f;
        for (int64_t j = 0; j < p->stride; ++j) t[j] = 1.0f;
        w.word_dual[i] = 1.0f / (float)p->n;
    }
    memset(w.region_dual, 0, (size_t)p->stride * sizeof(float));
}

/* q = a t in place of t; delta_j = 1 / (m sum_i sigma_i q_ij); sigma_i = 1 / (n sum_j q_ij delta_j);
 * t = sigma q delta. */
static void ipot_iterate(const struct pair *p, struct solve_work w) {
    float *sigma = w.word_dual, *delta = w.region_dual;
    memset(w.column, 0, (size_t)p->stride * sizeof(float));
    for (int64_t i = 0; i < p->n; ++i) {
        const float *a = w.a + i * p->stride;
        float *t = w.t + i * p->stride;
        for (int64_t j = 0; j < p->stride; ++j) {
            const float product = a[j] * t[j], kept = product < FLUSH ? 0.0f : product;
            t[j] = kept;
            w.column[j] += sigma[i] * kept;
        }
    }
    for (int64_t j = 0; j < p->m; ++j) delta[j] = 1.0f / ((float)p->m * w.column[j]);
    for (int64_t i = 0; i < p->n; ++i) {
        float *t = w.t + i * p->stride;
        sigma[i] = 1.0f / ((float)p->n * un_lanes_dot(t, delta, p->stride));
        for (int64_t j = 0; j < p->stride; ++j) t[j] = sigma[i] * t[j] * delta[j];
    }
}

static void ipot_plan(const struct pair *p, struct solve_work w, const struct un_transport *how) {
    ipot_start(p, w, how->beta);
    for (int it = 0; it < how->iterations; ++it) ipot_iterate(p, w);
}

/* ---- Sinkhorn: duals f, g are kept divided by epsilon ---- */

static void sinkhorn_start(const struct pair *p, struct solve_work w, float epsilon) {
    for (int64_t i = 0; i < p->n; ++i) {
        float *a = w.a + i * p->stride;
        const float *c = p->cost + i * p->m;
        for (int64_t j = 0; j < p->m; ++j) a[j] = c[j] / epsilon;
        for (int64_t j = p->m; j < p->stride; ++j) a[j] = NO_MASS;
        w.word_dual[i] = 0.0f;
    }
    memset(w.region_dual, 0, (size_t)p->stride * sizeof(float));
}

/* ln sum_j e^(g_j - a_j); `v` receives the terms. */
static float row_log_sum(float *v, const float *a, const float *g, int64_t stride) {
    for (int64_t j = 0; j < stride; ++j) v[j] = g[j] - a[j];
    const float largest = un_tile_max(v, stride);
    for (int64_t j = 0; j < stride; ++j) v[j] = un_lanes_exp_neg(v[j] - largest);
    return largest + logf(un_lanes_sum(v, stride));
}

/* f_i = -ln n - ln sum_j e^(g_j - a_ij); returns how far the old f was from meeting the marginals of the
 * words: max_i |n sum_j e^(f_i + g_j - a_ij) - 1|, and that sum times n is e^(old f_i - new f_i). */
static float sinkhorn_words(const struct pair *p, struct solve_work w) {
    const float log_n = logf((float)p->n);
    float worst = 0.0f;
    for (int64_t i = 0; i < p->n; ++i) {
        const float f = -log_n - row_log_sum(w.t, w.a + i * p->stride, w.region_dual, p->stride);
        const float off = fabsf(expm1f(w.word_dual[i] - f));
        worst = off > worst ? off : worst;
        w.word_next[i] = f;
    }
    return worst;
}

/* g_j = -ln m - ln sum_i e^(f_i - a_ij), all columns side by side. */
static void sinkhorn_regions(const struct pair *p, struct solve_work w) {
    const float log_m = logf((float)p->m);
    for (int64_t j = 0; j < p->stride; ++j) w.largest[j] = w.word_dual[0] - w.a[j];
    for (int64_t i = 1; i < p->n; ++i)
        for (int64_t j = 0; j < p->stride; ++j) {
            const float v = w.word_dual[i] - w.a[i * p->stride + j];
            w.largest[j] = v > w.largest[j] ? v : w.largest[j];
        }
    memset(w.column, 0, (size_t)p->stride * sizeof(float));
    for (int64_t i = 0; i < p->n; ++i)
        for (int64_t j = 0; j < p->stride; ++j)
            w.column[j] += un_lanes_exp_neg(w.word_dual[i] - w.a[i * p->stride + j] - w.largest[j]);
    for (int64_t j = 0; j < p->m; ++j) w.region_dual[j] = -log_m - (w.largest[j] + logf(w.column[j]));
}

/* The marginal error after an iteration shows when the next one begins; that one is then not carried out. */
static void sinkhorn_plan(const struct pair *p, struct solve_work w, const struct un_transport *how) {
    sinkhorn_start(p, w, how->epsilon);
    for (int it = 0; it < how->iterations; ++it) {
        const float off = sinkhorn_words(p, w);
        if (it > 0 && how->tolerance > 0.0f && off < how->tolerance) break;
        memcpy(w.word_dual, w.word_next, (size_t)p->n * sizeof(float));
        sinkhorn_regions(p, w);
    }
    for (int64_t i = 0; i < p->n; ++i)
        for (int64_t j = 0; j < p->m; ++j)
            w.t[i * p->stride + j] = un_lanes_exp(w.word_dual[i] + w.region_dual[j] - w.a[i * p->stride + j]);
}

/* ---- forward ---- */

static float pair_distance(const struct pair *p) {
    double sum = 0.0;
    for (int64_t i = 0; i < p->n; ++i)
        sum += (double)un_lanes_dot(p->cost + i * p->m, p->plan + i * p->m, p->m);
    return (float)sum;
}

static float forward_pair(const struct pair *p, struct solve_work w, const struct un_transport *how) {
    pair_cost(p, w);
    if (how->solver == UN_SOLVER_IPOT)
        ipot_plan(p, w, how);
    else
        sinkhorn_plan(p, w, how);
    for (int64_t i = 0; i < p->n; ++i)
        memcpy(p->plan + i * p->m, w.t + i * p->stride, (size_t)p->m * sizeof(float));
    return pair_distance(p);
}

void un_cpu_transport_fwd(struct un_queue *q, float *distance, float *plan, float *cost, struct un_mat x,
                          const struct un_pairs *pairs, const struct un_transport *how) {
    struct un_arena arena;
    if (pairs->count == 0 || !is_float(q, x, "x") || !take_scratch(q, &arena, pairs)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t b = 0; b < pairs->count; ++b) {
        struct pair p;
        distance[b] = 0.0f;
        if (pair_of(&p, pairs, b, x, plan, cost))
            distance[b] = forward_pair(&p, work_of_thread(&arena, pairs), how);
    }
}

/* ---- backward ---- */

/* With u = x / |x|, d cos(x, y) / dx = (u_y - cos u_x) / |x|; below the floor the length is constant and the
 * second term falls away. weight_ij = -coef T_ij / (|w_i| |r_j|) mixes the other side's vectors; pull_i =
 * coef sum_j T_ij cos_ij / |x_i|^2 is the factor of the own vector. */
static void backward_weights(const struct pair *p, struct solve_work w, float coef) {
    float *weight = w.a, *word_pull = w.word_dual, *region_pull = w.region_dual;
    memset(region_pull, 0, (size_t)p->stride * sizeof(float));
    for (int64_t i = 0; i < p->n; ++i) {
        const float *c = p->cost + i * p->m, *t = p->plan + i * p->m;
        float *mass = w.t; /* T cos of the row */
        for (int64_t j = 0; j < p->m; ++j) {
            mass[j] = t[j] * (1.0f - c[j]);
            region_pull[j] += mass[j];
            weight[i * p->stride + j] = -coef * t[j] * w.word_inv[i] * w.region_inv[j];
        }
        word_pull[i] = un_lanes_sum(mass, p->m);
    }
    const float floor_inv = 1.0f / NORM_FLOOR;
    for (int64_t i = 0; i < p->n; ++i)
        word_pull[i] *= w.word_inv[i] < floor_inv ? coef * w.word_inv[i] * w.word_inv[i] : 0.0f;
    for (int64_t j = 0; j < p->m; ++j)
        region_pull[j] *= w.region_inv[j] < floor_inv ? coef * w.region_inv[j] * w.region_inv[j] : 0.0f;
}

/* dx_i += sum_k left_ik other_k + pull_i own_i, all of the same columns. */
static void backward_rows(struct un_mat dx, struct solve_work w, struct un_tile_left left, const float *pull,
                          struct un_mat own, struct un_mat other) {
    const int64_t cols = dx.cols;
    un_tile_pack(w.panel, other);
    un_tile_product(w.tile, UN_TILE_COLS, left, w.panel, un_tile_round(cols), own.rows, cols, other.rows,
                    false);
    for (int64_t i = 0; i < own.rows; ++i) {
        float strip[2][UN_TILE_COLS], *to = un_rows_out(dx, i, 0, strip[1]);
        const float *sum = w.tile + i * UN_TILE_COLS, *x = un_rows_in(own, i, 0, cols, strip[0]);
        (void)un_rows_in(dx, i, 0, cols, strip[1]);
        for (int64_t j = 0; j < cols; ++j) to[j] += sum[j] + pull[i] * x[j];
        un_rows_put(dx, i, 0, cols, strip[1]);
    }
}

/* dx [n + m, H], the rows of the pair. */
static void backward_pair(struct un_mat dx, const struct pair *p, struct solve_work w, float coef) {
    pair_norms(p, w);
    backward_weights(p, w, coef);
    for (int64_t h = 0; h < dx.cols; h += UN_TILE_COLS) {
        const int64_t cols = dx.cols - h < UN_TILE_COLS ? dx.cols - h : UN_TILE_COLS;
        const struct un_mat word = un_rows_part(p->word, 0, p->n, h, cols),
                            region = un_rows_part(p->region, 0, p->m, h, cols);
        backward_rows(un_rows_part(dx, 0, p->n, h, cols), w, (struct un_tile_left){w.a, p->stride, 1},
                      w.word_dual, word, region);
        backward_rows(un_rows_part(dx, p->n, p->m, h, cols), w, (struct un_tile_left){w.a, 1, p->stride},
                      w.region_dual, region, word);
    }
}

void un_cpu_transport_bwd(struct un_queue *q, struct un_mat dx, const float *coef, const float *plan,
                          const float *cost, struct un_mat x, const struct un_pairs *pairs) {
    struct un_arena arena;
    if (pairs->count == 0 || !is_float(q, x, "x") || !is_float(q, dx, "dx")) return;
    if (!take_scratch(q, &arena, pairs)) return;
#pragma omp parallel for schedule(dynamic, 1) num_threads(q->threads)
    for (int64_t b = 0; b < pairs->count; ++b) {
        struct pair p;
        if (pair_of(&p, pairs, b, x, plan, cost))
            backward_pair(un_rows_part(dx, pairs->first[b], p.n + p.m, 0, dx.cols), &p,
                          work_of_thread(&arena, pairs), coef[b]);
    }
}
