/* The end of a program (end.h). */
#include "launch/process/end.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void un_say(enum un_status status) {
    if (status == UN_OK) return;
    const char *text = un_error_get()->text;
    un_log(status == UN_STOPPED ? UN_LOG_WARN : UN_LOG_ERROR, "%s", text[0] ? text : un_status_text(status));
}

/* For the handler, so at file level. */
static volatile sig_atomic_t last_status;

static void leave(int number) {
    (void)number;
    _exit(last_status);
}

/* What libraries do at the end may hang: OpenBLAS joins threads that, short of memory, never answer. All that
 * matters is written by now. */
_Noreturn void un_end_within(enum un_status status, unsigned seconds) {
    if (fflush(NULL) != 0 && status == UN_OK) {
        status = UN_IO;
        un_log(UN_LOG_ERROR, "output could not be written: %m");
    }
    last_status = (sig_atomic_t)status;
    signal(SIGALRM, leave);
    alarm(seconds);
    exit(status);
}

_Noreturn void un_end(enum un_status status) {
    enum { CLEAN_UP_SECONDS = 20 };
    un_end_within(status, CLEAN_UP_SECONDS);
}

_Noreturn void un_end_now(enum un_status status, int rank, const char *text) {
    char line[4096]; /* PIPE_BUF: written whole */
    int length = snprintf(line, sizeof line, "uniter[%d] error: %s\n", rank, text);
    if (length >= (int)sizeof line) {
        length = (int)sizeof line;
        line[sizeof line - 1] = '\n';
    }
    struct pollfd out = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&out, 1, 1000) == 1 && write(STDERR_FILENO, line, (size_t)length) < 0) _exit(status);
    _exit(status);
}
