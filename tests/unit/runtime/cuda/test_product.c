/* Matrix products (runtime/cuda/product.h): a product's column-major arguments, computed naively, give the
 * caller's row-major product; what the library is asked for follows from the shape; the table remembers; the
 * choice never leaves the bits of the first. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/cuda/product.h"
#include "runtime/memory.h"
#include "runtime/rng.h"
#include "runtime/waves.h"
#include <string.h>

enum { PAD = 8 };

/* Whole numbers, so that every order of summation gives the same. */
static float *numbers(int64_t count, uint32_t what) {
    float *x = un_alloc((size_t)count, sizeof *x, "numbers");
    assert_non_null(x);
    for (int64_t i = 0; i < count; ++i)
        x[i] = (float)((int)un_rng_below(un_rng(7, UN_RNG_TEST, 0, 0, what, (uint32_t)i).v[0], 17) - 8);
    return x;
}

static float row_major(struct un_mat m, int64_t i, int64_t j) {
    return ((const float *)m.data)[i * m.stride + j];
}
static float col_major(const struct un_product_mat *m, const void *data, int64_t i, int64_t j) {
    assert_true(i >= 0 && i < m->rows && j >= 0 && j < m->cols);
    return ((const float *)data)[i + j * m->lead];
}

/* What the library does with a product, by its book. */
static void library(const struct un_product *p, const void *left, const void *right, float *d) {
    for (int64_t j = 0; j < p->n; ++j)
        for (int64_t i = 0; i < p->m; ++i) {
            float sum = p->beta ? col_major(&p->d, d, i, j) : 0;
            for (int64_t k = 0; k < p->k; ++k)
                sum +=
                    (p->transpose_left ? col_major(&p->left, left, k, i) : col_major(&p->left, left, i, k)) *
                    (p->transpose_right ? col_major(&p->right, right, j, k)
                                        : col_major(&p->right, right, k, j));
            d[i + j * p->d.lead] = sum;
        }
}

static void check_product(int64_t m, int64_t n, int64_t k, bool ta, bool tb, float beta, int64_t pad) {
    struct un_mat a = un_mat32(NULL, ta ? k : m, ta ? m : k), b = un_mat32(NULL, tb ? n : k, tb ? k : n),
                  c = un_mat32(NULL, m, n);
    a.stride += pad, b.stride += 2 * pad, c.stride += 3 * pad;
    a.data = numbers(a.rows * a.stride, 1);
    b.data = numbers(b.rows * b.stride, 2);
    c.data = numbers(c.rows * c.stride, 3);
    float *want = numbers(c.rows * c.stride, 3);
    for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n; ++j) {
            float sum = beta * row_major(c, i, j);
            for (int64_t l = 0; l < k; ++l)
                sum += (ta ? row_major(a, l, i) : row_major(a, i, l)) *
                       (tb ? row_major(b, j, l) : row_major(b, l, j));
            want[i * c.stride + j] = sum;
        }
    struct un_product product;
    assert_true(un_product_make(&product, c, a, ta, b, tb, beta, false, UN_F32, false));
    library(&product, b.data, a.data, c.data);
    assert_memory_equal(c.data, want, (size_t)(c.rows * c.stride) * sizeof *want);
    un_free(a.data);
    un_free(b.data);
    un_free(c.data);
    un_free(want);
}

static void row_major_through_column_major(void **state) {
    (void)state;
    for (int layout = 0; layout < 8; ++layout)
        for (int pad = 0; pad < 2; ++pad) {
            check_product(17, 40, 23, layout & 1, layout & 2, layout & 4 ? 1.0f : 0.0f, pad * PAD);
            check_product(64, 16, 16, layout & 1, layout & 2, layout & 4 ? 1.0f : 0.0f, pad);
        }
}

/* Matrices of a product by types alone; addresses as given. */
static bool asked(struct un_product *product, enum un_type tc, enum un_type ta, enum un_type tb, int64_t m,
                  int64_t n, int64_t k, float beta, int shift) {
    static _Alignas(64) unsigned char place[64];
    struct un_mat a = un_mat(place + shift, ta, m, k), b = un_mat(place, tb, n, k),
                  c = un_mat(place, tc, m, n);
    return un_product_make(product, c, a, false, b, true, beta, true, UN_F32, true);
}

