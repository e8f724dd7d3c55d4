#include "tests/fuzz/memory_file.h"
#include "runtime/status.h"

#include <sys/mman.h>
#include <unistd.h>

/* What libhdf5 forgets when it gives up a broken file is not ours. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libhdf5";
}

/* libhdf5 asks for as much memory as a file says (a local heap's size) before it finds that it cannot be
 * read. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) {
    return "allocator_may_return_null=1";
}

int memory_file(const uint8_t *data, size_t size, char path[64]) {
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) return -1;
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size) return fd;
    close(fd);
    return -1;
}

FILE *no_output(void) {
    static FILE *sink; /* opened once: the process has one */
    if (!sink) {
        sink = fopen("/dev/null", "w");
        un_log_set(0, UN_LOG_ERROR);
    }
    return sink;
}
