/* What the saving and the loading side of a shard must agree on. */
#ifndef UN_CHECKPOINT_PRIVATE_H
#define UN_CHECKPOINT_PRIVATE_H

#define UN_SHARD_FORMAT "uniter-checkpoint-shard"
enum { UN_SHARD_VERSION = 1 };

#endif
