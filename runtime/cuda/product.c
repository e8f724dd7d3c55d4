/* Matrix products as a library sees them (product.h): pure functions, tested without a card. */
#include "runtime/cuda/product.h"
#include "runtime/fp8.h"
#include "runtime/waves.h"

#include <string.h>

/* Below this the library has no good kernel: its tiles would be all but empty. The backend's own products cut
 * a long inner dimension, which is what such shapes need. */
enum { LEAST_SIDE = 16, LEAST_INNER = 16 };
/* Where tiles of 128 x 128 leave much of the last wave idle, the inner dimension may be cut, which pays where it
 * is long: a piece more writes and reads m n sums once more, beside m n k multiply-adds. */
enum { LONG_INNER = 2048 };

static int32_t alignment(struct un_mat m) {
    const uint64_t bits = (uint64_t)(uintptr_t)m.data | (uint64_t)(m.stride * un_type_bytes(m.type)) | 16u;
    return (int32_t)(bits & (~bits + 1)); /* its lowest bit */
}

/* A row-major matrix is the column-major one of its transpose. */
static struct un_product_mat column_major(struct un_mat m) {
    return (struct un_product_mat){m.cols, m.rows, m.stride, (int32_t)m.type, alignment(m)};
}

/* Of fp8 the library takes factors with k along their rows, all at 16 bytes. */
static bool fp8_fits(const struct un_product *p) {
    return p->transpose_left && !p->transpose_right && p->k % 16 == 0 && p->m % 16 == 0 &&
           p->left.align == 16 && p->right.align == 16 && p->d.align == 16;
}

static bool types_fit(enum un_type c, enum un_type a, enum un_type b) {
    if (un_fp8_is(a)) return b == UN_E4M3 && (c == UN_F32 || c == UN_BF16);
    return a == b && ((a == UN_F32 && c == UN_F32) || (a == UN_BF16 && (c == UN_F32 || c == UN_BF16)));
}

bool un_product_make(struct un_product *product, struct un_mat c, struct un_mat a, bool transpose_a,
                     struct un_mat b, bool transpose_b, float beta, bool with_bias, enum un_type bias_type,
                     bool tf32) {
    const int64_t inner = transpose_a ? a.rows : a.cols;
    if (c.rows < LEAST_SIDE || c.cols < LEAST_SIDE || inner < LEAST_INNER) return false;
    if (!types_fit(c.type, a.type, b.type) || (beta != 0.0f && beta != 1.0f)) return false;
    memset(product, 0, sizeof *product);
    product->m = c.cols;
    product->n = c.rows;
    product->k = inner;
    product->left = column_major(b);
    product->right = column_major(a);
    product->d = column_major(c);
    product->transpose_left = transpose_b;
    product->transpose_right = transpose_a;
    product->bias = with_bias && bias_type == c.type && beta == 0.0f;
    product->beta = beta != 0.0f;
    product->tf32 = tf32 && a.type == UN_F32;
    product->split = !un_fp8_is(a.type) && inner >= LONG_INNER &&
                     !un_waves_full(un_wave_tiles(product->m, product->n, UN_WAVE_TILE, UN_WAVE_TILE));
    if (un_fp8_is(a.type)) return fp8_fits(product);
    return product->left.align >= un_type_bytes(b.type) && product->right.align >= un_type_bytes(a.type) &&
           product->d.align >= un_type_bytes(c.type);
}

size_t un_product_bytes(const struct un_product_mat *m) {
    if (m->rows == 0 || m->cols == 0) return 0;
    return (size_t)((m->cols - 1) * m->lead + m->rows) * (size_t)un_type_bytes((enum un_type)m->type);
}

static uint64_t hash(const struct un_product *product) {
    const unsigned char *byte = (const unsigned char *)product;
    uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
    for (size_t i = 0; i < sizeof *product; ++i) h = (h ^ byte[i]) * UINT64_C(1099511628211);
    return h ^ h >> 32;
}

int un_product_place(struct un_product_table *table, const struct un_product *product, bool *added) {
    *added = false;
    for (uint64_t at = hash(product);; ++at) { /* half of the slots stay free: the walk ends */
        int16_t *slot = &table->slot[at % UN_PRODUCT_SLOTS];
        if (*slot > 0) {
            if (memcmp(&table->product[*slot - 1], product, sizeof *product) == 0) return *slot - 1;
            continue;
        }
        if (table->count == UN_PRODUCT_MOST) return -1;
        table->product[table->count++] = *product;
        *slot = (int16_t)table->count;
        *added = true;
        return table->count - 1;
    }
}

bool un_product_repeats(const struct un_product_trial *t) {
    return t->ran && t->digest[0] == t->digest[1];
}

static bool faster(const struct un_product_trial *a, const struct un_product_trial *b) {
    return a->seconds >= 0 && b->seconds >= 0 && a->seconds < b->seconds;
}

int un_product_order(const struct un_product_trial *trial, int count, int *order) {
    int first = 0, found = 0;
    while (first < count && !un_product_repeats(&trial[first])) ++first;
    for (int i = first; i < count; ++i) {
        if (!un_product_repeats(&trial[i]) || trial[i].digest[0] != trial[first].digest[0]) continue;
        int at = found++;
        for (; at > 0 && faster(&trial[i], &trial[order[at - 1]]); --at) order[at] = order[at - 1];
        order[at] = i;
    }
    return found;
}
