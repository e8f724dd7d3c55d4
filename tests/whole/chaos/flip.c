/* Preloaded by test_bad_card.py: one rank's memory or arithmetic changes a bit. Counts the calls of cblas_sgemm; at call
 * FLIP_AT of the process (from 1; FLIP_EVERY N: and at each Nth after it) it flips bit FLIP_BIT of
 *   FLIP_WHAT=product     an element of the product just computed, another one each time
 *   FLIP_WHAT=corner      its first element
 *   FLIP_WHAT=block:K:E   element E of the Kth block (from 0) of FLIP_BYTES bytes that was allocated
 * FLIP_RANK: of this rank only. FLIP_COUNT=FILE: writes the number of calls there at the end. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct {
    int ready, mine, product, corner;
    long at, every, calls, block, element, blocks;
    size_t bytes;
    uint32_t *target;
    unsigned bit;
    const char *count;
} flip;

static long number(const char *name, long none) {
    const char *text = getenv(name);
    return text ? atol(text) : none;
}

static void get_ready(void) {
    const char *rank = getenv("OMPI_COMM_WORLD_RANK"), *what = getenv("FLIP_WHAT");
    if (flip.ready) return;
    flip.ready = 1;
    flip.mine = number("FLIP_RANK", 0) == (rank ? atol(rank) : 0);
    flip.at = number("FLIP_AT", -1);
    flip.every = number("FLIP_EVERY", 0);
    flip.bit = (unsigned)number("FLIP_BIT", 12);
    flip.bytes = (size_t)number("FLIP_BYTES", 0);
    flip.count = getenv("FLIP_COUNT");
    flip.block = -1;
    if (what) flip.product = strcmp(what, "product") == 0;
    if (what) flip.corner = strcmp(what, "corner") == 0;
    if (what) sscanf(what, "block:%ld:%ld", &flip.block, &flip.element);
}

int posix_memalign(void **out, size_t alignment, size_t size) {
    static int (*next)(void **, size_t, size_t);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "posix_memalign");
    get_ready();
    int failed = next(out, alignment, size);
    if (failed || !flip.mine || !flip.bytes || size != flip.bytes + alignment) return failed;
    /* the program puts a header before its blocks, of the alignment's size */
    if (flip.blocks++ == flip.block) flip.target = (uint32_t *)((char *)*out + alignment) + flip.element;
    return failed;
}

static void turn(uint32_t *word) {
    *word ^= UINT32_C(1) << flip.bit;
}

void cblas_sgemm(int order, int ta, int tb, int m, int n, int k, float alpha, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc) {
    static void (*next)(int, int, int, int, int, int, float, const float *, int, const float *, int, float,
                        float *, int);
    if (!next) *(void **)&next = dlsym(RTLD_NEXT, "cblas_sgemm");
    get_ready();
    next(order, ta, tb, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
    ++flip.calls;
    long since = flip.calls - flip.at;
    if (!flip.mine || flip.at < 1 || since < 0 || (since > 0 && (!flip.every || since % flip.every))) return;
    if (flip.product)
        turn((uint32_t *)c + (size_t)(flip.calls % m) * (size_t)ldc + (size_t)(flip.calls % n));
    else if (flip.corner)
        turn((uint32_t *)c);
    else if (flip.target)
        turn(flip.target);
}

__attribute__((destructor)) static void tell(void) {
    FILE *f = flip.mine && flip.count ? fopen(flip.count, "w") : NULL;
    if (!f) return;
    fprintf(f, "%ld %ld\n", flip.calls, flip.blocks);
    fclose(f);
}
