/* Small made files, and no memory left behind. */
#ifndef UN_TESTS_UNIT_IO_CONVERT_TEXT_CASE_H
#define UN_TESTS_UNIT_IO_CONVERT_TEXT_CASE_H

#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static inline const char *file_of(const char *name, const char *text, size_t bytes) {
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
    return path;
}
#define FILE_OF(name, text) file_of(name, text, sizeof(text) - 1)

static inline int remove_scratch(void **state) {
    (void)state;
    scratch_remove();
    return 0;
}

static inline int no_memory_held(void **state) {
    (void)state;
    return live_blocks() == 0 ? 0 : -1;
}

#endif
