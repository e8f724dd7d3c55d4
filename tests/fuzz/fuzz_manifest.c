/* A manifest of a checkpoint: the input is all but its last line, which gets an honest digest here. What is
 * taken must be a cover: every element once, inside its shard's file. */
#include "io/checkpoint/manifest.h"
#include "io/checkpoint/manifest_private.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static void demand(bool holds) {
    if (!holds) abort();
}

static void check(const struct un_manifest *m) {
    int64_t next = 0;
    for (int64_t i = 0; i < m->n_runs; next = m->order[i++].end) {
        const struct un_run *r = &m->order[i];
        demand(r->begin == next && r->end > r->begin && r->shard >= 0 && r->shard < m->n_shards);
        const struct un_shard_file *s = &m->shards[r->shard];
        demand(r->local >= 0 && r->local + r->end - r->begin <= s->count);
    }
    demand(next == m->total);
    for (int64_t i = 0; i < m->n_shards && m->version != UN_MANIFEST_OLD; ++i)
        for (int k = 0; k < UN_CKPT_ARRAYS; ++k)
            demand(m->shards[i].at[k] >= 0 &&
                   m->shards[i].at[k] + m->shards[i].count * (int64_t)sizeof(float) <= m->shards[i].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct un_manifest m;
    uint64_t live = un_memory_counts().live_blocks;
    struct un_digest own = un_digest_of(data, size);
    const size_t tail = sizeof UN_MANIFEST_TAIL_BEGIN - 1 + UN_DIGEST_TEXT - 1 + sizeof UN_MANIFEST_TAIL_END;
    char hex[UN_DIGEST_TEXT], *text = un_alloc(size + tail, 1, "fuzz");
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    un_digest_print(&own, hex);
    strcpy(text + size, UN_MANIFEST_TAIL_BEGIN);
    strcat(text + size, hex);
    strcat(text + size, UN_MANIFEST_TAIL_END);
    if (un_manifest_parse(&m, "m", text, size + tail - 1) == UN_OK) check(&m);
    un_manifest_free(&m);
    un_error_clear();
    un_free(text);
    demand(un_memory_counts().live_blocks == live);
    return 0;
}
