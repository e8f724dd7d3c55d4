/* Learning rate, AdamW with clipping over the flat buffer, against the same law written once more in double. */
#include "model/optim.h"
#include "runtime/memory.h"
#include "tests/support/check.h"

#include <math.h>
#include <string.h>

static const struct un_optim_keys keys = {.lr = 1e-3,
                                          .lr_mul = 2.5,
                                          .betas = {0.9, 0.98},
                                          .eps = 1e-6,
                                          .weight_decay = 0.01,
                                          .grad_norm = 1.0,
                                          .warmup_steps = 3};
enum { STEPS = 6, TOTAL = 10 };
/* Ten roundings to float a step, each 6e-8, on parameters of size 1 and moves of size 1e-3. */
static const double tolerance = 5e-7;

static void learning_rate(void **state) {
    (void)state;
    const double want[] = {0, 1e-3 / 3 * 1, 1e-3 * (2.0 / 3), 1e-3, 1e-3 * (6.0 / 7), 1e-3 * (5.0 / 7)};
    for (int64_t step = 1; step < 6; ++step) assert_near(un_optim_lr(&keys, step, TOTAL), want[step], 1e-18);
    assert_near(un_optim_lr(&keys, 9, TOTAL), 1e-3 * (1.0 / 7), 1e-18);
    assert_true(un_optim_lr(&keys, 10, TOTAL) == 1e-8);
    assert_true(un_optim_lr(&keys, 99, TOTAL) == 1e-8);
    struct un_optim_keys none = keys;
    none.warmup_steps = 0;
    assert_true(un_optim_lr(&none, 1, 2) == 0.5e-3);
    none.lr = 0;
    assert_true(un_optim_lr(&none, 1, 2) == 1e-8);
}

static void scalars(void **state) {
    (void)state;
    struct un_adamw s = un_optim_step(&keys, 4, TOTAL);
    double lr = 1e-3 * (6.0 / 7);
    assert_true(s.lr == (float)lr);
    assert_true(s.step_size == (float)(lr * sqrt(1 - pow(0.98, 4)) / (1 - pow(0.9, 4))));
    assert_true(s.lr_fast == (float)(lr * 2.5));
    assert_true(s.step_size_fast == (float)(lr * 2.5 * sqrt(1 - pow(0.98, 4)) / (1 - pow(0.9, 4))));
    assert_true(s.beta1 == 0.9f && s.beta2 == 0.98f && s.eps == 1e-6f && s.weight_decay == 0.01f);
}

static void binds(void **state) {
    (void)state;
    struct un_config *config;
    struct un_optim_keys k;
    assert_int_equal(
        un_config_parse(&config, "t.yaml", "optim: {lr: 3.0e-4, lr_mul: 10, betas: [0.8, 0.9]}\n", NULL, 0),
        UN_OK);
    assert_int_equal(un_config_bind(config, &un_optim_key_table, &k), UN_OK);
    un_config_free(config);
    assert_true(k.lr == 3e-4 && k.lr_mul == 10 && k.betas[0] == 0.8 && k.betas[1] == 0.9 && k.eps == 1e-6);
    assert_true(k.weight_decay == 0.01 && k.grad_norm == 5.0 && k.warmup_steps == UN_AUTO);
}

/* ---- updates ---- */

enum { FAST = 3, LEFT = 4 /* tensors with a rate of their own, and with none */ };
struct bench {
    struct un_device *device;
    struct un_queue *q;
    struct un_params table;
    struct un_optim optim;
    float *params, *grads; /* on the CPU, where the host reads them */
    double *p, *m, *v;     /* the oracle's */
};

