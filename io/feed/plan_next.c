/* Which samples make up the micro-batch of (step, lane).
 * Law: everything is a pure function of (seed, configuration, data sizes, lane state). Streams are drawn by
 * UN_RNG_STREAM at (step, lane, how many samples the micro-batch already has); the order inside an epoch is a
 * Feistel network keyed by (seed, stream, lane, epoch); whether a pair is false, and its image, are drawn at
 * (epoch, lane, position in the epoch, stream): at the sample and not at the step, so that a sample which
 * waits as `pending` keeps its image and long images are not disfavoured. */
#include "io/feed/private.h"

#include "runtime/rng.h"

#include <string.h>

/* Apart from the indices of io/mask, with which the negatives of a validation share their purpose. */
static const uint32_t negative_index = 0x80000000u;
static const uint32_t second_order = 0x8000u; /* beside the streams, of which there are fewer */
static const uint32_t all_lanes =
    UINT32_MAX; /* the lane in the counter of a draw that holds for every lane */

/* Uniform among [first, first + count) without `own`, which is one of them; count >= 2. */
static int64_t other_image(uint32_t word, int64_t first, int64_t count, int64_t own) {
    int64_t image = first + un_rng_below(word, (uint32_t)(count - 1));
    return image + (image >= own);
}

/* The image, and whatever else is drawn for the sample. */
static void choose_image(const struct un_plan *plan, const struct un_stream_state *at,
                         const struct un_plan_part *part, struct un_sample *sample) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    int64_t images = un_dataset_info(d)->images, own = un_dataset_text_image(d, sample->text);
    enum un_objective t = sample->objective;
    sample->image = own;
    if (!un_objectives[t].other_image && !un_plan_ranks(plan, t) && !un_plan_mines(plan, t)) return;
    struct un_rng4 r =
        un_rng(plan->how.seed, plan->valid ? UN_RNG_VALID : UN_RNG_NEGATIVE, (uint32_t)at->epoch,
               (uint32_t)sample->lane, (uint32_t)at->position, negative_index | (uint32_t)sample->stream);
    sample->key = (uint64_t)r.v[2] << 32 | r.v[3];
    if (un_plan_ranks(plan, t)) un_plan_rank(plan, sample);
    if (!un_objectives[t].other_image || images < 2) return;
    sample->false_pair = un_rng_unit(r.v[0]) < plan->how.itm_neg_prob;
    if (!sample->false_pair) return;
    sample->image = part->images >= 2 ? other_image(r.v[1], part->image, part->images, own)
                                      : other_image(r.v[1], 0, images, own);
}

/* Which text of the lane, and which variant. Both variants of itm_hard go through all texts, one by one in turn,
 * each in an order of its own. */
static void choose_text(const struct un_plan *plan, const struct un_stream_state *at,
                        const struct un_plan_part *part, struct un_sample *sample) {
    int64_t variants = un_plan_variants(plan, sample->objective), index = at->position;
    bool mines = un_plan_mines(plan, sample->objective);
    if (mines) {
        sample->variant = (int)(index % variants);
        index /= variants;
    }
    uint32_t order = (uint32_t)sample->stream | (mines && sample->variant == 1 ? second_order : 0);
    if (!plan->valid)
        index = un_plan_permute(plan->how.seed, order, (uint32_t)sample->lane, (uint32_t)at->epoch,
                                mines ? part->texts : part->texts * variants, index);
    if (!mines) {
        sample->variant = (int)(index % variants);
        index /= variants;
    }
    sample->text = part->text + index;
}

static struct un_sample sample_at(const struct un_plan *plan, int64_t lane, int64_t stream,
                                  const struct un_stream_state *at) {
    const struct un_stream *from = &plan->streams[stream];
    struct un_sample sample = {
        .dataset = from->dataset, .stream = (int)stream, .objective = from->objective, .lane = lane};
    struct un_plan_part part = un_plan_part(plan->datasets[sample.dataset], lane);
    choose_text(plan, at, &part, &sample);
    choose_image(plan, at, &part, &sample);
    return sample;
}

