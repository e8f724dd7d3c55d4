/* What is said of the precision on a CPU: by what the processor has and what run.kernel takes of it. */
#include "launch/job/precision.h"
#include "runtime/config/device_keys.h"
#include "tests/support/check.h"

#include <string.h>

static void expect_said(enum un_precision precision, bool quick, const char *kernel, const char *words) {
    const char *said = un_precision_on_cpu(precision, quick, kernel);
    if (words) assert_non_null(said);
    assert_true(words ? strstr(said, words) != NULL : said == NULL);
}

static void by_processor(void **state) {
    (void)state;
    expect_said(UN_PRECISION_AUTO, false, "auto", NULL);
    expect_said(UN_PRECISION_AUTO, true, "auto", "has instructions for bf16");
    expect_said(UN_PRECISION_BF16, false, "auto", "without quick instructions");
    expect_said(UN_PRECISION_BF16, true, "auto", NULL);
}

static void by_kernel(void **state) {
    (void)state;
    for (int k = 0; un_kernel_names[k]; ++k) {
        const char *kernel = un_kernel_names[k];
        const bool used =
            strcmp(kernel, "auto") == 0 || strcmp(kernel, "amx") == 0 || strcmp(kernel, "avx512bf16") == 0;
        expect_said(UN_PRECISION_AUTO, true, kernel, used ? "has instructions for bf16" : NULL);
        expect_said(UN_PRECISION_BF16, true, kernel, used ? NULL : "run.kernel");
        expect_said(UN_PRECISION_FP32, true, kernel, NULL);
        expect_said(UN_PRECISION_TF32, true, kernel, "for cards");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(by_processor), cmocka_unit_test(by_kernel)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
