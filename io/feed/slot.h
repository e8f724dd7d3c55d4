/* One micro-batch on its way: what it is to hold, its memory, the reading and packing. Inside the wing only. */
#ifndef UN_IO_FEED_SLOT_H
#define UN_IO_FEED_SLOT_H

#include "io/feed/loader.h"

enum slot_state { SLOT_FREE, SLOT_BUSY, SLOT_DONE, SLOT_HELD };

struct un_slot {
    enum slot_state state;
    struct un_error error; /* of planning or packing; status UN_OK: none */
    struct un_batch batch;
    struct un_sample *samples;  /* NULL where sequences are chosen: */
    struct un_sequence *chosen; /* [caps.samples], */
    struct un_pack_list list;   /* of them */
    int64_t n_samples;          /* or of the sequences */
    struct un_lane_state after;
    int64_t step, lane;
    void *memory; /* of the batch, from setup.host_alloc */
};

size_t un_slot_bytes(const struct un_loader_setup *setup);
/* On failure un_slot_close is still to be called. */
enum un_status un_slot_open(struct un_slot *slot, const struct un_loader_setup *setup);
void un_slot_close(struct un_slot *slot, const struct un_loader_setup *setup);
/* What the micro-batch of slot->step, slot->lane holds. Under the lock of the loader. */
enum un_status un_slot_plan(struct un_slot *slot, const struct un_loader_setup *setup,
                            struct un_lane_state *lane);
/* Reads and packs it. */
enum un_status un_slot_pack(struct un_slot *slot, const struct un_loader_setup *setup,
                            struct un_packer *packer);

#endif
