/* A data set over what is given, its plan, and the packing (pairs.h). */
#include "launch/use/pairs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { NO_LIMIT = 65535 };

/* The keys, else what the run was trained with. */
static struct un_data_keys rule(const struct un_use_keys *k, const struct un_data_keys *run, bool named) {
    struct un_data_keys data = *run;
    if (k->conf_th != UN_USE_NOT_GIVEN) data.conf_th = k->conf_th;
    if (k->min_bb != UN_USE_NOT_GIVEN) data.min_bb = k->min_bb;
    if (k->max_bb != UN_USE_NOT_GIVEN) data.max_bb = k->max_bb;
    if (k->num_bb != UN_USE_NOT_GIVEN) data.num_bb = k->num_bb;
    if (k->max_txt_len != UN_USE_NOT_GIVEN) data.max_txt_len = k->max_txt_len;
    if (named) data.max_txt_len = NO_LIMIT; /* what is named is not left out */
    data.missing = 0;
    return data;
}

static enum un_status check_rule(const struct un_data_keys *d) {
    if (d->conf_th < 0 && d->conf_th != -1)
        return un_fail(UN_USAGE, "conf_th: %g is neither -1 nor in [0, 1]", d->conf_th);
    if (d->min_bb < 1 || d->max_bb < 1 || d->num_bb < 1 || d->max_txt_len < 1)
        return un_fail(UN_USAGE, "min_bb, max_bb, num_bb and max_txt_len are at least 1");
    return UN_OK;
}

static enum un_status check_data(const struct un_dataset_info *info, const struct un_use_weights *w) {
    const struct un_dims *d = &w->dims;
    if (info->img_dim != d->img_dim)
        return un_fail(UN_USAGE, "features of width %lld, but %s wants %lld", (long long)info->img_dim,
                       w->view.path, (long long)d->img_dim);
    if (info->vocab.vocab_size > d->vocab_size)
        return un_fail(UN_USAGE, "a vocabulary of %lld words, but that of %s has %lld",
                       (long long)info->vocab.vocab_size, w->view.path, (long long)d->vocab_size);
    if (info->longest_text + 2 > d->max_position_embeddings)
        return un_fail(UN_USAGE, "a text of %lld words and [CLS], [SEP], but %s has %lld positions",
                       (long long)info->longest_text, w->view.path, (long long)d->max_position_embeddings);
    if (info->texts_too_long || info->texts_empty)
        un_log(UN_LOG_WARN, "%lld texts are longer than max_txt_len and left out, %lld are empty",
               (long long)info->texts_too_long, (long long)info->texts_empty);
    return UN_OK;
}

static enum un_status open_set(struct un_use_pairs *p, const struct un_use_keys *k,
                               const struct un_use_weights *w, struct un_dataset_keys *set) {
    bool named = p->given.n > 0;
    char *path = p->given.path;
    struct un_strings only = {&path, 1};
    struct un_data_keys data = rule(k, &w->run.data, named);
    *set = (struct un_dataset_keys){.text = named ? only : k->text, .images = k->images};
    set->mix[UN_ITM] = 1;
    snprintf(set->name, sizeof set->name, "%s", named ? "of named pairs" : "given");
    UN_TRY(check_rule(&data));
    UN_TRY(un_dataset_open(&p->set, set, &data, 1, false, true, NULL));
    return check_data(un_dataset_info(p->set), w);
}

/* No more than all pairs take, and no less than the longest. */
static int64_t tokens_of(const struct un_dataset *set, int64_t tokens) {
    const struct un_dataset_info *info = un_dataset_info(set);
    int64_t longest = info->longest_text + 2 + info->most_regions, all = 0;
    for (int64_t i = 0; i < info->texts && all < tokens; ++i)
        all +=
            un_dataset_text_length(set, i) + 2 + un_dataset_image_regions(set, un_dataset_text_image(set, i));
    if (all < tokens) tokens = all;
    return tokens < longest ? longest : tokens;
}

