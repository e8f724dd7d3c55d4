/* Consistency of NLVR2 (score.h): statements are sorted so that those of one sentence stand together. */
#include "io/score/score.h"
#include "runtime/memory.h"
#include <stdlib.h>
#include <string.h>

/* One that counts: what it has in common with the other pairs of its sentence, and whether it is right. */
struct statement {
    const char *set; /* split-set, `bytes` long */
    size_t bytes;
    const char *sentence;
    bool right;
};

static int compare(const void *left, const void *right) {
    const struct statement *a = left, *b = right;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? -1 : 1;
    int set = memcmp(a->set, b->set, a->bytes);
    return set ? set : strcmp(a->sentence, b->sentence);
}

/* split-set-pair-sentence: four parts, none of them empty. */
static enum un_status part(const char *identifier, int64_t row, struct statement *s) {
    const char *dash[3], *at = identifier;
    int dashes = 0;
    bool good = true;
    for (const char *c = identifier; good; ++c) {
        if (*c && *c != '-') continue;
        good = c > at && (*c == '\0' || dashes < 3);
        if (!*c) break;
        if (good) dash[dashes++] = c;
        at = c + 1;
    }
    if (!good || dashes != 3)
        return un_fail(UN_DATA, "statement %lld: identifier \"%.100s\" is not split-set-pair-sentence",
                       (long long)row, identifier);
    s->set = identifier;
    s->bytes = (size_t)(dash[1] - identifier);
    s->sentence = dash[2] + 1;
    return UN_OK;
}

enum un_status un_score_consistency(const char *const *identifier, const int32_t *said, const int32_t *label,
                                    int64_t n, struct un_mean *share) {
    *share = (struct un_mean){0};
    if (n == 0) return UN_OK;
    struct statement *list = un_alloc((size_t)n, sizeof *list, "statements");
    if (!list) return UN_MEMORY;
    int64_t known = 0;
    for (int64_t i = 0; i < n; ++i) {
        if (label[i] < 0) continue;
        enum un_status status = part(identifier[i], i, &list[known]);
        if (status != UN_OK) {
            un_free(list);
            return status;
        }
        list[known++].right = said[i] == label[i];
    }
    if (known > 0) qsort(list, (size_t)known, sizeof *list, compare);
    for (int64_t begin = 0, end; begin < known; begin = end) {
        bool right = true;
        for (end = begin; end < known && compare(&list[begin], &list[end]) == 0; ++end)
            right = right && list[end].right;
        un_mean_add(share, right);
    }
    un_free(list);
    return UN_OK;
}
