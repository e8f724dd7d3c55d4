/* The kernels of this build, and which one a processor takes. */
#include "runtime/cpu/product.h"
#include "runtime/status.h"

#ifdef __x86_64__
const struct un_product_kernel *const un_product_kernels[] = {
    &un_product_amx, &un_product_bf16, &un_product_avx512, &un_product_avx2, &un_product_plain};
#else
const struct un_product_kernel *const un_product_kernels[] = {&un_product_plain};
#endif
const int un_product_kernel_count = sizeof un_product_kernels / sizeof *un_product_kernels;

static bool fit(const struct un_product_kernel *kernel) {
    return kernel->able() && (kernel->quick == NULL || kernel->quick());
}

const struct un_product_kernel *un_product_best(void) {
    int i = 0;
    while (!fit(un_product_kernels[i])) ++i;
    return un_product_kernels[i];
}

const struct un_product_kernel *un_product_wide(const struct un_product_kernel *kernel) {
    int i = 0;
    while (un_product_kernels[i] != kernel) ++i;
    while (un_product_kernels[i]->element != sizeof(float) || !un_product_kernels[i]->able()) ++i;
    return un_product_kernels[i];
}

enum un_status un_product_find(const char *name, const struct un_product_kernel **kernel) {
    *kernel = NULL;
    for (int i = 0; i < un_product_kernel_count; ++i)
        if (strcmp(un_product_kernels[i]->name, name) == 0) *kernel = un_product_kernels[i];
    if (!*kernel) return un_fail(UN_USAGE, "no kernel of products is called \"%s\" in this build", name);
    if (!(*kernel)->able())
        return un_fail(UN_USAGE,
                       "this processor has no %s, or the system does not permit it: its best kernel is %s",
                       name, un_product_best()->name);
    return UN_OK;
}
