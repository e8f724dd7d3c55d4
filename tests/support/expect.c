#include "tests/support/expect.h"
#include "runtime/memory.h"
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Read by the leak sanitizer: libhdf5 loses a few of its own bytes when a file cannot be created, and fontconfig, under
 * Cairo, keeps what it has read of the fonts' configuration. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void) {
    return "leak:libhdf5\nleak:libfontconfig\n";
}

static char folder[256]; /* of this process */

const char *scratch_folder(void) {
    if (folder[0]) return folder;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/uniter_test_XXXXXX", base && base[0] ? base : "/tmp");
    if (!mkdtemp(folder)) fail_msg("cannot make a scratch folder %s", folder);
    return folder;
}

const char *scratch(const char *name) {
    static char paths[8][512]; /* a ring */
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder(), name);
    return path;
}

void scratch_remove(void) {
    struct dirent *entry;
    DIR *dir = folder[0] ? opendir(folder) : NULL;
    if (!dir) return;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            remove(scratch(entry->d_name));
    closedir(dir);
    rmdir(folder);
    folder[0] = '\0';
}

void expect_ok_at(enum un_status status, const char *expr, const char *file, int line) {
    if (status == UN_OK) return;
    print_error("%s:%d: %s: status %d: %s\n", file, line, expr, (int)status, un_error_get()->text);
    un_error_clear();
    _fail(file, line);
}

void expect_error_at(enum un_status status, enum un_status want, const char *expr, const char *file, int line,
                     const char *const *words) {
    char text[UN_ERROR_MAX];
    snprintf(text, sizeof text, "%s", un_error_get()->text);
    enum un_status recorded = un_error_get()->status;
    un_error_clear();
    if (status != want || recorded != want) {
        print_error("%s:%d: %s: status %d (recorded %d), not %d: %s\n", file, line, expr, (int)status,
                    (int)recorded, (int)want, text);
        _fail(file, line);
    }
    for (; *words; ++words)
        if (!strstr(text, *words)) {
            print_error("%s:%d: %s: \"%s\" does not say \"%s\"\n", file, line, expr, text, *words);
            _fail(file, line);
        }
}

int in_child(int (*body)(void *context), void *context, unsigned seconds) {
    static const int signals[] = {SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS};
    int how = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        for (size_t i = 0; i < sizeof signals / sizeof signals[0]; ++i) signal(signals[i], SIG_DFL);
        alarm(seconds);
        exit(body(context));
    }
    if (child < 0 || waitpid(child, &how, 0) != child) fail_msg("cannot fork");
    return how;
}

uint64_t live_blocks(void) {
    return un_memory_counts().live_blocks;
}
