/* Memory of UNITER-base against the bar, counted before anything is taken. */
#include "model/net/network.h"
#include "tests/support/check.h"

static void check(enum un_status status) {
    if (status != UN_OK) fail_msg("%s", un_error_get()->text);
}

/* UNITER-base, 4 lanes of 2,048 tokens one after another on one rank: parameters, two moments, three buffers
 * of gradients, activations of one lane: under 6 GiB with room for the micro-batches and the rest. */
static void memory_of_base(void **state) {
    (void)state;
    struct un_dims d = {.vocab_size = 28996, .img_dim = 2048, .img_label_dim = 1601, .dropout = 0.1};
    check(un_dims_resolve(&d, 1));
    struct un_batch_caps caps = {.tokens = 2048,
                                 .samples = 513,
                                 .words = 2048,
                                 .regions = 2048,
                                 .plan = 2048 * 60,
                                 .vocab_size = d.vocab_size,
                                 .img_dim = d.img_dim,
                                 .img_label_dim = d.img_label_dim,
                                 .feature_type = UN_F16,
                                 .soft_labels = true};
    struct un_model_setup setup = {.dims = d, .caps = caps, .train = true}, forward = setup;
    struct un_limits limits;
    size_t bytes, forward_bytes;
    forward.train = false;
    check(un_model_bytes(&setup, &bytes));
    check(un_model_bytes(&forward, &forward_bytes));
    un_model_limits(&setup, &limits);
    double gib = 1024.0 * 1024 * 1024, params = (double)limits.max_params * sizeof(float);
    double batches = 4.0 * (double)un_batch_block_bytes(&caps);
    print_message("activations %.2f GiB (forward only %.2f), parameters %.2f GiB, micro-batches %.2f GiB\n",
                  (double)bytes / gib, (double)forward_bytes / gib, params / gib, batches / gib);
    assert_true((double)bytes < 2 * gib);
    assert_true((double)bytes + 6 * params + batches < 5.5 * gib);
    assert_true(forward_bytes < bytes / 3);
    assert_int_equal(limits.max_tokens, 2048);
    assert_int_equal(limits.max_width, 28996);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(memory_of_base)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
