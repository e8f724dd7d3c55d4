/* The score matrix of retrieval (retrieval.h): a text with as many images as a micro-batch holds, images sorted by
 * their regions so that passes are alike. A loader packs ahead of the passes; it goes over the rank's texts as the
 * rank does. */
#include "launch/train/retrieval.h"

#include "io/checkpoint/checkpoint.h"
#include "io/disk/files.h"
#include "io/run/progress.h"
#include "launch/job/sizes.h"
#include "launch/train/scorer.h"
#include "model/net/network.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum un_objective un_retrieval_head(const struct un_job *job) {
    if (job->dims.heads & un_objective_bit(UN_ITM_RANK)) return UN_ITM_RANK;
    return job->dims.heads & un_objective_bit(UN_ITM_HARD) ? UN_ITM_HARD : UN_OBJECTIVE_COUNT;
}

static int64_t first_text(int64_t texts, int rank, int size) {
    return texts * rank / size;
}

/* Where the loader is: at an image, in `order`, of text i of this rank in the block that begins with `first`. */
struct turn {
    int64_t first, i, image;
};

struct walk {
    struct un_job *job;
    const struct un_dataset *d;
    struct un_pack_list list; /* of the set's pairs; without any */
    int64_t *order, images, texts,
        block;        /* [images] by regions, most first, then by number; block: its texts */
    struct turn turn; /* the loader's, under its lock */
    struct un_loader_lists lists;
    struct un_batch_caps caps;
    struct un_loader *loader;
    struct un_host_outputs outputs;
    float *score; /* [most texts of a rank in a block, images] */
};

/* The texts of this rank in the block of n texts that begins with `first` are [*begin, end). */
static int64_t own_texts(const struct walk *w, int64_t first, int64_t *begin) {
    struct un_comm *comm = w->job->comm;
    int64_t left = w->texts - first, n = left < w->block ? left : w->block;
    *begin = first + first_text(n, comm->rank, comm->size);
    return first + first_text(n, comm->rank + 1, comm->size);
}

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

/* Of the loader: the next pairs of the text at hand, else of the next one. */
static void next_pairs(void *context, struct un_sequence *room, int64_t most, struct un_pack_list *list) {
    struct walk *w = context;
    struct turn *t = &w->turn;
    int64_t begin, end = own_texts(w, t->first, &begin);
    while (t->first < w->texts && begin + t->i >= end) {
        *t = (struct turn){.first = t->first + w->block};
        end = own_texts(w, t->first, &begin);
    }
    *list = w->list;
    list->sequence = room;
    if (t->first >= w->texts) return;
    for (; list->n < most && t->image + list->n < w->images; ++list->n)
        room[list->n] = un_sequence_pair(begin + t->i, w->order[t->image + list->n]);
    list->n = un_pack_fitting(w->job->valid.plan, &w->caps, list);
    t->image += list->n;
    if (t->image == w->images) *t = (struct turn){.first = t->first, .i = t->i + 1};
}

/* From text `done` on. */
static enum un_status start_loader(struct walk *w, int64_t done) {
    struct un_loader_setup setup;
    un_job_loader_setup(w->job, w->job->valid.plan, UN_RNG_VALID, w->job->config.loader.ahead + 1, NULL,
                        &setup);
    w->turn.first = done;
    w->lists = (struct un_loader_lists){next_pairs, w};
    setup.lists = &w->lists;
    setup.lane_begin = 0;
    setup.lane_end = 1;
    return un_loader_open(&w->loader, &setup);
}

