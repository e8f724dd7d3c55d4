/* Everything of one pair (look.h). */
#include "launch/use/look.h"

#include "model/transport/exact.h"
#include "runtime/half.h"
#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is chosen ---- */

/* One of them: `length` bytes of `word`. */
static enum un_status choose_one(bool *chosen, int64_t n, const char *word, size_t length, const char *what) {
    char text[32], *end = text;
    snprintf(text, sizeof text, "%.*s", (int)(length < 31 ? length : 31), word);
    bool all = strcmp(text, "all") == 0, last = strcmp(text, "last") == 0;
    int64_t at = last ? n - 1 : strtoll(text, &end, 10);
    bool number = last || (*text && *end == '\0');
    if (!all && (!number || at < 0 || at >= n))
        return un_fail(UN_USAGE, "%s: %s is none of 0 to %lld, last and all", what, text, (long long)n - 1);
    for (int64_t k = 0; k < n; ++k) chosen[k] = chosen[k] || all || k == at;
    return UN_OK;
}

/* chosen [n] by numbers from 0, "last", "all", also several in one, with commas. */
static enum un_status choose(bool *chosen, int64_t n, const struct un_strings *list, const char *what) {
    for (int64_t i = 0; i < list->n; ++i)
        for (const char *word = list->list[i], *next; word; word = next) {
            size_t length = strcspn(word, ",");
            next = word[length] ? word + length + 1 : NULL;
            UN_TRY(choose_one(chosen, n, word, length, what));
        }
    return UN_OK;
}

static int64_t count(const bool *chosen, int64_t n) {
    int64_t sum = 0;
    for (int64_t i = 0; i < n; ++i) sum += chosen[i];
    return sum;
}

/* Words that are named, by piece or by place (1 is the first); all where none is. */
static enum un_status choose_words(struct un_use_look *look) {
    const struct un_strings *list = &look->keys->word;
    int64_t words = look->picture.words;
    for (int64_t w = 1; w + 1 < words; ++w) look->word[w].shown = list->n == 0;
    for (int64_t i = 0; i < list->n; ++i) {
        char *end;
        int64_t place = strtoll(list->list[i], &end, 10);
        bool found = false, number = *list->list[i] && *end == '\0';
        for (int64_t w = 1; w + 1 < words; ++w) {
            bool is = number ? w == place : strcmp(look->word[w].name, list->list[i]) == 0;
            look->word[w].shown = look->word[w].shown || is;
            found = found || is;
        }
        if (!found)
            return un_fail(UN_USAGE, "word: %s is no word of the text, nor a place from 1 to %lld",
                           list->list[i], (long long)words - 2);
    }
    return UN_OK;
}

/* ---- the pass ---- */

static void on_attended(void *context, int64_t layer, struct un_mat qkv, const float *lse) {
    struct un_use_look *look = context;
    struct un_use_network *net = &look->session->net[0];
    const struct un_device *d = net->setup.device;
    int64_t tokens = look->picture.words + look->picture.regions, heads = net->dims.num_attention_heads;
    if (!look->layer[layer]) return;
    const void *from = qkv.data;
    if (qkv.type != UN_F32) {
        d->ops->cast(net->queue, look->wide, UN_F32, qkv.data, qkv.type, tokens * qkv.cols);
        from = look->wide;
    }
    d->mem->copy_out(net->queue, look->qkv + look->seen * tokens * qkv.cols, from,
                     (size_t)(tokens * qkv.cols) * sizeof(float));
    d->mem->copy_out(net->queue, look->lse + look->seen * tokens * heads, lse,
                     (size_t)(tokens * heads) * sizeof(float));
    ++look->seen;
}

static un_objective_set heads_of(const struct un_use_session *s, bool guess) {
    un_objective_set heads = un_objective_bit(UN_ITM);
    if (!guess) return heads;
    if (un_weights_view_find(&s->weights.view, "cls.predictions.bias") >= 0)
        heads |= un_objective_bit(UN_MLM);
    if (un_weights_view_find(&s->weights.view, "region_classifier.net.0.weight") >= 0)
        heads |= un_objective_bit(UN_MRC);
    if (!(heads & un_objective_bit(UN_MLM)))
        un_log(UN_LOG_WARN, "%s: no head of masked words: none are guessed", s->weights.view.path);
    if (!(heads & un_objective_bit(UN_MRC)))
        un_log(UN_LOG_WARN, "%s: no head of masked regions: none are guessed", s->weights.view.path);
    return heads;
}

