/* Who shares a host, and how closely: fills the local, node and twin members of a communicator. */
#ifndef UN_COMM_COMM_MPI_HOSTS_PRIVATE_H
#define UN_COMM_COMM_MPI_HOSTS_PRIVATE_H

#include "comm/comm.h"
#include <mpi.h>

/* crowded: on some host the ranks leave no core free that they may use. Collective; returns MPI's code. */
int un_comm_mpi_hosts(struct un_comm *comm, MPI_Comm world, bool *crowded);

#endif
