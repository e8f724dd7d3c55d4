/* manifest.json: what a checkpoint holds and how to know it is whole. It says nothing about ranks: shards are
 * pieces of the flat buffers. Its last line carries the digest of all lines before, so a changed digit is
 * found.
 *
 *   step, seed, lanes, streams, plan_digest   who this training is and how far it came
 *   kind         on which kind of machine it was made, in words; may be missing
 *   states       one array a lane: pending, then epoch and position of each stream
 *   total        elements P of the flat buffers
 *   params       name, shape, offset of each tensor
 *   shards       a file each, holding runs of elements of p, m and v:
 *                  bytes     length of the file
 *                  runs      [first, count] of each run, whole blocks of UN_PARAM_BLOCK; one after the other
 *                            they make the file's arrays
 *                  at        where the arrays p, m, v begin in the file
 *                  xxh3_128  digests over the block digests of p, of m, of v
 *                  head      digest of all else in the file
 *   amax_updates, amax   of training in fp8 alone (model/scaling.h): updates that were taken, and for each tensor its
 *                last amax as bits of f32, that of update i at i modulo their number
 *   param_digest, state_digest   of p, and of m then v, over the digests of their blocks in the order of the
 *                                buffers
 *
 * Version 1, still read: a shard is one run [first, first + count), xxh3_128 is that of the whole file, and
 * param_digest and state_digest were taken over longer blocks. */
#ifndef UN_IO_CHECKPOINT_MANIFEST_H
#define UN_IO_CHECKPOINT_MANIFEST_H

#include "io/disk/digest.h"
#include "io/disk/files.h"
#include "io/feed/plan.h"
#include "io/run/progress.h"
#include "runtime/params.h"

#define UN_MANIFEST_NAME "manifest.json"

enum { UN_MANIFEST_OLD = 1, UN_MANIFEST_VERSION = 2 };
enum { UN_CKPT_ARRAYS = 3, UN_CKPT_OLD_BLOCK = 65536 }; /* p, m, v; elements of a block in version 1 */

enum { UN_CKPT_KIND = 256 };

/* Elements [begin, end) of the flat buffers, and where they stand: after `local` elements of the shard's
 * arrays. */
struct un_run {
    int64_t begin, end;
    int64_t shard, local;
};

struct un_shard_file {
    char file[64];
    int64_t bytes;       /* of the file */
    int64_t run, n_runs; /* its runs: manifest's runs[run .. run + n_runs) */
    int64_t count;       /* elements of all of them */
    int64_t at[UN_CKPT_ARRAYS];
    struct un_digest head; /* version 1: of the whole file; at and data are not used */
    struct un_digest data[UN_CKPT_ARRAYS];
};

/* What training in fp8 keeps from update to update, the same on all ranks (model/scaling.h); tensors 0: nothing. */
struct un_fp8_history {
    int64_t tensors, length, filled;
    uint32_t *amax; /* [tensors, length] */
};

struct un_manifest {
    int64_t version;
    int64_t step, lanes, n_streams, total;
    uint64_t seed, plan_digest;
    char kind[UN_CKPT_KIND];      /* "": not told */
    struct un_lane_state *states; /* [lanes] */
    struct un_param *params;      /* [n_params]; of each only name, offset, count, shape, ndim */
    int64_t n_params;
    struct un_shard_file *shards; /* [n_shards] */
    int64_t n_shards;
    struct un_run *runs;  /* [n_runs], ascending within each shard */
    struct un_run *order; /* [n_runs], the same by begin: they tile [0, total). By parse only */
    int64_t n_runs;
    struct un_fp8_history fp8;
    struct un_digest param, state;
};

/* Durable and at once, in the newest version. Nothing in *m is changed. */
enum un_status un_manifest_write(const struct un_manifest *m, const char *folder);
/* text [bytes] is hostile; `path` is for messages. UN_DATA names the key. Freed by un_manifest_free also on
 * failure. */
enum un_status un_manifest_parse(struct un_manifest *m, const char *path, const char *text, size_t bytes);
/* The manifest of a folder as text, un_free by the caller. UN_DATA: not there, or absurdly long. */
enum un_status un_manifest_fetch(const char *folder, char **text, size_t *bytes);
enum un_status un_manifest_read(struct un_manifest *m, const char *folder);
/* Only for manifests that parse or read has filled. */
void un_manifest_free(struct un_manifest *m);
/* The file of shard i is there, regular and as long as the manifest says: opened for reading. UN_DATA
 * otherwise. */
enum un_status un_manifest_open_shard(const struct un_manifest *m, const char *folder, int64_t i,
                                      char path[UN_PATH_MAX], int *fd);
/* The bytes of shard i are those of the manifest, every one; UN_DATA otherwise. all [3 * blocks of total] or
 * NULL: the digests of its blocks of p, m, v go to their places (not for version 1).
 * progress: gets the bytes that were read; NULL: nobody is told. */
enum un_status un_manifest_check_shard(const struct un_manifest *m, const char *folder, int64_t i,
                                       struct un_digest *all, struct un_progress *progress);
/* All shards are there and as long as the manifest says; nothing of them is read. */
enum un_status un_manifest_check_lengths(const struct un_manifest *m, const char *folder);
/* All shards, every byte, and the digests of the whole. */
enum un_status un_manifest_check_all(const struct un_manifest *m, const char *folder,
                                     struct un_progress *progress);
/* The same for version 2 without the arrays: what is left are some kilobytes. */
enum un_status un_manifest_check_head(const struct un_manifest *m, int64_t i, const char *path, int fd);

#endif
