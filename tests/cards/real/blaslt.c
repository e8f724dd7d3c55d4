/* What runtime/cuda/blaslt_call.c asks of cuBLASLt, read back from the library itself, which describes without a card. Only the
 * question for algorithms is answered here (the linker's --wrap): it wants a handle, and that a card. */
// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on
#include "runtime/cuda/blaslt.h"

#include <string.h>

/* ---- the question that is answered here ---- */

static struct asked {
    int count;
    uint64_t workspace;
    uint32_t reduction, align[4]; /* of A, B, C, D */
} asked;

cublasStatus_t __wrap_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t what,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t wish, int most,
                                                     cublasLtMatmulHeuristicResult_t found[], int *got);

static void read_wish(cublasLtMatmulPreference_t wish, cublasLtMatmulPreferenceAttributes_t name, void *to,
                      size_t bytes) {
    size_t written = 0;
    assert_int_equal(cublasLtMatmulPreferenceGetAttribute(wish, name, to, bytes, &written),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(written, bytes);
}

cublasStatus_t __wrap_cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t what,
                                                     cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                                     cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                                     cublasLtMatmulPreference_t wish, int most,
                                                     cublasLtMatmulHeuristicResult_t found[], int *got) {
    (void)handle, (void)found;
    assert_true(what && a && b && c == d && most == UN_LT_CANDIDATES);
    ++asked.count;
    read_wish(wish, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &asked.workspace, sizeof asked.workspace);
    read_wish(wish, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &asked.reduction, sizeof asked.reduction);
    read_wish(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &asked.align[0], sizeof asked.align[0]);
    read_wish(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &asked.align[1], sizeof asked.align[1]);
    read_wish(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &asked.align[2], sizeof asked.align[2]);
    read_wish(wish, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &asked.align[3], sizeof asked.align[3]);
    *got = 0;
    return CUBLAS_STATUS_SUCCESS;
}

/* ---- descriptors ---- */

static int32_t described(struct un_lt_call *c, cublasLtMatmulDescAttributes_t name) {
    int32_t value = -1;
    size_t written = 0;
    assert_int_equal(cublasLtMatmulDescGetAttribute(&c->what, name, &value, sizeof value, &written),
                     CUBLAS_STATUS_SUCCESS);
    return value;
}

static int64_t laid(cublasLtMatrixLayout_t m, cublasLtMatrixLayoutAttribute_t name, size_t bytes) {
    int64_t value = 0; /* little endian: an attribute of four bytes fills the lower half */
    size_t written = 0;
    assert_int_equal(cublasLtMatrixLayoutGetAttribute(m, name, &value, bytes, &written),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(written, bytes);
    return value;
}

static int32_t library_type(enum un_type type) {
    return type == UN_F32 ? CUDA_R_32F : CUDA_R_16BF;
}

/* A matrix of the caller, row major, is to the library the column-major one of its transpose. */
static void check_layout(cublasLtMatrixLayout_t l, struct un_mat m) {
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_TYPE, 4), library_type(m.type));
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_ORDER, 4), CUBLASLT_ORDER_COL);
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_ROWS, 8), m.cols);
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_COLS, 8), m.rows);
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_LD, 8), m.stride);
    assert_int_equal(laid(l, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, 4), 1);
}

/* The law of cublasLtMatmul: op(A) is m x k, op(B) k x n, D m x n. */
static void check_shapes(struct un_lt_call *c) {
    const bool ta = described(c, CUBLASLT_MATMUL_DESC_TRANSA) == CUBLAS_OP_T,
               tb = described(c, CUBLASLT_MATMUL_DESC_TRANSB) == CUBLAS_OP_T;
    const int64_t a[2] = {laid(&c->left, CUBLASLT_MATRIX_LAYOUT_ROWS, 8),
                          laid(&c->left, CUBLASLT_MATRIX_LAYOUT_COLS, 8)},
                  b[2] = {laid(&c->right, CUBLASLT_MATRIX_LAYOUT_ROWS, 8),
                          laid(&c->right, CUBLASLT_MATRIX_LAYOUT_COLS, 8)};
    assert_int_equal(a[ta], laid(&c->d, CUBLASLT_MATRIX_LAYOUT_ROWS, 8));
    assert_int_equal(b[!tb], laid(&c->d, CUBLASLT_MATRIX_LAYOUT_COLS, 8));
    assert_int_equal(a[!ta], b[tb]);
}