static enum un_status open_walk(struct walk *w, struct un_job *job, int64_t set, int64_t block) {
    int64_t cols[UN_OBJECTIVE_COUNT];
    *w = (struct walk){.job = job, .d = job->valid.sets[set], .block = block, .caps = job->caps};
    w->images = un_dataset_info(w->d)->images;
    w->texts = un_dataset_info(w->d)->texts;
    size_t images = (size_t)w->images, most = (size_t)(block / job->comm->size + 1);
    w->order = un_alloc(images + 1, sizeof *w->order, "order of images");
    w->score = un_alloc(most * images + 1, sizeof *w->score, "scores of a rank's texts");
    if (!w->order || !w->score) return UN_MEMORY;
    w->list =
        (struct un_pack_list){.objective = un_retrieval_head(job), .dataset = (int)set, .each = 1, .n = 0};
    UN_TRY(sort_images(w));
    UN_TRY(un_host_outputs_open(&w->outputs, job->device, &w->caps, false));
    un_model_score_cols(job->model, cols);
    return un_host_outputs_keep_scores(&w->outputs, job->device, &w->caps, cols);
}

static void close_walk(struct walk *w) {
    un_loader_close(w->loader);
    un_host_outputs_close(&w->outputs, w->job->device);
    un_free(w->order);
    un_free(w->score);
}

/* Of the parameters in force: in bf16 of the copy, since this rank may have the f32 values of its own part alone. */
static enum un_status digest_params(struct un_job *job, char digest[32]) {
    char text[UN_DIGEST_TEXT];
    int64_t count = job->low ? job->table->total / 2 : job->table->total; /* as floats; pairs of bf16 */
    const float *params = job->low ? job->low : job->params;
    size_t bytes = (size_t)count * sizeof(float);
    float *values = job->device->host_readable ? NULL : un_alloc(bytes, 1, "parameters");
    enum un_status status = UN_OK;
    if (!job->device->host_readable) {
        if (!values) return UN_MEMORY;
        job->device->mem->copy_out(job->queue, values, params, bytes);
    }
    status = job->device->mem->queue_wait(job->queue);
    if (status == UN_OK) un_checkpoint_param_digest(values ? values : params, count, text);
    if (status == UN_OK) memcpy(digest, text, 32);
    un_free(values);
    return status;
}

/* ---- passes ---- */

/* row [images] of the next text of the loader. */
static enum un_status score_text(struct walk *w, float *row) {
    const float *score = w->outputs.score[w->list.objective];
    int64_t cols = w->outputs.score_cols[w->list.objective];
    for (int64_t at = 0; at < w->images;) {
        struct un_loaded loaded;
        UN_TRY(un_loader_next(w->loader, &loaded));
        if (loaded.n_samples == 0) return un_fail(UN_INTERNAL, "retrieval: no pair fits into a micro-batch");
        enum un_status status = un_forward(w->job, loaded.batch, &w->outputs, NULL);
        for (int64_t i = 0; i < loaded.n_samples; ++i) row[w->order[at + i]] = score[i * cols];
        at += loaded.n_samples;
        un_loader_release(w->loader, &loaded);
        UN_TRY(status);
    }
    return UN_OK;
}

/* ---- all ranks, block by block ---- */

/* A block is what is lost when the program is ended, and after which progress is told: a few texts for each rank. */
enum { BLOCK_BYTES = 1 << 25, RANK_TEXTS = 4 };

static int64_t block_texts(const struct un_dataset_info *info, int ranks) {
    int64_t n = BLOCK_BYTES / (int64_t)sizeof(float) / (info->images + 1), most = (int64_t)RANK_TEXTS * ranks;
    return n < 1 ? 1 : n > most ? most : n;
}

/* all: blocks of `most` texts a rank; closed up. */
static void close_up(float *all, int64_t texts, int64_t images, int64_t most, int size) {
    for (int r = 1; r < size; ++r) {
        int64_t begin = first_text(texts, r, size), n = first_text(texts, r + 1, size) - begin;
        memmove(all + begin * images, all + r * most * images, (size_t)(n * images) * sizeof *all);
    }
}

/* Texts [first, first + n) into all, on every rank. */
static enum un_status score_block(struct walk *w, int64_t first, int64_t n, float *all) {
    struct un_comm *comm = w->job->comm;
    int64_t begin, end = own_texts(w, first, &begin), most = n / comm->size + 1;
    enum un_status status = UN_OK;
    for (int64_t i = begin; i < end && status == UN_OK; ++i) {
        un_watchdog_phase(w->job->watchdog, "retrieval", i);
        status = score_text(w, w->score + (i - begin) * w->images);
    }
    UN_TRY(un_comm_agree(comm, status));
    UN_TRY(comm->ops->all_gather(comm, all, w->score, (size_t)(most * w->images) * sizeof *all));
    close_up(all, n, w->images, most, comm->size);
    return UN_OK;
}