static void open_bench(struct bench *b) {
    memset(b, 0, sizeof *b);
    assert_true(un_params_add(&b->table, "a.weight", 700, 131, UN_INIT_NORMAL, false) >= 0);
    assert_true(un_params_add(&b->table, "a.bias", 700, 0, UN_INIT_ZERO, false) >= 0);
    assert_true(un_params_add(&b->table, "x.LayerNorm.weight", 65, 0, UN_INIT_ONE, false) >= 0);
    assert_true(un_params_add(&b->table, "img_layer_norm.weight", 63, 0, UN_INIT_ONE, false) >= 0);
    assert_true(un_params_add(&b->table, "pooler.weight", 9, 31, UN_INIT_NORMAL, false) >= 0);
    b->table.list[FAST].fast = b->table.list[LEFT].left = true;
    struct un_limits limits = {
        .max_tokens = 8, .max_samples = 1, .max_width = 8, .max_heads = 1, .max_params = b->table.total};
    assert_int_equal(un_device_open("cpu", 2, 0, &b->device), UN_OK);
    assert_int_equal(b->device->mem->queue_open(b->device, &limits, &b->q), UN_OK);
    assert_int_equal(un_optim_open(&b->optim, b->device, b->q, &b->table, b->table.total, 1), UN_OK);
    size_t n = (size_t)b->table.total;
    b->params = b->device->mem->alloc(b->device, n * sizeof(float), "params");
    b->grads = b->device->mem->alloc(b->device, n * sizeof(float), "grads");
    b->p = un_alloc(n, sizeof(double), "p");
    b->m = un_alloc(n, sizeof(double), "m");
    b->v = un_alloc(n, sizeof(double), "v");
    un_params_init(&b->table, b->params, 7, 1.0f);
    for (size_t i = 0; i < n; ++i) b->p[i] = b->params[i];
}

static void close_bench(struct bench *b) {
    un_optim_close(&b->optim, b->device);
    b->device->mem->free(b->device, b->params);
    b->device->mem->free(b->device, b->grads);
    un_free(b->p);
    un_free(b->m);
    un_free(b->v);
    un_params_free(&b->table);
    b->device->mem->queue_close(b->q);
    un_device_close(b->device);
}

/* Gradient of step `step`: normals for the even tensors, nothing for tensor 1 in odd steps (an absent
 * gradient). */
static void draw(struct bench *b, int64_t step, float size) {
    un_params_init(&b->table, b->grads, 100 + (uint64_t)step, size);
    for (int64_t k = 1; k < b->table.n; ++k)
        for (int64_t i = 0; i < b->table.list[k].count; ++i)
            b->grads[b->table.list[k].offset + i] = k == 1 && step % 2 ? 0 : size * sinf((float)(i + step));
}

static double oracle_norm(const struct bench *b) {
    double sum = 0;
    for (int64_t i = 0; i < b->table.total; ++i) sum += (double)b->grads[i] * b->grads[i];
    return sqrt(sum);
}

static void oracle_step(struct bench *b, int64_t step, double clip) {
    double lr = step < 3 ? 1e-3 * (double)step / 3 : 1e-3 * (double)(TOTAL - step) / 7;
    double bias = sqrt(1 - pow(0.98, (double)step)) / (1 - pow(0.9, (double)step));
    for (int64_t k = 0; k < b->table.n && k != LEFT; ++k) {
        double rate = k == FAST ? 2.5 * lr : lr;
        for (int64_t i = b->table.list[k].offset, end = i + b->table.list[k].count; i < end; ++i) {
            double g = b->grads[i] * clip;
            b->m[i] = 0.9 * b->m[i] + 0.1 * g;
            b->v[i] = 0.98 * b->v[i] + 0.02 * g * g;
            b->p[i] -= rate * bias * b->m[i] / (sqrt(b->v[i]) + 1e-6);
            if (k == 0 || k == 3) b->p[i] -= rate * 0.01 * b->p[i]; /* a.weight, img_layer_norm.weight */
        }
    }
}

static void parameters_agree(const struct bench *b, int64_t step) {
    for (int64_t i = 0; i < b->table.total; ++i)
        if (!(fabs(b->params[i] - b->p[i]) <= tolerance * fmax(1, fabs(b->p[i]))))
            fail_msg("step %lld, element %lld: %.9g, oracle %.9g", (long long)step, (long long)i,
                     b->params[i], b->p[i]);
}

