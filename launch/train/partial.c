/* Rows that are done (partial.h). Law: head, then blocks, each with a digest; the first block that is not what was
 * written ends the file. */
#include "launch/train/partial.h"

#include "io/disk/calls.h"
#include "io/disk/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct block {
    int64_t first, n;
    struct un_digest digest; /* of the rows behind it */
};

static size_t bytes_of(int64_t images, int64_t rows) {
    return (size_t)(images * rows) * sizeof(float);
}

/* Is the next block whole? Then its rows are in `score`, and *at stands behind it. */
static enum un_status take_block(const struct un_partial *p, const struct un_partial_head *head, int64_t size,
                                 int64_t *at, float *score, int64_t *done, bool *taken) {
    struct block block;
    *taken = false;
    if (size - *at < (int64_t)sizeof block) return UN_OK;
    UN_TRY(un_files_read_at(p->fd, p->path, &block, sizeof block, *at));
    bool fits = block.first == *done && block.n > 0 && block.n <= head->texts - *done;
    if (!fits || (uint64_t)(size - *at) - sizeof block < bytes_of(p->images, block.n)) return UN_OK;
    float *rows = score + *done * p->images;
    size_t bytes = bytes_of(p->images, block.n);
    UN_TRY(un_files_read_at(p->fd, p->path, rows, bytes, *at + (int64_t)sizeof block));
    struct un_digest digest = un_digest_of(rows, bytes);
    if (memcmp(&digest, &block.digest, sizeof digest) != 0) return UN_OK;
    *at += (int64_t)(sizeof block + bytes);
    *done += block.n;
    *taken = true;
    return UN_OK;
}

static enum un_status take_rows(const struct un_partial *p, const struct un_partial_head *head, int64_t size,
                                int64_t *at, float *score, int64_t *done) {
    struct un_partial_head old;
    bool more = size >= (int64_t)sizeof old;
    *at = 0;
    if (!more) return UN_OK;
    UN_TRY(un_files_read_at(p->fd, p->path, &old, sizeof old, 0));
    if (memcmp(&old, head, sizeof old) != 0) return UN_OK;
    *at = (int64_t)sizeof old;
    while (more) UN_TRY(take_block(p, head, size, at, score, done, &more));
    return UN_OK;
}

/* Cuts off what was not taken; a file that is not ours begins anew. */
static enum un_status go_on(const struct un_partial *p, const struct un_partial_head *head, int64_t at) {
    if (ftruncate(p->fd, at) != 0) return un_fail(UN_IO, "%s: cannot cut: %s", p->path, strerror(errno));
    if (lseek(p->fd, at, SEEK_SET) < 0) return un_fail(UN_IO, "%s: %s", p->path, strerror(errno));
    return at > 0 ? UN_OK : un_files_write_all(p->fd, p->path, head, sizeof *head);
}

enum un_status un_partial_open(struct un_partial *p, const char *path, const struct un_partial_head *head,
                               float *score, int64_t *done) {
    static const char magic[8] = "UNSCORE1"; /* not terminated */
    struct un_partial_head mine = *head;
    struct stat st;
    int64_t at;
    memcpy(mine.magic, magic, sizeof magic);
    *p = (struct un_partial){.images = head->images};
    *done = 0;
    memcpy(p->path, path, strlen(path) + 1);
    p->fd = un_calls_open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK);
    if (p->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    enum un_status status = UN_OK;
    if (fstat(p->fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = un_fail(UN_IO, "%s: not a regular file", path);
    if (status == UN_OK) status = take_rows(p, &mine, st.st_size, &at, score, done);
    if (status == UN_OK) status = go_on(p, &mine, at);
    if (status != UN_OK) un_partial_close(p, false);
    return status;
}

enum un_status un_partial_add(const struct un_partial *p, int64_t first, int64_t n, const float *rows) {
    size_t bytes = bytes_of(p->images, n);
    const struct block block = {first, n, un_digest_of(rows, bytes)};
    UN_TRY(un_files_write_all(p->fd, p->path, &block, sizeof block));
    UN_TRY(un_files_write_all(p->fd, p->path, rows, bytes));
    if (un_calls_fdatasync(p->fd) == 0) return UN_OK;
    return un_fail(UN_IO, "%s: fdatasync: %s", p->path, strerror(errno));
}

void un_partial_close(struct un_partial *p, bool over) {
    if (p->fd < 0) return;
    close(p->fd);
    p->fd = -1;
    if (over) unlink(p->path);
}
