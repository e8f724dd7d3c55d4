/* A table of answers and, behind a zero byte, an answer: what is normal is short, has no mark, and single spaces. */
#include "io/convert/task/answers.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_task.h"

#include <string.h>
#include <unistd.h>

static void normal_of(const uint8_t *bytes, size_t n) {
    char *raw = un_alloc(n + 1, 1, "fuzz"), normal[UN_ANSWER_MAX + 1];
    if (!raw) return;
    memcpy(raw, bytes, n);
    if (un_answer_normal(raw, normal)) {
        size_t length = strlen(normal);
        if (length > UN_ANSWER_MAX || strpbrk(normal, ";/[]\"{}()=+\\_-><@`,?!\n\t") || strstr(normal, "  "))
            __builtin_trap();
        if (length && (normal[0] == ' ' || normal[length - 1] == ' ')) __builtin_trap();
    }
    un_free(raw);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64];
    struct un_answer_table table;
    size_t front, behind;
    un_log_set(0, UN_LOG_ERROR);
    const uint8_t *answer = cut_front(data, size, &front, &behind);
    int fd = memory_file(data, front, path);
    normal_of(answer, behind);
    if (fd >= 0 && un_answer_table_open(&table, path) == UN_OK) {
        for (int64_t i = 0; i < table.n; ++i)
            if (un_answer_table_find(&table, table.name[i]) != i) __builtin_trap();
        un_answer_table_close(&table);
    }
    un_error_clear();
    if (fd >= 0) close(fd);
    return 0;
}
