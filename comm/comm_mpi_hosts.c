/* Ranks on their hosts (comm_mpi_hosts.h). */
#include "comm/comm_mpi_hosts_private.h"
#include "runtime/memory.h"
#include <sched.h>

/* Numbers the hosts in the order of their lowest ranks. */
static int number_nodes(struct un_comm *c, MPI_Comm world, MPI_Comm host) {
    int first = c->local_rank == 0, before = 0;
    int code = MPI_Exscan(&first, &before, 1, MPI_INT, MPI_SUM, world);
    c->node = c->rank == 0 ? 0 : before; /* undefined on rank 0 */
    if (code == MPI_SUCCESS) code = MPI_Bcast(&c->node, 1, MPI_INT, 0, host);
    if (code == MPI_SUCCESS) code = MPI_Allreduce(&first, &c->nodes, 1, MPI_INT, MPI_SUM, world);
    return code;
}

/* How the ranks lie on their hosts, the same on all of them. */
static int find_levels(struct un_comm *c, MPI_Comm world) {
    int *node = un_alloc((size_t)c->size, sizeof *node, "hosts of all ranks");
    if (!node) return MPI_ERR_NO_MEM;
    int code = MPI_Allgather(&c->node, 1, MPI_INT, node, 1, MPI_INT, world);
    if (code == MPI_SUCCESS) c->levels = un_levels_of(node, c->size);
    un_free(node);
    return code;
}

/* Ranks of this host with the same cores as this one: those that no launcher bound apart. */
static int count_twins(struct un_comm *c, MPI_Comm host, const cpu_set_t *mine) {
    cpu_set_t *all = un_alloc((size_t)c->local_size, sizeof *all, "cores of the ranks of a host");
    if (!all) return MPI_ERR_NO_MEM;
    int code = MPI_Allgather(mine, (int)sizeof *mine, MPI_BYTE, all, (int)sizeof *mine, MPI_BYTE, host);
    for (int r = 0; r < c->local_size && code == MPI_SUCCESS; ++r) {
        if (!CPU_EQUAL(mine, &all[r])) continue;
        c->twin += r < c->local_rank;
        ++c->twins;
    }
    un_free(all);
    return code;
}

int un_comm_mpi_hosts(struct un_comm *c, MPI_Comm world, bool *crowded) {
    MPI_Comm host;
    int code = MPI_Comm_split_type(world, MPI_COMM_TYPE_SHARED, c->rank, MPI_INFO_NULL, &host);
    if (code != MPI_SUCCESS) return code;
    MPI_Comm_rank(host, &c->local_rank);
    MPI_Comm_size(host, &c->local_size);
    cpu_set_t cores;
    CPU_ZERO(&cores);
    sched_getaffinity(0, sizeof cores, &cores);
    code = number_nodes(c, world, host);
    if (code == MPI_SUCCESS) code = find_levels(c, world);
    if (code == MPI_SUCCESS) code = count_twins(c, host, &cores);
    if (code == MPI_SUCCESS)
        code = MPI_Allreduce(MPI_IN_PLACE, &cores, (int)sizeof cores, MPI_BYTE, MPI_BOR, host);
    MPI_Comm_free(&host);
    if (code != MPI_SUCCESS) return code;
    /* All ranks wait in the same way, or those that spin would meet nobody. */
    int any = c->local_size >= CPU_COUNT(&cores);
    code = MPI_Allreduce(MPI_IN_PLACE, &any, 1, MPI_INT, MPI_MAX, world);
    *crowded = any != 0;
    return code;
}
