/* Keys of the word-region alignment (section `wra`), and the transport they ask for. */
#ifndef UN_MODEL_WRA_H
#define UN_MODEL_WRA_H

#include "runtime/config/config.h"
#include "runtime/ops.h"

struct un_wra_keys {
    int solver; /* enum un_solver */
    double beta, epsilon, tolerance;
    int64_t iterations; /* 0: those usual for the solver */
};
extern const struct un_key_table un_wra_key_table;

struct un_transport un_wra_transport(const struct un_wra_keys *keys);

#endif
