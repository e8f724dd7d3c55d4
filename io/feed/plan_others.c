/* Other images and other texts for the pairs of retrieval: the first ones of a keyed permutation, so each comes
 * once and all are equally likely. From the lane's part; from all the data set where that holds too few. Texts
 * of an image stand together, so what is left out is a range. */
#include "io/feed/private.h"

/* Items [first, first + count) without [own, own + owned), which lie among them. */
struct pool {
    int64_t first, count, own, owned;
};

static int64_t others(const struct pool *pool) {
    return pool->count - pool->owned;
}

static struct pool texts_of(const struct un_dataset *d, const struct un_plan_part *part, int64_t image) {
    int64_t own = un_dataset_image_text(d, image);
    return (struct pool){part->text, part->texts, own, un_dataset_image_text(d, image + 1) - own};
}

static struct pool images_of(const struct un_plan_part *part, int64_t image) {
    return (struct pool){part->image, part->images, image, 1};
}

static struct un_plan_part whole(const struct un_dataset *d) {
    return (struct un_plan_part){.images = un_dataset_info(d)->images_with_text,
                                 .texts = un_dataset_info(d)->texts};
}

/* texts: other texts, else other images. */
static struct pool pool_of(const struct un_dataset *d, int64_t lane, int64_t image, bool texts,
                           int64_t wanted) {
    struct un_plan_part part = un_plan_part(d, lane), all = whole(d);
    struct pool pool = texts ? texts_of(d, &part, image) : images_of(&part, image);
    if (others(&pool) >= wanted) return pool;
    return texts ? texts_of(d, &all, image) : images_of(&all, image);
}

static void draw(const struct pool *pool, uint64_t key, bool texts, int64_t count, int64_t *out) {
    for (int64_t i = 0; i < count; ++i) {
        int64_t item = pool->first + un_plan_permute(key, texts, 0, 0, others(pool), i);
        out[i] = item + (item >= pool->own ? pool->owned : 0);
    }
}

void un_plan_rank(const struct un_plan *plan, struct un_sample *sample) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    int64_t k = plan->how.negatives;
    for (int texts = 0; texts < 2; ++texts) {
        struct pool pool = pool_of(d, sample->lane, sample->image, texts, k);
        draw(&pool, sample->key, texts, k, sample->other + texts * k);
    }
}

enum un_status un_plan_candidates(const struct un_plan *plan, const struct un_sample *sample, int64_t count,
                                  int64_t *out) {
    const struct un_dataset *d = plan->datasets[sample->dataset];
    bool texts = sample->variant == 0;
    struct pool pool = pool_of(d, sample->lane, sample->image, texts, count);
    if (others(&pool) < count)
        return un_fail(UN_USAGE, "data set %s: %s wants %lld other %s for image %s, there are %lld",
                       un_dataset_name(d), un_objective_names[sample->objective], (long long)count,
                       texts ? "texts" : "images", un_dataset_image_id(d, sample->image),
                       (long long)others(&pool));
    draw(&pool, sample->key, texts, count, out);
    return UN_OK;
}

static int64_t most_captions(const struct un_dataset *d, int64_t begin, int64_t end) {
    int64_t most = 0;
    for (int64_t i = begin; i < end; ++i) {
        int64_t n = un_dataset_image_text(d, i + 1) - un_dataset_image_text(d, i);
        if (n > most) most = n;
    }
    return most;
}

static bool has_enough(const struct un_dataset *d, const struct un_plan_part *part, int64_t wanted) {
    int64_t captions = most_captions(d, part->image, part->image + part->images);
    return part->images - 1 >= wanted && part->texts - captions >= wanted;
}

enum un_status un_plan_check_others(const struct un_plan *plan, const struct un_stream *stream) {
    const struct un_dataset *d = plan->datasets[stream->dataset];
    struct un_plan_part all = whole(d);
    int64_t k = plan->how.negatives;
    if (!un_plan_ranks(plan, stream->objective)) return UN_OK;
    if (k < 1 || k > UN_MAX_NEGATIVES)
        return un_fail(UN_USAGE, "train.negatives is %lld, must be 1 to %d", (long long)k, UN_MAX_NEGATIVES);
    if (has_enough(d, &all, k)) return UN_OK;
    return un_fail(UN_USAGE,
                   "data set %s: %s wants %lld other images and %lld other texts for every text: %lld images "
                   "with %lld texts are too few",
                   un_dataset_name(d), un_objective_names[stream->objective], (long long)k, (long long)k,
                   (long long)all.images, (long long)all.texts);
}

/* How many are mined is not known here. */
static bool reaches_out(const struct un_plan *plan, const struct un_stream *stream,
                        const struct un_plan_part *part) {
    const struct un_dataset *d = plan->datasets[stream->dataset];
    enum un_objective t = stream->objective;
    if (un_plan_mines(plan, t)) return true;
    if (un_plan_ranks(plan, t)) return !has_enough(d, part, plan->how.negatives);
    return un_objectives[t].other_image && part->images == 1;
}

bool un_plan_needs_all(const struct un_plan *plan, int dataset, int64_t begin, int64_t end) {
    const struct un_dataset *d = plan->datasets[dataset];
    for (int64_t lane = begin; lane < end; ++lane) {
        struct un_plan_part part = un_plan_part(d, lane);
        if (part.images == 1) return true;
        for (int64_t s = 0; s < plan->n_streams; ++s)
            if (plan->streams[s].dataset == dataset && reaches_out(plan, &plan->streams[s], &part))
                return true;
    }
    return false;
}
