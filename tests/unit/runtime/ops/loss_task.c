/* The losses of tasks against oracles in double, and the oracles' gradients against finite differences: sigmoids
 * over answers, a softmax over the members of a row, margins between members.
 *
 * Tolerances: as in loss.c. A sigmoid is off by some 1e-7, and a margin is the difference of two. */
#include "tests/unit/runtime/ops/harness.h"

#include <math.h>
#include <string.h>

static const struct un_tolerance loss_tolerance = {1e-6, 4e-7};
static const struct un_tolerance gradient_tolerance = {2e-7, 1e-6}; /* with a scale of order 1 */
static const struct un_tolerance difference_tolerance = {1e-6, 1e-5};

static const float factor = 0.7f, margin = 0.2f;

static double sigmoid(double x) {
    return 1.0 / (1.0 + exp(-x));
}

static int64_t first_largest(const double *x, int64_t n) {
    int64_t at = 0;
    for (int64_t j = 1; j < n; ++j)
        if (x[j] > x[at]) at = j;
    return at;
}

static const float *scale_of(struct un_harness *h) {
    return un_harness_put(h, &factor, 1, sizeof factor);
}

/* ---- sigmoids over answers ---- */

struct answers {
    int64_t rows, cols;
    float range;
};

struct soft {
    int64_t rows, cols;
    const int32_t *row;
    const double *target;
};

static double sigmoid_sum(const double *x, const void *context) {
    const struct soft *c = context;
    double sum = 0.0;
    for (int64_t i = 0; i < c->rows * c->cols; ++i)
        if (c->row[i / c->cols] >= 0) sum += fmax(x[i], 0.0) - x[i] * c->target[i] + log1p(exp(-fabs(x[i])));
    return sum * factor;
}

/* A few soft answers to a question, zeros elsewhere; every fourth question has none. */
static struct un_mat make_soft(struct un_harness *h, int64_t rows, int64_t cols) {
    struct un_mat m = un_harness_mat_random(h, rows, cols, -2.0f, 1.0f);
    for (int64_t i = 0; i < rows; ++i)
        for (int64_t j = 0; j < cols; ++j) {
            float *t = (float *)m.data + i * m.stride + j;
            if (*t < 0.0f || i % 4 == 3) *t = 0.0f;
        }
    return m;
}

static void check_sigmoid(struct un_harness *h, struct un_mat slope, const float *loss, const float *hit,
                          double *x, const struct soft *s) {
    double *want = un_harness_doubles(h, s->rows), *wanted_hit = un_harness_doubles(h, s->rows);
    double *gradient = un_harness_doubles(h, s->rows * s->cols);
    for (int64_t i = 0; i < s->rows; ++i) {
        const struct soft one = {1, s->cols, s->row + i, s->target + i * s->cols};
        want[i] = sigmoid_sum(x + i * s->cols, &one) / factor;
        if (s->row[i] < 0) continue;
        wanted_hit[i] = one.target[first_largest(x + i * s->cols, s->cols)];
        for (int64_t j = 0; j < s->cols; ++j)
            gradient[i * s->cols + j] = (sigmoid(x[i * s->cols + j]) - one.target[j]) * factor;
    }
    un_harness_near_array("loss", loss, want, s->rows, loss_tolerance);
    un_harness_near_array("hit", hit, wanted_hit, s->rows, (struct un_tolerance){0});
    un_harness_near("gradient", slope, gradient, gradient_tolerance);
    if (s->rows * s->cols <= 400)
        un_harness_slope("sigmoid", slope, sigmoid_sum, s, x, 1e-4, difference_tolerance);
}

