/* Sums of losses: units by objective and data set, distances of true and false pairs, alignment, the loss
 * they make. */
#include "model/stats.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>

static const struct un_dims dims = {.img_dim = 5, .img_label_dim = 3};

/* Host arrays of one micro-batch, filled by hand. */
struct fixture {
    struct un_batch batch;
    struct un_host_outputs host;
    int32_t row[UN_OBJECTIVE_COUNT][4], target[4];
    uint8_t dataset[UN_OBJECTIVE_COUNT][4];
    float loss[UN_OBJECTIVE_COUNT][4], hit[UN_OBJECTIVE_COUNT][4];
    float distance[2], plan[2 * 3 + 3 * 2];
    int32_t pair_regions[2], plan_start[3];
    int32_t align_pair[8], align_word[8], align_region[8];
};

static void ask(struct fixture *f, int t, int i, uint8_t dataset, float loss, float hit) {
    f->row[t][i] = 10 * t + i;
    f->dataset[t][i] = dataset;
    f->loss[t][i] = loss;
    f->hit[t][i] = hit;
    f->batch.rows[t].n = i + 1;
}

static void align(struct fixture *f, int32_t pair, int32_t word, int32_t region) {
    int64_t i = f->batch.alignment.n++;
    f->align_pair[i] = pair;
    f->align_word[i] = word;
    f->align_region[i] = region;
}

static void point(struct fixture *f) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        f->batch.rows[t] = (struct un_rows){.row = f->row[t], .dataset = f->dataset[t]};
        f->host.row_loss[t] = f->loss[t];
        f->host.hit[t] = t == UN_MRFR ? NULL : f->hit[t];
    }
    f->batch.rows[UN_ITM].target = f->target;
    f->host.distance = f->distance;
    f->host.plan = f->plan;
    f->batch.pair_regions = f->pair_regions;
    f->batch.plan_start = f->plan_start;
    f->batch.alignment = (struct un_alignment){0, f->align_pair, f->align_word, f->align_region};
}

static void fill(struct fixture *f) {
    static const float plan[] = {0.1f, 0.7f, 0.2f,             /* pair 0, word 0 of 2; 3 regions */
                                 0.4f, 0.4f, 0.2f, 0.9f, 0.1f, /* pair 1, 2 regions, 3 words */
                                 0.3f, 0.7f, 0.5f, 0.5f};
    memset(f, 0, sizeof *f);
    point(f);
    ask(f, UN_MLM, 0, 0, 2, 1);
    ask(f, UN_MLM, 1, 3, 4, 0);
    ask(f, UN_MLM, 2, 0, 3, 1);
    ask(f, UN_MRFR, 0, 1, 10, 0);
    ask(f, UN_MRFR, 1, 1, 15, 0);
    ask(f, UN_MRCKL, 0, 2, 6, 1);
    ask(f, UN_ITM, 0, 0, 0.5f, 1);
    ask(f, UN_ITM, 1, 0, 1.5f, 0);
    ask(f, UN_ITM, 2, 0, 99, 1);
    f->row[UN_ITM][2] = -1; /* a filler */
    f->target[0] = 1;
    f->distance[0] = 0.25f;
    f->distance[1] = 0.75f;
    memcpy(f->plan, plan, sizeof f->plan);
    f->pair_regions[0] = 3;
    f->pair_regions[1] = 2;
    f->plan_start[1] = 6;
    f->plan_start[2] = 12;
    f->batch.tokens = 40;
    f->batch.samples = 7;
}

static void tallies(void **state) {
    (void)state;
    struct fixture f;
    struct un_stats s = {0};
    fill(&f);
    f.host.plan = NULL;
    un_stats_add(&s, &f.batch, &f.host, &dims);
    struct un_tally mlm0 = s.by[UN_MLM][0], mlm3 = s.by[UN_MLM][3];
    assert_true(mlm0.loss == 5 && mlm0.units == 2 && mlm0.rows == 2 && mlm0.hits == 2);
    assert_true(mlm3.loss == 4 && mlm3.units == 1 && mlm3.rows == 1 && mlm3.hits == 0);
    struct un_tally mrfr = s.by[UN_MRFR][1], kl = s.by[UN_MRCKL][2], itm = s.by[UN_ITM][0];
    assert_true(mrfr.loss == 25 && mrfr.units == 10 && mrfr.rows == 2 && mrfr.hits == 0);
    assert_true(kl.loss == 6 && kl.units == 3 && kl.rows == 1 && kl.hits == 1);
    assert_true(itm.loss == 2 && itm.units == 2 && itm.rows == 2 && itm.hits == 1);
    assert_true(s.ot_pos == 0.25 && s.ot_neg == 0.75 && s.pairs_pos == 1 && s.pairs_neg == 1);
    assert_true(s.tokens == 40 && s.sequences == 7 && s.samples == 0 && s.align_words == 0);
    struct un_tally mlm = un_stats_total(&s, UN_MLM);
    assert_true(mlm.loss == 9 && mlm.units == 3 && mlm.hits == 2);
}

