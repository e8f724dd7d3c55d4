/* --check (plan_print.h): parameters, memory, data sets, streams, steps per epoch, tokens per step. */
#include "launch/plan_print.h"

#include "launch/init_weights.h"
#include "launch/job_part.h"

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

/* Mean tokens of a sample of a data set: words, [CLS], [SEP], and the regions of the text's image. */
static double sample_tokens(const struct un_dataset *set) {
    const struct un_dataset_info *info = un_dataset_info(set);
    double tokens = 0;
    for (int64_t i = 0; i < info->images; ++i) {
        int64_t texts = un_dataset_image_text(set, i + 1) - un_dataset_image_text(set, i);
        tokens += (double)(texts * un_dataset_image_regions(set, i));
    }
    return (tokens + (double)info->words) / (double)info->texts + 2;
}

static void print_streams(const struct un_job *job, FILE *out) {
    int64_t n;
    const struct un_stream *streams = un_plan_streams(job->train.plan, &n);
    double mix = 0, mean = 0;
    for (int64_t i = 0; i < n; ++i) mix += streams[i].mix;
    for (int64_t i = 0; i < n; ++i)
        mean += streams[i].mix / mix * sample_tokens(job->train.sets[streams[i].dataset]);
    double budget = (double)(job->config.train.lanes * job->config.train.tokens_per_lane);
    double per_step = budget / mean;
    fprintf(out, "step        at most %.0f tokens in %lld lanes, about %.0f samples of %.1f tokens\n", budget,
            (long long)job->config.train.lanes, per_step, mean);
    for (int64_t i = 0; i < n; ++i) {
        double share = streams[i].mix / mix;
        double texts = (double)un_dataset_info(job->train.sets[streams[i].dataset])->texts;
        fprintf(out, "%-11s %s/%s: %.1f %% of samples, an epoch is about %.0f steps, the run %.2f epochs\n",
                i == 0 ? "streams" : "", un_dataset_name(job->train.sets[streams[i].dataset]),
                un_objective_names[streams[i].objective], share * 100, texts / (share * per_step),
                (double)job->config.train.steps * share * per_step / texts);
    }
}

static enum un_status print_memory(const struct un_job *job, FILE *out) {
    struct un_memory_plan m;
    UN_TRY(un_job_memory(job, &m));
    fprintf(out,
            "memory      %.0f MiB a rank: parameters %.0f, moments %.0f, gradients %.0f, activations %.0f, "
            "scratch "
            "%.0f, micro-batches %.0f, index of the data %.0f\n",
            mib(m.total), mib(m.params), mib(m.moments), mib(m.grads), mib(m.activations), mib(m.scratch),
            mib(m.batches), mib(m.index));
    struct un_job_cache cache = un_job_cache_plan(job);
    fprintf(out,
            "cache       %.0f MiB a rank (loader.cache_mb %lld): %.0f %% of its part of the training data, "
            "%.1f MiB\n",
            mib((size_t)cache.taken), (long long)job->config.loader.cache_mb,
            cache.need > 0 ? 100.0 * (double)cache.taken / (double)cache.need : 0.0, mib((size_t)cache.need));
    return UN_OK;
}

enum un_status un_plan_print(const struct un_job *job, FILE *out) {
    fprintf(out, "run         %s, %lld updates, %d rank%s of %lld lane%s at most\n", job->config.run.dir,
            (long long)job->config.train.steps, job->comm->size, job->comm->size > 1 ? "s" : "",
            (long long)un_job_most_lanes(job), un_job_most_lanes(job) > 1 ? "s" : "");
    UN_TRY(print_network(job, out));
    UN_TRY(un_init_weights_print(job, out));
    print_split(&job->train, "train", out);
    print_split(&job->valid, "valid", out);
    print_streams(job, out);
    return print_memory(job, out);
}
