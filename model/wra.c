#include "model/wra.h"
#include "runtime/config/keys.h"

static const char *const solver_names[] = {"ipot", "sinkhorn", NULL};

static const struct un_key keys[] = {
    UN_KEY_CHOICE(un_wra_keys, solver, "ipot", solver_names,
                  "of the transport plan between words and regions"),
    UN_KEY_FLOAT(un_wra_keys, beta, "0.5", 1e-3, 1e3, "", "step of IPOT"),
    UN_KEY_FLOAT(un_wra_keys, epsilon, "0.1", 1e-3, 1e3, "", "entropy weight of Sinkhorn"),
    UN_KEY_FLOAT(un_wra_keys, tolerance, "1e-4", 0, 1, "",
                 "Sinkhorn stops when no row sum is off by more, relatively; 0: never early"),
    UN_KEY_INT(un_wra_keys, iterations, "0", 0, 10000, "",
               "of the solver; 0: 50 for ipot, at most 100 for sinkhorn"),
};
const struct un_key_table un_wra_key_table = UN_KEY_TABLE("wra", un_wra_keys, keys);

struct un_transport un_wra_transport(const struct un_wra_keys *k) {
    int standard = k->solver == UN_SOLVER_IPOT ? 50 : 100;
    return (struct un_transport){
        .solver = (enum un_solver)k->solver,
        .iterations = k->iterations > 0 ? (int)k->iterations : standard,
        .beta = (float)k->beta,
        .epsilon = (float)k->epsilon,
        .tolerance = (float)k->tolerance,
    };
}
