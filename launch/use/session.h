/* Weights, a device and pairs, opened together; networks are opened on them as a command needs. */
#ifndef UN_LAUNCH_USE_SESSION_H
#define UN_LAUNCH_USE_SESSION_H

#include "launch/use/network.h"
#include "launch/use/pairs.h"

enum { UN_USE_NETWORKS = 2 };
struct un_use_session {
    const struct un_use_keys *keys;
    struct un_use_weights weights;
    struct un_device *device;
    struct un_use_pairs pairs;
    struct un_use_network net[UN_USE_NETWORKS];
};

/* weights: of a run, a checkpoint or a file. Closed by the last call below, also on failure. */
enum un_status un_use_session_open(struct un_use_session *session, const struct un_use_keys *keys,
                                   const char *weights);
/* names [n], task: as un_use_pairs_open. */
enum un_status un_use_session_pairs(struct un_use_session *session, const char *const *names, int n,
                                    int task);
/* Opens net[which] with the head of `objective`; body: only vectors are wanted, so the head may be missing. */
enum un_status un_use_session_network(struct un_use_session *session, int which, enum un_objective objective,
                                      bool body);
void un_use_session_close(struct un_use_session *session);

#endif
