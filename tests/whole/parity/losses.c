/* losses WEIGHTS REFERENCE.h5: the losses of all objectives on the samples of a file of the reference's form,
 * under parameters from a safetensors file or a checkpoint instead of the file's rule, dropout off. Prints
 * one JSON object: {"mlm": ..., "itm": ...}. Exit code as of the program. */
#include "io/weights/weights.h"
#include "runtime/restart.h"
#include "tests/support/net.h"
#include "tests/whole/parity/reference.h"

#include <stdio.h>

struct losses {
    struct reference ref;
    struct reference_samples samples[UN_OBJECTIVE_COUNT];
    struct packed batch[UN_OBJECTIVE_COUNT];
    struct net net;
    struct factors factors;
};

static enum un_status open_net(struct losses *l) {
    struct un_model_setup setup = {.dims = l->ref.dims, .wra = l->ref.ipot};
    l->factors.ot_lambda = l->ref.ot_lambda;
    for (int t = 0; t < REFERENCE_OBJECTIVES; ++t) {
        l->factors.weight[t] = 1;
        UN_TRY(reference_samples_read(&l->ref, &l->samples[t], un_objective_names[t], (enum un_objective)t));
        samples_caps(&setup.caps, l->samples[t].list, l->samples[t].n, l->ref.dims.vocab_size,
                     l->ref.dims.img_dim, l->ref.dims.img_label_dim);
    }
    UN_TRY(net_open(&l->net, "cpu", 1, &setup));
    for (int t = 0; t < REFERENCE_OBJECTIVES; ++t)
        UN_TRY(samples_pack(&l->batch[t], l->net.device, l->net.q, &setup.caps, l->samples[t].list,
                            l->samples[t].n, &l->factors));
    return UN_OK;
}

/* Every parameter must be in the file. */
static enum un_status take_weights(struct losses *l, const char *path) {
    struct un_weights_view view;
    struct un_weights_plan plan = {0};
    float *values = un_alloc((size_t)l->net.table->total, sizeof *values, "parameters");
    enum un_status status;
    UN_TRY_GOTO(un_weights_view_open(&view, path), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, &view, l->net.table, UN_FIT_EXACT), out);
    if (plan.missing)
        UN_TRY_GOTO(un_fail(UN_DATA, "%s: %lld tensors are missing", path, (long long)plan.missing), out);
    UN_TRY_GOTO(un_weights_load(&plan, values), out);
    net_set(&l->net, values);
    status = l->net.device->mem->queue_wait(l->net.q);
out:
    un_weights_plan_close(&plan);
    un_weights_view_close(&view);
    un_free(values);
    return status;
}

static enum un_status run(struct losses *l, const char *weights, const char *reference) {
    UN_TRY(reference_open(&l->ref, reference));
    UN_TRY(open_net(l));
    UN_TRY(take_weights(l, weights));
    for (int t = 0; t < REFERENCE_OBJECTIVES; ++t) {
        UN_TRY(net_run(&l->net, &l->batch[t], false, false));
        printf("%s\"%s\": %.17g", t ? ", " : "{", un_objective_names[t],
               net_loss(&l->net, &l->batch[t], &l->factors));
    }
    printf("}\n");
    return UN_OK;
}

int main(int argc, char **argv) {
    struct losses l = {0};
    un_restart_prepare(argv);
    if (argc != 3) {
        fprintf(stderr, "usage: losses WEIGHTS REFERENCE.h5\n");
        return UN_USAGE;
    }
    enum un_status status = run(&l, argv[1], argv[2]);
    if (status != UN_OK) fprintf(stderr, "losses: %s\n", un_error_get()->text);
    for (int t = 0; t < REFERENCE_OBJECTIVES; ++t) {
        packed_close(&l.batch[t]);
        reference_samples_free(&l.samples[t]);
    }
    net_close(&l.net);
    reference_close(&l.ref);
    return (int)status;
}