static enum un_status open_network(struct un_use_look *look) {
    struct un_use_session *s = look->session;
    const struct un_use_network_setup setup = {.device = s->device,
                                               .weights = &s->weights,
                                               .heads = heads_of(s, look->keys->guess),
                                               .caps = s->pairs.caps,
                                               .precision = s->keys->precision,
                                               .look = true};
    return un_use_network_open(&s->net[0], &setup);
}

static float *floats(int64_t n, const char *what) {
    return un_alloc((size_t)(n > 0 ? n : 1), sizeof(float), what);
}

/* Of attention. */
static enum un_status open_heads(struct un_use_look *look) {
    const struct un_use_network *net = &look->session->net[0];
    struct un_device *d = net->setup.device;
    int64_t layers = net->dims.num_hidden_layers, heads = net->dims.num_attention_heads;
    int64_t tokens = look->picture.words + look->picture.regions, wide = 3 * net->dims.hidden_size;
    look->layer = un_alloc((size_t)layers, sizeof *look->layer, "layers");
    look->at_head = un_alloc((size_t)heads, sizeof *look->at_head, "heads");
    if (!look->layer || !look->at_head) return UN_MEMORY;
    UN_TRY(choose(look->layer, layers, &look->keys->layer, "layer"));
    UN_TRY(choose(look->at_head, heads, &look->keys->head, "head"));
    int64_t chosen = count(look->layer, layers);
    look->picture.heads = chosen * count(look->at_head, heads);
    look->head = un_alloc((size_t)look->picture.heads + 1, sizeof *look->head, "heads");
    look->probability = floats(look->picture.heads * tokens * tokens, "probabilities of attention");
    look->qkv = floats(chosen * tokens * wide, "queries and keys");
    look->lse = floats(chosen * tokens * heads, "queries and keys");
    look->wide = d->mem->alloc(d, (size_t)(tokens * wide) * sizeof(float), "queries and keys");
    return look->head && look->probability && look->qkv && look->lse && look->wide ? UN_OK
                                                                                   : un_error_get()->status;
}

static enum un_status open_memory(struct un_use_look *look) {
    struct un_picture *p = &look->picture;
    const struct un_dims *dims = &look->session->weights.dims;
    int64_t plan = p->words * p->regions;
    look->word = un_alloc((size_t)p->words, sizeof *look->word, "words");
    look->region = un_alloc((size_t)p->regions, sizeof *look->region, "regions");
    look->mass = un_alloc((size_t)plan, sizeof *look->mass, "plan of transport");
    look->exact = un_alloc((size_t)plan, sizeof *look->exact, "plan of transport");
    look->cost = floats(plan, "costs of transport");
    look->score =
        floats(dims->vocab_size > dims->img_label_dim ? dims->vocab_size : dims->img_label_dim, "scores");
    return look->word && look->region && look->mass && look->exact && look->cost && look->score ? UN_OK
                                                                                                : UN_MEMORY;
}

/* ---- names ---- */

/* The detector's class of a region, the background aside; -1: the file has none. */
static enum un_status find_class(struct un_use_look *look, int64_t r, int64_t *found) {
    const struct un_use_pairs *pairs = &look->session->pairs;
    int64_t classes = un_dataset_info(pairs->set)->img_label_dim;
    *found = -1;
    if (classes < 2) return UN_OK;
    uint16_t *soft = un_alloc((size_t)classes, sizeof *soft, "classes of a region");
    if (!soft) return UN_MEMORY;
    enum un_status status = un_dataset_read_soft_label(pairs->set, pairs->sample[0].image, r, soft);
    for (int64_t c = 1; c < classes && status == UN_OK; ++c)
        if (*found < 0 || un_half_to(soft[c]) > un_half_to(soft[*found])) *found = c;
    un_free(soft);
    if (*found >= look->session->weights.dims.img_label_dim) *found = -1;
    return status;
}

static enum un_status name_units(struct un_use_look *look) {
    const struct un_batch *b = &look->session->pairs.batch;
    for (int64_t w = 0; w < b->words; ++w) {
        look->word[w].id = b->word_id[w];
        look->word[w].name = un_use_names_word(look->names, b->word_id[w]);
    }
    for (int64_t r = 0; r < b->regions; ++r) {
        UN_TRY(find_class(look, r, &look->region[r].id));
        look->region[r].name = un_use_names_class(look->names, look->region[r].id);
    }
    return choose_words(look);
}

/* ---- results ---- */

