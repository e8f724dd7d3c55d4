/* Scales of a step in fp8 (scale.h). */
#include "launch/train/scale.h"

void un_scale_begin(struct un_job *job) {
    struct un_job_fp8 *f = &job->fp8;
    if (f->scaling.tensors == 0) return;
    const bool ready = un_scaling_ready(&f->scaling);
    for (int64_t t = 0; t < f->scaling.tensors && ready; ++t) f->scale[t] = un_scaling_scale(&f->scaling, t);
    un_model_fp8_begin(job->model, job->queue, ready ? f->scale : NULL);
}

void un_scale_fetch(struct un_job *job) {
    if (job->fp8.scaling.tensors > 0) un_model_fp8_fetch(job->model, job->queue, job->fp8.amax);
}

enum un_status un_scale_take(struct un_job *job, bool skipped) {
    struct un_job_fp8 *f = &job->fp8;
    const int64_t n = f->scaling.tensors;
    if (n == 0 || skipped) return UN_OK;
    for (int64_t t = 0; t < n; ++t) f->all[t] = f->amax[t];
    UN_TRY(job->comm->ops->max_i64(job->comm, f->all, n));
    for (int64_t t = 0; t < n; ++t) f->amax[t] = (uint32_t)f->all[t];
    un_scaling_take(&f->scaling, f->amax);
    return UN_OK;
}
