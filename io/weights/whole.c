/* Is what a plan takes a whole network? A part of one trains on, from random numbers in its holes, without a word. */
#include "io/disk/text.h"
#include "io/weights/private.h"
#include <inttypes.h>
#include <string.h>

/* "uniter.pooler.", "cls.": what is there as a whole or not at all. */
static size_t part_length(const char *name) {
    size_t front = un_begins(name, "uniter.") ? 7 : 0;
    return front + strcspn(name + front, ".") + 1;
}

static bool is_drawn(const struct un_weights_plan *plan, int64_t i) {
    return plan->way[i] == UN_WAY_DRAWN;
}

/* Does the file have something of the part that parameter `at` is of? */
static bool part_is_there(const struct un_weights_plan *plan, int64_t at) {
    const char *name = plan->table->list[at].name;
    size_t length = part_length(name);
    for (int64_t i = 0; i < plan->table->n; ++i)
        if (!is_drawn(plan, i) && strncmp(plan->table->list[i].name, name, length) == 0) return true;
    return false;
}

static bool is_hole(const struct un_weights_plan *plan, int64_t at) {
    const char *name = plan->table->list[at].name;
    if (!is_drawn(plan, at)) return false;
    return un_begins(name, "uniter.embeddings.") || un_begins(name, "uniter.encoder.") ||
           part_is_there(plan, at);
}

enum un_status un_weights_check_whole(const struct un_weights_plan *plan) {
    int64_t holes = 0, first = -1;
    for (int64_t i = 0; i < plan->table->n; ++i) {
        if (!is_hole(plan, i)) continue;
        first = first < 0 ? i : first;
        ++holes;
    }
    if (holes == 0) return UN_OK;
    const char *name = plan->table->list[first].name;
    if (plan->model.num_hidden_layers > plan->file.num_hidden_layers && un_begins(name, "uniter.encoder."))
        return un_fail(UN_DATA,
                       "%s: %" PRId64 " encoder layers, the model has %" PRId64
                       " (model.num_hidden_layers): %" PRId64 " tensors are missing, the first is %s",
                       plan->view->path, plan->file.num_hidden_layers, plan->model.num_hidden_layers, holes,
                       name);
    return un_fail(UN_DATA,
                   "%s: %" PRId64 " tensors are missing, the first is %s: not a whole network (one shard, an "
                   "adapter, or a file that was cut)",
                   plan->view->path, holes, name);
}