static int64_t lane_samples(const struct un_plan *plan, int64_t lane, int64_t stream) {
    const struct un_stream *from = &plan->streams[stream];
    return un_plan_part(plan->datasets[from->dataset], lane).texts * un_plan_variants(plan, from->objective);
}

static void advance(struct un_stream_state *at, int64_t samples) {
    if (++at->position < samples) return;
    at->position = 0;
    ++at->epoch;
}

void un_plan_start(const struct un_plan *plan, int64_t lane, struct un_lane_state *state) {
    (void)plan, (void)lane; /* every lane begins alike; both are asked for so that this may change */
    memset(state, 0, sizeof *state);
    state->pending = -1;
}

static enum un_status check_state(const struct un_plan *plan, int64_t lane,
                                  const struct un_lane_state *state) {
    if (state->pending < -1 || state->pending >= plan->n_streams)
        return un_fail(UN_DATA, "state of lane %lld: pending stream %lld, there are %lld", (long long)lane,
                       (long long)state->pending, (long long)plan->n_streams);
    for (int64_t s = 0; s < plan->n_streams; ++s) {
        const struct un_stream_state *at = &state->stream[s];
        int64_t samples = lane_samples(plan, lane, s);
        if (at->epoch < 0 || at->position < 0 || at->position >= (samples > 0 ? samples : 1))
            return un_fail(UN_DATA,
                           "state of lane %lld: stream %lld at epoch %lld, position %lld of %lld samples",
                           (long long)lane, (long long)s, (long long)at->epoch, (long long)at->position,
                           (long long)samples);
    }
    return UN_OK;
}

static int64_t draw_stream(const struct un_plan *plan, uint32_t step, uint32_t lane, uint32_t draw) {
    struct un_rng4 r = un_rng(plan->how.seed, UN_RNG_STREAM, step, lane, draw, 0);
    double unit = ((double)(r.v[0] >> 5) * 0x1p26 + (double)(r.v[1] >> 6)) * 0x1p-53; /* [0, 1), 53 bits */
    double at = unit * plan->mix_end[plan->n_streams - 1];
    int64_t stream = 0;
    while (stream < plan->n_streams - 1 && at >= plan->mix_end[stream]) ++stream;
    return stream;
}

/* The stream of the next sample, or -1 at the end of a validation pass. */
static int64_t next_stream(const struct un_plan *plan, uint32_t step, int64_t lane,
                           const struct un_lane_state *state, int64_t taken) {
    if (plan->valid) {
        for (int64_t s = 0; s < plan->n_streams; ++s)
            if (state->stream[s].epoch == 0 && lane_samples(plan, lane, s) > 0) return s;
        return -1;
    }
    if (plan->how.mixing == UN_MIXING_BATCH) return draw_stream(plan, step, all_lanes, 0);
    if (state->pending >= 0) return state->pending;
    return draw_stream(plan, step, (uint32_t)lane, (uint32_t)taken);
}

/* A stream that is mined gives one sample of each variant, which are not packed yet. */
static bool is_full(const struct un_plan *plan, int64_t stream, int64_t taken) {
    int64_t most = plan->how.samples_per_lane;
    if (un_plan_mines(plan, plan->streams[stream].objective)) return taken == 2;
    return most > 0 && taken == most;
}

enum un_status un_plan_next(const struct un_plan *plan, uint32_t step, int64_t lane,
                            struct un_lane_state *state, struct un_sample *samples, int64_t *n) {
    *n = 0;
    UN_TRY(check_state(plan, lane, state));
    for (int64_t tokens = 0;;) {
        int64_t stream = next_stream(plan, step, lane, state, *n);
        if (stream < 0 || is_full(plan, stream, *n)) return UN_OK;
        struct un_sample sample = sample_at(plan, lane, stream, &state->stream[stream]);
        tokens += un_plan_sample_tokens(plan, &sample);
        if (tokens > plan->how.tokens_per_lane) {
            bool drawn = !plan->valid && plan->how.mixing == UN_MIXING_SAMPLE;
            state->pending = drawn ? stream : -1;
            return UN_OK;
        }
        state->pending = -1;
        samples[(*n)++] = sample;
        advance(&state->stream[stream], lane_samples(plan, lane, stream));
    }
}
