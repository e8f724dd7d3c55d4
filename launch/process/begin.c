/* The first lines of a program (begin.h). */
#include "launch/process/begin.h"

#include "launch/process/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* A missing /dev/null, as in a bare chroot, leaves a folder in its place: nothing can be read or written there. */
static void fill_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; ++fd) {
        if (fcntl(fd, F_GETFD) >= 0 || errno != EBADF) continue;
        if (open("/dev/null", O_RDWR) < 0) (void)!open("/", O_RDONLY | O_DIRECTORY);
    }
}

void un_begin(void) {
    fill_descriptors();
    un_signals_unblock();
}

void un_begin_held(void) {
    fill_descriptors();
    un_signals_hold();
}
