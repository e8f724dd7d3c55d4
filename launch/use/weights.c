/* Sizes and values of a network out of a set of tensors (weights.h). */
#include "launch/use/weights.h"

#include <inttypes.h>
#include <string.h>

/* Those of the released networks, where nothing tells. */
enum { HEAD_WIDTH = 64, CLASSES = 1601 };

static enum un_status settle_heads(struct un_use_weights *w, int64_t heads) {
    const struct un_dims *run = &w->run.dims;
    bool same = w->run.found && run->hidden_size == w->dims.hidden_size &&
                run->num_hidden_layers == w->dims.num_hidden_layers;
    if (heads == UN_AUTO) heads = un_weights_heads_told(&w->view); /* 0: it does not tell */
    if (heads == 0 && same) heads = run->num_attention_heads;
    if (heads == 0 && w->dims.hidden_size % HEAD_WIDTH == 0) {
        heads = w->dims.hidden_size / HEAD_WIDTH;
        un_log(UN_LOG_INFO,
               "%s does not tell num_attention_heads: %" PRId64 ", a head for %d of the width, are taken",
               w->view.path, heads, HEAD_WIDTH);
    }
    if (heads == 0)
        return un_fail(UN_USAGE,
                       "%s does not tell num_attention_heads, and the width of %" PRId64
                       " is none of %d a head: give it as a key",
                       w->view.path, w->dims.hidden_size, HEAD_WIDTH);
    if (heads < 1 || heads > w->dims.hidden_size || w->dims.hidden_size % heads)
        return un_fail(UN_USAGE, "%s: num_attention_heads: %" PRId64 " do not divide the width of %" PRId64,
                       w->view.path, heads, w->dims.hidden_size);
    w->dims.num_attention_heads = heads;
    return UN_OK;
}

static enum un_status settle_sizes(struct un_use_weights *w) {
    const struct un_weights_sizes *s = &w->sizes;
    w->dims = (struct un_dims){.vocab_size = s->vocab_size,
                               .hidden_size = s->hidden_size,
                               .num_hidden_layers = s->num_hidden_layers,
                               .intermediate_size = s->intermediate_size,
                               .max_position_embeddings = s->max_position_embeddings,
                               .type_vocab_size = s->type_vocab_size,
                               .img_dim = s->img_dim,
                               .img_label_dim = s->img_label_dim ? s->img_label_dim : CLASSES,
                               .num_labels = s->num_labels,
                               .re_layers = s->re_layers};
    if (s->vocab_size && s->hidden_size && s->num_hidden_layers && s->intermediate_size &&
        s->max_position_embeddings && s->type_vocab_size >= 2 && s->img_dim)
        return UN_OK;
    return un_fail(
        UN_DATA,
        "%s: not a whole UNITER: word, position and type embeddings, img_linear and the layers must "
        "be there, as tables of values",
        w->view.path);
}

enum un_status un_use_weights_open(struct un_use_weights *w, const char *path, int64_t heads) {
    *w = (struct un_use_weights){0};
    UN_TRY(un_weights_view_open(&w->view, path));
    un_weights_sizes_of(&w->sizes, &w->view);
    UN_TRY(settle_sizes(w));
    UN_TRY(
        un_use_run_read(&w->run, un_weights_view_is_checkpoint(&w->view) ? w->view.checkpoint.run_dir : ""));
    return settle_heads(w, heads);
}

void un_use_weights_close(struct un_use_weights *w) {
    un_weights_view_close(&w->view);
    *w = (struct un_use_weights){0};
}

static enum un_status check_there(const struct un_weights_plan *plan, bool without_head) {
    for (int64_t i = 0; i < plan->table->n; ++i) {
        const char *name = plan->table->list[i].name;
        bool head = un_weights_head_of(name) != UN_HEAD_NONE;
        if (plan->way[i] != UN_WAY_DRAWN || (without_head && head)) continue;
        return un_fail(UN_USAGE, "%s: %s is missing: the network %s", plan->view->path, name,
                       head ? "was not trained for this" : "is not whole");
    }
    return UN_OK;
}

enum un_status un_use_weights_load(const struct un_use_weights *w, const struct un_params *table,
                                   bool without_head, float *values) {
    struct un_weights_plan plan;
    memset(values, 0, (size_t)table->total * sizeof *values);
    enum un_status status = un_weights_plan_open(&plan, &w->view, table, UN_FIT_START);
    if (status == UN_OK) status = check_there(&plan, without_head);
    plan.tells = true;
    if (status == UN_OK) status = un_weights_load(&plan, values);
    un_weights_plan_close(&plan);
    return status;
}
