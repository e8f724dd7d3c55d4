#include "tests/support/weights_case.h"
#include "io/safetensors/safetensors.h"
#include "model/net/network.h"
#include "tests/support/expect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const struct un_dims weights_dims = {.vocab_size = 21,
                                     .hidden_size = 8,
                                     .num_hidden_layers = 2,
                                     .num_attention_heads = 2,
                                     .intermediate_size = 12,
                                     .max_position_embeddings = 16,
                                     .type_vocab_size = 2,
                                     .img_dim = 6,
                                     .img_label_dim = 5};

void weights_table(struct un_params *table) {
    expect_ok(un_model_params_build(table, &weights_dims));
}

float weights_value(const char *name, int64_t i) {
    uint32_t h = 7;
    for (; *name; ++name) h = h * 31 + (unsigned char)*name;
    return (float)((h % 1000) * 100 + (uint32_t)i) / 1024;
}

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    const struct weights_entry *e = (const struct weights_entry *)context + source;
    for (int64_t k = 0; k < count; ++k)
        out[k] = weights_value(e->values_of ? e->values_of : e->name, first + k);
    return UN_OK;
}

const char *weights_file(const char *file, const struct weights_entry *entries) {
    static struct un_st_new list[256];
    struct un_st_content c = {.list = list, .type = UN_ST_F32, .fill = fill, .context = (void *)entries};
    for (; entries[c.n].name; ++c.n)
        list[c.n] = (struct un_st_new){.name = entries[c.n].name,
                                       .rank = entries[c.n].rank,
                                       .shape = {entries[c.n].shape[0], entries[c.n].shape[1]},
                                       .source = c.n};
    const char *path = scratch(file);
    unlink(path);
    expect_ok(un_safetensors_write(path, &c));
    return path;
}

const char *weights_file_of(const char *file, const struct un_params *table,
                            void (*rename)(const char *ours, char theirs[256]),
                            const struct weights_entry *more) {
    static char names[256][256];
    static struct weights_entry entries[256];
    int64_t n = 0;
    for (int64_t i = 0; i < table->n; ++i) {
        const struct un_param *p = &table->list[i];
        rename(p->name, names[n]);
        if (!names[n][0]) continue;
        entries[n] = (struct weights_entry){names[n], p->name, {p->shape[0], p->shape[1]}, p->ndim};
        ++n;
    }
    for (; more && more->name; ++more) entries[n++] = *more;
    entries[n] = (struct weights_entry){0};
    return weights_file(file, entries);
}
