/* --check (check.h): parameters, memory, cache, data sets, streams, steps per epoch, tokens per step, waves of a card. */
#include "launch/train/check.h"

#include "launch/job/init_weights.h"
#include "launch/job/memory.h"
#include "launch/job/sizes.h"
#include "launch/train/mine.h"
#include "runtime/memory.h"
#include "runtime/waves.h"

static double mib(size_t bytes) {
    return (double)bytes / (1 << 20);
}

static enum un_status print_network(const struct un_job *job, FILE *out) {
    const struct un_dims *d = &job->dims;
    struct un_params table = {0};
    UN_TRY(un_model_params_build(&table, d));
    fprintf(
        out,
        "network     %lld layers, width %lld, %lld heads, intermediate %lld, vocabulary %lld, features %lld, "
        "classes %lld\n",
        (long long)d->num_hidden_layers, (long long)d->hidden_size, (long long)d->num_attention_heads,
        (long long)d->intermediate_size, (long long)d->vocab_size, (long long)d->img_dim,
        (long long)d->img_label_dim);
    fprintf(out, "parameters  %lld in %lld tensors\n", (long long)table.trained, (long long)table.n);
    un_params_free(&table);
    return UN_OK;
}

static void print_split(const struct un_split *split, const char *title, FILE *out) {
    for (int64_t i = 0; i < split->n; ++i) {
        const struct un_dataset_info *n = un_dataset_info(split->sets[i]);
        fprintf(out, "%-11s %s: %lld images (%.1f regions), %lld texts (%.1f words)", i == 0 ? title : "",
                un_dataset_name(split->sets[i]), (long long)n->images, (double)n->regions / (double)n->images,
                (long long)n->texts, (double)n->words / (double)n->texts);
        if (n->images_without_text)
            fprintf(out, "; %lld images without a text", (long long)n->images_without_text);
        if (n->texts_too_long) fprintf(out, "; %lld texts too long", (long long)n->texts_too_long);
        if (n->texts_without_image)
            fprintf(out, "; %lld texts without an image", (long long)n->texts_without_image);
        fputc('\n', out);
    }
}

/* Mean tokens of a pair of a data set: words, [CLS], [SEP], and the regions of the text's image. */
static double pair_tokens(const struct un_dataset *set) {
    const struct un_dataset_info *info = un_dataset_info(set);
    double tokens = 0;
    for (int64_t i = 0; i < info->images; ++i) {
        int64_t texts = un_dataset_image_text(set, i + 1) - un_dataset_image_text(set, i);
        tokens += (double)(texts * un_dataset_image_regions(set, i));
    }
    return (tokens + (double)info->words) / (double)info->texts + 2;
}

enum { TRIAL_PASSES = 256 };

/* Micro-batches as they will be: a sample may be of several sequences, and not only tokens may end a micro-batch. */
struct trial {
    double passes, samples, tokens, mined; /* mined: samples whose sequences are chosen later */
};

static enum un_status try_lane(const struct un_plan *plan, int64_t lane, uint32_t steps,
                               struct un_sample *samples, struct trial *t) {
    struct un_lane_state state;
    un_plan_start(plan, lane, &state);
    for (uint32_t step = 0; step < steps; ++step) {
        int64_t n;
        UN_TRY(un_plan_next(plan, step, lane, &state, samples, &n));
        for (int64_t i = 0; i < n; ++i) {
            int64_t tokens = un_plan_sample_tokens(plan, &samples[i]);
            t->tokens += (double)tokens;
            t->mined += tokens == 0;
        }
        t->samples += (double)n;
        t->passes += 1;
    }
    return UN_OK;
}