static enum un_status fetch_plan(struct un_use_look *look) {
    struct un_picture *p = &look->picture;
    const struct un_use_network *net = &look->session->net[0];
    const struct un_device *d = net->setup.device;
    int64_t n = p->words * p->regions;
    struct un_exact told;
    d->mem->copy_out(net->queue, look->cost, net->out.cost, (size_t)n * sizeof(float));
    UN_TRY(d->mem->queue_wait(net->queue));
    for (int64_t i = 0; i < n; ++i) look->mass[i] = (double)net->outputs.plan[i];
    p->match = exp(-(double)net->outputs.row_loss[UN_ITM][0]);
    UN_TRY(un_exact_plan(look->exact, &told, look->cost, p->words, p->regions));
    struct un_plan_worth worth = un_plan_judge(look->mass, look->cost, p->words, p->regions);
    const char *solver = look->session->weights.run.wra.solver == UN_SOLVER_IPOT ? "IPOT" : "Sinkhorn";
    p->bound = told.bound;
    p->solver = (struct un_picture_plan){solver,          look->mass,         worth.distance,
                                         worth.row_error, worth.column_error, worth.entries};
    worth = un_plan_judge(look->exact, look->cost, p->words, p->regions);
    p->exact = (struct un_picture_plan){"network simplex", look->exact,        worth.distance,
                                        worth.row_error,   worth.column_error, told.entries};
    return UN_OK;
}

static void fill_heads(struct un_use_look *look) {
    struct un_picture *p = &look->picture;
    const struct un_dims *dims = &look->session->net[0].dims;
    int64_t tokens = p->words + p->regions, width = dims->hidden_size, heads = dims->num_attention_heads;
    int64_t layers = 0, made = 0;
    for (int64_t l = 0; l < dims->num_hidden_layers; ++l) {
        if (!look->layer[l]) continue;
        for (int64_t h = 0; h < heads; ++h) {
            if (!look->at_head[h]) continue;
            float *to = look->probability + made * tokens * tokens;
            double error = un_use_attention(to, look->qkv + layers * tokens * 3 * width,
                                            look->lse + layers * tokens * heads, tokens, width, heads, h);
            look->head[made] = (struct un_picture_head){.layer = l, .head = h, .probability = to};
            un_use_attention_pattern(&look->head[made++], p->words, p->regions);
            p->attention_error = fmax(p->attention_error, error);
        }
        ++layers;
    }
}

static enum un_status run(struct un_use_look *look) {
    struct un_use_network *net = &look->session->net[0];
    const struct un_pass_hooks hooks = {.attended = on_attended, .context = look};
    net->hooks = &hooks;
    enum un_status status = un_use_network_pass(net, &look->session->pairs.batch);
    net->hooks = NULL;
    if (status != UN_OK) return status;
    if (!isfinite(net->outputs.row_loss[UN_ITM][0]) || !isfinite(net->outputs.distance[0]))
        return un_fail(UN_DATA, "%s: the loss of a match is %g: are these weights of a trained network?",
                       look->session->weights.view.path, (double)net->outputs.row_loss[UN_ITM][0]);
    UN_TRY(fetch_plan(look));
    fill_heads(look);
    return look->keys->guess ? un_use_look_guess(look) : UN_OK;
}

enum un_status un_use_look_open(struct un_use_look *look, struct un_use_session *session,
                                const struct un_use_names *names, const struct un_use_look_keys *keys) {
    struct un_use_pairs *pairs = &session->pairs;
    struct un_picture *p = &look->picture;
    *look = (struct un_use_look){.session = session, .names = names, .keys = keys};
    UN_TRY(un_use_pairs_next(pairs));
    UN_ASSERT(pairs->n == 1);
    p->weights = session->weights.view.path;
    un_use_pairs_name(pairs, un_use_pairs_index(pairs, 0), &p->text_id, &p->image_id);
    p->words = pairs->batch.words;
    p->regions = pairs->batch.regions;
    UN_TRY(open_memory(look));
    UN_TRY(name_units(look));
    UN_TRY(open_network(look));
    UN_TRY(open_heads(look));
    p->word = look->word;
    p->region = look->region;
    p->head = look->head;
    p->cost = look->cost;
    p->box = pairs->batch.box;
    p->box_width = UN_BOX_WIDTH;
    return run(look);
}

void un_use_look_close(struct un_use_look *look) {
    if (look->wide) look->session->device->mem->free(look->session->device, look->wide);
    void *memory[] = {look->word,        look->region, look->head, look->mass,    look->exact, look->cost,
                      look->probability, look->qkv,    look->lse,  look->at_head, look->layer, look->score};
    for (size_t i = 0; i < sizeof memory / sizeof *memory; ++i) un_free(memory[i]);
    *look = (struct un_use_look){0};
}
