/* comm.backend: how gradients and parameters travel, settled by all ranks together before memory is taken.
 *
 * Between cards only when every rank has a card of its own and the library opens on all of them. `nccl`
 * refuses a start where that is not so; `auto` then takes MPI, which always works: through the host's memory
 * where the host cannot read the device's. */
#ifndef UN_LAUNCH_TRAFFIC_BACKEND_H
#define UN_LAUNCH_TRAFFIC_BACKEND_H

#include "launch/traffic/exchange.h"

/* What a rank computes on, as told to the others. */
struct un_backend_card {
    char id[64], host[64]; /* id "": no card */
    int node;              /* of comm.h */
};

/* Does every rank have a card of its own? If not, `why` says which rank has none, or which share one. Pure. */
bool un_backend_apart(const struct un_backend_card *cards, int size, char *why, size_t bytes);
/* Of comm.backend: whatever is best here, through the host's memory, between cards or not at all. */
enum un_backend_wish { UN_WISH_ANY, UN_WISH_HOST, UN_WISH_CARDS };

/* where: of the wish, for messages. Collective; all ranks end alike. */
enum un_status un_backend_settle(struct un_exchange_route *route, struct un_comm *comm,
                                 const struct un_device *device, enum un_backend_wish wish,
                                 const char *where);
/* Of comm.levels: two where the hosts and the way allow it, never, or an error where they do not. */
enum un_level_wish { UN_LEVEL_BEST, UN_LEVEL_ONE, UN_LEVEL_TWO };
/* After un_backend_settle: fills route->nodes. All ranks end alike, without asking each other. UN_USAGE. */
enum un_status un_backend_levels(struct un_exchange_route *route, struct un_comm *comm,
                                 enum un_level_wish wish, const char *where);
/* Of comm.register: where the library can be told of memory, never, or an error where it cannot. */
enum un_register_wish { UN_REGISTER_BEST, UN_REGISTER_NEVER, UN_REGISTER_MUST };
/* After un_backend_settle: fills route->library, on all ranks alike, and route->must. Collective; all ranks end alike.
 * UN_USAGE. */
enum un_status un_backend_register(struct un_exchange_route *route, struct un_comm *comm,
                                   enum un_register_wish wish, const char *where);

#endif