static enum un_status try_passes(const struct un_job *job, struct trial *t) {
    const struct un_plan *plan = job->train.plan;
    int64_t all = job->config.train.lanes, lanes = all < TRIAL_PASSES ? all : TRIAL_PASSES;
    enum un_status status = UN_OK;
    *t = (struct trial){0};
    struct un_sample *samples =
        un_alloc((size_t)un_plan_max_samples(plan), sizeof *samples, "planned samples");
    if (!samples) return UN_MEMORY;
    for (int64_t i = 0; i < lanes && status == UN_OK; ++i)
        status = try_lane(plan, i, (uint32_t)((TRIAL_PASSES + lanes - 1) / lanes), samples, t);
    un_free(samples);
    if (t->mined > 0)
        t->tokens += t->mined * (double)(job->config.train.hard_size + 1) * pair_tokens(job->train.sets[0]);
    return status;
}

static enum un_status print_streams(const struct un_job *job, FILE *out) {
    int64_t n;
    const struct un_stream *streams = un_plan_streams(job->train.plan, &n);
    struct trial t;
    UN_TRY(try_passes(job, &t));
    double mix = 0, lanes = (double)job->config.train.lanes, per_step = lanes * t.samples / t.passes;
    for (int64_t i = 0; i < n; ++i) mix += streams[i].mix;
    fprintf(out, "step        at most %.0f tokens in %.0f lanes, about %.0f samples of %.1f tokens\n",
            lanes * (double)job->config.train.tokens_per_lane, lanes, per_step, t.tokens / t.samples);
    for (int64_t i = 0; i < n; ++i) {
        double share = streams[i].mix / mix, epoch = (double)un_plan_epoch_samples(job->train.plan, i);
        fprintf(out, "%-11s %s/%s: %.1f %% of samples, an epoch is about %.0f steps, the run %.2f epochs\n",
                i == 0 ? "streams" : "", un_dataset_name(job->train.sets[streams[i].dataset]),
                un_objective_names[streams[i].objective], share * 100, epoch / (share * per_step),
                (double)job->config.train.steps * share * per_step / epoch);
    }
    return UN_OK;
}

/* The share, in percent, of the waves' tiles that a layer's four maps fill, forward and back to their inputs, each by its
 * multiply-adds; tiles of 128 rows and `wide` columns. */
static double waves_filled(const struct un_dims *d, int64_t tokens, int64_t wide) {
    const int64_t h = d->hidden_size,
                  maps[4][2] = {{h, 3 * h}, {h, h}, {h, d->intermediate_size}, {d->intermediate_size, h}};
    double work = 0, room = 0;
    for (int i = 0; i < 8; ++i) {
        const int64_t tiles = un_wave_tiles(tokens, maps[i / 2][i % 2], UN_WAVE_TILE, wide);
        const double part = (double)maps[i / 2][0] * (double)maps[i / 2][1];
        work += part;
        room += part * (double)(un_waves(tiles) * UN_WAVE_TILES) / (double)tiles;
    }
    return 100 * work / room;
}

/* Tokens of a lane that fill all of these waves, with every multiple of them, in tiles of 128 and of 256 columns. */
static int64_t waves_unit(const struct un_dims *d) {
    const int64_t widths[3] = {d->hidden_size, 3 * d->hidden_size, d->intermediate_size};
    int64_t unit = UN_WAVE_TILE;
    for (int i = 0; i < 6; ++i) {
        const int64_t rows = un_wave_rows(widths[i % 3], i < 3 ? UN_WAVE_TILE : UN_WAVE_WIDE), least = unit;
        while (unit % rows != 0) unit += least; /* their least common multiple, at most 16,896 */
    }
    return unit;
}

static void print_waves(const struct un_job *job, FILE *out) {
    if (!job->device || job->device->host_readable) return;
    const struct un_dims *d = &job->dims;
    const int64_t tokens = job->config.train.tokens_per_lane, unit = waves_unit(d),
                  below = tokens / unit * unit;
    fprintf(
        out,
        "waves       a lane of %lld tokens fills %.0f %% of them in tiles of 128 x 128, %.0f %% of 128 x 256 "
        "(132 at once)",
        (long long)tokens, waves_filled(d, tokens, UN_WAVE_TILE), waves_filled(d, tokens, UN_WAVE_WIDE));
    if (below == tokens)
        fputc('\n', out);
    else if (below == 0)
        fprintf(out, "; %lld would fill all\n", (long long)unit);
    else
        fprintf(out, "; %lld or %lld would fill all\n", (long long)below, (long long)(below + unit));
}

