#include "io/checkpoint/keys.h"
#include "runtime/config/keys.h"

static const struct un_key keys[] = {
    UN_KEY_INT(un_checkpoint_keys, every, "5000", 0, 4e9, "steps",
               "a checkpoint after so many updates, at a stop and at the end; 0: only those"),
    UN_KEY_INT(un_checkpoint_keys, keep, "3", 0, 1e6, "checkpoints", "how many newest ones stay; 0: all"),
    UN_KEY_INT(un_checkpoint_keys, keep_every, "0", 0, 4e9, "steps",
               "those of steps divisible by this stay for good; 0: none"),
    UN_KEY_INT(un_checkpoint_keys, timeout, "1800", 1, 1e6, "s",
               "a save that lasts longer has failed, and ends the run"),
    UN_KEY_BOOL(un_checkpoint_keys, best, "false",
                "a validation better than all before it gives a checkpoint that stays, ckpt/best, by the "
                "task's measure; "
                "of pretraining by the loss"),
};
const struct un_key_table un_checkpoint_key_table = UN_KEY_TABLE("checkpoint", un_checkpoint_keys, keys);
