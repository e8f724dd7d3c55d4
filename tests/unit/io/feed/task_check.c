/* See task_check.h. */
#include "tests/unit/io/feed/task_check.h"

void task_rig_open(struct pack_rig *rig, const struct world_spec *spec, const struct un_plan_keys *how,
                   bool valid) {
    *rig = (struct pack_rig){.specs = spec};
    world_open(&rig->world, spec, 1, how->lanes, valid);
    rig->plan = task_plan(&rig->world, how, valid);
    pack_rig_carve(rig, spec->files.img_dim, spec->files.classes);
    memset(rig->arena.base, PACK_FILL, rig->arena.size);
}

static void check_word(struct task_walk *w, int32_t id, int64_t position, int type) {
    const struct un_batch *b = w->b;
    assert_int_equal(b->word_id[w->word], id);
    assert_int_equal(b->word_pos[w->word], position);
    assert_int_equal(b->word_row[w->word], w->token++);
    if (w->rig->caps.typed) assert_int_equal(b->word_type[w->word], type);
    ++w->word;
}

static void check_words(struct task_walk *w, const struct un_sequence *s) {
    int64_t position = 0;
    check_word(w, MAKE_CLS, position++, s->word_type[0]);
    for (int p = 0; p < s->n_parts; ++p) {
        int32_t id[64];
        int64_t n = un_sequence_part_words(w->d, s, p);
        world_check(s->part[p] < 0 ? un_dataset_read_text(w->d, s->text, id)
                                   : un_dataset_read_part(w->d, s->text, s->part[p], id));
        for (int64_t i = 0; i < n; ++i) check_word(w, id[i], position++, s->word_type[p]);
        check_word(w, MAKE_SEP, position++, s->sep_type[p]);
    }
}

static void check_image(struct task_walk *w, int64_t image, int type) {
    int64_t n = un_dataset_image_regions(w->d, image), dim = w->rig->caps.img_dim;
    uint16_t feature[64 * 16];
    float box[64 * UN_BOX_WIDTH];
    world_check(un_dataset_read_image(w->d, image, feature, box));
    assert_memory_equal((const uint16_t *)w->b->feature + w->region * dim, feature, (size_t)(n * dim) * 2);
    assert_memory_equal(w->b->box + w->region * UN_BOX_WIDTH, box, (size_t)(n * UN_BOX_WIDTH) * sizeof *box);
    for (int64_t i = 0; i < n; ++i, ++w->region) {
        assert_int_equal(w->b->region_row[w->region], w->token++);
        assert_int_equal(w->b->masked[w->region], 0);
        if (w->rig->caps.typed) assert_int_equal(w->b->region_type[w->region], type);
    }
}

void task_check_sequence(struct task_walk *w, const struct un_sequence *s) {
    assert_int_equal(w->b->start[w->sequence], w->token);
    check_words(w, s);
    for (int i = 0; i < s->n_images; ++i) check_image(w, s->image[i], s->region_type[i]);
    assert_int_equal(w->b->start[++w->sequence], w->token);
}

void task_check_totals(const struct task_walk *w) {
    const struct un_batch *b = w->b;
    int64_t longest = 0;
    assert_int_equal(b->samples, w->sequence);
    assert_int_equal(b->tokens, w->token);
    assert_int_equal(b->words, w->word);
    assert_int_equal(b->regions, w->region);
    assert_int_equal(b->masked_count, 0);
    for (int64_t s = 0; s < b->samples; ++s)
        if (b->start[s + 1] - b->start[s] > longest) longest = b->start[s + 1] - b->start[s];
    assert_int_equal(b->longest, longest);
    pack_check_segments(&b->by_word, b->word_id, b->words, (int32_t)w->rig->caps.vocab_size);
    pack_check_segments(&b->by_position, b->word_pos, b->words, 512);
    if (!w->rig->caps.typed) return;
    pack_check_segments(&b->by_word_type, b->word_type, b->words, 4);
    pack_check_segments(&b->by_region_type, b->region_type, b->regions, 4);
}

/* Row i of the objective has the tokens [row, row + n). */
void task_check_members(const struct un_rows *rows, int64_t i, const int32_t *token, int64_t n) {
    assert_true(i < rows->n);
    assert_int_equal(rows->start[i + 1] - rows->start[i], n);
    assert_memory_equal(rows->row + rows->start[i], token, (size_t)n * sizeof *token);
    assert_int_equal(rows->dataset[i], 0);
}

static void assert_untouched(const void *array, int64_t used, int64_t cap, int64_t bytes) {
    const unsigned char *p = array;
    for (int64_t i = used * bytes; p && i < cap * bytes; ++i) assert_int_equal(p[i], PACK_FILL);
}

void task_check_tails(const struct pack_rig *rig, enum un_objective t) {
    const struct un_batch *b = &rig->batch;
    const struct un_rows *rows = &b->rows[t];
    int64_t cap = un_batch_row_cap(&rig->caps, t);
    assert_true(b->samples <= rig->caps.samples && b->words <= rig->caps.words &&
                b->regions <= rig->caps.regions && b->tokens <= rig->caps.tokens && rows->n <= cap);
    assert_int_equal(rows->members, rows->start[rows->n]);
    assert_untouched(rows->row, rows->members, un_batch_member_cap(&rig->caps, t), 4);
    assert_untouched(rows->start, rows->n + 1, cap + 1, 4);
    assert_untouched(rows->target, rows->n, cap, 4);
    assert_untouched(rows->wrong, rows->n, cap, 4);
    assert_untouched(rows->score, rows->n * rig->caps.num_labels, cap * rig->caps.num_labels, 4);
    assert_untouched(b->word_type, b->words, rig->caps.words, 4);
    assert_untouched(b->region_type, b->regions, rig->caps.regions, 4);
    assert_untouched(b->start, b->samples + 1, rig->caps.samples + 1, 4);
    for (int s = 0; s < 2; ++s)
        assert_untouched(b->side[s].row, b->side[s].tokens, un_batch_side_cap(&rig->caps), 4);
}
