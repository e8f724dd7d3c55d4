/* A whole pickle: every value of it is looked at once, whatever depth; what is closed cannot be in a circle. */
#include "io/convert/format/pickle.h"
#include "tests/fuzz/fuzz.h"

#include <string.h>

enum { LOOKS = 1 << 16 };

/* Shared values stand at many places, so the looks are counted. */
static void look(const struct un_pickle_value *v, int depth, int64_t *left) {
    if (--*left < 0) return;
    if (depth > UN_PICKLE_DEPTH_MAX) __builtin_trap();
    if (v->kind == UN_PICKLE_TEXT && v->is.text[v->n] != '\0') __builtin_trap();
    if (v->kind < UN_PICKLE_LIST) return;
    uint32_t slots = v->kind == UN_PICKLE_DICT ? 2 * v->n : v->n;
    for (uint32_t i = 0; i < slots && *left >= 0; ++i) look(v->is.item[i], depth + 1, left);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct un_pickle *pickle;
    int64_t left = LOOKS;
    bool twice;
    un_log_set(0, UN_LOG_ERROR);
    if (un_pickle_parse(&pickle, "fuzz", data, size) == UN_OK) {
        look(un_pickle_top(pickle), 0, &left);
        (void)un_pickle_member(un_pickle_top(pickle), "a", &twice);
        un_pickle_close(pickle);
    }
    un_error_clear();
    return 0;
}