static void run_updates(float size, bool clipped) {
    struct bench b;
    open_bench(&b);
    for (int64_t step = 1; step <= STEPS; ++step) {
        draw(&b, step, size);
        double norm = oracle_norm(&b), clip = fmin(1, 1.0 / (norm + 1e-6));
        assert_true(clipped == (clip < 1));
        un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, step, TOTAL);
        assert_int_equal(b.device->mem->queue_wait(b.q), UN_OK);
        assert_true(fabs(b.optim.clip[0] - norm) <= 1e-6 * norm);
        assert_true(fabs(b.optim.clip[1] - clip) <= 1e-6 * clip);
        assert_true(b.optim.clip[2] == 1);
        oracle_step(&b, step, clip);
        parameters_agree(&b, step);
    }
    close_bench(&b);
}

static void updates(void **state) {
    (void)state;
    run_updates(1e-3f, false);
}

static void updates_clipped(void **state) {
    (void)state;
    run_updates(0.3f, true);
}

/* Two owners of interleaved parts, each with its own moments, end with the bits of one owner of everything. */
static void parts_are_the_whole(void **state) {
    (void)state;
    enum { PARTS = 5 };
    struct bench b;
    open_bench(&b);
    int64_t total = b.table.total, blocks = un_param_blocks(total), owned[2] = {0};
    struct un_optim_part part[PARTS];
    assert_true(blocks > 2 * PARTS);
    for (int64_t i = 0; i < PARTS; ++i) {
        int64_t begin = blocks * i / PARTS * UN_PARAM_BLOCK,
                end = i + 1 < PARTS ? blocks * (i + 1) / PARTS * UN_PARAM_BLOCK : total;
        part[i] = (struct un_optim_part){begin, end - begin, owned[i % 2]};
        owned[i % 2] += end - begin;
    }
    struct un_optim half[2];
    float *params = un_alloc((size_t)total, sizeof *params, "parameters");
    memcpy(params, b.params, (size_t)total * sizeof *params);
    for (int i = 0; i < 2; ++i)
        assert_int_equal(un_optim_open(&half[i], b.device, b.q, &b.table, owned[i], 2), UN_OK);
    for (int64_t step = 1; step <= STEPS; ++step) {
        draw(&b, step, 0.3f);
        un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, step, TOTAL);
        for (int i = 0; i < PARTS; ++i) {
            un_optim_sums(&half[i % 2], b.device, b.q, b.grads, &part[i]);
            for (int other = 0; other < 2; ++other)
                memcpy(half[other].sums + part[i].begin / UN_PARAM_BLOCK,
                       half[i % 2].partial + part[i].local / UN_PARAM_BLOCK,
                       (size_t)un_param_blocks(part[i].count) * sizeof(double));
        }
        for (int i = 0; i < 2; ++i) un_optim_clip(&half[i], b.device, b.q, &keys);
        for (int i = 0; i < PARTS; ++i)
            un_optim_apply(&half[i % 2], b.device, b.q, params, NULL, b.grads, &keys, step, TOTAL, &part[i]);
        assert_memory_equal(half[0].clip, b.optim.clip, 3 * sizeof(float));
        assert_memory_equal(half[1].clip, b.optim.clip, 3 * sizeof(float));
        assert_memory_equal(params, b.params, (size_t)total * sizeof *params);
    }
    for (int i = 0; i < 2; ++i) un_optim_close(&half[i], b.device);
    un_free(params);
    close_bench(&b);
}

/* A gradient that is not finite must not touch anything. */
static void not_finite(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b);
    draw(&b, 2, 1e-3f);
    b.grads[77] = INFINITY;
    un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, 1, TOTAL);
    assert_int_equal(b.device->mem->queue_wait(b.q), UN_OK);
    assert_true(b.optim.clip[2] == 0);
    for (int64_t i = 0; i < b.table.total; ++i)
        assert_true(b.params[i] == (float)b.p[i] && b.optim.m[i] == 0 && b.optim.v[i] == 0);
    close_bench(&b);
}

static void hear(struct bench *b, struct un_optim_told *told, double *norm, enum un_optim_skip *skip) {
    un_optim_tell(&b->optim, b->device, b->q, told);
    assert_int_equal(b->device->mem->queue_wait(b->q), UN_OK);
    un_optim_outcome(told, norm, skip);
}

