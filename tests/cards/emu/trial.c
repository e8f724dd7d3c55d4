/* Operands and digests for the choice among algorithms of products (runtime/cuda/trial.cu): the operands are
 * sane numbers of both types, and a digest sees every element, its place, and nothing between the rows. */
#include "tests/unit/runtime/ops/harness.h"

#include "runtime/cuda/cuda.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void operands(void **state) {
    (void)state;
    enum { COUNT = 5000 };
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    float *x = un_harness_poison(&h, COUNT), *again = un_harness_poison(&h, COUNT);
    un_cuda_trial_fill(h.q, x, COUNT * sizeof *x, false);
    un_cuda_trial_fill(h.q, again, COUNT * sizeof *x, false);
    assert_memory_equal(x, again, COUNT * sizeof *x);
    double sum = 0, low_sum = 0;
    int odd = 0;
    for (int i = 0; i < COUNT; ++i) {
        uint32_t word;
        memcpy(&word, &x[i], sizeof word);
        const uint32_t low_word = word << 16;
        float low;
        memcpy(&low, &low_word, sizeof low);
        assert_true(fabsf(x[i]) >= 0x1p-8f && fabsf(x[i]) < 1);
        assert_true(fabsf(low) >= 0x1p-8f && fabsf(low) < 1);
        sum += (double)x[i];
        low_sum += (double)low;
        odd += word & 1;
    }
    /* signs and last bits are even chances: 5 standard deviations (of the mean of numbers of size 0.25) */
    assert_true(fabs(sum) < 5 * 0.3 * sqrt(COUNT) && fabs(low_sum) < 5 * 0.3 * sqrt(COUNT));
    assert_true(abs(odd - COUNT / 2) < 5 * sqrt(COUNT) / 2);
    un_harness_close(&h);
}

static uint64_t digest_of(struct un_harness *h, struct un_mat m) {
    uint64_t *digest = un_harness_take(h, 1, sizeof *digest);
    un_cuda_trial_digest(h->q, digest, m);
    return *digest;
}

static void check_digest(enum un_type type, int64_t rows, int64_t cols) {
    struct un_harness h;
    un_harness_open(&h, 1, NULL);
    h.pad = 3;
    struct un_mat m = un_harness_mat_of(&h, type, rows, cols);
    const size_t size = (size_t)un_type_bytes(type);
    unsigned char *byte = m.data;
    unsigned char *numbers = un_harness_take(&h, rows * cols, sizeof(float));
    un_cuda_trial_fill(h.q, numbers, (size_t)(rows * cols) * sizeof(float), false);
    for (int64_t i = 0; i < rows; ++i)
        memcpy(byte + (size_t)(i * m.stride) * size, numbers + (size_t)(i * cols) * size,
               (size_t)cols * size);
    const uint64_t first = digest_of(&h, m);
    assert_int_equal(digest_of(&h, m), first);
    /* one bit anywhere */
    for (int64_t at = 0; at < rows * cols; at += rows * cols / 7 + 1) {
        unsigned char *p = byte + (size_t)(at / cols * m.stride + at % cols) * size + (size_t)at % size;
        *p ^= 1;
        assert_true(digest_of(&h, m) != first);
        *p ^= 1;
    }
    /* two elements change places */
    unsigned char keep[4], *last = byte + (size_t)((rows - 1) * m.stride + cols - 2) * size;
    memcpy(keep, byte, size);
    if (memcmp(keep, last, size) != 0) {
        memcpy(byte, last, size);
        memcpy(last, keep, size);
        assert_true(digest_of(&h, m) != first);
        memcpy(last, byte, size);
        memcpy(byte, keep, size);
    }
    /* the same numbers in rows of another length */
    h.pad = 0;
    struct un_mat packed = un_harness_mat_of(&h, type, rows, cols);
    for (int64_t i = 0; i < rows; ++i)
        memcpy((unsigned char *)packed.data + (size_t)(i * cols) * size, byte + (size_t)(i * m.stride) * size,
               (size_t)cols * size);
    assert_int_equal(digest_of(&h, packed), first);
    un_harness_close(&h);
}

static void digests(void **state) {
    (void)state;
    check_digest(UN_F32, 3, 10);
    check_digest(UN_BF16, 3, 10);
    check_digest(UN_F32, 7, 300);
    check_digest(UN_BF16, 513, 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(operands), cmocka_unit_test(digests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
