/* Packing of tasks: what they ask of each group, by what the data set says of its text. */
#include "tests/unit/io/feed/task_check.h"

static struct un_sample samples[WORLD_SAMPLES];

static void check_answers(const struct pack_rig *rig, struct un_dataset *d, int64_t i, int64_t text,
                          const struct un_rows *rows) {
    int64_t labels = rig->caps.num_labels, n;
    int32_t id[64];
    float score[64], dense[64] = {0};
    assert_in_range(labels, 3, 64);
    world_check(un_dataset_read_answers(d, text, 64, id, score, &n));
    for (int64_t k = 0; k < n; ++k) dense[id[k]] = score[k];
    assert_memory_equal(rows->score + i * labels, dense, (size_t)labels * sizeof *dense);
}

/* How often each kind of wrong region was met, and rows in all, so that no check passes for want of cases. */
struct met {
    int64_t hard, random, rows, answers;
};

static void check_wrong(const struct un_rows *rows, int64_t i, enum un_objective t, int64_t regions,
                        struct met *met) {
    int32_t wrong = rows->wrong[i], right = rows->target[i];
    if (t == UN_RE_RANK && right >= 0 && regions > 1) {
        assert_true(wrong == -2 || (wrong >= 0 && wrong < regions && wrong != right));
        met->hard += wrong == -2;
        met->random += wrong >= 0;
    } else
        assert_int_equal(wrong, -1);
}

static void check_places(const struct task_walk *w, const struct un_sample *s, int64_t i, int64_t first,
                         struct met *met) {
    const struct un_rows *rows = &w->b->rows[s->objective];
    int64_t n = un_dataset_image_regions(w->d, s->image);
    int32_t token[64];
    for (int64_t k = 0; k < n; ++k) token[k] = (int32_t)(w->b->start[first + 1] - n + k);
    task_check_members(rows, i, token, n);
    assert_int_equal(rows->target[i], un_dataset_text_label(w->d, s->text));
    check_wrong(rows, i, s->objective, n, met);
}

static void check_sides(const struct task_walk *w, const struct un_sample *s, int64_t i, int64_t first) {
    const struct un_rows *rows = &w->b->rows[s->objective];
    assert_int_equal(rows->target[i], un_dataset_text_label(w->d, s->text));
    assert_int_equal(rows->start[i + 1], 0);
    for (int k = 0; k < 2; ++k) {
        const struct un_side *side = &w->b->side[k];
        int32_t begin = w->b->start[first + k], n = w->b->start[first + k + 1] - begin;
        assert_int_equal(side->start[i + 1] - side->start[i], n);
        for (int32_t u = 0; u < n; ++u) assert_int_equal(side->row[side->start[i] + u], begin + u);
        assert_true(side->longest >= n && side->tokens >= side->start[i + 1]);
    }
}

static void check_choices(const struct task_walk *w, const struct un_sample *s, int64_t i, int64_t first,
                          int64_t n) {
    const struct un_rows *rows = &w->b->rows[UN_VCR];
    int32_t answer = un_dataset_text_label(w->d, s->text),
            rationale = un_dataset_text_rationale(w->d, s->text);
    for (int64_t k = 0; k < n; ++k) {
        task_check_members(rows, i + k, &w->b->start[first + k], 1);
        int32_t right = n == 4 && s->variant == 0 ? k == answer
                        : n == 4                  ? k == rationale
                        : k < 4                   ? k == answer
                        : k / 4 - 1 == answer     ? k % 4 == rationale
                                                  : -1;
        if (answer < 0) right = -1;
        assert_int_equal(rows->target[i + k], right);
    }
}

static void check_group(const struct task_walk *w, const struct un_sample *s, int64_t i, int64_t first,
                        int64_t n) {
    const struct un_rows *rows = &w->b->rows[s->objective];
    task_check_members(rows, i, w->b->start + first, n);
    if (s->objective == UN_NLVR2_TRIPLET || s->objective == UN_NLVR2_PAIR)
        assert_int_equal(rows->target[i], un_dataset_text_label(w->d, s->text));
    if (s->objective == UN_ITM_RANK || s->objective == UN_ITM_HARD) {
        assert_int_equal(rows->target[i], 0);
        assert_int_equal(rows->wrong[i], -1);
    }
}

