/* Most rows and members of an objective in a micro-batch (batch.h). */
#include "model/batch.h"

int64_t un_batch_row_cap(const struct un_batch_caps *caps, enum un_objective t) {
    enum un_asks asks = un_objectives[t].asks;
    if (un_objectives[t].task) return caps->tasks & un_objective_bit(t) ? caps->samples : 0;
    return asks == UN_ASKS_WORDS ? caps->words : asks == UN_ASKS_PAIR ? caps->samples : caps->regions;
}

int64_t un_batch_member_cap(const struct un_batch_caps *caps, enum un_objective t) {
    int64_t rows = un_batch_row_cap(caps, t);
    return un_objectives[t].asks == UN_ASKS_PLACES && rows > 0 ? caps->regions : rows;
}
