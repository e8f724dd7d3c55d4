/* See fill_send.h. */
#include "tests/unit/model/net/fill_send.h"

#include "runtime/device.h"
#include "tests/support/check.h"

#include <string.h>

static void poison(int32_t *list, int64_t n, int64_t cap) {
    for (int64_t i = n; list && i < cap; ++i) list[i] = 0x7FFFFFF0;
}

static void poison_types(struct un_batch *b, const struct un_batch_caps *caps) {
    if (!caps->typed) return;
    poison(b->word_type, b->words, caps->words);
    poison(b->region_type, b->regions, caps->regions);
    poison(b->by_word_type_id, b->by_word_type.count, caps->words);
    poison(b->by_word_type_start, b->by_word_type.count + 1, caps->words + 1);
    poison(b->by_region_type_id, b->by_region_type.count, caps->regions);
    poison(b->by_region_type_start, b->by_region_type.count + 1, caps->regions + 1);
}

static void poison_task(struct un_batch *b, const struct un_batch_caps *caps, enum un_objective t) {
    struct un_rows *rows = &b->rows[t];
    int64_t cap = un_batch_row_cap(caps, t);
    poison(rows->row, rows->members, un_batch_member_cap(caps, t));
    poison(rows->start, rows->n + 1, cap + 1);
    poison(rows->target, rows->n, cap);
    poison(rows->wrong, rows->n, cap);
    for (int64_t i = rows->n * caps->num_labels; rows->score && i < cap * caps->num_labels; ++i)
        rows->score[i] = NAN;
    for (int s = 0; s < 2 && cap > 0 && un_objectives[t].asks == UN_ASKS_TWO; ++s) {
        poison(b->side[s].row, b->side[s].tokens, un_batch_side_cap(caps));
        poison(b->side[s].start, rows->n + 1, cap + 1);
    }
}

/* Behind the real entries stands what would end in a crash or in other numbers. */
static void poison_tails(struct un_batch *b, const struct un_batch_caps *caps) {
    poison(b->start, b->samples + 1, caps->samples + 1);
    poison(b->word_id, b->words, caps->words);
    poison(b->word_pos, b->words, caps->words);
    poison(b->word_row, b->words, caps->words);
    poison(b->region_row, b->regions, caps->regions);
    poison(b->feature_row, b->regions, caps->regions);
    poison(b->fresh_row, b->fresh, caps->regions);
    poison(b->rows[UN_MRFR].stored, b->rows[UN_MRFR].n, caps->regions);
    poison(b->masked_region, b->masked_count, caps->regions);
    poison(b->by_word_id, b->by_word.count, caps->words);
    poison(b->by_word_start, b->by_word.count + 1, caps->words + 1);
    poison(b->by_position_id, b->by_position.count, caps->words);
    poison(b->by_position_start, b->by_position.count + 1, caps->words + 1);
    poison_types(b, caps);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        struct un_rows *rows = &b->rows[t];
        int64_t cap = un_batch_row_cap(caps, (enum un_objective)t);
        if (un_objectives[t].task) {
            poison_task(b, caps, (enum un_objective)t);
            continue;
        }
        poison(rows->row, rows->n, cap);
        poison(rows->target, rows->n, cap);
        poison(rows->region, rows->n, cap);
    }
    int64_t pairs = b->rows[UN_ITM].n;
    poison(b->pair_first, pairs, caps->samples);
    poison(b->pair_words, pairs, caps->samples);
    poison(b->pair_regions, pairs, caps->samples);
    poison(b->plan_start, pairs + 1, caps->samples + 1);
    for (int64_t i = pairs; i < caps->samples; ++i) b->ot_coef[i] = NAN;
    memset(b->masked + b->regions, 7, (size_t)(caps->regions - b->regions));
    memset(b->box + b->regions * UN_BOX_WIDTH, 0xFF,
           (size_t)((caps->regions - b->regions) * UN_BOX_WIDTH) * 4);
    if (!caps->soft_labels) return;
    int64_t soft = b->rows[UN_MRCKL].n * caps->img_label_dim;
    memset((float *)b->rows[UN_MRCKL].soft + soft, 0xFF,
           (size_t)(caps->regions * caps->img_label_dim - soft) * 4);
}

void fill_send(struct net *net, struct packed *batch, const struct un_batch_caps *caps,
               struct un_batch *padded) {
    const struct un_batch *host = &batch->host;
    const struct un_device_ops *mem = net->device->mem;
    void *bad = un_alloc(host->block_bytes, 1, "poison");
    assert_non_null(bad);
    memset(bad, 0xFF, host->block_bytes);
    mem->copy_in(net->q, batch->block, bad, host->block_bytes);
    assert_int_equal(mem->queue_wait(net->q), UN_OK);
    un_free(bad);
    poison_tails(&batch->host, caps);
    un_batch_fill(padded, host, caps);
    for (int part = 0; part < UN_SPAN_COUNT; ++part) {
        struct un_batch_span span = un_batch_span((enum un_batch_part)part, padded, host, caps);
        assert_true(span.begin + span.bytes <= host->block_bytes);
        mem->copy_in(net->q, (char *)batch->block + span.begin, (const char *)host->block + span.begin,
                     span.bytes);
    }
    un_batch_rebase(&batch->device, padded, batch->block);
}
