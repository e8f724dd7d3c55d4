/* Status codes and error messages.
 *
 * Every function that can fail returns enum un_status. The first failure of a thread is recorded with its
 * message by un_fail(); later ones on the way out do not overwrite it. Only launch/ ends the process, with
 * the exit code of the status (sysexits.h). Messages name file, key, row or rank, and the values. */
#ifndef UN_RUNTIME_STATUS_H
#define UN_RUNTIME_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, exit code, meaning */
#define UN_STATUS_LIST(X)                                                                                    \
    X(OK, 0, "done")                                                                                         \
    X(USAGE, 64, "usage or configuration error")                                                             \
    X(DATA, 65, "bad data")                                                                                  \
    X(INTERNAL, 70, "internal error")                                                                        \
    X(MEMORY, 71, "out of memory")                                                                           \
    X(IO, 74, "input/output error")                                                                          \
    X(STOPPED, 75, "stopped early by a signal after a checkpoint")

enum un_status {
#define UN_STATUS_ENUM(name, code, text) UN_##name = code,
    UN_STATUS_LIST(UN_STATUS_ENUM)
#undef UN_STATUS_ENUM
};

#define UN_ERROR_MAX 1024

/* The error of one thread. Owned by the thread; copied to hand it to another. */
struct un_error {
    enum un_status status;
    char text[UN_ERROR_MAX];
};

/* Records `status` with a printf message unless an error is already recorded in this thread. Returns status. */
#define un_fail(status, ...) un_fail_at(__FILE__, __LINE__, (status), __VA_ARGS__)
enum un_status un_fail_at(const char *file, int line, enum un_status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The recorded error of this thread; status UN_OK and "" when there is none. */
const struct un_error *un_error_get(void);
void un_error_clear(void);
/* Records another thread's error in this one (unless one is recorded). Returns its status. */
enum un_status un_error_adopt(const struct un_error *error);

const char *un_status_text(enum un_status status);

#define UN_TRY(expr)                                                                                         \
    do {                                                                                                     \
        enum un_status un_try_status_ = (expr);                                                              \
        if (un_try_status_ != UN_OK) return un_try_status_;                                                  \
    } while (0)

/* Needs `enum un_status status` in scope; the first error wins. */
#define UN_TRY_GOTO(expr, label)                                                                             \
    do {                                                                                                     \
        status = (expr);                                                                                     \
        if (status != UN_OK) goto label;                                                                     \
    } while (0)

/* Own bugs only (never files, users, MPI, devices). Compiled out with NDEBUG. */
#ifdef NDEBUG
#define UN_ASSERT(cond) ((void)0)
#else
#define UN_ASSERT(cond) ((cond) ? (void)0 : un_assert_failed(__FILE__, __LINE__, #cond))
#endif
void un_assert_failed(const char *file, int line, const char *cond) __attribute__((noreturn));

/* Log lines go to stderr as "uniter[rank] text"; INFO only from rank 0, WARN and ERROR from every rank. */
enum un_log_level { UN_LOG_ERROR, UN_LOG_WARN, UN_LOG_INFO, UN_LOG_DEBUG };
void un_log_set(int rank, enum un_log_level level);
void un_log(enum un_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Says whether a line that is drawn anew in place stands on the terminal, with the cursor at its beginning; returns whether
 * one stood there. The next line of the log takes its place. Thread-safe. */
bool un_log_over(bool line);

#ifdef __cplusplus
}
#endif
#endif
