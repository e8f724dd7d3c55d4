/* Digests: XXH3-128, kept as its canonical 16 bytes and written as 32 hexadecimal digits. They find damage,
 * not malice: whoever can write a checkpoint can write its digests. Source: xxHash 0.8, "XXH3_128bits". */
#ifndef UN_IO_DISK_DIGEST_H
#define UN_IO_DISK_DIGEST_H

#include "runtime/params.h"
#include "runtime/status.h"

enum { UN_DIGEST_TEXT = 33 };

struct un_digest {
    uint8_t bytes[16];
};

struct un_digest un_digest_of(const void *data, size_t bytes);
void un_digest_print(const struct un_digest *digest, char text[UN_DIGEST_TEXT]);
/* false: not exactly 32 lower-case hexadecimal digits. */
bool un_digest_parse(const char *text, struct un_digest *digest);
bool un_digest_equal(const struct un_digest *a, const struct un_digest *b);
/* Length and digest of a regular file's content. */
enum un_status un_digest_file(const char *path, int64_t *bytes, struct un_digest *digest);
/* The same, which calls told(context, bytes) as it goes on. */
enum un_status un_digest_file_told(const char *path, int64_t *bytes, struct un_digest *digest,
                                   void (*told)(void *context, int64_t bytes), void *context);
/* Length and digest of pieces of a regular file: its beginning, its end, and some between, 184 KiB at most, so that a
 * large file is told from another of its length in a moment. What differs in other places is not seen. */
enum un_status un_digest_sample(const char *path, int64_t *bytes, struct un_digest *digest);
/* Of an open file of `bytes` all that stands outside of n spans of `length` bytes, which begin at at[0] <
 * at[1] < ... and lie inside it. UN_DATA: it is shorter. */
enum un_status un_digest_outside(int fd, const char *path, int64_t bytes, const int64_t *at, int n,
                                 int64_t length, struct un_digest *digest);

/* A buffer of `total` floats is cut into blocks of UN_PARAM_BLOCK, the last one short; this many. */
int64_t un_digest_block_count(int64_t total);
/* digests [after - first] of the blocks [first, after) of the little-endian floats at values [total]. */
void un_digest_blocks(struct un_digest *digests, const float *values, int64_t total, int64_t first,
                      int64_t after);

/* The digest over the block digests of n buffers, one buffer after the other; blocks of `block` elements. */
struct un_digest un_digest_of_buffers(const float *const *buffers, int n, int64_t total, int64_t block);

#endif
