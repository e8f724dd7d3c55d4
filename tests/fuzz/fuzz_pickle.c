/* A whole pickle, as plain data and with NumPy's arrays: every value of it is looked at once, whatever depth; what is closed
 * cannot be in a circle. */
#include "io/convert/format/pickle.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { LOOKS = 1 << 16 };

static void look(const struct un_pickle_value *v, int depth, int64_t *left);

/* All bytes of an array, and its objects. */
static void look_at_array(const struct un_pickle_array *a, int depth, int64_t *left) {
    const struct un_npy *npy = &a->npy;
    double sum = 0;
    if (npy->type <= UN_NPY_BOOL && npy->items > 0) {
        if (!a->data) __builtin_trap();
        for (int64_t i = 0; i < npy->items; ++i) sum += un_npy_number(npy, a->data, i);
        if (sum == 0.123456789) --*left;
    }
    if (a->objects) look(a->objects, depth + 1, left);
}

/* Shared values stand at many places, so the looks are counted. */
static void look(const struct un_pickle_value *v, int depth, int64_t *left) {
    if (--*left < 0) return;
    if (depth > UN_PICKLE_DEPTH_MAX) __builtin_trap();
    if (v->kind == UN_PICKLE_TEXT && v->is.text[v->n] != '\0') __builtin_trap();
    if (v->kind == UN_PICKLE_ARRAY) look_at_array(v->is.array, depth, left);
    if (v->kind < UN_PICKLE_LIST || v->kind > UN_PICKLE_DICT) return;
    uint32_t slots = v->kind == UN_PICKLE_DICT ? 2 * v->n : v->n;
    for (uint32_t i = 0; i < slots && *left >= 0; ++i) look(v->is.item[i], depth + 1, left);
}

static void use(struct un_pickle *pickle) {
    int64_t left = LOOKS;
    bool twice;
    look(un_pickle_top(pickle), 0, &left);
    (void)un_pickle_member(un_pickle_top(pickle), "a", &twice);
    un_pickle_close(pickle);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct un_pickle *pickle;
    un_log_set(0, UN_LOG_ERROR);
    if (un_pickle_parse(&pickle, "fuzz", data, size) == UN_OK) use(pickle);
    un_error_clear();
    if (un_pickle_parse_arrays(&pickle, "fuzz", data, size) == UN_OK) use(pickle);
    un_error_clear();
    return 0;
}
