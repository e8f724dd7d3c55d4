/* The one restart of the program. */
#ifndef UN_RUNTIME_RESTART_H
#define UN_RUNTIME_RESTART_H

/* Call first in main: some libraries read their settings only when they are loaded. When the BLAS picked a
 * slow kernel for this processor (OpenBLAS on virtual machines that hide AMX), or the user left OpenMP's idle
 * threads spinning or OpenBLAS with threads of its own, sets OPENBLAS_CORETYPE, GOMP_SPINCOUNT and
 * OPENBLAS_NUM_THREADS and starts the program anew with the same arguments. What the user set stays. Returns only if no restart was needed or possible. */
void un_restart_prepare(char **argv);

#endif
