/* How parameters go round where the network computes in bf16 and they are kept as f32 by their owners: as bf16,
 * half the bytes, which is what the products read. What a pass reads as f32 all the same (tensors without un_param.low:
 * norms, biases of scores, small tables) goes beside them, as f32, in rows of UN_PARAM_ALIGN elements: a list of
 * each rank, of one length, in one all-gather.
 *
 * A bucket in which more than an eighth is read as f32 goes as f32, whole, and its bf16 copy is made where it arrives.
 * So do all where the lists would be longer than what bf16 saves (small networks on many ranks). All of this follows
 * from table, ranks and buckets alone. */
#ifndef UN_LAUNCH_TRAFFIC_EXCHANGE_LOW_H
#define UN_LAUNCH_TRAFFIC_EXCHANGE_LOW_H

#include "comm/device_memory.h"
#include "comm/shard.h"

struct un_exchange_low {
    bool *bucket;       /* [buckets]: goes as bf16; NULL: none does, and all below is not used */
    int64_t list;       /* rows of a rank's list: of the rank that has the most */
    int64_t own;        /* rows of the own one */
    int64_t lists_rows; /* ranks * list */
    int32_t *rows,
        *mine_rows; /* device [lists_rows], and its own part: rows of the parameters; -1: the list has ended */
    float *mine, *lists; /* device [list], [lists_rows] rows: the own list, all */
};

/* table: of the parameters. Queued on memory->queue; waits. low->bucket NULL and UN_OK where nothing goes as bf16. Owner: caller,
 * un_exchange_low_close. */
enum un_status un_exchange_low_open(struct un_exchange_low *low, const struct un_shard *shard,
                                    const struct un_params *table, int rank, struct un_comm_memory *memory);
void un_exchange_low_close(struct un_exchange_low *low, struct un_comm_memory *memory);
/* Memory that it takes; beside: of so many more lists, which the path keeps. */
size_t un_exchange_low_bytes(const struct un_shard *shard, const struct un_params *table, int beside);
size_t un_exchange_low_list_bytes(const struct un_exchange_low *low);
/* Queued: the own list from the parameters; the parameters of all other ranks' rows from all lists. */
void un_exchange_low_pack(const struct un_exchange_low *low, struct un_device *device, struct un_queue *q,
                          const float *params);
void un_exchange_low_unpack(const struct un_exchange_low *low, struct un_device *device, struct un_queue *q,
                            float *params);

#endif
