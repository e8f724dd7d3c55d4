/* Keys of where a process computes: `device`, and the cores of a rank inside `run`. */
#ifndef UN_RUNTIME_CONFIG_DEVICE_KEYS_H
#define UN_RUNTIME_CONFIG_DEVICE_KEYS_H

#include "runtime/config/config.h"

struct un_device_keys {
    int device; /* index into un_device_names */
};
extern const char *const un_device_names[];
extern const struct un_key_table un_device_key_table;

enum un_bind { UN_BIND_AUTO, UN_BIND_NONE };

struct un_cores_keys {
    int64_t threads; /* 0: as many as there are cores for */
    int bind;        /* enum un_bind */
    int kernel;      /* index into un_kernel_names */
};
extern const char *const un_kernel_names[];
extern const struct un_key_table un_cores_key_table;

#endif