/* Rows that the sample asks. */
static int64_t check_rows(const struct task_walk *w, const struct un_sample *s, int64_t i, int64_t first,
                          int64_t n, struct met *met) {
    const struct un_rows *rows = &w->b->rows[s->objective];
    if (s->objective == UN_RE || s->objective == UN_RE_RANK)
        check_places(w, s, i, first, met);
    else if (s->objective == UN_NLVR2_ATTN)
        check_sides(w, s, i, first);
    else if (s->objective == UN_VCR)
        check_choices(w, s, i, first, n);
    else
        check_group(w, s, i, first, n);
    if (rows->score) check_answers(w->rig, w->d, i, s->text, rows);
    met->answers += un_dataset_text_answers(w->d, s->text);
    return s->objective == UN_VCR ? n : 1;
}

static void check_batch(const struct pack_rig *rig, enum un_objective t, int64_t n, struct met *met) {
    struct task_walk w = {.rig = rig, .b = &rig->batch, .d = rig->world.datasets[0]};
    int64_t rows = 0;
    for (int64_t i = 0; i < n; ++i) {
        struct un_sequence out[UN_MAX_GROUP];
        int64_t first = w.sequence, group = un_plan_sequences(rig->plan, &samples[i], out);
        for (int64_t s = 0; s < group; ++s) task_check_sequence(&w, &out[s]);
        rows += check_rows(&w, &samples[i], rows, first, group, met);
    }
    task_check_totals(&w);
    for (int k = 0; k < UN_OBJECTIVE_COUNT; ++k)
        assert_int_equal(rig->batch.rows[k].n, k == (int)t ? rows : 0);
    met->rows += rows;
    task_check_tails(rig, t);
}

/* A validation pass, or so many steps of training. */
static void pack_and_check(struct pack_rig *rig, enum un_objective t, uint32_t purpose, struct met *met) {
    for (int64_t lane = 0; lane < TASK_LANES; ++lane) {
        struct un_lane_state state;
        int64_t n = 1;
        un_plan_start(rig->plan, lane, &state);
        for (uint32_t step = 1; step <= 60 && n > 0; ++step) {
            world_check(un_plan_next(rig->plan, step, lane, &state, samples, &n));
            memset(rig->arena.base, PACK_FILL, rig->arena.size);
            uint64_t before = un_memory_counts().live_blocks;
            world_check(un_pack(rig->packer, &rig->batch, samples, n, step, (uint32_t)lane, purpose));
            assert_int_equal(un_memory_counts().live_blocks, before);
            check_batch(rig, t, n, met);
        }
    }
}

static void every_task_in_training(void **state) {
    (void)state;
    for (int t = UN_VQA; t < UN_ITM_HARD; ++t)
        for (int64_t typed = 0; typed < 2; ++typed) {
            struct pack_rig rig;
            struct world_spec spec = task_spec(task_of((enum un_objective)t), (enum un_objective)t);
            struct un_plan_keys how = task_keys();
            struct met met = {0};
            how.typed = typed;
            how.negatives = 1 + typed;
            spec.files.bare_images = typed ? 5 : 0;
            task_rig_open(&rig, &spec, &how, false);
            assert_int_equal(rig.caps.tasks, un_objective_bit((enum un_objective)t));
            assert_true((rig.batch.word_type != NULL) == typed);
            pack_and_check(&rig, (enum un_objective)t, UN_RNG_MASK, &met);
            assert_true(met.rows > 200);
            assert_int_equal(met.answers > 100, t == UN_VQA || t == UN_VE);
            if (t == UN_RE_RANK) assert_in_range(met.hard * 100 / (met.hard + met.random), 24, 36);
            pack_rig_close(&rig);
        }
}

/* With targets and, as a test set comes, without; vcr also as it is evaluated. */
static void every_task_in_validation(void **state) {
    (void)state;
    for (int k = 0; k < 4 * (UN_OBJECTIVE_COUNT - UN_VQA); ++k) {
        enum un_objective t = (enum un_objective)(UN_VQA + k / 4);
        struct pack_rig rig;
        struct world_spec spec = task_spec(task_of(t), t);
        struct un_plan_keys how = task_keys();
        struct met met = {0};
        spec.files.no_labels = k & 2;
        how.tokens_per_lane = 1000;
        how.evaluate = k % 2;
        task_rig_open(&rig, &spec, &how, true);
        pack_and_check(&rig, t, UN_RNG_VALID, &met);
        assert_int_equal(met.rows, t != UN_VCR ? 36 : how.evaluate ? 36 * 20 : 36 * 8);
        pack_rig_close(&rig);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_task_in_training),
                                       cmocka_unit_test(every_task_in_validation)};
    return cmocka_run_group_tests_name("pack_tasks", tests, NULL, NULL);
}
