/* The error record of a thread, and log lines.
 *
 * Law: the first failure of a thread stays until un_error_clear(). Failures that only an own bug or the
 * machine can cause (INTERNAL, MEMORY) also name the line of source; the others name what the user can change
 * instead. */
#include "runtime/status.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Mutable because it is the record itself; one per thread, so that no lock is needed and a loader's failure
 * does not hide the one of the training thread. */
static _Thread_local struct un_error current;

/* Mutable because ranks are known only after start-up; written by un_log_set before other threads exist. */
static int log_rank = 0;
static enum un_log_level log_level = UN_LOG_INFO;
/* Mutable because the terminal is one for all threads. */
static atomic_bool log_over = false;

/* __FILE__ may carry the build machine's folder; what it shares with this file's own name is cut off. */
static const char *source_name(const char *file) {
    static const char self[] = __FILE__, tail[] = "runtime/status.c";
    if (sizeof self < sizeof tail) return file;
    size_t root = sizeof self - sizeof tail;
    return strncmp(file, self, root) == 0 ? file + root : file;
}

enum un_status un_fail_at(const char *file, int line, enum un_status status, const char *format, ...) {
    if (current.status != UN_OK) return status;
    current.status = status;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(current.text, sizeof current.text, format, args);
    va_end(args);
    bool ours = status == UN_INTERNAL || status == UN_MEMORY;
    if (ours && length >= 0 && (size_t)length < sizeof current.text) {
        size_t used = (size_t)length;
        snprintf(current.text + used, sizeof current.text - used, " [%s:%d]", source_name(file), line);
    }
    return status;
}

const struct un_error *un_error_get(void) {
    return &current;
}

void un_error_clear(void) {
    current.status = UN_OK;
    current.text[0] = '\0';
}

enum un_status un_error_adopt(const struct un_error *error) {
    if (current.status == UN_OK && error != &current) current = *error;
    return error->status;
}

const char *un_status_text(enum un_status status) {
    switch (status) {
#define UN_STATUS_CASE(name, code, text)                                                                     \
    case UN_##name: return text;
        UN_STATUS_LIST(UN_STATUS_CASE)
#undef UN_STATUS_CASE
    }
    return "unknown status";
}

void un_assert_failed(const char *file, int line, const char *cond) {
    fprintf(stderr, "uniter[%d] own bug: %s is false [%s:%d]\n", log_rank, cond, source_name(file), line);
    abort();
}

void un_log_set(int rank, enum un_log_level level) {
    log_rank = rank;
    log_level = level;
}

void un_log(enum un_log_level level, const char *format, ...) {
    if (level > log_level || (level == UN_LOG_INFO && log_rank != 0)) return;
    static const char *const mark[] = {"error: ", "warning: ", "", "debug: "};
    char line[UN_ERROR_MAX + 64];
    const char *erase = un_log_over(false) ? "\r\033[J" : "";
    int head = snprintf(line, sizeof line, "%suniter[%d] %s", erase, log_rank, mark[level]);
    size_t used = (size_t)head, room = sizeof line - 1; /* one byte is kept for the line's end */
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line + used, room - used, format, args);
    va_end(args);
    if (length > 0) used += (size_t)length < room - used ? (size_t)length : room - used - 1;
    line[used++] = '\n';
    fwrite(line, 1, used, stderr); /* one call: lines of several threads and ranks stay whole */
}

bool un_log_over(bool line) {
    return atomic_exchange(&log_over, line);
}