struct target {
    struct un_partial partial; /* rank 0 */
    float *score;              /* rank 0: [texts, images] */
    float *all;                /* a block of all ranks */
    int64_t texts, step;       /* step: most texts of a block */
    int64_t done;
};

static enum un_status open_target(struct target *t, struct un_job *job, int64_t set, const char *path) {
    const struct un_dataset_info *info = un_dataset_info(job->valid.sets[set]);
    size_t images = (size_t)info->images, size = (size_t)job->comm->size;
    *t = (struct target){.partial.fd = -1, .texts = info->texts, .step = block_texts(info, job->comm->size)};
    t->all = un_alloc(((size_t)t->step + size) * images + 1, sizeof *t->all, "scores of a block of texts");
    if (!t->all) return UN_MEMORY;
    if (job->comm->rank != 0) return UN_OK;
    t->score = un_alloc((size_t)info->texts * images + 1, sizeof *t->score, "scores of retrieval");
    if (!t->score) return UN_MEMORY;
    struct un_partial_head head = {.texts = info->texts, .images = info->images};
    head.plan = un_plan_digest(job->valid.plan);
    head.act = un_job_model_setup(job).act;
    UN_TRY(digest_params(job, head.params));
    UN_TRY(un_partial_open(&t->partial, path, &head, t->score, &t->done));
    if (t->done > 0)
        un_log(UN_LOG_INFO, "%s: going on behind %lld of %lld texts", path, (long long)t->done,
               (long long)t->texts);
    return UN_OK;
}

static enum un_status score_all(struct walk *w, struct target *t, bool quiet) {
    struct un_comm *comm = w->job->comm;
    struct un_progress progress;
    UN_TRY(comm->ops->broadcast(comm, &t->done, sizeof t->done, 0));
    enum un_status status = un_comm_agree(comm, start_loader(w, t->done));
    un_progress_open(&progress, t->done, t->texts, comm->rank == 0 && !quiet);
    progress.unit = "text";
    while (status == UN_OK && t->done < t->texts) {
        int64_t n = t->texts - t->done < t->step ? t->texts - t->done : t->step;
        UN_TRY_GOTO(score_block(w, t->done, n, t->all), out);
        if (comm->rank == 0) {
            memcpy(t->score + t->done * w->images, t->all, (size_t)(n * w->images) * sizeof *t->all);
            status = un_partial_add(&t->partial, t->done, n, t->all);
            un_progress_step(&progress, t->done + n, "", false);
        }
        status = un_comm_agree(comm, status);
        t->done += n;
    }
out:
    un_progress_close(&progress);
    return status;
}

enum un_status un_retrieval_matrix(struct un_job *job, int64_t set, bool quiet, struct un_retrieval *out) {
    struct walk walk;
    struct target target;
    char path[UN_PATH_MAX], name[300];
    *out = (struct un_retrieval){.partial.fd = -1};
    snprintf(name, sizeof name, "scores_%s.part", un_dataset_name(job->valid.sets[set]));
    UN_TRY(un_comm_alike(job->comm, un_files_join(path, job->config.run.dir, name)));
    enum un_status status = open_target(&target, job, set, path);
    enum un_status opened = open_walk(&walk, job, set, target.step);
    status = un_comm_agree(job->comm, status != UN_OK ? status : opened);
    if (status == UN_OK) status = score_all(&walk, &target, quiet);
    close_walk(&walk);
    un_free(target.all);
    *out = (struct un_retrieval){target.score, target.partial};
    if (status != UN_OK) un_retrieval_close(out, false);
    return status;
}

void un_retrieval_close(struct un_retrieval *r, bool over) {
    un_partial_close(&r->partial, over);
    un_free(r->score);
    *r = (struct un_retrieval){.partial.fd = -1};
}
