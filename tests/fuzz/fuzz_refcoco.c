/* Referring expressions: instances, the order of annotations, and the pickle, parted by zero bytes. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_task.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct un_task_how none = {0};
    char path[3][64];
    struct un_task_source *source = NULL;
    size_t first, second, third, rest;
    un_log_set(0, UN_LOG_ERROR);
    const uint8_t *b = cut_front(data, size, &first, &rest), *c = cut_front(b, rest, &second, &third);
    int fd[3] = {memory_file(data, first, path[0]), memory_file(b, second, path[1]),
                 memory_file(c, third, path[2])};
    if (fd[0] >= 0 && fd[1] >= 0 && fd[2] >= 0 &&
        un_task_source_refcoco(&source, path[2], path[0], second ? path[1] : NULL, &none) == UN_OK)
        use_task(source);
    un_error_clear();
    for (int i = 0; i < 3; ++i)
        if (fd[i] >= 0) close(fd[i]);
    return 0;
}
