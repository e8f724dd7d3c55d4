/* Keys of communication (section `comm`). */
#ifndef UN_COMM_KEYS_H
#define UN_COMM_KEYS_H

#include "runtime/config/config.h"

enum un_backend { UN_BACKEND_AUTO, UN_BACKEND_SELF, UN_BACKEND_MPI, UN_BACKEND_NCCL };
extern const char *const un_backend_names[];

struct un_comm_keys {
    int backend; /* enum un_backend */
    int64_t bucket_mb;
    bool overlap;
};
extern const struct un_key_table un_comm_key_table;

#endif
