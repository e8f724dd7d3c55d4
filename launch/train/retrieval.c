/* The score matrix of retrieval (retrieval.h): a text with as many images as a micro-batch holds, images sorted by
 * their regions so that passes are alike. */
#include "launch/train/retrieval.h"

#include "io/feed/pack.h"
#include "io/run/progress.h"
#include "model/net/network.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

enum un_objective un_retrieval_head(const struct un_job *job) {
    if (job->dims.heads & un_objective_bit(UN_ITM_RANK)) return UN_ITM_RANK;
    return job->dims.heads & un_objective_bit(UN_ITM_HARD) ? UN_ITM_HARD : UN_OBJECTIVE_COUNT;
}

struct walk {
    struct un_job *job;
    const struct un_dataset *d;
    struct un_pack_list list;     /* pairs of one text with images in `order` */
    struct un_sequence *sequence; /* [images] */
    int64_t *order, images;       /* [images] by regions, most first, then by number */
    struct un_batch_caps caps;
    struct un_packer *packer;
    struct un_batch batch;
    void *memory; /* of the batch */
    struct un_host_outputs outputs;
    float *block; /* [most texts of a rank, images] */
};

/* ---- what it takes ---- */

struct by_regions {
    int64_t regions, image;
};

static int compare(const void *left, const void *right) {
    const struct by_regions *a = left, *b = right;
    if (a->regions != b->regions) return a->regions > b->regions ? -1 : 1;
    return (a->image > b->image) - (a->image < b->image);
}

static enum un_status sort_images(struct walk *w) {
    struct by_regions *sorted = un_alloc((size_t)w->images + 1, sizeof *sorted, "order of images");
    if (!sorted) return UN_MEMORY;
    for (int64_t i = 0; i < w->images; ++i)
        sorted[i] = (struct by_regions){un_dataset_image_regions(w->d, i), i};
    qsort(sorted, (size_t)w->images, sizeof *sorted, compare);
    for (int64_t i = 0; i < w->images; ++i) w->order[i] = sorted[i].image;
    un_free(sorted);
    return UN_OK;
}

static enum un_status open_batch(struct walk *w) {
    struct un_device *d = w->job->device;
    int64_t cols[UN_OBJECTIVE_COUNT];
    struct un_batch measured;
    struct un_arena arena = {.name = "pairs of a text"};
    w->caps = w->job->caps;
    w->caps.store_rows = 0;
    un_batch_carve(&measured, &w->caps, &arena);
    w->memory = d->mem->host_alloc(d, arena.used, "pairs of a text");
    if (!w->memory) return un_error_get()->status;
    arena = (struct un_arena){.name = "pairs of a text", .base = w->memory, .size = arena.used};
    un_batch_carve(&w->batch, &w->caps, &arena);
    UN_TRY(un_packer_open(&w->packer, w->job->valid.plan, &w->caps));
    UN_TRY(un_host_outputs_open(&w->outputs, d, &w->caps, false));
    un_model_score_cols(w->job->model, cols);
    return un_host_outputs_keep_scores(&w->outputs, d, &w->caps, cols);
}

static enum un_status open_walk(struct walk *w, struct un_job *job, int64_t set, int64_t most) {
    *w = (struct walk){.job = job, .d = job->valid.sets[set]};
    w->images = un_dataset_info(w->d)->images;
    size_t images = (size_t)w->images;
    w->order = un_alloc(images + 1, sizeof *w->order, "order of images");
    w->sequence = un_alloc(images + 1, sizeof *w->sequence, "pairs of a text");
    w->block = un_alloc((size_t)most * images + 1, sizeof *w->block, "scores of a rank's texts");
    if (!w->order || !w->sequence || !w->block) return UN_MEMORY;
    w->list = (struct un_pack_list){.objective = un_retrieval_head(job), .dataset = (int)set, .each = 1};
    UN_TRY(sort_images(w));
    return open_batch(w);
}

