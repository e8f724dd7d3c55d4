/* The emulated card: a struct un_device whose ops are un_cuda_ops, run on this processor (emu.h). For tests
 * that want it by itself; tests of ops get it through the harness. One thread at a time may queue work. */
#ifndef UN_TESTS_CARDS_EMU_DEVICE_H
#define UN_TESTS_CARDS_EMU_DEVICE_H

#include "runtime/device.h"

/* host_readable is false; a test whose device code may look may set it (and not hide the memory). */
enum un_status un_emu_open(struct un_device **device);

/* In which order threads and blocks run that may run in any order: "forward", "reverse" or a number that
 * seeds a shuffle. Before the first call the environment's UN_EMU_ORDER holds (none: forward). */
void un_emu_order(const char *order);

/* true: memory of the device can be touched only by kernels, copies and such products; a host that reads or
 * writes it ends the process with a message. For programs that are to treat the device as a card; tests of
 * ops give their buffers as host memory that the card reads. */
void un_emu_hide_memory(bool on);

/* true: products (un_cuda_blas_gemm) are computed by the CPU backend on copies widened to f32, with one
 * rounding at the end, instead of by the emulated kernels; for tests of whole networks. */
void un_emu_host_products(bool on);

/* Shared memory that a block may have: the environment's UN_EMU_SHARED in bytes, for other cards than sm_90. */
size_t un_emu_shared_limit(void);

#endif
