/* A whole safetensors file: its header, then its tensors into small tables by both kinds of names, of pretraining and of a task
 * for which types, words and ranks grow; then the table of statistics and a comparison with itself. */
#include "io/weights/tools.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

enum { WORDS = 3, WIDTH = 4, PERSONS = 81 };

static bool build(struct un_params *table, bool grown) {
    int64_t words = grown ? WORDS + PERSONS : WORDS, types = grown ? 4 : 2;
    un_params_add(table, "uniter.embeddings.word_embeddings.weight", words, WIDTH, UN_INIT_NORMAL, false);
    un_params_add(table, "uniter.embeddings.token_type_embeddings.weight", types, WIDTH, UN_INIT_NORMAL,
                  false);
    un_params_add(table, "itm_output.weight", 2, WIDTH, UN_INIT_NORMAL, false);
    un_params_add(table, "itm_output.bias", 2, 0, UN_INIT_ZERO, false);
    if (grown) {
        un_params_add(table, "rank_output.weight", 1, WIDTH, UN_INIT_NORMAL, false);
        un_params_add(table, "rank_output.bias", 1, 0, UN_INIT_ZERO, false);
    }
    un_params_add(table, "uniter.img_embeddings.img_linear.weight", WIDTH, 2, UN_INIT_NORMAL, false);
    un_params_add(table, "uniter.pooler.dense.bias", WIDTH, 0, UN_INIT_ZERO, false);
    return un_params_add(table, "cls.predictions.bias", words, 0, UN_INIT_ZERO, false) >= 0;
}

static void ignore_line(void *context, const char *text) {
    (void)context;
    (void)text;
}

static void load(const struct un_weights_view *view, const struct un_params *table) {
    struct un_weights_plan plan = {0};
    float *values = un_alloc((size_t)table->total, sizeof *values, "fuzz");
    if (values && un_weights_plan_open(&plan, view, table, UN_FIT_START) == UN_OK) {
        un_weights_plan_tell(&plan, ignore_line, NULL);
        un_weights_load(&plan, values);
    }
    un_error_clear();
    un_weights_plan_close(&plan);
    un_free(values);
}

static void use(const struct un_weights_view *view, FILE *sink) {
    bool equal;
    for (int grown = 0; grown < 2; ++grown) {
        struct un_params table = {0};
        if (build(&table, grown)) load(view, &table);
        un_params_free(&table);
    }
    un_error_clear();
    un_weights_show(view, sink);
    un_error_clear();
    un_weights_diff(view, view, 0, sink, &equal);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static FILE *sink; /* opened once: the process has one */
    char path[64];
    struct un_weights_view view = {0};
    if (!sink) {
        sink = fopen("/dev/null", "w");
        un_log_set(0, UN_LOG_ERROR);
    }
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || !sink) return 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (write(fd, data, size) == (ssize_t)size && un_weights_view_open(&view, path) == UN_OK)
        use(&view, sink);
    un_weights_view_close(&view);
    un_error_clear();
    close(fd);
    return 0;
}