static enum un_status open_plan(struct un_use_pairs *p, const struct un_use_keys *k,
                                const struct un_use_weights *w, const struct un_dataset_keys *set, int task) {
    const struct un_plan_keys how = {
        .lanes = 1, .tokens_per_lane = tokens_of(p->set, k->tokens), .mlm_prob = 0.15, .mrm_prob = 0.15};
    UN_TRY(un_plan_open(&p->plan, &p->set, set, 1, &how, true));
    un_plan_start(p->plan, 0, &p->state);
    un_pack_caps(p->plan, w->dims.img_dim, w->dims.img_label_dim, &p->caps);
    if (task != UN_USE_NO_TASK) {
        p->caps.tasks |= un_objective_bit((enum un_objective)task);
        p->caps.num_labels = w->dims.num_labels;
    }
    UN_TRY(un_packer_open(&p->packer, p->plan, &p->caps));
    int64_t most = un_plan_max_samples(p->plan);
    p->sample = un_alloc((size_t)most, sizeof *p->sample, "pairs of a micro-batch");
    p->sequence = un_alloc((size_t)most, sizeof *p->sequence, "pairs of a micro-batch");
    return p->sample && p->sequence ? UN_OK : UN_MEMORY;
}

static enum un_status open_batch(struct un_use_pairs *p) {
    struct un_arena arena = {.name = "micro-batch"};
    un_batch_carve(&p->batch, &p->caps, &arena);
    arena.size = arena.used;
    p->memory = p->device->mem->host_alloc(p->device, arena.size, "micro-batch");
    if (!p->memory) return un_error_get()->status;
    arena.base = p->memory;
    arena.used = 0;
    un_batch_carve(&p->batch, &p->caps, &arena);
    return UN_OK;
}

enum un_status un_use_pairs_open(struct un_use_pairs *p, const struct un_use_keys *keys,
                                 const char *const *names, int n, const struct un_use_weights *weights,
                                 struct un_device *device, int task) {
    struct un_dataset_keys set;
    *p = (struct un_use_pairs){.device = device};
    UN_TRY(un_use_given_open(&p->given, keys, names, n));
    UN_TRY(open_set(p, keys, weights, &set));
    UN_TRY(open_plan(p, keys, weights, &set, task));
    un_progress_open_work(&p->progress, un_use_pairs_count(p), 1, "pair", isatty(STDOUT_FILENO) != 1);
    return open_batch(p);
}

void un_use_pairs_close(struct un_use_pairs *p) {
    un_progress_clear(&p->progress);
    if (p->memory) p->device->mem->host_free(p->device, p->memory);
    un_free(p->sample);
    un_free(p->sequence);
    un_packer_close(p->packer);
    un_plan_close(p->plan);
    un_dataset_close(p->set);
    un_use_given_close(&p->given);
    *p = (struct un_use_pairs){0};
}

int64_t un_use_pairs_count(const struct un_use_pairs *p) {
    return un_dataset_info(p->set)->texts;
}

enum un_status un_use_pairs_next(struct un_use_pairs *p) {
    un_progress_add(&p->progress, p->n); /* those are done */
    UN_TRY(un_plan_next(p->plan, p->step, 0, &p->state, p->sample, &p->n));
    if (p->n == 0) return UN_OK;
    return un_pack(p->packer, &p->batch, p->sample, p->n, p->step++, 0, UN_RNG_VALID);
}

enum un_status un_use_pairs_ask(struct un_use_pairs *p, enum un_objective task) {
    for (int64_t i = 0; i < p->n; ++i)
        p->sequence[i] = un_sequence_pair(p->sample[i].text, p->sample[i].image);
    const struct un_pack_list list = {.objective = task, .sequence = p->sequence, .n = p->n, .each = 1};
    return un_pack_sequences(p->packer, &p->batch, &list, p->step, 0);
}

int64_t un_use_pairs_place(const struct un_use_pairs *p, int64_t text) {
    if (p->given.n == 0) return text;
    return strtoll(un_dataset_text_id(p->set, text) + sizeof UN_USE_PAIR_ID - 1, NULL, 10) - 1;
}

int64_t un_use_pairs_index(const struct un_use_pairs *p, int64_t i) {
    return un_use_pairs_place(p, p->sample[i].text);
}

void un_use_pairs_name(const struct un_use_pairs *p, int64_t index, const char **text, const char **image) {
    if (p->given.n) {
        *text = p->given.pair[index].text;
        *image = p->given.pair[index].image_id;
        return;
    }
    *text = un_dataset_text_id(p->set, index);
    *image = un_dataset_image_id(p->set, un_dataset_text_image(p->set, index));
}