/* A bad word stops the update like a gradient does, and is told apart from it; the next good one does not. */
static void words(void **state) {
    (void)state;
    struct bench b;
    double norm = 0;
    struct un_optim_told told;
    enum un_optim_skip skip;
    open_bench(&b);
    assert_int_equal(un_optim_told_open(&told, b.device, 1), UN_OK);
    draw(&b, 2, 1e-3f);
    const float losses[3] = {1, INFINITY, 2};
    un_optim_word_add(&b.optim, b.device, b.q, losses, 1);
    un_optim_word_add(&b.optim, b.device, b.q, losses + 1, 2);
    un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, 1, TOTAL);
    hear(&b, &told, &norm, &skip);
    assert_true(isnan(norm) && isnan(told.words[0]) && skip == UN_OPTIM_BAD_LOSS);
    for (int64_t i = 0; i < b.table.total; ++i)
        assert_true(b.params[i] == (float)b.p[i] && b.optim.m[i] == 0);

    float finite = b.grads[77];
    b.grads[77] = NAN;
    un_optim_word_begin(&b.optim, b.device, b.q);
    un_optim_word_add(&b.optim, b.device, b.q, losses, 1);
    un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, 1, TOTAL);
    hear(&b, &told, &norm, &skip);
    assert_true(isnan(norm) && told.words[0] == 0 && skip == UN_OPTIM_BAD_GRADIENT);

    b.grads[77] = finite;
    un_optim_update(&b.optim, b.device, b.q, b.params, b.grads, &keys, 1, TOTAL);
    hear(&b, &told, &norm, &skip);
    assert_true(isfinite(norm) && norm > 0 && skip == UN_OPTIM_DONE);
    assert_true(b.optim.m[77] != 0);
    un_optim_told_close(&told, b.device);
    close_bench(&b);
}

/* The copy in bf16 is that of the part and of nothing else. */
static void low_copy(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b);
    int64_t total = b.table.total, begin = UN_PARAM_BLOCK;
    uint16_t *low = un_alloc((size_t)total, sizeof *low, "bf16");
    float *back = un_alloc((size_t)total, sizeof *back, "bf16");
    memset(low, 0x5a, (size_t)total * sizeof *low);
    struct un_optim_part part = {begin, total - 2 * begin, begin};
    draw(&b, 1, 0.3f);
    struct un_optim_part all = {.count = total};
    un_optim_sums(&b.optim, b.device, b.q, b.grads, &all);
    un_optim_clip(&b.optim, b.device, b.q, &keys);
    un_optim_apply(&b.optim, b.device, b.q, b.params, low, b.grads, &keys, 1, TOTAL, &part);
    b.device->ops->cast(b.q, back, UN_F32, low, UN_BF16, total);
    for (int64_t i = 0; i < total; ++i) {
        bool inside = i >= begin && i < begin + part.count;
        if (inside)
            assert_true(fabsf(back[i] - b.params[i]) <= fabsf(b.params[i]) / 256);
        else
            assert_int_equal(low[i], 0x5a5a);
    }
    un_free(low);
    un_free(back);
    close_bench(&b);
}

static void memory(void **state) {
    (void)state;
    struct bench b;
    open_bench(&b);
    size_t p = (size_t)b.table.total;
    assert_int_equal(un_optim_bytes(&b.table, b.table.total, 1),
                     8 * p + p / 64 + 8 * ((p + 4095) / 4096 + 2) + 12);
    size_t half = UN_PARAM_BLOCK * (size_t)(un_param_blocks((int64_t)p) / 2);
    assert_int_equal(un_optim_bytes(&b.table, (int64_t)half, 2),
                     8 * half + p / 64 + 8 * (2 * ((p + 4095) / 4096) + 4) + 12);
    close_bench(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(learning_rate),
                                       cmocka_unit_test(scalars),
                                       cmocka_unit_test(binds),
                                       cmocka_unit_test(updates),
                                       cmocka_unit_test(updates_clipped),
                                       cmocka_unit_test(not_finite),
                                       cmocka_unit_test(words),
                                       cmocka_unit_test(low_copy),
                                       cmocka_unit_test(parts_are_the_whole),
                                       cmocka_unit_test(memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
