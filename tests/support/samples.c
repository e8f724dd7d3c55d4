/* The tests' packer, see samples.h. */
#include "tests/support/samples.h"

#include "runtime/device.h"

#include <string.h>

static void at_least(int64_t *cap, int64_t need) {
    if (*cap < need) *cap = need;
}

void samples_caps(struct un_batch_caps *caps, const struct sample *samples, int64_t n, int64_t vocab_size,
                  int64_t img_dim, int64_t img_label_dim) {
    int64_t words = 0, regions = 0, plan = 0;
    for (int64_t s = 0; s < n; ++s) {
        words += samples[s].words;
        regions += samples[s].regions;
        if (samples[s].objective == UN_ITM) plan += (int64_t)samples[s].words * samples[s].regions;
        if (samples[s].objective == UN_MRCKL) caps->soft_labels = true;
    }
    at_least(&caps->tokens, words + regions);
    at_least(&caps->samples, n);
    at_least(&caps->words, words);
    at_least(&caps->regions, regions);
    at_least(&caps->plan, plan);
    caps->vocab_size = vocab_size;
    caps->img_dim = img_dim;
    caps->img_label_dim = img_label_dim;
    caps->feature_type = UN_F32;
    caps->soft_f32 = true;
}

/* Groups the rows 0..n-1 by key with a stable insertion sort. */
static int64_t group(int32_t *id, int32_t *start, int32_t *perm, const int32_t *key, int64_t n) {
    int64_t groups = 0;
    for (int64_t i = 0; i < n; ++i) {
        int64_t j = i;
        for (; j > 0 && key[perm[j - 1]] > key[i]; --j) perm[j] = perm[j - 1];
        perm[j] = (int32_t)i;
    }
    for (int64_t i = 0; i < n; ++i)
        if (i == 0 || key[perm[i]] != key[perm[i - 1]]) {
            start[groups] = (int32_t)i;
            id[groups++] = key[perm[i]];
        }
    start[groups] = (int32_t)n;
    return groups;
}

static struct un_rows *ask(struct un_batch *b, const struct sample *s, int32_t row, int32_t target,
                           int32_t region) {
    struct un_rows *rows = &b->rows[s->objective];
    rows->row[rows->n] = row;
    if (rows->target) rows->target[rows->n] = target;
    if (rows->region) rows->region[rows->n] = region;
    rows->dataset[rows->n++] = s->dataset;
    return rows;
}

static void add_words(struct un_batch *b, const struct sample *s) {
    for (int32_t w = 0; w < s->words; ++w, ++b->words) {
        if (b->word_type) b->word_type[b->words] = s->word_type ? s->word_type[w] : 0;
        int32_t row = (int32_t)b->tokens + w;
        b->word_id[b->words] = s->id[w];
        b->word_pos[b->words] = w;
        b->word_row[b->words] = row;
        if (s->objective == UN_MLM && s->label[w] >= 0) ask(b, s, row, s->label[w], -1);
    }
}

/* The likeliest class, background left out. */
static int32_t best_class(const float *soft, int64_t classes) {
    int64_t best = 1;
    for (int64_t c = 2; c < classes; ++c)
        if (soft[c] > soft[best]) best = c;
    return (int32_t)best;
}

static void ask_region(struct un_batch *b, const struct sample *s, const struct un_batch_caps *caps,
                       int32_t k, int32_t row) {
    const float *soft = s->soft ? s->soft + k * caps->img_label_dim : NULL;
    int32_t region = (int32_t)b->regions;
    struct un_rows *rows =
        ask(b, s, row, s->objective == UN_MRC ? best_class(soft, caps->img_label_dim) : -1, region);
    b->masked_region[b->masked_count++] = region;
    if (s->objective == UN_MRCKL)
        memcpy((float *)rows->soft + (rows->n - 1) * caps->img_label_dim, soft,
               (size_t)caps->img_label_dim * sizeof *soft);
}

static void add_regions(struct un_batch *b, const struct sample *s, const struct un_batch_caps *caps) {
    for (int32_t k = 0; k < s->regions; ++k, ++b->regions) {
        int32_t row = (int32_t)b->tokens + s->words + k;
        bool masked = s->mask && s->mask[k];
        b->region_row[b->regions] = row;
        if (b->region_type) b->region_type[b->regions] = s->region_type ? s->region_type[k] : 1;
        b->masked[b->regions] = masked;
        memcpy((float *)b->feature + b->regions * caps->img_dim, s->feature + k * caps->img_dim,
               (size_t)caps->img_dim * sizeof(float));
        memcpy(b->box + b->regions * UN_BOX_WIDTH, s->box + k * UN_BOX_WIDTH, UN_BOX_WIDTH * sizeof(float));
        if (masked) ask_region(b, s, caps, k, row);
    }
}

