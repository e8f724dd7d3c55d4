/* Writes checkpoints beside the training: each rank has a writer, whose thread puts this rank's part on the
 * disk; that of rank 0 then waits for the records of all ranks and publishes (io/checkpoint/private.h).
 *
 * Calls marked collective are made by all ranks in the same order, from the thread of the training; the
 * writers' threads call no collective. One save is under way at a time. */
#ifndef UN_IO_CHECKPOINT_WRITER_H
#define UN_IO_CHECKPOINT_WRITER_H

#include "io/checkpoint/checkpoint.h"

struct un_checkpoint_writer;

/* Bytes of the copy (p, m and v) that a save reads, where a rank owns so many elements. */
size_t un_checkpoint_writer_bytes(int64_t owned);

struct un_checkpoint_writer_setup {
    const char *run_dir;              /* borrowed */
    int64_t keep;                     /* newest ones that stay; 0: all */
    int64_t keep_every;               /* those of steps divisible by this stay as well; 0: none */
    double timeout;                   /* seconds a save may last before it counts as failed */
    struct un_checkpoint *checkpoint; /* borrowed: what is saved */
};

/* Collective. Takes all memory the saves will need, beyond *checkpoint. */
enum un_status un_checkpoint_writer_open(struct un_checkpoint_writer **writer, struct un_comm *comm,
                                         const struct un_checkpoint_writer_setup *setup);
/* Collective only in that all ranks call it: starts the save of checkpoint->step. p, m and v are read until
 * the save is over and must not change; the states are copied. A step that is there already is replaced.
 * Nothing may be under way (un_checkpoint_writer_wait). */
enum un_status un_checkpoint_writer_start(struct un_checkpoint_writer *writer);
/* This rank's view: has the save that is under way failed here, or does it last too long? The same error
 * again until the wait. */
enum un_status un_checkpoint_writer_poll(struct un_checkpoint_writer *writer);
/* Collective. Until what is under way is published, or has failed on any rank: the same status on all, the
 * folder removed and older checkpoints untouched; the next save may then be started after un_error_clear.
 * Bounded by the time-out. Nothing under way: UN_OK at once. */
enum un_status un_checkpoint_writer_wait(struct un_checkpoint_writer *writer);
/* Step under way, or -1. */
int64_t un_checkpoint_writer_busy(const struct un_checkpoint_writer *writer);
/* Rank 0: seconds from the start of the newest published save to its end, once for each; 0: none since. */
double un_checkpoint_writer_seconds(struct un_checkpoint_writer *writer);
/* Cancels what is under way. together: all ranks are here, so that rank 0 may remove what is left. false: the
 * thread hangs in the file system; the checkpoint's memory stays in its use and must not be freed. */
bool un_checkpoint_writer_close(struct un_checkpoint_writer *writer, bool together);

#endif
