/* The choice of the way between ranks (backend.h). */
#include "launch/traffic/backend.h"

#include "launch/traffic/exchange_path.h"
#include "runtime/memory.h"
#include "runtime/plugin.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char module_file[] = "libun_nccl.so", module_entry[] = "un_nccl_module";

bool un_backend_apart(const struct un_backend_card *cards, int size, char *why, size_t bytes) {
    for (int r = 0; r < size; ++r) {
        const struct un_backend_card *a = &cards[r];
        if (!a->id[0]) {
            snprintf(why, bytes, "rank %d on %s computes on the CPU", r, a->host);
            return false;
        }
        for (int s = r + 1; s < size; ++s) {
            if (cards[s].node != a->node || strcmp(cards[s].id, a->id) != 0) continue;
            snprintf(why, bytes, "ranks %d and %d on %s share card %s", r, s, a->host, a->id);
            return false;
        }
    }
    return true;
}

/* *apart on all ranks alike, and why not. */
static enum un_status compare_cards(struct un_comm *comm, const struct un_device *device, bool *apart,
                                    char *why, size_t bytes) {
    struct un_backend_card mine = {.node = comm->node};
    snprintf(mine.id, sizeof mine.id, "%s", device->id);
    gethostname(mine.host, sizeof mine.host - 1);
    struct un_backend_card *all = un_alloc((size_t)comm->size, sizeof *all, "cards of all ranks");
    enum un_status status;
    UN_TRY_GOTO(un_comm_agree(comm, all ? UN_OK : UN_MEMORY), out);
    UN_TRY_GOTO(comm->ops->all_gather(comm, all, &mine, sizeof mine), out);
    *apart = un_backend_apart(all, comm->size, why, bytes);
out:
    un_free(all);
    return status;
}

/* NULL: its error is recorded. */
static const struct un_device_comm_module *open_module(void) {
    const struct un_device_comm_module *module = un_plugin_open(module_file, module_entry);
    if (!module || module->abi == UN_DEVICE_COMM_ABI) return module;
    (void)un_fail(UN_USAGE, "the module %s is of another build than this program: build or install both anew",
                  module_file);
    return NULL;
}

static enum un_status take_cards(struct un_exchange_route *route, struct un_comm *comm, bool asked) {
    const struct un_device_comm_module *module = open_module();
    enum un_status all = un_comm_agree(comm, module ? UN_OK : UN_USAGE);
    if (all == UN_OK) {
        route->open_cards = module->open;
        route->library = module->library;
        route->path = &un_exchange_cards;
        return UN_OK;
    }
    if (asked) return all;
    un_log(UN_LOG_INFO, "comm.backend: mpi, because cards cannot talk to each other here: %s",
           un_error_get()->text);
    un_error_clear();
    return UN_OK;
}

static enum un_status settle(struct un_exchange_route *route, struct un_comm *comm,
                             const struct un_device *device, enum un_backend_wish wish, const char *where) {
    bool asked = wish == UN_WISH_CARDS, apart = false;
    char why[256];
    route->path = device->host_readable ? &un_exchange_host : &un_exchange_staged;
    if (wish == UN_WISH_HOST) return UN_OK;
    UN_TRY(compare_cards(comm, device, &apart, why, sizeof why));
    if (apart) return take_cards(route, comm, asked);
    if (asked)
        return un_fail(
            UN_USAGE,
            "%s: comm.backend is nccl, which needs a card of its own for every rank, but %s; start at "
            "most as many ranks on a host as it has cards, or take comm.backend=mpi",
            where, why);
    if (device->kind != UN_DEVICE_CPU) un_log(UN_LOG_INFO, "comm.backend: mpi, because %s", why);
    return UN_OK;
}

enum un_status un_backend_settle(struct un_exchange_route *route, struct un_comm *comm,
                                 const struct un_device *device, enum un_backend_wish wish,
                                 const char *where) {
    *route = (struct un_exchange_route){0};
    if (comm->size == 1) return UN_OK;
    return un_comm_alike(comm, settle(route, comm, device, wish, where));
}

enum un_status un_backend_levels(struct un_exchange_route *route, struct un_comm *comm,
                                 enum un_level_wish wish, const char *where) {
    int nodes = route->path ? comm->levels.nodes : 1;
    route->nodes = 1;
    if (wish == UN_LEVEL_ONE) return UN_OK;
    if (nodes > 1) {
        un_log(UN_LOG_INFO, "comm.levels: 2, inside %d hosts of %d ranks and then between them", nodes,
               comm->levels.places);
        route->nodes = nodes;
        return UN_OK;
    }
    if (wish == UN_LEVEL_BEST) return UN_OK;
    return un_comm_alike(
        comm, un_fail(UN_USAGE,
                      "%s: comm.levels is 2, which needs several hosts, each with the same power of two of "
                      "consecutive ranks, two at least; here %d rank%s on %d host%s talk %s",
                      where, comm->size, comm->size > 1 ? "s" : "", comm->nodes, comm->nodes > 1 ? "s" : "",
                      route->path ? route->path->way : "to nobody"));
}

enum un_status un_backend_register(struct un_exchange_route *route, struct un_comm *comm,
                                   enum un_register_wish wish, const char *where) {
    const struct un_comm_library *library = route->library;
    char name[64] = "no library";
    int64_t lacks = !library || library->reach(name, sizeof name) == UN_REACH_NONE;
    bool cards = route->path == &un_exchange_cards;
    route->library = NULL;
    route->must = wish == UN_REGISTER_MUST;
    if (wish == UN_REGISTER_NEVER) return UN_OK;
    if (cards) UN_TRY(comm->ops->max_i64(comm, &lacks, 1));
    if (!lacks) {
        route->library = library;
        return UN_OK;
    }
    if (route->must)
        return un_comm_alike(
            comm,
            un_fail(UN_USAGE,
                    "%s: comm.register is on, which needs cards that talk to each other by a library that "
                    "gives them memory (NCCL since 2.19) on every rank; here is %s, and %d rank%s talk %s",
                    where, name, comm->size, comm->size > 1 ? "s" : "",
                    route->path ? route->path->way : "to nobody"));
    if (cards) un_log(UN_LOG_INFO, "comm.register: off, as not every rank's library can (here %s)", name);
    return UN_OK;
}