static void check_bias(struct un_lt_call *c, const struct un_product *p, const void *bias) {
    const void *pointer = NULL;
    size_t written = 0;
    assert_int_equal(described(c, CUBLASLT_MATMUL_DESC_EPILOGUE),
                     p->bias ? CUBLASLT_EPILOGUE_BIAS : CUBLASLT_EPILOGUE_DEFAULT);
    if (!p->bias) return;
    assert_int_equal(described(c, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE),
                     library_type((enum un_type)p->d.type));
    assert_int_equal(cublasLtMatmulDescGetAttribute(&c->what, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &pointer,
                                                    sizeof pointer, &written),
                     CUBLAS_STATUS_SUCCESS);
    assert_ptr_equal(pointer, bias);
}

static uint32_t alignment(struct un_mat m) {
    const uint64_t bits = (uint64_t)(uintptr_t)m.data | (uint64_t)(m.stride * un_type_bytes(m.type));
    uint32_t align = 16;
    while (bits % align != 0) align /= 2;
    return align;
}

struct wanted {
    enum un_type in, out;
    bool ta, tb, beta, tf32;
    int64_t inner, pad;
};

/* c = op(a) op(b), 48 x 80, with a bias where nothing is added to. */
static void check_call(const struct wanted *w) {
    enum { M = 48, N = 80 };
    char *const place = (char *)(uintptr_t)4096; /* nobody looks there */
    struct un_mat a = un_mat(place, w->in, w->ta ? w->inner : M, w->ta ? M : w->inner),
                  b = un_mat(place, w->in, w->tb ? N : w->inner, w->tb ? w->inner : N),
                  c = un_mat(place, w->out, M, N);
    a.stride += w->pad, b.stride += 2 * w->pad, c.stride += 4 * w->pad;
    struct un_product p;
    struct un_lt_call call;
    struct un_cuda_blas blas = {0};
    cublasLtMatmulAlgo_t algo[UN_LT_CANDIDATES];
    const struct un_lt_operands units = {.d = NULL};
    assert_true(un_product_make(&p, c, a, w->ta, b, w->tb, w->beta ? 1.0f : 0.0f, !w->beta, w->out, w->tf32));
    assert_int_equal(un_lt_describe(&call, &p, place, &units), CUBLAS_STATUS_SUCCESS);
    check_layout(&call.left, b); /* the transpose of a product is that of the transposes, turned round */
    check_layout(&call.right, a);
    check_layout(&call.d, c);
    check_shapes(&call);
    check_bias(&call, &p, place);
    assert_int_equal(described(&call, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE),
                     w->tf32 && w->in == UN_F32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F);
    assert_int_equal(described(&call, CUBLASLT_MATMUL_DESC_SCALE_TYPE), CUDA_R_32F);
    assert_int_equal(described(&call, CUBLASLT_MATMUL_DESC_POINTER_MODE), CUBLASLT_POINTER_MODE_HOST);

    memset(&asked, 0, sizeof asked);
    assert_int_equal(un_lt_candidates(&blas, &p, &call, algo), 0);
    assert_int_equal(asked.count, 1);
    assert_int_equal(asked.workspace, un_cuda_blas_workspace());
    assert_int_equal(asked.reduction, w->inner >= 2048 ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
                                                       : CUBLASLT_REDUCTION_SCHEME_NONE);
    assert_int_equal(asked.align[0], alignment(b));
    assert_int_equal(asked.align[1], alignment(a));
    assert_int_equal(asked.align[2], alignment(c));
    assert_int_equal(asked.align[3], alignment(c));
}

