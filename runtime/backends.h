/* What the backends offer to those who open devices (device.c, restart.c); exactly one definition of each is
 * linked (cuda/absent.c when CUDA is off). */
#ifndef UN_RUNTIME_BACKENDS_H
#define UN_RUNTIME_BACKENDS_H

#include "runtime/device.h"

enum un_status un_cpu_open(int threads, struct un_device **device);
/* OPENBLAS_CORETYPE this processor wants instead of what the BLAS chose; NULL when the choice is right, the user set
 * the variable or nothing better is left. `tried`: what this program was started anew with; NULL at its first start. */
const char *un_cpu_blas_remedy(const char *tried);

enum un_status un_cuda_open(int ordinal, struct un_device **device);
/* Visible cards; 0: none answers, un_cuda_open says why; -1: no CUDA in this build. */
int un_cuda_count(void);

#endif
