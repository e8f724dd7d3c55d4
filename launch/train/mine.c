/* Scoring and choosing (mine.h). Of a lane's two samples one is an image among texts, the other a text among images;
 * the highest candidates of each are a row of the micro-batch, behind the true pair. */
#include "launch/train/mine.h"

#include "launch/train/scorer.h"
#include "model/hard.h"

enum { GROUPS = 2 };

struct un_mine {
    struct un_job *job;
    int64_t candidates, hard;
    struct un_scorer scorer;
    struct un_batch group[2]; /* packed by the scorer's packer */
    void *memory[2];
    int64_t *other;             /* [candidates] */
    struct un_sequence *among;  /* [candidates + 1] the true pair and all of them */
    struct un_sequence *chosen; /* [GROUPS * (hard + 1)] */
    float *score;               /* [candidates + 1] */
    int32_t *pick;              /* [hard] */
};

/* Are there so many others for every image and every text? */
static enum un_status check_others(const struct un_job *job) {
    const struct un_dataset *set = job->train.sets[0];
    const struct un_dataset_info *info = un_dataset_info(set);
    int64_t own = 0, candidates = job->config.train.candidates;
    for (int64_t i = 0; i < info->images; ++i) {
        int64_t texts = un_dataset_image_text(set, i + 1) - un_dataset_image_text(set, i);
        if (texts > own) own = texts;
    }
    if (candidates <= info->texts - own && candidates <= info->images - 1) return UN_OK;
    return un_fail(
        UN_USAGE,
        "%s: train.candidates: %lld, but data set %s has %lld images and %lld texts, %lld of one image",
        un_config_where(job->config.document, "train.candidates"), (long long)candidates,
        un_dataset_name(set), (long long)info->images, (long long)info->texts, (long long)own);
}

enum un_status un_mine_check(const struct un_job *job) {
    if (!(job->dims.heads & un_objective_bit(UN_ITM_HARD))) return UN_OK;
    const struct un_train_keys *k = &job->config.train;
    struct un_plan_extent extent = un_plan_extent(job->train.plan);
    int64_t most = GROUPS * (k->hard_size + 1) * (extent.most_words + extent.most_regions);
    if (job->train.n > 1)
        return un_fail(UN_USAGE,
                       "%s: itm_hard takes one data set; its texts and images may be lists of files",
                       un_config_where(job->config.document, "data.train"));
    if (k->candidates < k->hard_size)
        return un_fail(UN_USAGE, "%s: train.hard_size: %lld of train.candidates: %lld",
                       un_config_where(job->config.document, "train.hard_size"), (long long)k->hard_size,
                       (long long)k->candidates);
    if (most > k->tokens_per_lane)
        return un_fail(
            UN_USAGE,
            "%s: train.tokens_per_lane: %lld, but two groups of a true pair and train.hard_size: %lld may "
            "have %lld tokens",
            un_config_where(job->config.document, "train.tokens_per_lane"), (long long)k->tokens_per_lane,
            (long long)k->hard_size, (long long)most);
    return check_others(job);
}

static enum un_status open_parts(struct un_mine *m) {
    UN_TRY(un_scorer_open(&m->scorer, m->job, m->job->train.plan));
    for (int i = 0; i < 2; ++i) UN_TRY(un_scorer_batch(&m->scorer, &m->group[i], &m->memory[i]));
    m->other = un_alloc((size_t)m->candidates, sizeof *m->other, "candidates");
    m->among = un_alloc((size_t)m->candidates + 1, sizeof *m->among, "candidates");
    m->chosen = un_alloc((size_t)(GROUPS * (m->hard + 1)), sizeof *m->chosen, "hard negatives");
    m->score = un_alloc((size_t)m->candidates + 1, sizeof *m->score, "candidates");
    m->pick = un_alloc((size_t)m->hard, sizeof *m->pick, "hard negatives");
    return m->other && m->among && m->chosen && m->score && m->pick ? UN_OK : un_error_get()->status;
}

