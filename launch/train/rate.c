/* The machine's rate (rate.h). */
#include "launch/train/rate.h"

#include "launch/job/sizes.h"
#include "runtime/clock.h"

#include <math.h>

enum { SIDE_STEP = 64, SIDE_LEAST = 128, SIDE_CPU = 1024, SIDE_CARD = 4096, MOST_TIMES = 16 };
static const double seconds_enough = 0.05;

/* 0: the parameters are too few for a product that says something. */
static int64_t side_of(const struct un_job *job) {
    int64_t most = job->device->kind == UN_DEVICE_CPU ? SIDE_CPU : SIDE_CARD;
    int64_t side = (int64_t)sqrt((double)job->table->total) / SIDE_STEP * SIDE_STEP;
    if (side > most) side = most;
    return side < SIDE_LEAST ? 0 : side;
}

enum un_status un_rate_product(struct un_job *job, const struct un_rate_product *p, int times, double seconds,
                               double *flops) {
    const struct un_device *d = job->device;
    double begin = un_clock(), best = 0;
    double flop = 2.0 * (double)(p->c.rows * p->c.cols * p->a.cols * p->at_once);
    for (int i = 0; i <= times && (i < 2 || un_clock() - begin < seconds); ++i) {
        double start = un_clock();
        for (int64_t k = 0; k < p->at_once; ++k)
            d->ops->gemm(job->queue, p->c, p->a, false, p->b, false, 0.0f, NULL);
        UN_TRY(d->mem->queue_wait(job->queue));
        double rate = flop / (un_clock() - start);
        if (i > 0 && rate > best) best = rate;
    }
    *flops = best;
    return UN_OK;
}

static enum un_status measure(struct un_job *job, double *flops) {
    const struct un_device *d = job->device;
    enum un_type type = un_job_model_setup(job).act;
    int64_t side = type == UN_F32 || d->kind != UN_DEVICE_CPU ? side_of(job) : 0;
    if (side == 0) return UN_OK;
    struct un_mat factor = un_mat(type == UN_F32 ? (void *)job->params : job->low, type, side, side);
    const struct un_rate_product product = {un_mat(job->grads[0], type, side, side), factor, factor, 1};
    return un_rate_product(job, &product, MOST_TIMES, seconds_enough, flops);
}

enum un_status un_rate_measure(struct un_job *job, bool wanted, double *flops) {
    struct un_comm *comm = job->comm;
    int64_t asked = wanted;
    *flops = 0;
    UN_TRY(comm->ops->max_i64(comm, &asked, 1));
    if (!asked) return UN_OK;
    double mine = 0;
    UN_TRY(un_comm_agree(comm, measure(job, &mine)));
    int64_t sum = (int64_t)mine;
    UN_TRY(comm->ops->sum_i64(comm, &sum, 1));
    *flops = (double)sum;
    return UN_OK;
}
