/* Keys of communication (section `comm`). */
#ifndef UN_COMM_KEYS_H
#define UN_COMM_KEYS_H

#include "runtime/config/config.h"

enum un_backend { UN_BACKEND_AUTO, UN_BACKEND_SELF, UN_BACKEND_MPI, UN_BACKEND_NCCL };
extern const char *const un_backend_names[];

enum un_levels_kind { UN_LEVELS_AUTO, UN_LEVELS_ONE, UN_LEVELS_TWO };
extern const char *const un_levels_names[];

enum un_register_kind { UN_REGISTER_AUTO, UN_REGISTER_ON, UN_REGISTER_OFF };
extern const char *const un_register_names[];

struct un_comm_keys {
    int backend; /* enum un_backend */
    int64_t bucket_mb;
    int levels; /* enum un_levels_kind */
    bool overlap;
    int64_t rail_ctas;
    int registered; /* enum un_register_kind */
};
extern const struct un_key_table un_comm_key_table;

#endif
