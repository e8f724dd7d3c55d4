/* Layer by layer, see encoder.h. kept[l].y is the input of layer l + 1. */
#include "model/net/encoder.h"

static struct un_mat input_of(const struct un_encoder *e, int64_t layer) {
    return layer == 0 ? e->x : un_mat(e->kept[layer - 1].y, e->x.type, e->x.rows, e->x.cols);
}

static void forward(const void *arg) {
    const struct un_encoder *e = arg;
    const struct un_pass_hooks *hooks = e->hooks;
    for (int64_t l = 0; l < e->layers; ++l) {
        if (hooks->need) hooks->need(hooks->context, e->begin[l], e->begin[l + 1]);
        un_block_fwd(e->p, &e->kept[l], &e->at[l], input_of(e, l), l);
        if (hooks->attended)
            hooks->attended(hooks->context, l,
                            un_pass_mat(e->p, e->kept[l].qkv, e->x.rows, 3 * e->p->dims->hidden_size),
                            e->kept[l].lse);
    }
}

static void backward(const void *arg) {
    const struct un_encoder *e = arg;
    const struct un_pass_hooks *hooks = e->hooks;
    for (int64_t l = e->layers - 1; l >= 0; --l) {
        un_block_bwd(e->p, e->d, e->work, &e->kept[l], &e->at[l], input_of(e, l), l);
        if (hooks->ready) hooks->ready(hooks->context, e->begin[l], e->begin[l + 1]);
    }
}

enum un_status un_encoder_run(const struct un_encoder *e, bool back) {
    void (*work)(const void *arg) = back ? backward : forward;
    if (e->hooks->layers) return e->hooks->layers(e->hooks->context, back, work, e);
    work(e);
    return UN_OK;
}