static void run_sigmoid(struct un_harness *h, const void *context) {
    const struct answers *s = context;
    struct un_mat logits = un_harness_mat_random(h, s->rows, s->cols, -s->range, s->range);
    struct un_mat kept = un_harness_mat_copy(h, logits), slope = un_harness_mat_copy(h, logits);
    struct un_mat target = make_soft(h, s->rows, s->cols), aside = un_harness_mat(h, s->rows, s->cols);
    int32_t *row = un_harness_ints(h, s->rows, 0, 9);
    for (int64_t i = 1; i < s->rows; i += 3) row[i] = -1;
    float *loss = un_harness_poison(h, s->rows), *hit = un_harness_poison(h, s->rows);
    float *loss2 = un_harness_poison(h, s->rows), *hit2 = un_harness_poison(h, s->rows);
    const float *scale = scale_of(h);
    h->ops->sigmoid_cross_entropy(h->q, loss, hit, (struct un_mat){0}, kept, target, row, scale);
    h->ops->sigmoid_cross_entropy(h->q, loss2, hit2, aside, logits, target, row, scale);
    h->ops->sigmoid_cross_entropy(h->q, loss2, hit2, slope, slope, target, row, scale);
    un_harness_same("logits without gradient", kept, logits);
    un_harness_same("gradient in place", slope, aside);
    un_harness_same("loss with gradient", un_mat32(loss2, 1, s->rows), un_mat32(loss, 1, s->rows));
    un_harness_same("hit with gradient", un_mat32(hit2, 1, s->rows), un_mat32(hit, 1, s->rows));
    const struct soft soft = {s->rows, s->cols, row, un_harness_widen(h, target)};
    check_sigmoid(h, slope, loss, hit, un_harness_widen(h, logits), &soft);
}

static void sigmoids(void **state) {
    static const struct answers shapes[] = {{0, 13, 3},   {1, 3, 3},      {17, 13, 3},  {3, 1, 1},
                                            {5, 3129, 8}, {130, 1601, 2}, {4, 512, 50}, {4, 1025, 0},
                                            {7, 256, 90}, {2, 4099, 20}};
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        if (!un_harness_heavy((double)(shapes[i].rows * shapes[i].cols)))
            un_harness_each(run_sigmoid, &shapes[i]);
}

/* Far from 0 the loss is |x| or e^-|x|, and none of it is lost; NaN comes out as NaN. */
static void sigmoid_ends(void **state) {
    static const float start[3][2] = {{1000.0f, -1000.0f}, {-12.0f, -13.0f}, {NAN, 1.0f}},
                       soft[3][2] = {{0, 1}};
    static const int32_t rows[3] = {0, 0, 0};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    float(*x)[2] = un_harness_put(&h, start, 3, sizeof *start), *scale = un_harness_random(&h, 1, 1, 1);
    const float *target = un_harness_put(&h, soft, 3, sizeof *soft);
    const int32_t *row = un_harness_put(&h, rows, 3, sizeof *rows);
    float *loss = un_harness_poison(&h, 3), *hit = un_harness_poison(&h, 3);
    h.ops->sigmoid_cross_entropy(h.q, loss, hit, un_mat32(x, 3, 2), un_mat32(x, 3, 2), un_mat32(target, 3, 2),
                                 row, scale);
    assert_true(loss[0] == 2000.0f && hit[0] == 0.0f && x[0][0] == 1.0f && x[0][1] == -1.0f);
    assert_float_equal(loss[1], (float)(log1p(exp(-12)) + log1p(exp(-13))), 2e-12);
    assert_float_equal(x[1][0], (float)sigmoid(-12), 2e-12);
    assert_true(isnan(loss[2]) && isnan(x[2][0]));
    un_harness_close(&h);
}

/* ---- members of rows ---- */

struct rows {
    int64_t n, most, behind; /* rows, members of the longest, members that are in no row */
    float range;
    int kind; /* of margins: -1, -2, or 0 for a mix; 1: no list */
};

struct members {
    int64_t n, members;
    int32_t *start, *target, *wrong;
};

/* Rows of 1 to `most` members; every third one has no target, every fifth no members. wrong: by the row. */
static struct members make_members(struct un_harness *h, const struct rows *s) {
    struct members m = {.n = s->n};
    m.start = un_harness_ints(h, s->n + 1, 1, (int32_t)s->most + 1);
    m.target = un_harness_ints(h, s->n, 0, 1 << 20);
    m.wrong = un_harness_ints(h, s->n, 0, 1 << 20);
    int32_t used = 0;
    for (int64_t i = 0; i < s->n; ++i) {
        const int32_t count = i % 5 == 4 ? 0 : m.start[i];
        m.start[i] = used;
        used += count;
        m.target[i] = i % 3 == 1 || count == 0 ? -1 : m.target[i] % count;
        const int32_t other = count > 1 ? (m.target[i] + 1 + m.wrong[i] % (count - 1)) % count : -1;
        m.wrong[i] = s->kind < 0 ? s->kind : i % 3 == 0 ? other : i % 3 == 2 ? -2 : -1;
    }
    m.start[s->n] = used;
    m.members = used + s->behind;
    return m;
}