static void loss(void **state) {
    (void)state;
    struct fixture f;
    struct un_stats s = {0}, both = {0};
    fill(&f);
    un_stats_add(&s, &f.batch, &f.host, &dims);
    const double weight[UN_OBJECTIVE_COUNT] = {0.5, 0.1, 7, 0.2, 0.25};
    double want = 0.5 * 9 / 3 + 0.1 * 25 / 10 + 0.2 * 6 / 3 + 0.25 * 2 / 2 + 0.25 * 0.1 * (0.25 - 0.75) / 2;
    assert_near(un_stats_loss(&s, weight, 0, 0.1), want, 1e-14);
    un_stats_merge(&both, &s);
    un_stats_merge(&both, &s);
    assert_near(un_stats_loss(&both, weight, 0, 0.1), want, 1e-14); /* means do not change */
    assert_true(both.by[UN_MLM][0].rows == 4 && both.tokens == 80 && both.pairs_neg == 2);
    struct un_stats none = {0};
    assert_true(un_stats_loss(&none, weight, 0, 0.1) == 0);
}

static void alignment(void **state) {
    (void)state;
    struct fixture f;
    struct un_stats s = {0};
    fill(&f);
    align(&f, 0, 0, 1); /* heaviest is 1: right */
    align(&f, 0, 1, 1); /* a tie of 0 and 1: the first counts: wrong */
    align(&f, 1, 0, 1); /* heaviest is 0 ... */
    align(&f, 1, 1, 0);
    align(&f, 1, 0, 0); /* ... which is right too: one word, one hit */
    align(&f, 1, 1, 1); /* heaviest is 1: right by the second alternative */
    align(&f, 1, 2, 1); /* a tie: wrong */
    un_stats_add(&s, &f.batch, &f.host, &dims);
    assert_true(s.align_words == 5);
    assert_true(s.align_hits == 3);
    assert_true(fabs(s.align_chance - (2.0 / 3 + 1 + 1 + 0.5)) <
                1e-12); /* right regions of regions, word by word */
    struct un_stats without = {0};
    f.host.plan = NULL;
    un_stats_add(&without, &f.batch, &f.host, &dims);
    assert_true(without.align_words == 0);
}

/* Copies go through the device's own tables; only the used parts move. */
static void fetch(void **state) {
    (void)state;
    struct fixture f;
    struct un_device *d;
    struct un_queue *q;
    struct un_limits limits = {
        .max_tokens = 8, .max_samples = 4, .max_width = 8, .max_heads = 1, .max_params = 64};
    struct un_batch_caps caps = {.tokens = 8, .samples = 4, .words = 4, .regions = 4, .plan = 12};
    struct un_host_outputs host;
    struct un_outputs out = {0};
    fill(&f);
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t) {
        out.row_loss[t] = f.loss[t];
        out.hit[t] = t == UN_MRFR ? NULL : f.hit[t];
    }
    out.distance = f.distance;
    out.plan = f.plan;
    f.batch.rows[UN_ITM].n = 2;
    assert_int_equal(un_device_open("cpu", 1, 0, &d), UN_OK);
    assert_int_equal(d->mem->queue_open(d, &limits, &q), UN_OK);
    assert_int_equal(un_host_outputs_open(&host, d, &caps, true), UN_OK);
    host.row_loss[UN_ITM][2] = -5;
    un_host_outputs_fetch(&host, &out, &f.batch, d, q);
    assert_int_equal(d->mem->queue_wait(q), UN_OK);
    assert_true(host.row_loss[UN_MLM][1] == 4 && host.hit[UN_ITM][0] == 1 && host.distance[1] == 0.75f);
    assert_true(host.plan[11] == 0.5f && host.row_loss[UN_ITM][2] == -5 && host.hit[UN_MRFR] == NULL);
    un_host_outputs_close(&host, d);
    assert_int_equal(un_host_outputs_open(&host, d, &caps, false), UN_OK);
    assert_null(host.plan);
    un_host_outputs_close(&host, d);
    d->mem->queue_close(q);
    un_device_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(tallies), cmocka_unit_test(loss),
                                       cmocka_unit_test(alignment), cmocka_unit_test(fetch)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
