/* Which parameters a pass in bf16 reads as f32: of those marked `low` a replica need not have the f32 values. For every
 * tensor by itself, with all objectives and tasks: f32 values that are no numbers change nothing exactly where the mark
 * stands. */
#include "tests/unit/model/net/pass_bench.h"
#include "tests/unit/model/net/task_bench.h"

#include <math.h>
#include <string.h>

/* A tensor is `read` where a pass of any of the networks below came to other bits. */
struct reads {
    char name[256][sizeof((struct un_param *)0)->name];
    bool read[256], low[256], left[256];
    int n;
};

static int place(struct reads *r, const struct un_param *p) {
    for (int i = 0; i < r->n; ++i)
        if (strcmp(r->name[i], p->name) == 0) return i;
    assert_true(r->n < 256);
    memcpy(r->name[r->n], p->name, sizeof p->name);
    r->low[r->n] = p->low;
    return r->n++;
}

struct result {
    float *grads;
    double loss;
};

static void run(struct net *net, const struct packed *batch, const struct factors *factors,
                struct result *out) {
    pass_check(net_run(net, batch, true, true));
    pass_check(net_fetch(net, out->grads, net->grads, net->table->total));
    out->loss = net_loss(net, batch, factors);
}

static bool same(const struct result *a, const struct result *b, int64_t total) {
    return memcmp(&a->loss, &b->loss, sizeof a->loss) == 0 &&
           memcmp(a->grads, b->grads, (size_t)total * sizeof *a->grads) == 0;
}

static void look(struct reads *reads, struct net *net, const struct packed *batch,
                 const struct factors *factors) {
    int64_t total = net->table->total;
    struct result good = {un_alloc((size_t)total, sizeof(float), "test"), 0},
                  bad = {un_alloc((size_t)total, sizeof(float), "test"), 0};
    float *saved = un_alloc((size_t)total, sizeof *saved, "test");
    run(net, batch, factors, &good);
    assert_true(isfinite(good.loss));
    memcpy(saved, net->params, (size_t)total * sizeof *saved);
    for (int64_t i = 0; i < net->table->n; ++i) {
        const struct un_param *p = &net->table->list[i];
        int at = place(reads, p);
        for (int64_t e = 0; e < p->count; ++e) net->params[p->offset + e] = NAN;
        run(net, batch, factors, &bad);
        if (!same(&good, &bad, total)) reads->read[at] = true;
        memcpy(net->params, saved, (size_t)total * sizeof *saved);
    }
    un_free(good.grads);
    un_free(bad.grads);
    un_free(saved);
}

static void marks_are_right(void **state) {
    (void)state;
    static struct reads reads; /* too large for the stack */
    struct pass_bench b;
    pass_open_as(&b, UN_BF16);
    look(&reads, &b.net, &b.batch, &pass_factors);
    pass_close(&b);
    for (int c = 0; c < task_case_count; ++c) {
        struct task_bench t;
        task_bench_open_as(&t, &task_cases[c], 0.3f, UN_BF16);
        look(&reads, &t.net, &t.batch, &t.factors);
        task_bench_close(&t);
    }
    int wrong = 0;
    for (int i = 0; i < reads.n; ++i) {
        if (reads.read[i] != reads.low[i]) continue;
        print_error("%s is %s as f32 and %smarked low\n", reads.name[i],
                    reads.read[i] ? "read" : "never read", reads.low[i] ? "" : "not ");
        ++wrong;
    }
    assert_int_equal(wrong, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(marks_are_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
