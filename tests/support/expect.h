/* For tests of files: a scratch folder, and statements about a status and its message. */
#ifndef UN_TESTS_SUPPORT_EXPECT_H
#define UN_TESTS_SUPPORT_EXPECT_H

#include "runtime/status.h"

/* A folder of this process, made at the first call, emptied and removed by scratch_remove. */
const char *scratch_folder(void);
/* "FOLDER/name"; eight of them stay valid at a time. */
const char *scratch(const char *name);
void scratch_remove(void);

/* Fails the test with the message when status is not UN_OK. */
#define expect_ok(expr) expect_ok_at((expr), #expr, __FILE__, __LINE__)
void expect_ok_at(enum un_status status, const char *expr, const char *file, int line);
/* The status must be `want` and its message must contain each of the words (NULL-terminated); clears the
 * error. */
#define expect_error(expr, want, ...)                                                                        \
    expect_error_at((expr), (want), #expr, __FILE__, __LINE__, (const char *const[]){__VA_ARGS__, NULL})
void expect_error_at(enum un_status status, enum un_status want, const char *expr, const char *file, int line,
                     const char *const *words);
/* Runs body(context) in a child with an alarm of `seconds` and returns its wait status. cmocka's signal
 * handlers, which would go on with the tests in the child, are taken off; the child leaves through exit, so
 * that libraries end as in a program. */
int in_child(int (*body)(void *context), void *context, unsigned seconds);
/* No memory may be held: `live` from before. */
uint64_t live_blocks(void);

#endif
