/* Parts of the program that live in shared modules, because they need libraries that this machine may not
 * have: the CUDA backend, NCCL.
 *
 * A module takes memory, errors and log lines from the program itself, so both must have been built from the
 * same headers: its entry function gets UN_PLUGIN_ABI of the program and answers NULL when its own differs. */
#ifndef UN_RUNTIME_PLUGIN_H
#define UN_RUNTIME_PLUGIN_H

#include "runtime/memory.h"
#include "runtime/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Sizes of everything that crosses the border, and a count of changes that sizes do not show. */
enum { UN_PLUGIN_REVISION = 1 };
#define UN_PLUGIN_MIX(sum, type) ((sum)*UINT64_C(4099) + sizeof(struct type))
#define UN_PLUGIN_ABI                                                                                        \
    UN_PLUGIN_MIX(                                                                                           \
        UN_PLUGIN_MIX(                                                                                       \
            UN_PLUGIN_MIX(UN_PLUGIN_MIX(UN_PLUGIN_MIX((uint64_t)UN_PLUGIN_REVISION, un_device_ops), un_ops), \
                          un_device),                                                                        \
            un_limits),                                                                                      \
        un_error)

/* What a module's entry function is: its table, or NULL. */
typedef const void *(*un_plugin_entry)(uint64_t abi);

/* Opens the module `file` (libun_cuda.so) and asks its function `entry` for its table. Looked for beside the
 * program, in ../lib/uniter_dist from there, and where it was built. NULL: UN_USAGE recorded, which says what
 * is missing. A module stays open until the program ends. */
const void *un_plugin_open(const char *file, const char *entry);
/* Is the shared library `name` of the system there (libcuda.so.1)? NULL if so, else why not; the text holds
 * until the thread's next call. It stays open. */
const char *un_plugin_lacks(const char *name);

#ifdef __cplusplus
}
#endif
#endif
