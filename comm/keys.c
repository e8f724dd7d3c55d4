#include "comm/keys.h"
#include "runtime/config/keys.h"

const char *const un_backend_names[] = {"auto", "self", "mpi", "nccl", NULL};

const char *const un_levels_names[] = {"auto", "1", "2", NULL};

const char *const un_register_names[] = {"auto", "on", "off", NULL};

static const struct un_key keys[] = {
    UN_KEY_CHOICE(un_comm_keys, backend, "auto", un_backend_names,
                  "how ranks talk: self: one process; mpi: through the host; nccl: gradients and parameters "
                  "from card to card, one for each rank; auto: what the start and the machine allow"),
    UN_KEY_INT(un_comm_keys, bucket_mb, "25", 1, 4096, "MiB",
               "size of the pieces in which gradients are reduced and parameters gathered"),
    UN_KEY_CHOICE(
        un_comm_keys, levels, "auto", un_levels_names,
        "2: gradients are added inside the hosts and then between them, so that fewer bytes leave a "
        "host, in the same order with train.exact; needs hosts with the same power of two of "
        "consecutive ranks; auto: 2 where that is so"),
    UN_KEY_BOOL(un_comm_keys, overlap, "true",
                "a thread of each rank communicates while the others compute; false: one after the other, "
                "with the same results"),
    UN_KEY_INT(
        un_comm_keys, rail_ctas, "4", 0, 64, "blocks",
        "between cards, in two levels: most thread blocks, each on a multiprocessor, that a collective "
        "between the hosts takes from the computation; 0: what the library chooses"),
    UN_KEY_CHOICE_NAMED(
        "register", un_comm_keys, registered, "auto", un_register_names,
        "between cards: what is moved stands in memory that NCCL gives and was told of, which saves copies "
        "on "
        "the cards (2.19 and later; as windows inside a host since 2.27); on: refuses a start where that "
        "cannot be; off: memory as any other"),
};
const struct un_key_table un_comm_key_table = UN_KEY_TABLE("comm", un_comm_keys, keys);