typedef double (*row_loss)(const double *x, int64_t n, int32_t target, int32_t wrong);
typedef void (*row_slope)(double *d, const double *x, int64_t n, int32_t target, int32_t wrong);

static double softmax_loss(const double *x, int64_t n, int32_t target, int32_t wrong) {
    double sum = 0.0;
    (void)wrong;
    for (int64_t j = 0; j < n; ++j) sum += exp(x[j] - x[target]);
    return log(sum);
}

static void softmax_slope(double *d, const double *x, int64_t n, int32_t target, int32_t wrong) {
    const double all = softmax_loss(x, n, target, wrong);
    for (int64_t j = 0; j < n; ++j) d[j] = (exp(x[j] - x[target] - all) - (j == target)) * factor;
}

/* The margin that member j misses. */
static double missed(const double *x, int64_t n, int32_t target, int32_t wrong, int64_t j) {
    int64_t only = wrong;
    if (wrong == -2)
        for (int64_t k = 0; k < n; ++k)
            if (k != target && (only < 0 || x[k] > x[only])) only = k;
    if (j == target || (wrong != -1 && j != only)) return 0.0;
    return fmax(0.0, (double)margin + sigmoid(x[j]) - sigmoid(x[target]));
}

static double margin_loss(const double *x, int64_t n, int32_t target, int32_t wrong) {
    double sum = 0.0;
    for (int64_t j = 0; j < n; ++j) sum += missed(x, n, target, wrong, j);
    return sum;
}

static void margin_slope(double *d, const double *x, int64_t n, int32_t target, int32_t wrong) {
    for (int64_t j = 0; j < n; ++j) {
        if (missed(x, n, target, wrong, j) <= 0.0) continue;
        d[j] += sigmoid(x[j]) * sigmoid(-x[j]) * factor;
        d[target] -= sigmoid(x[target]) * sigmoid(-x[target]) * factor;
    }
}

struct scalar {
    row_loss f;
    row_slope slope;
    const struct members *m;
    bool tied; /* which member is the highest changes within a step */
};

static double all_rows(const double *x, const void *context) {
    const struct scalar *c = context;
    const struct members *m = c->m;
    double sum = 0.0;
    for (int64_t i = 0; i < m->n; ++i)
        if (m->target[i] >= 0)
            sum += c->f(x + m->start[i], m->start[i + 1] - m->start[i], m->target[i], m->wrong[i]);
    return sum * factor;
}

/* Which of the two ops, with or without gradient. */
static void run_op(struct un_harness *h, const struct scalar *c, bool no_list, float *loss, float *hit,
                   float *slope, const float *scores) {
    const struct members *m = c->m;
    const float *scale = scale_of(h);
    if (c->f == softmax_loss)
        h->ops->segment_cross_entropy(h->q, loss, hit, slope, scores, m->start, m->target, m->n, m->members,
                                      scale);
    else
        h->ops->margin_rank(h->q, loss, hit, slope, scores, m->start, m->target, no_list ? NULL : m->wrong,
                            m->n, m->members, margin, scale);
}

static void check_members(struct un_harness *h, const struct scalar *c, const float *loss, const float *hit,
                          const float *slope, double *x) {
    const struct members *m = c->m;
    double *want = un_harness_doubles(h, m->n), *wanted_hit = un_harness_doubles(h, m->n);
    double *gradient = un_harness_doubles(h, m->members);
    for (int64_t i = 0; i < m->n; ++i) {
        const int64_t count = m->start[i + 1] - m->start[i];
        if (m->target[i] < 0) continue;
        want[i] = c->f(x + m->start[i], count, m->target[i], m->wrong[i]);
        wanted_hit[i] = first_largest(x + m->start[i], count) == m->target[i];
        c->slope(gradient + m->start[i], x + m->start[i], count, m->target[i], m->wrong[i]);
    }
    un_harness_near_array("loss", loss, want, m->n, loss_tolerance);
    un_harness_near_array("hit", hit, wanted_hit, m->n, (struct un_tolerance){0});
    un_harness_near_array("gradient", slope, gradient, m->members, gradient_tolerance);
    if (c->tied || m->members > 700) return;
    un_harness_slope("scores", un_mat32(slope, 1, m->members), all_rows, c, x, 1e-5, difference_tolerance);
}

