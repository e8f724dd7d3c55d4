/* Memory that collectives between cards move (device_memory.h). Law: blocks of the library stand in the order in which
 * they were taken, which is that in which the library is told of them. */
#include "comm/device_memory.h"

void *un_comm_memory_take(struct un_comm_memory *m, size_t bytes, const char *what) {
    if (m->library && !m->failed) {
        UN_ASSERT(m->n < UN_COMM_BLOCKS);
        void *data = m->library->alloc(m->device, m->queue, bytes, what);
        if (data) m->blocks[m->n++] = (struct un_comm_block){data, bytes};
        if (data || m->must) return data;
        m->failed = true; /* the others learn of it in un_comm_memory_agree */
        un_log(UN_LOG_WARN, "comm.register: off, because %s", un_error_get()->text);
        un_error_clear();
    }
    return m->device->mem->alloc(m->device, bytes, what);
}

void un_comm_memory_give(struct un_comm_memory *m, void *data) {
    if (!data) return;
    int k = 0;
    while (k < m->n && m->blocks[k].data != data) ++k;
    if (k == m->n) {
        m->device->mem->free(m->device, data);
        return;
    }
    m->library->free(m->device, m->queue, data);
    for (--m->n; k < m->n; ++k) m->blocks[k] = m->blocks[k + 1];
}

enum un_status un_comm_memory_agree(struct un_comm_memory *m, struct un_comm *comm) {
    char name[64];
    bool able = m->library && !m->failed;
    int64_t lacks = UN_REACH_WINDOWS - (able ? m->library->reach(name, sizeof name) : UN_REACH_NONE);
    UN_TRY(comm->ops->max_i64(comm, &lacks, 1));
    m->reach = (enum un_comm_reach)(UN_REACH_WINDOWS - lacks);
    return UN_OK;
}

size_t un_comm_memory_room(const struct un_comm_library *library, size_t bytes) {
    return library ? (bytes + UN_COMM_GRAIN - 1) / UN_COMM_GRAIN * UN_COMM_GRAIN : bytes;
}
