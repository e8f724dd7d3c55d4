/* Attention as it was, from what the pass left of it (look.h). */
#include "launch/use/look.h"

#include <math.h>

static double dot(const float *a, const float *b, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += (double)a[i] * (double)b[i];
    return sum;
}

double un_use_attention(float *probability, const float *qkv, const float *lse, int64_t tokens, int64_t width,
                        int64_t heads, int64_t head) {
    int64_t d = width / heads;
    double scale = 1 / sqrt((double)d), worst = 0;
    for (int64_t t = 0; t < tokens; ++t) {
        double sum = 0;
        for (int64_t u = 0; u < tokens; ++u) {
            const float *query = qkv + t * 3 * width + head * d,
                        *key = qkv + u * 3 * width + width + head * d;
            double p = exp(dot(query, key, d) * scale - (double)lse[t * heads + head]);
            probability[t * tokens + u] = (float)p;
            sum += p;
        }
        worst = fmax(worst, fabs(sum - 1));
    }
    return worst;
}

/* Mass of row t on columns [begin, end). */
static double mass(const struct un_picture_head *h, int64_t tokens, int64_t t, int64_t begin, int64_t end) {
    double sum = 0;
    for (int64_t u = begin; u < end; ++u) sum += (double)h->probability[t * tokens + u];
    return sum;
}

static const char *name_of(const struct un_picture_head *h) {
    if (h->special >= 1.0 / 3 && h->near >= 1.0 / 3) return "vertical + diagonal";
    if (h->special >= 0.5) return "vertical";
    if (h->near >= 0.5) return "diagonal";
    if (h->inside >= 0.75) return "block";
    return h->inside <= 0.25 ? "reversed block" : "heterogeneous";
}

void un_use_attention_pattern(struct un_picture_head *h, int64_t words, int64_t regions) {
    int64_t tokens = words + regions;
    h->special = h->near = h->inside = 0;
    for (int64_t t = 0; t < tokens; ++t) {
        bool region = t >= words;
        int64_t begin = region ? words : 0, end = region ? tokens : words;
        int64_t before = t > begin ? t - 1 : t, after = t + 2 < end ? t + 2 : end;
        h->special += mass(h, tokens, t, 0, 1) + mass(h, tokens, t, words - 1, words);
        h->near += mass(h, tokens, t, before, after);
        h->inside += mass(h, tokens, t, begin, end) / (2 * (double)(region ? regions : words));
    }
    h->special /= (double)tokens;
    h->near /= (double)tokens;
    h->pattern = name_of(h);
}
