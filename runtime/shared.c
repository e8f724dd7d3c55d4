/* Shared memory of a host; see the header. */
#include "runtime/shared.h"
#include "runtime/memory.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Before the data. */
enum { HEAD = UN_ALIGN, SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE };
static const char name_of_all[] = "uniter";
static const char link_of_all[] = "/memfd:uniter (deleted)";

static bool fail(struct un_shared *s, char why[UN_SHARED_WHY], const char *what) {
    snprintf(why, UN_SHARED_WHY, "%s: %s", what, strerror(errno));
    un_shared_close(s);
    return false;
}

static void *start_of(const struct un_shared *s) {
    return (void *)((uintptr_t)s->data - HEAD);
}

static bool map(struct un_shared *s, int fd) {
    void *all = mmap(NULL, s->bytes + HEAD, PROT_READ, MAP_SHARED, fd, 0);
    s->data = all == MAP_FAILED ? NULL : (char *)all + HEAD;
    return s->data != NULL;
}

/* ---- who makes it ---- */

/* Some systems want it said that nobody will run it as a program; older ones do not know the word. */
static int new_file(void) {
    static const unsigned not_run = 0x8U; /* MFD_NOEXEC_SEAL */
    int fd = memfd_create(name_of_all, MFD_CLOEXEC | MFD_ALLOW_SEALING | not_run);
    return fd >= 0 || errno != EINVAL ? fd : memfd_create(name_of_all, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

static bool write_at(int fd, const void *data, size_t bytes, size_t at) {
    for (size_t done = 0; done < bytes;) {
        ssize_t n = pwrite(fd, (const char *)data + done, bytes - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return true;
}

bool un_shared_make(struct un_shared *s, char why[UN_SHARED_WHY]) {
    *s = (struct un_shared){0};
    int fd = new_file();
    if (fd < 0) return fail(s, why, "memfd_create");
    s->fd = fd;
    if (getrandom(s->token, sizeof s->token, 0) != (ssize_t)sizeof s->token) return fail(s, why, "getrandom");
    return write_at(fd, s->token, sizeof s->token, 0) || fail(s, why, "memfd");
}

bool un_shared_put(struct un_shared *s, const void *data, size_t bytes, char why[UN_SHARED_WHY]) {
    size_t at = (s->bytes + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
    if (!write_at(s->fd, data, bytes, HEAD + at)) return fail(s, why, "memfd");
    s->bytes = at + bytes;
    return true;
}

bool un_shared_seal(struct un_shared *s, struct un_shared_name *name, char why[UN_SHARED_WHY]) {
    if (fcntl(s->fd, F_ADD_SEALS, SEALS) != 0) return fail(s, why, "F_ADD_SEALS");
    if (!map(s, s->fd)) return fail(s, why, "mmap");
    *name = (struct un_shared_name){.pid = getpid(), .fd = s->fd, .bytes = (int64_t)s->bytes};
    memcpy(name->token, s->token, sizeof name->token);
    return true;
}

void un_shared_hide(struct un_shared *s) {
    if (s->fd > 0) close(s->fd);
    s->fd = 0;
}

/* ---- who finds it ---- */

/* What is opened by mistake is looked at, never read. */
static bool is_ours(int fd, const struct un_shared *s) {
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    return seals >= 0 && (seals & SEALS) == SEALS && fstat(fd, &st) == 0 &&
           st.st_size == (off_t)(s->bytes + HEAD);
}

/* The link is read first: opening a pipe, a terminal or a device of a stranger would do something to it. */
static int open_link(const char *path) {
    char link[sizeof link_of_all + 1] = "";
    if (readlink(path, link, sizeof link - 1) < 0) return -1;
    errno = ESTALE;
    return strcmp(link, link_of_all) == 0 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
}

bool un_shared_open(struct un_shared *s, const struct un_shared_name *name, char why[UN_SHARED_WHY]) {
    char path[64];
    *s = (struct un_shared){.bytes = (size_t)name->bytes};
    snprintf(path, sizeof path, "/proc/%lld/fd/%lld", (long long)name->pid, (long long)name->fd);
    int fd = open_link(path);
    if (fd < 0) return fail(s, why, path);
    errno = ESTALE;
    bool ours = is_ours(fd, s) && map(s, fd);
    close(fd);
    if (!ours) return fail(s, why, path);
    memcpy(s->token, start_of(s), sizeof s->token);
    errno = ESTALE;
    return memcmp(s->token, name->token, sizeof s->token) == 0 || fail(s, why, path);
}

void un_shared_close(struct un_shared *s) {
    if (s->data) munmap(start_of(s), s->bytes + HEAD);
    un_shared_hide(s);
    *s = (struct un_shared){0};
}