static void close_walk(struct walk *w) {
    struct un_device *d = w->job->device;
    un_host_outputs_close(&w->outputs, d);
    un_packer_close(w->packer);
    if (w->memory) d->mem->host_free(d, w->memory);
    un_free(w->order);
    un_free(w->sequence);
    un_free(w->block);
}

/* ---- passes ---- */

static enum un_status pass(struct walk *w) {
    struct un_job *job = w->job;
    struct un_batch batch;
    struct un_outputs out;
    un_send_take(&job->sender, &w->batch, &batch);
    UN_TRY(un_model_pass(job->model, job->queue, &batch, job->params, job->low, NULL, false, &out, NULL));
    un_send_used(&job->sender, &batch);
    un_host_outputs_fetch(&w->outputs, &out, &w->batch, job->device, job->queue);
    return job->device->mem->queue_wait(job->queue);
}

/* row [images] of one text. */
static enum un_status score_text(struct walk *w, int64_t text, float *row) {
    enum un_objective t = w->list.objective;
    for (int64_t i = 0; i < w->images; ++i) w->sequence[i] = un_sequence_pair(text, w->order[i]);
    for (int64_t at = 0; at < w->images; at += w->list.n) {
        w->list.sequence = w->sequence + at;
        w->list.n = w->images - at;
        w->list.n = un_pack_fitting(w->packer, &w->list);
        UN_TRY(un_pack_sequences(w->packer, &w->batch, &w->list, 0, 0));
        UN_TRY(pass(w));
        for (int64_t i = 0; i < w->list.n; ++i)
            row[w->order[at + i]] = w->outputs.score[t][i * w->outputs.score_cols[t]];
    }
    return UN_OK;
}

static enum un_status score_texts(struct walk *w, int64_t begin, int64_t end, bool quiet) {
    struct un_progress progress;
    un_progress_open(&progress, 0, end - begin, w->job->comm->rank == 0 && !quiet);
    progress.unit = "text";
    enum un_status status = UN_OK;
    for (int64_t text = begin; text < end && status == UN_OK; ++text) {
        un_watchdog_phase(w->job->watchdog, "retrieval", text);
        status = score_text(w, text, w->block + (text - begin) * w->images);
        if (status == UN_OK) un_progress_step(&progress, text - begin + 1, "", false);
    }
    un_progress_close(&progress);
    return status;
}

/* ---- all ranks ---- */

static int64_t first_text(int64_t texts, int rank, int size) {
    return texts * rank / size;
}

/* Blocks of `most` texts a rank, closed up. */
static void close_up(float *all, int64_t texts, int64_t images, int64_t most, int size) {
    for (int r = 1; r < size; ++r) {
        int64_t begin = first_text(texts, r, size), n = first_text(texts, r + 1, size) - begin;
        memmove(all + begin * images, all + r * most * images, (size_t)(n * images) * sizeof *all);
    }
}

enum un_status un_retrieval_matrix(struct un_job *job, int64_t set, bool quiet, float **score) {
    struct un_comm *comm = job->comm;
    const struct un_dataset_info *info = un_dataset_info(job->valid.sets[set]);
    struct walk walk;
    int64_t begin = first_text(info->texts, comm->rank, comm->size);
    int64_t end = first_text(info->texts, comm->rank + 1, comm->size);
    int64_t most = info->texts / comm->size + 1;
    *score = NULL;
    enum un_status status = open_walk(&walk, job, set, most);
    float *all = un_alloc((size_t)(comm->size * most * info->images) + 1, sizeof *all, "scores of retrieval");
    if (!all && status == UN_OK) status = UN_MEMORY;
    if (status == UN_OK) status = score_texts(&walk, begin, end, quiet);
    status = un_comm_agree(comm, status);
    if (status == UN_OK)
        status = comm->ops->all_gather(comm, all, walk.block, (size_t)(most * info->images) * sizeof *all);
    close_walk(&walk);
    if (status != UN_OK) {
        un_free(all);
        return status;
    }
    close_up(all, info->texts, info->images, most, comm->size);
    *score = all;
    return UN_OK;
}
