/* Cores of a rank (topology.h). */
#include "launch/job/topology.h"

#include "runtime/cores.h"
#include "runtime/memory.h"

static const char sysfs[] = "/sys/devices/system/cpu";

int un_topology_threads(const struct un_topology *t, const struct un_comm *c) {
    int share = t->cores.n; /* after binding: this rank's own */
    if (!t->bound) share = t->cores.n / c->twins;
    int quota = un_cores_count() < t->cores.n ? un_cores_count() / c->local_size : share;
    int threads = quota < share ? quota : share;
    return threads > 0 ? threads : 1;
}

enum un_status un_topology_bind(struct un_topology *t, const struct un_comm *c, bool divide) {
    un_cores_allowed(&t->cores, sysfs);
    if (!divide || c->twins == 1 || t->cores.n < c->twins) return UN_OK;
    struct un_cores *part = un_alloc(1, sizeof *part, "cores");
    if (!part) return UN_MEMORY;
    un_cores_part(part, &t->cores, c->twin, c->twins);
    enum un_status status = un_cores_bind(part);
    if (status == UN_OK) {
        t->cores = *part;
        t->bound = true;
    } else { /* a sandbox may forbid it: slower, not wrong */
        un_log(UN_LOG_WARN, "%s: goes on without", un_error_get()->text);
        un_error_clear();
    }
    un_free(part);
    return UN_OK;
}

void un_topology_place_threads(const struct un_topology *t, struct un_device *device) {
    if (t->bound && device->mem->place_threads && device->threads <= t->cores.n)
        device->mem->place_threads(device, t->cores.cpu);
}

void un_topology_say(const struct un_topology *t, const struct un_comm *c, const struct un_device *device,
                     int64_t lanes, int64_t most) {
    char text[256];
    un_cores_print(&t->cores, text, sizeof text);
    if (c->size > 1)
        un_log(UN_LOG_INFO, "%d ranks on %d host%s; rank 0: %d thread%s on %s %s", c->size, c->nodes,
               c->nodes > 1 ? "s" : "", device->threads, device->threads > 1 ? "s" : "",
               t->bound ? "its own cores" : "the allowed cores", text);
    if (lanes % c->size == 0) return;
    double idle = 1 - (double)lanes / ((double)most * c->size);
    un_log(
        UN_LOG_WARN,
        "train.lanes %lld on %d ranks: some compute %lld lanes, others %lld, so %.0f %% of the ranks' time "
        "is idle; take a number of ranks that divides train.lanes",
        (long long)lanes, c->size, (long long)most, (long long)(most - 1), 100 * idle);
}