static void test_calls(void **state) {
    (void)state;
    static const enum un_type types[][2] = {{UN_F32, UN_F32}, {UN_BF16, UN_F32}, {UN_BF16, UN_BF16}};
    for (size_t t = 0; t < sizeof types / sizeof *types; ++t)
        for (int bits = 0; bits < 32; ++bits)
            for (int64_t pad = 0; pad < 3; ++pad) {
                const struct wanted w = {types[t][0], types[t][1],           bits & 1, bits & 2, bits & 4,
                                         bits & 8,    bits & 16 ? 4096 : 64, pad};
                check_call(&w);
            }
}

static const void *unit_of(struct un_lt_call *c, cublasLtMatmulDescAttributes_t name) {
    const void *unit = NULL;
    size_t written = 0;
    assert_int_equal(cublasLtMatmulDescGetAttribute(&c->what, name, &unit, sizeof unit, &written),
                     CUBLAS_STATUS_SUCCESS);
    return unit;
}

/* Factors in fp8: what the library takes, and with which units; what it does not take is not asked for. */
static void test_fp8(void **state) {
    (void)state;
    char *const place = (char *)(uintptr_t)4096;
    static const float left, right;
    const struct un_lt_operands units = {.left_unit = &left, .right_unit = &right};
    for (int k = 40; k <= 48; k += 8)
        for (int pad = 0; pad <= 16; pad += 8) {
            struct un_mat a = un_mat(place, UN_E5M2, 33, k), b = un_mat(place, UN_E4M3, 80, k),
                          c = un_mat(place, UN_BF16, 33, 80);
            struct un_product p;
            struct un_lt_call call;
            a.stride = k + pad, b.stride = 64;
            const bool right_shape = k % 16 == 0 && pad % 16 == 0;
            assert_int_equal(un_product_make(&p, c, a, false, b, true, 0, true, UN_BF16, false), right_shape);
            if (!right_shape) continue;
            assert_int_equal(un_lt_describe(&call, &p, place, &units), CUBLAS_STATUS_SUCCESS);
            assert_int_equal(laid(&call.left, CUBLASLT_MATRIX_LAYOUT_TYPE, 4), CUDA_R_8F_E4M3);
            assert_int_equal(laid(&call.right, CUBLASLT_MATRIX_LAYOUT_TYPE, 4), CUDA_R_8F_E5M2);
            assert_int_equal(laid(&call.d, CUBLASLT_MATRIX_LAYOUT_TYPE, 4), CUDA_R_16BF);
            assert_ptr_equal(unit_of(&call, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER), &left);
            assert_ptr_equal(unit_of(&call, CUBLASLT_MATMUL_DESC_B_SCALE_POINTER), &right);
            check_shapes(&call);
            check_bias(&call, &p, place);
            assert_int_equal(p.split, 0);
        }
    struct un_product p;
    assert_false(un_product_make(&p, un_mat(place, UN_BF16, 64, 64), un_mat(place, UN_E4M3, 64, 64), false,
                                 un_mat(place, UN_E5M2, 64, 64), true, 0, false, UN_BF16, false));
    assert_false(un_product_make(&p, un_mat(place, UN_BF16, 64, 64), un_mat(place, UN_E4M3, 64, 64), false,
                                 un_mat(place, UN_E4M3, 64, 64), false, 0, false, UN_BF16, false));
}

/* Header and library are of one release, also where they came from different folders. */
static void test_release(void **state) {
    (void)state;
    assert_int_equal(cublasLtGetVersion() / 10000, CUBLAS_VER_MAJOR);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_calls), cmocka_unit_test(test_fp8),
                                       cmocka_unit_test(test_release)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
