/* The way of HDF5's bytes to and from the system: a virtual file driver of our own over one file descriptor.
 *
 * Two laws that HDF5's own driver does not keep. A read outside the file's length is an error (HDF5 reads
 * zeros there), and so is a call that reads metadata in circles. A read that fails is tried again here and
 * nowhere above: HDF5 takes a block that it failed to read for one that it holds, and gives what lay in
 * memory. A write never fails for HDF5: the first failure is kept in the file (io_errno), later writes are
 * dropped, and our functions report it; HDF5 1.10 crashes or hangs at the end of the process when it could
 * not write what it holds. Source: HDF5 Virtual File Layer, H5FDpublic.h. */
#include "io/disk/calls.h"
#include "io/disk/patience.h"
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#if H5_VERSION_GE(1, 14, 0)
#include <H5FDdevelop.h>
#define DRIVER_VERSION .version = H5FD_CLASS_VERSION, .value = 600,
#else
#define DRIVER_VERSION
#endif

struct driver {
    H5FD_t shared; /* HDF5's part: first */
    struct un_h5 *file;
    haddr_t end; /* what HDF5 believes to be the end of its addresses */
};

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t fapl, haddr_t max_address) {
    (void)name, (void)flags, (void)max_address;
    struct un_h5 *const *file = H5Pget_driver_info(fapl);
    struct driver *d = file ? un_alloc(1, sizeof *d, "an HDF5 driver") : NULL;
    if (d) d->file = *file;
    return (H5FD_t *)d;
}

static herr_t driver_close(H5FD_t *driver) {
    un_free(driver); /* the descriptor is the file's */
    return 0;
}

/* Files for reading go without HDF5's accumulator of metadata: it takes an address near 2^64 for one that it
 * holds, since the sum with the length wraps, and copies from a null pointer. */
static herr_t driver_query(const H5FD_t *driver, unsigned long *flags) {
    const struct driver *d = (const struct driver *)driver;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
    if (d && d->file->partial) *flags |= H5FD_FEAT_ACCUMULATE_METADATA;
    return 0;
}

static haddr_t driver_get_eoa(const H5FD_t *driver, H5FD_mem_t type) {
    (void)type;
    return ((const struct driver *)driver)->end;
}

static herr_t driver_set_eoa(H5FD_t *driver, H5FD_mem_t type, haddr_t address) {
    (void)type;
    ((struct driver *)driver)->end = address;
    return 0;
}

static haddr_t driver_get_eof(const H5FD_t *driver, H5FD_mem_t type) {
    (void)type;
    return (haddr_t)((const struct driver *)driver)->file->bytes;
}

/* What HDF5 reads back of its own dropped writes does not matter; it must only not stumble over it. */
static herr_t read_back(const struct un_h5 *f, haddr_t address, size_t size, void *buffer) {
    ssize_t got = pread(f->fd, buffer, size, (off_t)address);
    if (got < 0) got = 0;
    memset((char *)buffer + got, 0, size - (size_t)got);
    return 0;
}

/* Heaps whose sizes HDF5 would believe: of texts, and of a group's names. */
static bool heaps_fit(const struct un_h5 *f, H5FD_mem_t type, haddr_t address, size_t size,
                      const void *buffer) {
    if (f->texts && size >= 16 && memcmp(buffer, "GCOL", 4) == 0) return un_h5_heap_fits(f, address, buffer);
    bool names = type != H5FD_MEM_DRAW && size >= 32 && memcmp(buffer, "HEAP", 4) == 0;
    return !names || un_h5_names_fit(f, buffer);
}

static herr_t driver_read(H5FD_t *driver, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                          void *buffer) {
    (void)transfer;
    struct un_h5 *f = ((struct driver *)driver)->file;
    if (f->partial) return read_back(f, address, size, buffer);
    if (address > (haddr_t)f->bytes || size > (haddr_t)f->bytes - address) return -1;
    if (type != H5FD_MEM_DRAW && (f->metadata_left -= (int64_t)size) < 0) return -1;
    int64_t got = un_patience_pread(f->path, f->fd, buffer, size, (int64_t)address, f->tries);
    if (got != (int64_t)size) {
        f->io_errno = got < 0 ? errno : EIO; /* the file has become shorter since it was opened */
        return -1;
    }
    if (un_version_check(&f->version, f->path, f->fd) != UN_OK) {
        f->changed = true;
        return -1;
    }
    return heaps_fit(f, type, address, size, buffer) ? 0 : -1;
}

static herr_t driver_write(H5FD_t *driver, H5FD_mem_t type, hid_t transfer, haddr_t address, size_t size,
                           const void *buffer) {
    (void)type, (void)transfer;
    struct un_h5 *f = ((struct driver *)driver)->file;
    for (size_t done = 0; done < size && f->io_errno == 0 && !f->dropped;) {
        ssize_t put = pwrite(f->fd, (const char *)buffer + done, size - done, (off_t)(address + done));
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) f->io_errno = errno;
        done += put > 0 ? (size_t)put : 0;
    }
    if ((int64_t)(address + size) > f->bytes) f->bytes = (int64_t)(address + size);
    return 0;
}

static herr_t driver_truncate(H5FD_t *driver, hid_t transfer, hbool_t closing) {
    (void)transfer, (void)closing;
    const struct driver *d = (const struct driver *)driver;
    struct un_h5 *f = d->file;
    if (!f->partial || f->dropped || f->io_errno) return 0;
    if (un_calls_ftruncate(f->fd, (int64_t)d->end) != 0) f->io_errno = errno;
    f->bytes = (int64_t)d->end;
    return 0;
}

static const H5FD_class_t driver_class = {
    DRIVER_VERSION.name = "uniter",
    .maxaddr = INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(struct un_h5 *),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_eoa,
    .set_eoa = driver_set_eoa,
    .get_eof = driver_get_eof,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

hid_t un_h5_access_list(struct un_h5 *file) {
    static hid_t driver = -1; /* registered once a process; un_h5_lock is held */
    hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    if (driver < 0) driver = H5FDregister(&driver_class);
    /* From 1.8 on, metadata carries checksums: a flipped bit is found instead of believed. */
    if (fapl >= 0 && driver >= 0 && H5Pset_driver(fapl, driver, &file) >= 0 &&
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0 &&
        H5Pset_libver_bounds(fapl, H5F_LIBVER_V18, H5F_LIBVER_V110) >= 0)
        return fapl;
    if (fapl >= 0) H5Pclose(fapl);
    return -1;
}