static void who_is_asked(void **state) {
    (void)state;
    struct un_product p;
    assert_true(asked(&p, UN_BF16, UN_BF16, UN_BF16, 300, 768, 768, 0, 0));
    assert_true(asked(&p, UN_F32, UN_BF16, UN_BF16, 300, 768, 768, 1, 0));
    assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 768, 0, 0));
    /* types it does not mix, other betas, thin ones */
    assert_false(asked(&p, UN_BF16, UN_F32, UN_F32, 300, 768, 768, 0, 0));
    assert_false(asked(&p, UN_F32, UN_BF16, UN_F32, 300, 768, 768, 0, 0));
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 768, 0.5f, 0));
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 300, 7, 768, 0, 0));
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 2, 768, 768, 0, 0));
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 7, 0, 0));
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 0, 768, 768, 0, 0));
    /* an address that no element may have */
    assert_false(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 768, 0, 2));
    assert_false(asked(&p, UN_BF16, UN_BF16, UN_BF16, 300, 768, 768, 0, 1));
}

static void attributes(void **state) {
    (void)state;
    struct un_product p;
    /* the bias is of type f32 here: the library adds it to f32 only, and never beside beta */
    assert_true(asked(&p, UN_F32, UN_BF16, UN_BF16, 300, 768, 768, 0, 0));
    assert_int_equal(p.bias, 1);
    assert_int_equal(p.tf32, 0); /* asked for, but not for bf16 */
    assert_true(asked(&p, UN_F32, UN_BF16, UN_BF16, 300, 768, 768, 1, 0));
    assert_int_equal(p.bias, 0);
    assert_true(asked(&p, UN_BF16, UN_BF16, UN_BF16, 300, 768, 768, 0, 0));
    assert_int_equal(p.bias, 0);
    assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 768, 0, 0));
    assert_int_equal(p.tf32, 1);
    /* alignment: of the address and of the rows, the smaller one */
    assert_int_equal(p.right.align, 16);
    assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 300, 768, 768, 0, 8));
    assert_int_equal(p.right.align, 8);
    assert_int_equal(p.left.align, 16);
    assert_true(asked(&p, UN_BF16, UN_BF16, UN_BF16, 300, 1601, 768, 0, 0));
    assert_int_equal(p.d.align, 2);
    assert_true(asked(&p, UN_BF16, UN_BF16, UN_BF16, 300, 28996, 768, 0, 0));
    assert_int_equal(p.d.align, 8);
}

static bool cut(int64_t m, int64_t n, int64_t k) {
    struct un_product p;
    assert_true(asked(&p, UN_F32, UN_BF16, UN_BF16, m, n, k, 1, 0));
    return p.split;
}

/* Gradients of weights of base and large over a micro-batch, in tiles of 128 x 128 on 132 multiprocessors. */
static void cut_where_waves_are_not_full(void **state) {
    (void)state;
    assert_true(cut(768, 768, 16896));    /* 36 tiles: 27 % of a wave */
    assert_true(cut(2304, 768, 16896));   /* 108: 82 % */
    assert_true(cut(3072, 768, 16896));   /* 144: 55 % of two */
    assert_true(cut(768, 3072, 16896));   /* the same, lying */
    assert_true(cut(3072, 1024, 16896));  /* 192: 73 % */
    assert_false(cut(4096, 1024, 16896)); /* 256: 97 % */
    assert_false(cut(16896, 768, 3072));  /* 792: six waves, full */
    assert_false(cut(16384, 768, 3072));  /* 768: 97 % of them */
    assert_true(cut(4096, 768, 3072));    /* 192: 73 % */
    /* the border: 112 tiles of 132 are not 85 % (84.8), 113 are; of two waves 224, 225 */
    assert_true(cut(112 * 128, 128, 2048));
    assert_false(cut(113 * 128, 128, 2048));
    assert_false(cut(112 * 128 + 1, 128, 2048)); /* a tile begun is a tile */
    assert_false(cut(128, 112 * 128 + 1, 2048));
    assert_true(cut(224 * 128, 128, 2048));
    assert_false(cut(225 * 128, 128, 2048));
    assert_false(cut(132 * 128, 128, 2048));
    assert_true(cut(133 * 128, 128, 2048));
    /* a short inner dimension is never cut */
    assert_false(cut(768, 768, 2047));
    assert_true(cut(768, 768, 2048));
}