/* Sums of the card and the host where they differ, and what would fit if it does not. */
static enum un_status print_room(const struct un_job *job, const struct un_memory_plan *m, FILE *out) {
    size_t room = job->cache.room;
    int64_t tokens;
    if (m->card == 0) return UN_OK;
    fprintf(out, "            on the card %.0f MiB, on the host %.0f MiB", mib(m->card), mib(m->host));
    if (room > 0) fprintf(out, "; the card has %.0f MiB free", mib(room));
    fputc('\n', out);
    if (room == 0 || m->card <= room) return UN_OK;
    UN_TRY(un_job_fitting_tokens(job, room, &tokens));
    if (tokens > 0)
        fprintf(out, "            it does not fit; train.tokens_per_lane: %lld would\n", (long long)tokens);
    else
        fprintf(out, "            it does not fit, and no train.tokens_per_lane would\n");
    return UN_OK;
}

static double percent(int64_t part, int64_t all) {
    return all > 0 ? 100.0 * (double)part / (double)all : 0.0;
}

static void print_cache(const struct un_job *job, FILE *out) {
    const struct un_job_cache *c = &job->cache;
    const char *asked = un_cache_kind_names[job->config.data.cache];
    if (c->kind == UN_CACHE_DEVICE)
        fprintf(
            out,
            "cache       device: %.0f MiB of the card a rank (data.cache %s): %.0f %% of the features of its "
            "part, %.1f MiB\n            beside it ",
            mib((size_t)(job->caps.store_rows * c->row_bytes)), asked, percent(c->rows, c->need_rows),
            mib((size_t)(c->need_rows * c->row_bytes)));
    else
        fprintf(out, "cache       %s: ", un_cache_kind_names[c->kind]);
    fprintf(out,
            "%.0f MiB of the host a rank (data.cache %s, loader.cache_mb %lld): %.0f %% of %s, %.1f MiB\n",
            mib((size_t)c->taken), asked, (long long)job->config.loader.cache_mb, percent(c->taken, c->need),
            c->kind == UN_CACHE_DEVICE ? "the rest" : "its part of the training data", mib((size_t)c->need));
}

static enum un_status print_memory(const struct un_job *job, FILE *out) {
    struct un_memory_plan m;
    UN_TRY(un_job_memory(job, &m));
    fprintf(out, "memory      %.0f MiB a rank", mib(m.total));
    for (int i = 0, n = 0; i < UN_MEMORY_PARTS_COUNT; ++i) {
        size_t bytes = un_memory_part_bytes(&m, i);
        if (bytes > 0) fprintf(out, "%s %s %.0f", n++ == 0 ? ":" : ",", un_memory_parts[i].name, mib(bytes));
    }
    fputc('\n', out);
    UN_TRY(print_room(job, &m, out));
    print_cache(job, out);
    return UN_OK;
}

enum un_status un_plan_print(const struct un_job *job, FILE *out) {
    UN_TRY(un_mine_check(job));
    fprintf(out, "run         %s, %lld updates, %d rank%s of %lld lane%s at most\n", job->config.run.dir,
            (long long)job->config.train.steps, job->comm->size, job->comm->size > 1 ? "s" : "",
            (long long)un_job_most_lanes(job), un_job_most_lanes(job) > 1 ? "s" : "");
    UN_TRY(print_network(job, out));
    UN_TRY(un_init_weights_print(job, out));
    print_split(&job->train, "train", out);
    print_split(&job->valid, "valid", out);
    UN_TRY(print_streams(job, out));
    print_waves(job, out);
    return print_memory(job, out);
}
