/* manifest.json: what a checkpoint holds and how to know it is whole. It says nothing about ranks: shards are
 * pieces of the flat buffers. Its last line carries the digest of all lines before, so a changed digit is
 * found.
 *
 *   step, seed, lanes, streams, plan_digest   who this training is and how far it came
 *   states       one array a lane: pending, then epoch and position of each stream
 *   total        elements P of the flat buffers
 *   params       name, shape, offset of each tensor
 *   shards       file, elements [first, first + count) it holds of p, m and v, length and digest of the file
 *   param_digest, state_digest                of p, and of m then v, over the digests of their blocks
 */
#ifndef UN_MANIFEST_H
#define UN_MANIFEST_H

#include "io/digest.h"
#include "io/plan.h"
#include "runtime/params.h"

#define UN_MANIFEST_NAME "manifest.json"

struct un_shard_file {
    char file[64];
    int64_t first, count; /* elements */
    int64_t bytes;        /* of the file */
    struct un_digest digest;
};

struct un_manifest {
    int64_t step, lanes, n_streams, total;
    uint64_t seed, plan_digest;
    struct un_lane_state *states; /* [lanes] */
    struct un_param *params;      /* [n_params]; of each only name, offset, count, shape, ndim */
    int64_t n_params;
    struct un_shard_file *shards; /* [n_shards], tiling [0, total) in order */
    int64_t n_shards;
    struct un_digest param, state;
};

/* Durable and at once. Nothing in *m is changed. */
enum un_status un_manifest_write(const struct un_manifest *m, const char *folder);
/* text [bytes] is hostile; `path` is for messages. UN_DATA names the key. Freed by un_manifest_free also on
 * failure. */
enum un_status un_manifest_parse(struct un_manifest *m, const char *path, const char *text, size_t bytes);
/* The manifest of a folder as text, un_free by the caller. UN_DATA: not there, or absurdly long. */
enum un_status un_manifest_fetch(const char *folder, char **text, size_t *bytes);
enum un_status un_manifest_read(struct un_manifest *m, const char *folder);
/* Only for manifests that parse or read has filled. */
void un_manifest_free(struct un_manifest *m);
/* Length and digest of shard i's file are those of the manifest; UN_DATA otherwise. */
enum un_status un_manifest_check_shard(const struct un_manifest *m, const char *folder, int64_t i);

#endif
