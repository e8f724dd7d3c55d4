/* HDF5 files: open and check, create, links, messages. With the other files h5_*.c the only code that calls
 * libhdf5.
 *
 * Files are hostile and HDF5 1.10 trusts them: what can be known from the superblock and the file's length is
 * checked here before the library parses anything. Source: HDF5 File Format Specification 3.0, section II.A. */
#include "io/disk/patience.h"
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Mutable because a lock is: see UN_H5_LOCKED. */
static pthread_mutex_t h5_mutex = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

int un_h5_lock(void) {
    pthread_mutex_lock(&h5_mutex);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* per thread in thread-safe builds, so every time */
    H5PLset_loading_state(0);              /* a file must not choose code to load */
    return 1;
}

void un_h5_unlock(int *locked) {
    (void)locked;
    pthread_mutex_unlock(&h5_mutex);
}

static herr_t keep_innermost(unsigned n, const H5E_error2_t *error, void *text) {
    if (n == 0) snprintf(text, 256, "%s", error->desc ? error->desc : "");
    return 0;
}

enum un_status un_h5_error_at(const char *source, int line, const struct un_h5 *file, const char *object,
                              const char *format, ...) {
    char what[512], reason[256] = "";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_innermost, reason);
    H5Eclear2(H5E_DEFAULT);
    if (un_error_get()->status == UN_MEMORY) return UN_MEMORY; /* of a callback of ours, inside HDF5 */
    const char *path = file->partial ? file->partial : file->path, *colon = object[0] ? ": " : "";
    if (file->io_errno)
        return un_fail_at(source, line, UN_IO, "%s: %s%s%s: %s", path, object, colon, what,
                          strerror(file->io_errno));
    return un_fail_at(source, line, UN_DATA, "%s: %s%s%s%s%s%s", path, object, colon, what,
                      reason[0] ? " (HDF5: " : "", reason, reason[0] ? ")" : "");
}

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
    f->fd = open(f->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (f->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", f->path, strerror(errno));
    if (fstat(f->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", f->path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return un_fail(UN_IO, "%s: is %s", f->path,
                       S_ISDIR(st.st_mode) ? "a folder, not a file" : "not a regular file");
    f->bytes = (int64_t)st.st_size;
    un_h5_refill(f);
    return check_superblock(f);
}

enum un_status un_h5_new(struct un_h5 **file, const char *path, bool write) {
    struct un_h5 *f = *file = un_alloc(1, sizeof *f, "an HDF5 file");
    if (!f) return UN_MEMORY;
    f->id = f->fd = -1;
    f->tries = 3;
    f->path = un_strdup(path);
    if (write) f->partial = un_format("%s.partial", path);
    return f->path && (!write || f->partial) ? UN_OK : UN_MEMORY;
}

static enum un_status check_complete(struct un_h5 *f) {
    int64_t complete = 0;
    bool has;
    UN_TRY(un_h5_has_attr(f, "", "complete", &has));
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
    f->fd = open(f->partial, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
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

void un_h5_close(struct un_h5 *f) {
    UN_H5_LOCKED;
    if (!f) return;
    f->dropped = true;
    if (f->id >= 0) H5Fclose(f->id);
    if (f->partial && f->fd >= 0) unlink(f->partial);
    if (f->fd >= 0) close(f->fd);
    un_free(f->path);
    un_free(f->partial);
    un_free(f);
}

void un_h5_set_tries(struct un_h5 *file, int tries) {
    if (file) file->tries = tries;
}

const char *un_h5_path(const struct un_h5 *file) {
    return file->path;
}

static enum un_h5_link link_of(const struct un_h5 *f, const char *prefix) {
    H5L_info_t info;
    if (H5Lexists(f->id, prefix, H5P_DEFAULT) <= 0) return UN_H5_ABSENT;
    if (H5Lget_info(f->id, prefix, &info, H5P_DEFAULT) < 0) return UN_H5_ABSENT;
    return info.type == H5L_TYPE_HARD ? UN_H5_HARD : UN_H5_FOREIGN;
}

enum un_h5_link un_h5_link(struct un_h5 *f, const char *name) {
    char prefix[UN_H5_NAME_MAX];
    size_t length = strlen(name);
    if (length == 0 || length >= sizeof prefix) return UN_H5_ABSENT;
    for (size_t i = 1; i <= length; ++i) {
        if (name[i] != '/' && name[i] != '\0') continue;
        memcpy(prefix, name, i);
        prefix[i] = '\0';
        enum un_h5_link link = link_of(f, prefix);
        if (link != UN_H5_HARD) return link;
        if (name[i] == '/' && un_h5_check_filters(f, prefix) != UN_OK) { /* HDF5 would decode it on its way */
            un_error_clear();
            return UN_H5_ABSENT;
        }
    }
    return UN_H5_HARD;
}

enum un_status un_h5_object(struct un_h5 *f, const char *name, hid_t *object) {
    bool root = name[0] == '\0' || strcmp(name, "/") == 0;
    un_h5_refill(f);
    enum un_h5_link link = root ? UN_H5_HARD : un_h5_link(f, name);
    if (link == UN_H5_ABSENT) return un_fail(UN_DATA, "%s: %s is missing", f->path, name);
    if (link == UN_H5_FOREIGN)
        return un_fail(UN_DATA, "%s: %s is a soft or external link, which is refused", f->path, name);
    if (!root) UN_TRY(un_h5_check_filters(f, name));
    *object = H5Oopen(f->id, root ? "/" : name, H5P_DEFAULT);
    return *object < 0 ? un_h5_error(f, name, "cannot open") : UN_OK;
}

bool un_h5_exists(struct un_h5 *f, const char *name) {
    UN_H5_LOCKED;
    return un_h5_link(f, name) == UN_H5_HARD && H5Oexists_by_name(f->id, name, H5P_DEFAULT) > 0;
}

bool un_h5_has_link(struct un_h5 *f, const char *name) {
    UN_H5_LOCKED;
    return un_h5_link(f, name) != UN_H5_ABSENT;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum un_status name_at(const struct un_h5 *f, const char *group_name, hid_t group, hsize_t i,
                              char **name) {
    char text[UN_H5_NAME_MAX];
    ssize_t length =
        H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_NATIVE, i, text, sizeof text, H5P_DEFAULT);
    if (length < 0 || length >= (ssize_t)sizeof text)
        return un_h5_error(f, group_name, "cannot read the name of child %llu", (unsigned long long)i);
    *name = un_strdup(text);
    return *name ? UN_OK : UN_MEMORY;
}

enum un_status un_h5_names(struct un_h5 *f, const char *group_name, char ***names, int64_t *n) {
    UN_H5_LOCKED;
    enum un_status status = UN_OK;
    H5G_info_t info = {0};
    hid_t group = -1;
    *names = NULL;
    *n = 0;
    UN_TRY(un_h5_object(f, group_name, &group));
    if (H5Iget_type(group) != H5I_GROUP || H5Gget_info(group, &info) < 0)
        UN_TRY_GOTO(un_h5_error(f, group_name, "not a group"), out);
    if (!f->partial && info.nlinks > (hsize_t)f->bytes)
        UN_TRY_GOTO(un_h5_error(f, group_name, "%llu children in %lld bytes", (unsigned long long)info.nlinks,
                                (long long)f->bytes),
                    out);
    *names = un_alloc((size_t)info.nlinks + 1, sizeof **names, "names of an HDF5 group");
    if (!*names) UN_TRY_GOTO(UN_MEMORY, out);
    for (; *n < (int64_t)info.nlinks; ++*n)
        UN_TRY_GOTO(name_at(f, group_name, group, (hsize_t)*n, *names + *n), out);
    qsort(*names, (size_t)*n, sizeof **names, compare_names);
out:
    H5Oclose(group);
    if (status != UN_OK) {
        un_h5_names_free(*names, *n);
        *names = NULL;
        *n = 0;
    }
    return status;
}

void un_h5_names_free(char **names, int64_t n) {
    if (!names) return;
    for (int64_t i = 0; i < n; ++i) un_free(names[i]);
    un_free(names);
}
