/* Cores of a rank (topology.h). */
#include "launch/job/topology.h"

#include "runtime/cores.h"
#include "runtime/memory.h"

static const char sysfs[] = "/sys/devices/system/cpu";

int un_topology_threads(const struct un_job *job) {
    const struct un_comm *c = job->comm;
    int share = job->cores.n; /* after binding: this rank's own */
    if (!job->bound) share = job->cores.n / c->twins;
    int quota = un_cores_count() < job->cores.n ? un_cores_count() / c->local_size : share;
    int threads = quota < share ? quota : share;
    return threads > 0 ? threads : 1;
}

enum un_status un_topology_bind(struct un_job *job) {
    const struct un_comm *c = job->comm;
    un_cores_allowed(&job->cores, sysfs);
    if (job->config.run.bind == UN_BIND_NONE || c->twins == 1 || job->cores.n < c->twins) return UN_OK;
    struct un_cores *part = un_alloc(1, sizeof *part, "cores");
    if (!part) return UN_MEMORY;
    un_cores_part(part, &job->cores, c->twin, c->twins);
    enum un_status status = un_cores_bind(part);
    if (status == UN_OK) {
        job->cores = *part;
        job->bound = true;
    } else { /* a sandbox may forbid it: slower, not wrong */
        un_log(UN_LOG_WARN, "%s: goes on without", un_error_get()->text);
        un_error_clear();
    }
    un_free(part);
    return UN_OK;
}

void un_topology_place_threads(const struct un_job *job) {
    if (job->bound && job->device->kind == UN_DEVICE_CPU && job->device->threads <= job->cores.n)
        un_device_place_threads(job->device, job->cores.cpu);
}

void un_topology_say(const struct un_job *job) {
    const struct un_comm *c = job->comm;
    int64_t lanes = job->config.train.lanes, most = un_job_most_lanes(job);
    char text[256];
    un_cores_print(&job->cores, text, sizeof text);
    if (c->size > 1)
        un_log(UN_LOG_INFO, "%d ranks on %d host%s; rank 0: %d thread%s on %s %s", c->size, c->nodes,
               c->nodes > 1 ? "s" : "", job->device->threads, job->device->threads > 1 ? "s" : "",
               job->bound ? "its own cores" : "the allowed cores", text);
    if (lanes % c->size == 0) return;
    double idle = 1 - (double)lanes / ((double)most * c->size);
    un_log(
        UN_LOG_WARN,
        "train.lanes %lld on %d ranks: some compute %lld lanes, others %lld, so %.0f %% of the ranks' time "
        "is idle; take a number of ranks that divides train.lanes",
        (long long)lanes, c->size, (long long)most, (long long)(most - 1), 100 * idle);
}
