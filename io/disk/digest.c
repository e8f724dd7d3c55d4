/* Digests of memory, files and blocks of a parameter buffer. */
#define XXH_STATIC_LINKING_ONLY /* the state may then live on the stack */
#include "io/disk/digest.h"
#include "io/disk/files.h"
#include "runtime/memory.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "digests are taken over little-endian floats");

enum { READ_BYTES = 1 << 20 };

static struct un_digest canonical(XXH128_hash_t hash) {
    XXH128_canonical_t form;
    struct un_digest digest;
    XXH128_canonicalFromHash(&form, hash);
    memcpy(digest.bytes, form.digest, sizeof digest.bytes);
    return digest;
}

struct un_digest un_digest_of(const void *data, size_t bytes) {
    return canonical(XXH3_128bits(data, bytes));
}

void un_digest_print(const struct un_digest *digest, char text[UN_DIGEST_TEXT]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof digest->bytes; ++i) {
        text[2 * i] = digits[digest->bytes[i] >> 4];
        text[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    text[UN_DIGEST_TEXT - 1] = '\0';
}

/* 0 to 15, or -1. */
static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool un_digest_parse(const char *text, struct un_digest *digest) {
    if (strlen(text) != UN_DIGEST_TEXT - 1) return false;
    for (size_t i = 0; i < sizeof digest->bytes; ++i) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        digest->bytes[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

bool un_digest_equal(const struct un_digest *a, const struct un_digest *b) {
    return memcmp(a->bytes, b->bytes, sizeof a->bytes) == 0;
}

struct listener {
    void (*told)(void *context, int64_t bytes);
    void *context;
};

static enum un_status digest_open_file(int fd, const char *path, int64_t *bytes, struct un_digest *digest,
                                       const struct listener *listener) {
    struct stat st;
    if (fstat(fd, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return un_fail(UN_IO, "%s: not a regular file", path);
    char *buffer = un_alloc(READ_BYTES, 1, "reading a file for its digest");
    if (!buffer) return UN_MEMORY;
    enum un_status status = UN_OK;
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    *bytes = 0;
    for (ssize_t got = 1; got != 0 && status == UN_OK;) {
        got = read(fd, buffer, READ_BYTES);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) status = un_fail(UN_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got <= 0) continue;
        XXH3_128bits_update(&state, buffer, (size_t)got);
        *bytes += got;
        if (listener->told) listener->told(listener->context, got);
    }
    *digest = canonical(XXH3_128bits_digest(&state));
    un_free(buffer);
    return status;
}

/* Beginning and end in full, and pieces between at equal distances; short files whole. */
static enum un_status digest_pieces(int fd, const char *path, int64_t *bytes, struct un_digest *digest,
                                    const struct listener *listener) {
    (void)listener;
    enum { END = 64 << 10, PIECE = 4 << 10, PIECES = 14 };
    struct stat st;
    if (fstat(fd, &st) != 0) return un_fail(UN_IO, "%s: %s", path, strerror(errno));
    char *buffer = un_alloc(END, 1, "reading a file for its digest");
    if (!buffer) return UN_MEMORY;
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    *bytes = st.st_size;
    enum un_status status = UN_OK;
    for (int i = 0; i < PIECES + 2 && status == UN_OK; ++i) {
        bool between = i > 0 && i <= PIECES;
        int64_t at = i == 0 ? 0 : between ? *bytes / (PIECES + 1) * i : *bytes - END;
        int64_t length = between ? PIECE : END;
        if (at < 0) at = 0;
        if (length > *bytes - at) length = *bytes - at;
        status = un_files_read_at(fd, path, buffer, (size_t)length, at);
        XXH3_128bits_update(&state, buffer, (size_t)length);
    }
    *digest = canonical(XXH3_128bits_digest(&state));
    un_free(buffer);
    return status;
}

static enum un_status digest_path(const char *path, int64_t *bytes, struct un_digest *digest,
                                  enum un_status (*body)(int fd, const char *path, int64_t *bytes,
                                                         struct un_digest *digest,
                                                         const struct listener *listener),
                                  const struct listener *listener) {
    int fd;
    UN_TRY(un_files_open(path, &fd));
    enum un_status status = body(fd, path, bytes, digest, listener);
    close(fd);
    return status;
}

enum un_status un_digest_sample(const char *path, int64_t *bytes, struct un_digest *digest) {
    return digest_path(path, bytes, digest, digest_pieces, NULL);
}

enum un_status un_digest_file(const char *path, int64_t *bytes, struct un_digest *digest) {
    return un_digest_file_told(path, bytes, digest, NULL, NULL);
}

enum un_status un_digest_file_told(const char *path, int64_t *bytes, struct un_digest *digest,
                                   void (*told)(void *context, int64_t bytes), void *context) {
    const struct listener listener = {told, context};
    return digest_path(path, bytes, digest, digest_open_file, &listener);
}

int64_t un_digest_block_count(int64_t total) {
    return un_param_blocks(total);
}

void un_digest_blocks(struct un_digest *digests, const float *values, int64_t total, int64_t first,
                      int64_t after) {
    for (int64_t block = first; block < after; ++block) {
        int64_t at = block * UN_PARAM_BLOCK,
                count = total - at < UN_PARAM_BLOCK ? total - at : UN_PARAM_BLOCK;
        digests[block - first] = un_digest_of(values + at, (size_t)count * sizeof *values);
    }
}

struct un_digest un_digest_of_buffers(const float *const *buffers, int n, int64_t total, int64_t block) {
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    for (int i = 0; i < n; ++i)
        for (int64_t at = 0; at < total; at += block) {
            int64_t count = total - at < block ? total - at : block;
            struct un_digest one = un_digest_of(buffers[i] + at, (size_t)count * sizeof(float));
            XXH3_128bits_update(&state, one.bytes, sizeof one.bytes);
        }
    return canonical(XXH3_128bits_digest(&state));
}

/* Adds the bytes [begin, end) of a file. */
static enum un_status add_bytes(XXH3_state_t *state, int fd, const char *path, int64_t begin, int64_t end,
                                char *buffer) {
    while (begin < end) {
        size_t want = end - begin < READ_BYTES ? (size_t)(end - begin) : READ_BYTES;
        ssize_t got = pread(fd, buffer, want, begin);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return un_fail(UN_IO, "%s: cannot read: %s", path, strerror(errno));
        if (got == 0) return un_fail(UN_DATA, "%s: ends before byte %lld", path, (long long)end);
        XXH3_128bits_update(state, buffer, (size_t)got);
        begin += got;
    }
    return UN_OK;
}

enum un_status un_digest_outside(int fd, const char *path, int64_t bytes, const int64_t *at, int n,
                                 int64_t length, struct un_digest *digest) {
    char *buffer = un_alloc(READ_BYTES, 1, "reading a file for its digest");
    if (!buffer) return UN_MEMORY;
    enum un_status status = UN_OK;
    XXH3_state_t state;
    XXH3_128bits_reset(&state);
    int64_t from = 0;
    for (int i = 0; i <= n && status == UN_OK; ++i) {
        status = add_bytes(&state, fd, path, from, i < n ? at[i] : bytes, buffer);
        if (i < n) from = at[i] + length;
    }
    *digest = canonical(XXH3_128bits_digest(&state));
    un_free(buffer);
    return status;
}
