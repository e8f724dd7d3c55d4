/* Bounds of micro-batches (pack.h), tight where all samples are alike. */
#include "io/feed/pack.h"

/* Sum of words * regions over the pairs of a micro-batch of T tokens, when no pair has more than w words and
 * r regions: a pair of a words and b regions has a b = (a + b) * ab/(a+b), ab/(a+b) grows in both, so the sum
 * is at most T * wr/(w+r). */
static int64_t plan_cap(int64_t tokens, const struct un_plan_extent *extent) {
    int64_t w = extent->most_words, r = extent->most_regions;
    return tokens * w * r / (w + r);
}

/* Likewise the words are at most T * w/(w+b) with w the most words and b the least regions of a sample. */
static int64_t share_cap(int64_t tokens, int64_t most, int64_t least_other) {
    return tokens * most / (most + least_other);
}

void un_pack_caps(const struct un_plan *plan, int64_t img_dim, int64_t img_label_dim,
                  struct un_batch_caps *caps) {
    un_pack_caps_of(plan, un_plan_keys(plan)->tokens_per_lane, img_dim, img_label_dim, caps);
}

void un_pack_caps_of(const struct un_plan *plan, int64_t tokens, int64_t img_dim, int64_t img_label_dim,
                     struct un_batch_caps *caps) {
    struct un_plan_extent extent = un_plan_extent(plan);
    int64_t n;
    const struct un_stream *streams = un_plan_streams(plan, &n);
    *caps = (struct un_batch_caps){
        .tokens = tokens,
        .samples = tokens / (extent.least_words + extent.least_regions),
        .words = share_cap(tokens, extent.most_words, extent.least_regions),
        .regions = share_cap(tokens, extent.most_regions, extent.least_words),
        .vocab_size = un_dataset_info(un_plan_dataset(plan, streams[0].dataset))->vocab.vocab_size,
        .img_dim = img_dim,
        .img_label_dim = img_label_dim,
        .feature_type = UN_F16,
        .num_labels = un_plan_labels(plan),
        .typed = un_plan_keys(plan)->typed,
    };
    for (int64_t s = 0; s < n; ++s) {
        if (un_objectives[streams[s].objective].task) caps->tasks |= un_objective_bit(streams[s].objective);
        if (un_dataset_info(un_plan_dataset(plan, streams[s].dataset))->feature_type == UN_F32)
            caps->feature_type = UN_F32;
        if (un_objectives[streams[s].objective].target == UN_TARGET_SOFT) caps->soft_labels = true;
        if (un_objectives[streams[s].objective].aligns) caps->plan = plan_cap(tokens, &extent);
    }
}