enum un_status un_mine_open(struct un_mine **mine, struct un_job *job) {
    *mine = NULL;
    if (!(job->dims.heads & un_objective_bit(UN_ITM_HARD))) return UN_OK;
    UN_TRY(un_mine_check(job));
    struct un_mine *m = un_alloc(1, sizeof *m, "hard negatives");
    if (!m) return UN_MEMORY;
    *m = (struct un_mine){
        .job = job, .candidates = job->config.train.candidates, .hard = job->config.train.hard_size};
    enum un_status status = open_parts(m);
    *mine = m;
    if (status != UN_OK) un_mine_close(mine);
    return status;
}

void un_mine_close(struct un_mine **mine) {
    struct un_mine *m = *mine;
    *mine = NULL;
    if (!m) return;
    struct un_device *d = m->job->device;
    un_scorer_close(&m->scorer);
    for (int i = 0; i < 2; ++i)
        if (m->memory[i]) d->mem->host_free(d, m->memory[i]);
    un_free(m->other);
    un_free(m->among);
    un_free(m->chosen);
    un_free(m->score);
    un_free(m->pick);
    un_free(m);
}

/* m->among of a sample. */
static enum un_status gather(struct un_mine *m, const struct un_sample *sample) {
    UN_TRY(un_plan_candidates(m->job->train.plan, sample, m->candidates, m->other));
    m->among[0] = un_sequence_pair(sample->text, sample->image);
    for (int64_t i = 0; i < m->candidates; ++i)
        m->among[i + 1] = sample->variant == 0 ? un_sequence_pair(m->other[i], sample->image)
                                               : un_sequence_pair(sample->text, m->other[i]);
    return UN_OK;
}

enum un_status un_mine_tokens(struct un_mine *m, const struct un_loaded *loaded, int64_t *tokens) {
    *tokens = 0;
    for (int64_t s = 0; s < loaded->n_samples; ++s) {
        const struct un_sample *sample = &loaded->samples[s];
        const struct un_dataset *d = un_plan_dataset(m->job->train.plan, sample->dataset);
        UN_TRY(gather(m, sample));
        for (int64_t i = 0; i <= m->candidates; ++i)
            *tokens += un_sequence_words(d, &m->among[i]) + un_sequence_regions(d, &m->among[i]);
    }
    return UN_OK;
}

enum un_status un_mine_group(struct un_mine *m, const struct un_loaded *loaded, int64_t i,
                             const struct un_pass_hooks *hooks, struct un_batch **group) {
    int64_t each = m->hard + 1;
    UN_ASSERT(loaded->n_samples == GROUPS);
    for (int64_t s = 0; s < GROUPS; ++s) {
        struct un_sequence *row = m->chosen + s * each;
        UN_TRY(gather(m, &loaded->samples[s]));
        const struct un_pack_list all = {.objective = UN_ITM_HARD,
                                         .dataset = loaded->samples[s].dataset,
                                         .sequence = m->among,
                                         .n = m->candidates + 1,
                                         .each = 1};
        UN_TRY(
            un_scorer_run(&m->scorer, &all, (uint32_t)loaded->step, (uint32_t)loaded->lane, hooks, m->score));
        int64_t picked = un_hard_pick(m->pick, m->hard, m->score, m->candidates + 1);
        UN_ASSERT(picked == m->hard);
        row[0] = m->among[0];
        for (int64_t k = 0; k < picked; ++k) row[k + 1] = m->among[m->pick[k]];
    }
    struct un_pack_list list = {.objective = UN_ITM_HARD,
                                .dataset = loaded->samples[0].dataset,
                                .sequence = m->chosen,
                                .n = GROUPS * each,
                                .each = each};
    *group = &m->group[i % 2];
    return un_pack_sequences(m->scorer.packer, *group, &list, (uint32_t)loaded->step, (uint32_t)loaded->lane);
}

const struct un_batch *un_mine_last(const struct un_mine *m, int64_t i) {
    return &m->group[i % 2];
}
