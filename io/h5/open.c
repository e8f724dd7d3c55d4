/* HDF5 files opened for reading and made for writing.
 *
 * Files are hostile and HDF5 1.10 trusts them: what can be known from the superblock and the file's length is
 * checked here before the library parses anything. Source: HDF5 File Format Specification 3.0, section II.A. */
#include "io/disk/calls.h"
#include "io/disk/patience.h"
#include "io/h5/private.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

/* What the superblock says; all addresses are 8 bytes, little endian. */
struct superblock {
    int version;
    uint64_t base, end, driver;
    uint64_t root, extension; /* addresses of object headers; UINT64_MAX: none */
};

static uint64_t get_u64(const unsigned char *p) {
    uint64_t v = 0;
    for (int i = 7; i >= 0; --i) v = v << 8 | p[i];
    return v;
}

static enum un_status parse_superblock(const char *path, const unsigned char *p, struct superblock *s) {
    s->version = p[8];
    s->driver = UINT64_MAX;
    int sizes = s->version <= 1 ? 13 : 9, addresses = s->version <= 1 ? (s->version == 0 ? 24 : 28) : 12;
    if (s->version > 3)
        return un_fail(UN_DATA, "%s: HDF5 superblock version %d is unknown", path, s->version);
    if (p[sizes] != 8 || p[sizes + 1] != 8)
        return un_fail(UN_DATA, "%s: HDF5 offsets of %d and lengths of %d bytes, not 8", path, p[sizes],
                       p[sizes + 1]);
    if (s->version == 3 && (p[11] & 5))
        return un_fail(UN_DATA, "%s: still open for writing, or its writer died (superblock flags %d)", path,
                       p[11]);
    s->base = get_u64(p + addresses);
    s->end = get_u64(p + addresses + 16);
    if (s->version <= 1) s->driver = get_u64(p + addresses + 24);
    s->root = get_u64(p + addresses + (s->version <= 1 ? 40 : 24));
    s->extension = s->version <= 1 ? UINT64_MAX : get_u64(p + addresses + 8);
    return UN_OK;
}

static enum un_status check_superblock(struct un_h5 *f) {
    const char *path = f->path;
    int64_t bytes = f->bytes;
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char head[96] = {0};
    struct superblock s = {0};
    int64_t got = un_patience_pread(path, f->fd, head, sizeof head, 0, f->tries);
    if (got < 0) return un_fail(UN_IO, "%s: cannot read: %s", path, strerror(errno));
    if (got < (int64_t)sizeof head)
        return un_fail(UN_DATA, "%s: %lld bytes are too few for an HDF5 file", path, (long long)bytes);
    if (memcmp(head, signature, sizeof signature) != 0) return un_fail(UN_DATA, "%s: not an HDF5 file", path);
    UN_TRY(parse_superblock(path, head, &s));
    if (s.base != 0 || s.driver != UINT64_MAX)
        return un_fail(UN_DATA, "%s: not a plain HDF5 file (base address %llu, driver block %llx)", path,
                       (unsigned long long)s.base, (unsigned long long)s.driver);
    if (s.end > (uint64_t)bytes)
        return un_fail(UN_DATA, "%s: truncated: %lld bytes long, its superblock says %llu", path,
                       (long long)bytes, (unsigned long long)s.end);
    /* HDF5 takes the memory that these headers ask for */
    if (s.extension != UINT64_MAX) UN_TRY(un_h5_check_header(f, "superblock", s.extension));
    return un_h5_check_header(f, "/", s.root);
}

/* O_NONBLOCK: a fifo in the place of a file must not hang us. */
static enum un_status open_for_reading(struct un_h5 *f) {
    struct stat st;
    f->fd = un_calls_open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (f->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", f->path, strerror(errno));
    if (fstat(f->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return un_fail(UN_IO, "%s: is %s", f->path,
                       S_ISDIR(st.st_mode) ? "a folder, not a file" : "not a regular file");
    UN_TRY(un_version_of(&f->version, f->path, f->fd));
    f->bytes = f->version.bytes;
    un_h5_refill(f);
    return check_superblock(f);
}

static enum un_status check_complete(struct un_h5 *f) {
    int64_t complete = 0;
    bool has;
    UN_TRY(un_h5_has_attr(f, "", "complete", &has));
    bool ours;
    if (!has) UN_TRY(un_h5_has_attr(f, "", "format", &ours));
    if (!has && !ours)
        return un_fail(
            UN_DATA,
            "%s: an HDF5 file, but none of uniter's (no attribute format); features and texts of others are "
            "brought over by `uniter data import`",
            f->path);
    if (!has)
        return un_fail(UN_DATA, "%s: attribute complete is missing: its writer did not finish", f->path);
    UN_TRY(un_h5_attr_i64(f, "", "complete", &complete));
    if (complete != 1)
        return un_fail(UN_DATA, "%s: attribute complete is %lld, not 1", f->path, (long long)complete);
    return UN_OK;
}

static enum un_status open_checked(struct un_h5 *f, bool need_complete) {
    UN_TRY(open_for_reading(f));
    hid_t fapl = un_h5_access_list(f);
    if (fapl >= 0) f->id = H5Fopen(f->path, H5F_ACC_RDONLY, fapl);
    enum un_status status = f->id < 0 ? un_h5_error(f, "", "cannot open as HDF5") : UN_OK;
    if (fapl >= 0) H5Pclose(fapl);
    return status == UN_OK && need_complete ? check_complete(f) : status;
}

enum un_status un_h5_open(struct un_h5 **file, const char *path, bool need_complete) {
    UN_H5_LOCKED;
    struct un_h5 *f;
    enum un_status status = un_h5_new(&f, path, false);
    if (status == UN_OK) status = open_checked(f, need_complete);
    if (status != UN_OK) un_h5_close(f);
    *file = status == UN_OK ? f : NULL;
    return status;
}

/* The root without its time of change: the same content makes the same bytes. */
static enum un_status open_for_writing(struct un_h5 *f) {
    f->fd = un_calls_open(f->partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC);
    if (f->fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", f->partial, strerror(errno));
    hid_t fapl = un_h5_access_list(f), fcpl = H5Pcreate(H5P_FILE_CREATE);
    /* no times inside: equal content, equal bytes */
    if (fapl >= 0 && fcpl >= 0 && H5Pset_obj_track_times(fcpl, false) >= 0)
        f->id = H5Fcreate(f->partial, H5F_ACC_TRUNC, fcpl, fapl);
    enum un_status status = f->id < 0 ? un_h5_error(f, "", "cannot create") : UN_OK;
    if (fapl >= 0) H5Pclose(fapl);
    if (fcpl >= 0) H5Pclose(fcpl);
    return status;
}

enum un_status un_h5_create(struct un_h5 **file, const char *path) {
    UN_H5_LOCKED;
    struct un_h5 *f;
    enum un_status status = un_h5_new(&f, path, true);
    if (status == UN_OK) status = open_for_writing(f);
    if (status != UN_OK) un_h5_close(f);
    *file = status == UN_OK ? f : NULL;
    return status;
}