static void add_pair(struct un_batch *b, const struct sample *s) {
    int64_t i = b->rows[UN_ITM].n;
    b->pair_first[i] = (int32_t)b->tokens;
    b->pair_words[i] = s->words;
    b->pair_regions[i] = s->regions;
    if (i == 0) b->plan_start[0] = 0;
    b->plan_start[i + 1] = b->plan_start[i] + s->words * s->regions;
    at_least(&b->longest_words, s->words);
    at_least(&b->longest_regions, s->regions);
    ask(b, s, (int32_t)b->tokens, s->target, -1);
}

static void set_factors(struct un_batch *b, const struct un_batch_caps *caps, const struct factors *f) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        int64_t width = t == UN_MRFR ? caps->img_dim : t == UN_MRCKL ? caps->img_label_dim : 1;
        int64_t units = b->rows[t].n * width;
        b->scale[t] = units > 0 ? (float)(f->weight[t] / (double)units) : 0;
    }
    const struct un_rows *pairs = &b->rows[UN_ITM];
    double coef = f->weight[UN_ITM] * f->ot_lambda / (double)(pairs->n > 0 ? pairs->n : 1);
    for (int64_t i = 0; i < pairs->n; ++i) b->ot_coef[i] = (float)(pairs->target[i] == 1 ? coef : -coef);
}

static void group_all(struct un_batch *b) {
    b->by_word.count = group(b->by_word_id, b->by_word_start, b->by_word_perm, b->word_id, b->words);
    b->by_position.count =
        group(b->by_position_id, b->by_position_start, b->by_position_perm, b->word_pos, b->words);
    if (!b->word_type) return;
    b->by_word_type.count =
        group(b->by_word_type_id, b->by_word_type_start, b->by_word_type_perm, b->word_type, b->words);
    b->by_region_type.count = group(b->by_region_type_id, b->by_region_type_start, b->by_region_type_perm,
                                    b->region_type, b->regions);
}

static void fill(struct un_batch *b, const struct un_batch_caps *caps, const struct sample *samples,
                 int64_t n, const struct factors *factors) {
    for (int64_t s = 0; s < n; ++s) {
        b->start[s] = (int32_t)b->tokens;
        add_words(b, &samples[s]);
        add_regions(b, &samples[s], caps);
        if (samples[s].objective == UN_ITM) add_pair(b, &samples[s]);
        b->tokens += samples[s].words + samples[s].regions;
        at_least(&b->longest, samples[s].words + samples[s].regions);
        b->start[s + 1] = (int32_t)b->tokens;
    }
    b->samples = n;
    group_all(b);
    set_factors(b, caps, factors);
}

enum un_status samples_pack(struct packed *out, struct un_device *device, struct un_queue *q,
                            const struct un_batch_caps *caps, const struct sample *samples, int64_t n,
                            const struct factors *factors) {
    return samples_pack_task(out, device, q, caps, samples, n, NULL, factors);
}

enum un_status samples_pack_task(struct packed *out, struct un_device *device, struct un_queue *q,
                                 const struct un_batch_caps *caps, const struct sample *samples, int64_t n,
                                 const struct task_rows *rows, const struct factors *factors) {
    struct un_arena arena = {.name = "packed samples"};
    *out = (struct packed){.on = device};
    un_batch_carve(&out->host, caps, &arena);
    out->memory = un_alloc(arena.used, 1, "packed samples");
    out->block = device->mem->alloc(device, out->host.block_bytes, "packed samples");
    if (!out->memory || !out->block) return un_error_get()->status;
    arena = (struct un_arena){.name = "packed samples", .base = out->memory, .size = arena.used};
    un_batch_carve(&out->host, caps, &arena);
    fill(&out->host, caps, samples, n, factors);
    if (rows) task_rows_fill(&out->host, caps, samples, rows, factors->weight[rows->objective]);
    device->mem->copy_in(q, out->block, out->host.block, out->host.block_bytes);
    un_batch_rebase(&out->device, &out->host, out->block);
    return device->mem->queue_wait(q);
}

void packed_close(struct packed *packed) {
    if (packed->block) packed->on->mem->free(packed->on, packed->block);
    un_free(packed->memory);
    *packed = (struct packed){0};
}
