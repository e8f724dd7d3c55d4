/* Which cores this rank computes on, and what the number of ranks costs.
 *
 * Ranks of a host that may all use the same cores (the launcher did not bind them) divide these: each rank's
 * threads stay on its own part, the threads of the ops one to a core. A rank that the launcher bound keeps
 * what it was given. */
#ifndef UN_LAUNCH_JOB_TOPOLOGY_H
#define UN_LAUNCH_JOB_TOPOLOGY_H

#include "comm/comm.h"
#include "runtime/cores.h"
#include "runtime/device.h"

struct un_topology {
    struct un_cores cores; /* this rank may use */
    bool bound;            /* they are its own: no other rank of this host runs there */
};

/* divide: run.bind does not forbid it. Before any other thread is started. */
enum un_status un_topology_bind(struct un_topology *topology, const struct un_comm *comm, bool divide);
/* Threads this rank computes with under run.threads: 0, from the cores it really has and the quota of its
 * group. */
int un_topology_threads(const struct un_topology *topology, const struct un_comm *comm);
/* Afterwards, with the device open: places the threads of the ops. */
void un_topology_place_threads(const struct un_topology *topology, struct un_device *device);
/* Hosts and cores; a warning when ranks stand idle because they have fewer lanes than others. most: lanes
 * of the rank that has the most. */
void un_topology_say(const struct un_topology *topology, const struct un_comm *comm,
                     const struct un_device *device, int64_t lanes, int64_t most);

#endif
