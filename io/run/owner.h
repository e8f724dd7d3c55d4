/* Who owns a run's folder: RUN/log/owner.json names one run, and whoever is not named there writes nothing.
 *
 * A start that takes the folder replaces the record as a whole, with the next start number and a token of its
 * own; every writer compares the record with its own before it publishes something (un_owner_check). So a run
 * that was stopped or lost its network finds out before it writes over a newer one. The owner shows that it
 * lives by RUN/log/beats, in which each rank keeps a line (launch/process/beat.h); a new owner puts a new file there.
 * Times of other hosts are never compared: life is a change seen from here. */
#ifndef UN_IO_RUN_OWNER_H
#define UN_IO_RUN_OWNER_H

#include "io/disk/files.h"

enum { UN_OWNER_TEXT = 1024, UN_OWNER_TOKEN = 17 };

/* Plain bytes: rank 0 hands it to the others. */
struct un_owner {
    char run_dir[UN_PATH_MAX];
    char text[UN_OWNER_TEXT];   /* what owner.json holds while the folder is this run's */
    char token[UN_OWNER_TOKEN]; /* 16 hexadecimal digits, random; "": no owner */
    int64_t start;              /* 1: the first run in this folder */
    bool leads;                 /* this rank took the folder and gives it back */
    int lock;                   /* its flock of RUN/log/lock, for runs of one host; -1: none */
};

/* Makes RUN/log and RUN/ckpt and takes the folder. One rank only. A folder is free when its owner has ended,
 * or was on this machine and holds the lock no more. Otherwise waits: a run without a sign of life for
 * `patience` seconds is taken over; one that still lives after so long is not: UN_USAGE. ranks: size of the
 * new RUN/log/beats. */
enum un_status un_owner_take(struct un_owner *owner, const char *run_dir, double patience, int ranks);
/* Still ours? UN_USAGE when another run has taken the folder, UN_IO when the record is gone or cannot be
 * read. Thread-safe, any rank; allocates nothing. */
enum un_status un_owner_check(const struct un_owner *owner);
/* Says in the record that the run has ended, if it is still ours, and gives the lock back. */
void un_owner_release(struct un_owner *owner);

/* RUN/log/beats. */
enum un_status un_owner_beats_path(char path[UN_PATH_MAX], const char *run_dir);
enum { UN_BEAT_BYTES = 512 }; /* a rank's line in it: written whole or not at all by any file system */

#endif
