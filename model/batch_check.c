/* What the heads rely on and no type says: one objective a sample. See batch.h. */
#include "model/batch.h"

#include "runtime/status.h"

/* Goes on from *at over the rows of tokens [begin, end): were there any? */
static bool takes(const struct un_rows *rows, int64_t *at, int32_t begin, int32_t end) {
    const int64_t first = *at;
    while (*at < rows->n && rows->row[*at] >= begin && rows->row[*at] < end) ++*at;
    return *at > first;
}

static enum un_status check_sample(const struct un_batch *b, int64_t s, int64_t at[UN_OBJECTIVE_COUNT]) {
    const char *asked = NULL;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        if (un_objectives[t].task || !takes(&b->rows[t], &at[t], b->start[s], b->start[s + 1])) continue;
        if (asked)
            return un_fail(UN_INTERNAL,
                           "sample %lld of a micro-batch is asked by %s and by %s, but heads that run beside "
                           "each other want one objective a sample",
                           (long long)s, asked, un_objective_names[t]);
        asked = un_objective_names[t];
    }
    return UN_OK;
}

enum un_status un_batch_check(const struct un_batch *host) {
    int64_t at[UN_OBJECTIVE_COUNT] = {0};
    for (int64_t s = 0; s < host->samples; ++s) UN_TRY(check_sample(host, s, at));
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (!un_objectives[t].task && at[t] < host->rows[t].n)
            return un_fail(UN_INTERNAL,
                           "row %lld of %s, token %lld of a micro-batch, does not follow the samples' order",
                           (long long)at[t], un_objective_names[t], (long long)host->rows[t].row[at[t]]);
    return UN_OK;
}
