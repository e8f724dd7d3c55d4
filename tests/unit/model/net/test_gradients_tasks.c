/* Finite differences of a network with the head of each task, dropout on: every parameter tensor. */
#include "runtime/memory.h"
#include "tests/support/check.h"
#include "tests/unit/model/net/differences.h"
#include "tests/unit/model/net/task_bench.h"

#include <string.h>

static double loss_at(void *context, const float *values) {
    struct task_bench *b = context;
    net_set(&b->net, values);
    if (net_run(&b->net, &b->batch, false, true) != UN_OK) fail_msg("%s", un_error_get()->text);
    return net_loss(&b->net, &b->batch, &b->factors);
}

static double size_of(const struct task_bench *b, const struct un_param *p) {
    double size = 0;
    for (int64_t i = 0; i < p->count; ++i) size += fabs(b->grads[p->offset + i]);
    return size;
}

/* Softmax over keys does not see their biases, nor that over regions the one of their scores: what their gradients hold is
 * rounding, or nothing. */
static bool unseen(const char *name) {
    return strstr(name, "key.bias") || strcmp(name, "re_output.bias") == 0 ||
           strcmp(name, "re_output.3.bias") == 0;
}

/* What is left alone has no part in the loss. */
static void check_reach(const struct task_bench *b, const struct un_param *p) {
    double size = size_of(b, p);
    if (p->left && size != 0) fail_msg("%s: %s is left alone, but has a gradient", b->of->name, p->name);
    if (!p->left && size == 0 && !unseen(p->name))
        fail_msg("%s: %s got no gradient at all", b->of->name, p->name);
}

static void check_case(const struct task_case *of) {
    struct task_bench b;
    task_bench_open(&b, of, 0, 0.3f);
    task_bench_run(&b);
    float *moved = un_alloc((size_t)b.net.table->total, sizeof *moved, "moved");
    memcpy(moved, b.values, (size_t)b.net.table->total * sizeof *moved);
    struct differences d = {.base = b.values,
                            .grads = b.grads,
                            .moved = moved,
                            .loss = loss_at,
                            .context = &b,
                            .bends = of->bends};
    print_message("%s: loss %.4f\n", of->name, loss_at(&b, moved));
    for (int64_t k = 0; k < b.net.table->n; ++k) {
        check_reach(&b, &b.net.table->list[k]);
        differences_check(&d, &b.net.table->list[k], (uint32_t)k);
    }
    print_message("%s: worst difference %.2f of what is allowed\n", of->name, d.worst);
    un_free(moved);
    task_bench_close(&b);
}

static void every_tensor_of_every_task(void **state) {
    (void)state;
    for (int c = 0; c < task_case_count; ++c) check_case(&task_cases[c]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_tensor_of_every_task)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