static void run_members(struct un_harness *h, const struct rows *s, row_loss f) {
    const struct members m = make_members(h, s);
    const struct scalar c = {f, f == softmax_loss ? softmax_slope : margin_slope, &m,
                             f == margin_loss && s->range == 0.0f};
    float *scores = un_harness_random(h, m.members, -s->range, s->range);
    float *slope = un_harness_copy(h, scores, m.members), *aside = un_harness_poison(h, m.members);
    float *loss = un_harness_poison(h, m.n), *hit = un_harness_poison(h, m.n);
    float *loss2 = un_harness_poison(h, m.n), *hit2 = un_harness_poison(h, m.n);
    double *x = un_harness_widen_array(h, scores, m.members);
    run_op(h, &c, s->kind == 1, loss, hit, NULL, scores);
    run_op(h, &c, s->kind == 1, loss2, hit2, aside, scores);
    run_op(h, &c, s->kind == 1, loss2, hit2, slope, slope);
    un_harness_same("gradient in place", un_mat32(slope, 1, m.members), un_mat32(aside, 1, m.members));
    un_harness_same("loss with gradient", un_mat32(loss2, 1, m.n), un_mat32(loss, 1, m.n));
    un_harness_same("hit with gradient", un_mat32(hit2, 1, m.n), un_mat32(hit, 1, m.n));
    for (int64_t i = m.start[m.n]; i < m.members; ++i) assert_true(slope[i] == 0.0f);
    if (s->kind == 1)
        for (int64_t i = 0; i < m.n; ++i) m.wrong[i] = -1;
    check_members(h, &c, loss, hit, slope, x);
}

static void run_segment(struct un_harness *h, const void *context) {
    run_members(h, context, softmax_loss);
}

static void run_margin(struct un_harness *h, const void *context) {
    run_members(h, context, margin_loss);
}

static const struct rows shapes[] = {
    {.n = 0, .most = 1, .range = 1},
    {.n = 0, .most = 1, .behind = 5, .range = 1},
    {.n = 1, .most = 1, .range = 1},
    {.n = 17, .most = 3, .behind = 9, .range = 3},
    {.n = 9, .most = 4, .range = 0}, /* all equal: the first wins */
    {.n = 13, .most = 100, .behind = 1, .range = 5},
    {.n = 4, .most = 1300, .range = 8},
};

static void segments(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i) un_harness_each(run_segment, &shapes[i]);
}

static void margins(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; ++i)
        for (int kind = -2; kind < 2; ++kind) {
            struct rows s = shapes[i];
            s.kind = kind;
            un_harness_each(run_margin, &s);
        }
}

/* By hand: the negative with the higher sigmoid, the first of two equal ones, and beyond the margin nothing. */
static void margins_by_hand(void **state) {
    static const float numbers[] = {0, 1, 1, -9, /* */ 9, -9, /* */ NAN, 0};
    static const int32_t starts[] = {0, 4, 6, 8}, targets[] = {0, 0, 1}, picks[] = {-2, -1, 0};
    struct un_harness h;
    (void)state;
    un_harness_open(&h, 1, NULL);
    float *x = un_harness_put(&h, numbers, 8, sizeof *numbers), *scale = un_harness_random(&h, 1, 1, 1);
    const int32_t *start = un_harness_put(&h, starts, 4, sizeof *starts);
    const int32_t *target = un_harness_put(&h, targets, 3, sizeof *targets);
    const int32_t *wrong = un_harness_put(&h, picks, 3, sizeof *picks);
    float *loss = un_harness_poison(&h, 3), *hit = un_harness_poison(&h, 3), *d = un_harness_poison(&h, 8);
    h.ops->margin_rank(h.q, loss, hit, d, x, start, target, wrong, 3, 8, margin, scale);
    assert_float_equal(loss[0], 0.2f + (float)sigmoid(1) - 0.5f, 1e-6);
    assert_float_equal(d[1], (float)(sigmoid(1) * sigmoid(-1)), 1e-6);
    assert_true(hit[0] == 0.0f && d[0] == -0.25f && d[2] == 0.0f && d[3] == 0.0f);
    assert_true(loss[1] == 0.0f && hit[1] == 1.0f && d[4] == 0.0f && d[5] == 0.0f);
    assert_true(isnan(loss[2]) && isnan(d[6]));
    un_harness_close(&h);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sigmoids), cmocka_unit_test(sigmoid_ends),    cmocka_unit_test(segments),
        cmocka_unit_test(margins),  cmocka_unit_test(margins_by_hand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
