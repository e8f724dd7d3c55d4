/* Annotations of tasks: the first byte of the input picks the form, the rest is the file; behind a zero byte stands
 * a second one: the annotations of VQA, the missing images of NLVR2. */
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/use_task.h"

#include <unistd.h>

static const char *names[] = {"a", "red", "2", "yes"};

static enum un_status open_form(struct un_task_source **source, int form, const char *path,
                                const char *second) {
    static struct un_answer_table table; /* made once */
    static const struct un_task_how none = {0}, mine = {"x_NAME_NUMBER", NULL, "val", false};
    int64_t first, twice;
    if (!table.n) {
        table = (struct un_answer_table){.name = names, .n = 4};
        if (un_idmap_open(&table.map, names, 4, &first, &twice) != UN_OK) __builtin_trap();
    }
    switch (form % 6) {
    case 0: return un_task_source_vqa(source, path, second, &table, &none);
    case 1: return un_task_source_ve(source, path, &none);
    case 2: return un_task_source_nlvr2(source, path, second, &none);
    case 3: return un_task_source_vcr(source, path, NULL, &none);
    case 4: return un_task_source_retrieval(source, path, &none);
    default: return un_task_source_retrieval(source, path, &mine);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char path[64], second[64];
    struct un_task_source *source = NULL;
    size_t front, behind;
    un_log_set(0, UN_LOG_ERROR);
    if (size < 1) return 0;
    const uint8_t *rest = cut_front(data + 1, size - 1, &front, &behind);
    int a = memory_file(data + 1, front, path), b = memory_file(rest, behind, second);
    if (a >= 0 && b >= 0 && open_form(&source, data[0], path, behind ? second : NULL) == UN_OK)
        use_task(source);
    un_error_clear();
    if (a >= 0) close(a);
    if (b >= 0) close(b);
    return 0;
}
