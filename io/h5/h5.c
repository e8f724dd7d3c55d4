/* What every call of ours stands on: the lock, messages of errors, the open file as a thing. With the files
 * beside it the only code that calls libhdf5. */
#include "io/h5/private.h"
#include "runtime/memory.h"
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
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
    if (file->changed && un_version_check(&file->version, file->path, file->fd) != UN_OK) return UN_IO;
    if (file->changed)
        return un_fail_at(source, line, UN_IO, "%s: has changed while it was read", file->path);
    const char *path = file->partial ? file->partial : file->path, *colon = object[0] ? ": " : "";
    if (file->io_errno)
        return un_fail_at(source, line, UN_IO, "%s: %s%s%s: %s", path, object, colon, what,
                          strerror(file->io_errno));
    return un_fail_at(source, line, UN_DATA, "%s: %s%s%s%s%s%s", path, object, colon, what,
                      reason[0] ? " (HDF5: " : "", reason, reason[0] ? ")" : "");
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

const struct un_version *un_h5_version(const struct un_h5 *file) {
    return &file->version;
}
