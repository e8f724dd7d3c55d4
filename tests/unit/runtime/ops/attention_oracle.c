/* See attention_oracle.h. One query at a time, forward and backward. */
#include "tests/unit/runtime/ops/attention_oracle.h"

#include <math.h>
#include <string.h>

#define ROUNDING (1.0 / 256)
/* Of an exponent: a float chain of 64 products and the fast exp2, relative to the magnitudes in the score. */
#define HALF_SCORE 2e-6
#define FLOAT_SUM  1e-6

float un_bf16_at(struct un_mat m, int64_t row, int64_t col) {
    const uint32_t bits = (uint32_t)((const uint16_t *)m.data)[row * m.stride + col] << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

void un_bf16_put(struct un_mat m, int64_t row, int64_t col, float f) {
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    ((uint16_t *)m.data)[row * m.stride + col] =
        isnan(f) ? 0x7FC0 : (uint16_t)((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16);
}

static void bound_round(struct bound *b, double part) {
    b->slack += part * (fabs(b->value) + b->slack);
}
static void bound_add(struct bound *b, double value, double slack) {
    b->value += value;
    b->slack += slack + FLOAT_SUM * fabs(value);
}

static double factor_of(const struct problem *p, int64_t t, int64_t u, int64_t first, int64_t a) {
    const int64_t i = (t * p->shape->heads + a) * UN_MAX_SAMPLE_TOKENS + (u - first);
    return un_dropout_factor(&p->drop, (uint32_t)i);
}

/* x . y of two rows of one head; *size: of the magnitudes. */
static double dot(struct un_mat x, int64_t i, int64_t x_col, struct un_mat y, int64_t j, int64_t y_col,
                  int64_t width, double *size) {
    double sum = *size = 0.0;
    for (int64_t d = 0; d < width; ++d) {
        const double term = (double)un_bf16_at(x, i, x_col + d) * un_bf16_at(y, j, y_col + d);
        sum += term;
        *size += fabs(term);
    }
    return sum;
}

/* One query of one head, forward and backward. */
static void oracle_query(struct oracle *o, const struct problem *p, int64_t first, int64_t stop, int64_t t,
                         int64_t a) {
    const int64_t w = p->shape->width, h = p->shape->heads * w, query = a * w, key = h + a * w,
                  value = 2 * h + a * w;
    const double root = 1.0 / sqrt((double)w), part = p->matrix ? ROUNDING : 0.0;
    double prob[UN_MAX_SAMPLE_TOKENS], top = -INFINITY, all = 0.0, size, sizes = 0.0;
    struct bound *out = o->out + t * h + a * w, delta = {0, 0};
    for (int64_t u = first; u < stop; ++u) {
        prob[u - first] = dot(p->qkv, t, query, p->qkv, u, key, w, &size) * root;
        top = fmax(top, prob[u - first]);
        sizes = fmax(sizes, size * root);
    }
    const double off = 3 * HALF_SCORE * (1.0 + sizes); /* relative, of a probability */
    for (int64_t u = first; u < stop; ++u) all += prob[u - first] = exp(prob[u - first] - top);
    for (int64_t u = first; u < stop; ++u) prob[u - first] /= all;
    o->lse[t * p->shape->heads + a] = (struct bound){top + log(all), off + 1e-6 * fabs(top + log(all))};
    for (int64_t d = 0; d < w; ++d) {
        for (int64_t u = first; u < stop; ++u) {
            const double term =
                prob[u - first] * factor_of(p, t, u, first, a) * un_bf16_at(p->qkv, u, value + d);
            bound_add(&out[d], term, (part + off) * fabs(term));
        }
        bound_round(&out[d], ROUNDING);
        const double g = un_bf16_at(p->dout, t, query + d);
        bound_add(&delta, g * out[d].value, fabs(g) * out[d].slack);
    }
    for (int64_t u = first; u < stop; ++u) {
        const double f = factor_of(p, t, u, first, a), pr = prob[u - first];
        const double g = dot(p->dout, t, query, p->qkv, u, value, w, &size);
        struct bound ds = {pr * (f * g - delta.value), pr * (f * FLOAT_SUM * size + delta.slack)};
        bound_round(&ds, off);
        bound_round(&ds, part);
        for (int64_t d = 0; d < w; ++d) {
            const double k = un_bf16_at(p->qkv, u, key + d) * root,
                         x = un_bf16_at(p->qkv, t, query + d) * root,
                         e = f * pr * un_bf16_at(p->dout, t, query + d);
            bound_add(&o->dqkv[t * 3 * h + query + d], ds.value * k, ds.slack * fabs(k));
            bound_add(&o->dqkv[u * 3 * h + key + d], ds.value * x, ds.slack * fabs(x));
            bound_add(&o->dqkv[u * 3 * h + value + d], e, (part + off) * fabs(e));
        }
    }
}

static struct bound *bounds(struct un_harness *h, int64_t count) {
    return (struct bound *)(void *)un_harness_doubles(h, 2 * count);
}

struct oracle un_oracle_attention(struct un_harness *h, const struct problem *p) {
    const int64_t hidden = p->shape->heads * p->shape->width, tokens = p->layout.tokens;
    struct oracle o = {bounds(h, tokens * hidden), bounds(h, tokens * p->shape->heads),
                       bounds(h, tokens * 3 * hidden)};
    for (int64_t s = 0; s < p->layout.samples; ++s)
        for (int64_t t = p->layout.start[s]; t < p->layout.start[s + 1]; ++t)
            for (int64_t a = 0; a < p->shape->heads; ++a)
                oracle_query(&o, p, p->layout.start[s], p->layout.start[s + 1], t, a);
    for (int64_t i = 0; i < tokens * 3 * hidden; ++i) bound_round(&o.dqkv[i], ROUNDING);
    return o;
}

void un_oracle_compare(const char *what, struct un_mat got, const struct bound *want, double most) {
    double error = 0.0, size = 0.0;
    for (int64_t i = 0; i < got.rows; ++i)
        for (int64_t j = 0; j < got.cols; ++j) {
            const struct bound b = want[i * got.cols + j];
            const double x = got.type == UN_F32 ? (double)((const float *)got.data)[i * got.stride + j]
                                                : (double)un_bf16_at(got, i, j);
            if (!(fabs(x - b.value) <= b.slack))
                fail_msg("%s [%lld, %lld]: got %.9g at (%lld, %lld), want %.9g, at most %.3g off", what,
                         (long long)got.rows, (long long)got.cols, x, (long long)i, (long long)j, b.value,
                         b.slack);
            error += (x - b.value) * (x - b.value);
            size += b.value * b.value;
        }
    if (sqrt(error) > most * sqrt(size))
        fail_msg("%s [%lld, %lld]: errors are %.3g of the result, at most %.3g", what, (long long)got.rows,
                 (long long)got.cols, sqrt(error / size), most);
}

void un_oracle_sums(const struct problem *p) {
    for (int64_t j = 0; j < p->dqkv.cols; ++j) {
        double want = (double)p->before[j], size = fabs(want);
        for (int64_t t = 0; t < p->layout.tokens; ++t) {
            want += (double)un_bf16_at(p->dqkv, t, j);
            size += fabs((double)un_bf16_at(p->dqkv, t, j));
        }
        if (!(fabs((double)p->dbias[j] - want) <= 3e-7 * size + 1e-7))
            fail_msg("dbias: column %lld is %.9g, want %.9g", (long long)j, (double)p->dbias[j], want);
    }
}
