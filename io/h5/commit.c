/* The end of a new file: committed under its name, or set aside as PATH.partial to be taken up again.
 *
 * Law: PATH is complete or absent; what has the name was on the disk before. */
#include "io/disk/calls.h"
#include "io/disk/files.h"
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum un_status un_h5_written(const struct un_h5 *f, const char *object) {
    return f->io_errno ? un_h5_error(f, object, "cannot write") : UN_OK;
}

static enum un_status sync_file(int fd, const char *path) {
    if (un_calls_fsync(fd) == 0 || errno == EINVAL)
        return UN_OK; /* EINVAL: what cannot be synced has no need of it */
    return un_fail(UN_IO, "%s: fsync: %s", path, strerror(errno));
}

enum un_status un_h5_set_aside(struct un_h5 *f) {
    UN_H5_LOCKED;
    UN_ASSERT(f->partial && f->id >= 0);
    hid_t id = f->id;
    enum un_status status = UN_OK;
    f->id = -1;
    if (H5Fclose(id) < 0) status = un_h5_error(f, "", "cannot write");
    if (status == UN_OK) status = un_h5_written(f, "");
    if (status == UN_OK) status = sync_file(f->fd, f->partial);
    if (status == UN_OK) { /* from here on nobody removes it */
        un_free(f->partial);
        f->partial = NULL;
    }
    un_h5_close(f);
    return status;
}

/* The checks of a file for reading, under the partial name; then the same for writing. */
static enum un_status take_up(struct un_h5 *f) {
    struct un_h5 *checked = NULL;
    UN_TRY(un_h5_open(&checked, f->partial, false));
    f->bytes = checked->bytes;
    un_h5_close(checked);
    f->fd = un_calls_open(f->partial, O_RDWR | O_CLOEXEC);
    if (f->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", f->partial, strerror(errno));
    hid_t fapl = un_h5_access_list(f);
    if (fapl >= 0) f->id = H5Fopen(f->partial, H5F_ACC_RDWR, fapl);
    enum un_status status = f->id < 0 ? un_h5_error(f, "", "cannot open as HDF5") : UN_OK;
    if (fapl >= 0) H5Pclose(fapl);
    return status;
}

enum un_status un_h5_take_up(struct un_h5 **file, const char *path) {
    UN_H5_LOCKED;
    struct un_h5 *f;
    enum un_status status = un_h5_new(&f, path, true);
    if (status == UN_OK) status = take_up(f);
    if (status != UN_OK) un_h5_close(f);
    *file = status == UN_OK ? f : NULL;
    return status;
}

enum un_status un_h5_commit(struct un_h5 *f) {
    UN_H5_LOCKED;
    UN_ASSERT(f->partial && f->id >= 0);
    if (H5Fflush(f->id, H5F_SCOPE_GLOBAL) < 0) return un_h5_error(f, "", "cannot write");
    UN_TRY(un_h5_put_attr_i64(f, "", "complete", 1));
    hid_t id = f->id;
    f->id = -1;
    if (H5Fclose(id) < 0) return un_h5_error(f, "", "cannot write");
    UN_TRY(un_h5_written(f, ""));
    UN_TRY(sync_file(f->fd, f->partial));
    if (rename(f->partial, f->path) != 0)
        return un_fail(UN_IO, "%s: cannot rename to %s: %s", f->partial, f->path, strerror(errno));
    un_free(f->partial);
    f->partial = NULL;
    return un_files_sync_folder_of(f->path);
}
