/* Masked words and regions (look.h): a pass for each, in which it alone is masked, so that a guess sees all the rest. The
 * micro-batch holds the pair alone: word w is its word w, region r its region r. */
#include "launch/use/look.h"

#include "io/run/progress.h"

#include <math.h>

/* The most probable ids of a softmax over score [n], and the probability of `truth`. */
static void rank(struct un_picture_unit *unit, const float *score, int64_t n, int64_t top) {
    double largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; ++i) largest = fmax(largest, (double)score[i]);
    for (int64_t i = 0; i < n; ++i) sum += exp((double)score[i] - largest);
    unit->guesses = 0;
    for (int64_t i = 0; i < n; ++i) {
        double p = exp((double)score[i] - largest) / sum;
        int64_t at = unit->guesses < top ? unit->guesses++ : top;
        for (; at > 0 && p > unit->guess[at - 1].probability; --at)
            if (at < top) unit->guess[at] = unit->guess[at - 1];
        if (at < top) unit->guess[at] = (struct un_picture_guess){.id = i, .probability = p};
    }
    unit->truth = unit->id >= 0 ? exp((double)score[unit->id] - largest) / sum : 0;
}

/* A pass of the changed micro-batch, and the scores of its one row. */
static enum un_status pass(struct un_use_look *look, enum un_objective t, struct un_picture_unit *unit) {
    struct un_use_network *net = &look->session->net[0];
    const struct un_device *d = net->setup.device;
    UN_TRY(un_use_network_pass(net, &look->session->pairs.batch));
    struct un_mat score = net->out.score[t];
    d->mem->copy_out(net->queue, look->score, score.data, (size_t)score.cols * sizeof(float));
    UN_TRY(d->mem->queue_wait(net->queue));
    for (int64_t i = 0; i < score.cols; ++i)
        if (!isfinite(look->score[i]))
            return un_fail(UN_DATA, "%s: a score is %g: are these weights of a trained network?",
                           look->session->weights.view.path, (double)look->score[i]);
    rank(unit, look->score, score.cols, look->keys->top);
    for (int64_t g = 0; g < unit->guesses; ++g)
        unit->guess[g].name = t == UN_MLM ? un_use_names_word(look->names, unit->guess[g].id)
                                          : un_use_names_class(look->names, unit->guess[g].id);
    return UN_OK;
}

static void ask(struct un_rows *rows, int64_t row, int64_t target) {
    rows->n = 1;
    rows->row[0] = (int32_t)row;
    rows->target[0] = (int32_t)target;
}

static enum un_status guess_word(struct un_use_look *look, int64_t w) {
    struct un_use_pairs *pairs = &look->session->pairs;
    struct un_batch *b = &pairs->batch;
    int32_t kept = b->word_id[w];
    b->word_id[w] = (int32_t)un_dataset_info(pairs->set)->vocab.mask_id;
    ask(&b->rows[UN_MLM], w, kept);
    enum un_status status = pass(look, UN_MLM, &look->word[w]);
    b->word_id[w] = kept;
    b->rows[UN_MLM].n = 0;
    return status;
}

static enum un_status guess_region(struct un_use_look *look, int64_t r) {
    struct un_batch *b = &look->session->pairs.batch;
    b->masked[r] = 1;
    b->masked_region[0] = (int32_t)r;
    b->masked_count = 1;
    b->rows[UN_MRC].region[0] = (int32_t)r;
    ask(&b->rows[UN_MRC], b->words + r, look->region[r].id > 0 ? look->region[r].id : 0);
    enum un_status status = pass(look, UN_MRC, &look->region[r]);
    b->masked[r] = 0;
    b->masked_count = 0;
    b->rows[UN_MRC].n = 0;
    return status;
}

enum un_status un_use_look_guess(struct un_use_look *look) {
    struct un_batch *b = &look->session->pairs.batch;
    un_objective_set heads = look->session->net[0].dims.heads;
    int64_t words = heads & un_objective_bit(UN_MLM) ? b->words - 2 : 0;
    int64_t regions = heads & un_objective_bit(UN_MRC) ? b->regions : 0;
    struct un_progress progress;
    enum un_status status = UN_OK;
    un_progress_open_work(&progress, words + regions, 1, "mask", true);
    b->rows[UN_ITM].n = 0;
    for (int64_t w = 1; w <= words && status == UN_OK; ++w) {
        if (look->word[w].shown) status = guess_word(look, w);
        un_progress_add(&progress, 1);
    }
    for (int64_t r = 0; r < regions && status == UN_OK; ++r) {
        status = guess_region(look, r);
        un_progress_add(&progress, 1);
    }
    un_progress_clear(&progress);
    return status;
}