/* Rows that fill: all of their multiples do, and no fewer rows whose multiples all do. */
static void rows_that_fill(void **state) {
    (void)state;
    assert_int_equal(un_wave_rows(768, 128), 22 * 128);
    assert_int_equal(un_wave_rows(768, 256), 44 * 128);
    assert_int_equal(un_wave_rows(1024, 256), 33 * 128);
    assert_int_equal(un_wave_rows(1, 128), 132 * 128);
    for (int64_t cols = 128; cols < 128 * 140; cols += 128) {
        const int64_t rows = un_wave_rows(cols, 128);
        assert_true(16896 % rows == 0);
        for (int64_t r = 128; r <= 2 * rows; r += 128)
            assert_true((un_wave_tiles(r, cols, 128, 128) % UN_WAVE_TILES == 0) == (r % rows == 0));
    }
}

/* Below 100 tiles nothing but the inner dimension ever decided: orders of sums of small shapes stay. */
static void few_tiles_are_cut_as_ever(void **state) {
    (void)state;
    for (int64_t tiles = 1; tiles < 100; ++tiles) {
        assert_true(cut(tiles * 128, 128, 2048));
        assert_false(cut(tiles * 128, 128, 2047));
    }
}

static void sizes(void **state) {
    (void)state;
    struct un_product_mat m = {.rows = 7, .cols = 3, .lead = 10, .type = UN_BF16};
    assert_int_equal(un_product_bytes(&m), (2 * 10 + 7) * 2);
    m.type = UN_F32;
    assert_int_equal(un_product_bytes(&m), (2 * 10 + 7) * 4);
    m.cols = 0;
    assert_int_equal(un_product_bytes(&m), 0);
}

static void table_remembers(void **state) {
    (void)state;
    struct un_product_table *table = un_alloc(1, sizeof *table, "table");
    struct un_product p;
    bool added;
    assert_non_null(table);
    for (int i = 0; i < UN_PRODUCT_MOST; ++i) {
        assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 16 + i / 2, 768, 768, i % 2 ? 1.0f : 0.0f, 0));
        assert_int_equal(un_product_place(table, &p, &added), i);
        assert_true(added);
    }
    for (int i = UN_PRODUCT_MOST - 1; i >= 0; --i) {
        assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 16 + i / 2, 768, 768, i % 2 ? 1.0f : 0.0f, 0));
        assert_int_equal(un_product_place(table, &p, &added), i);
        assert_false(added);
    }
    assert_true(asked(&p, UN_F32, UN_F32, UN_F32, 5000, 768, 768, 0, 0));
    assert_int_equal(un_product_place(table, &p, &added), -1);
    assert_false(added);
    un_free(table);
}

/* order of the trials, as digits */
static int order_of(const struct un_product_trial *t, int count) {
    int order[4] = {0}, digits = 0;
    const int found = un_product_order(t, count, order);
    for (int i = 0; i < found; ++i) digits = 10 * digits + order[i] + 1;
    return digits;
}

static void order_keeps_the_bits(void **state) {
    (void)state;
    struct un_product_trial t[4] = {
        {true, {5, 5}, 9}, {true, {6, 6}, 1}, {true, {5, 5}, 3}, {true, {5, 5}, 3}};
    assert_int_equal(order_of(t, 4), 341); /* the fastest of equal bits, the earlier of equal times */
    t[2].digest[1] = 6;                    /* does not repeat its bits */
    assert_int_equal(order_of(t, 4), 41);
    t[3].ran = false;
    assert_int_equal(order_of(t, 4), 1);
    t[2] = (struct un_product_trial){true, {5, 5}, -1}; /* not timed */
    assert_int_equal(order_of(t, 4), 13);
    t[0].digest[1] = 4; /* the first does not repeat: the next one sets the bits */
    assert_int_equal(order_of(t, 4), 2);
    t[0].ran = t[1].ran = t[2].ran = false;
    assert_int_equal(order_of(t, 4), 0);
    assert_int_equal(order_of(t, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_major_through_column_major),
        cmocka_unit_test(who_is_asked),
        cmocka_unit_test(attributes),
        cmocka_unit_test(cut_where_waves_are_not_full),
        cmocka_unit_test(rows_that_fill),
        cmocka_unit_test(few_tiles_are_cut_as_ever),
        cmocka_unit_test(sizes),
        cmocka_unit_test(table_remembers),
        cmocka_unit_test(order_keeps_the_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
