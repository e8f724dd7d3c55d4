/* model.init (init_weights.h). */
#include "launch/job/init_weights.h"
#include "io/weights/weights.h"
#include "model/net/network.h"
#include "runtime/memory.h"

static void log_line(void *context, const char *text) {
    (void)context;
    un_log(UN_LOG_INFO, "model.init: %s", text);
}

static enum un_status read_file(const struct un_job *job, float *values) {
    struct un_weights_view view;
    struct un_weights_plan plan = {0};
    enum un_status status;
    UN_TRY_GOTO(un_weights_view_open(&view, job->config.model.init), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, &view, job->table, UN_FIT_START), out);
    un_weights_plan_tell(&plan, log_line, NULL);
    plan.tells = !job->quiet;
    status = un_weights_load(&plan, values);
out:
    un_weights_plan_close(&plan);
    un_weights_view_close(&view);
    return status;
}

/* The drawn parameters with the file's over them, on the host, on all ranks. */
static enum un_status fill(struct un_job *job, float *values) {
    struct un_comm *comm = job->comm;
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? read_file(job, values) : UN_OK));
    return comm->ops->broadcast(comm, values, (size_t)job->table->total * sizeof *values, 0);
}

enum un_status un_init_weights_start(struct un_job *job) {
    if (!job->config.model.init[0]) return UN_OK;
    if (job->device->host_readable) return fill(job, job->params);
    const struct un_device_ops *mem = job->device->mem;
    size_t bytes = (size_t)job->table->total * sizeof(float);
    float *values = un_alloc(bytes, 1, "initial parameters");
    enum un_status status;
    UN_TRY_GOTO(un_comm_agree(job->comm, values ? UN_OK : UN_MEMORY), out);
    mem->copy_out(job->queue, values, job->params, bytes);
    UN_TRY_GOTO(un_comm_agree(job->comm, mem->queue_wait(job->queue)), out);
    UN_TRY_GOTO(fill(job, values), out);
    mem->copy_in(job->queue, job->params, values, bytes);
    status = un_comm_agree(job->comm, mem->queue_wait(job->queue));
out:
    un_free(values);
    return status;
}

static enum un_status read_sizes(struct un_job *job) {
    struct un_weights_view view;
    enum un_status status = un_weights_view_open(&view, job->config.model.init);
    if (status == UN_OK) un_weights_sizes_of(&job->told, &view);
    un_weights_view_close(&view);
    return status;
}

enum un_status un_init_weights_sizes(struct un_job *job) {
    struct un_comm *comm = job->comm;
    UN_TRY(un_comm_agree(comm, comm->rank == 0 ? read_sizes(job) : UN_OK));
    return comm->ops->broadcast(comm, &job->told, sizeof job->told, 0);
}

static void print_line(void *context, const char *text) {
    fprintf(context, "init        %s\n", text);
}

enum un_status un_init_weights_print(const struct un_job *job, FILE *out) {
    struct un_params table = {0};
    struct un_weights_view view = {0};
    struct un_weights_plan plan = {0};
    enum un_status status;
    if (!job->config.model.init[0]) return UN_OK;
    UN_TRY_GOTO(un_model_params_build(&table, &job->dims), out);
    UN_TRY_GOTO(un_weights_view_open(&view, job->config.model.init), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, &view, &table, UN_FIT_START), out);
    un_weights_plan_tell(&plan, print_line, out);
out:
    un_weights_plan_close(&plan);
    un_weights_view_close(&view);
    un_params_free(&table);
    return status;
}
