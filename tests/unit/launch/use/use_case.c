/* See use_case.h. */
#include "tests/unit/launch/use/use_case.h"

#include "io/safetensors/safetensors.h"
#include "model/net/network.h"
#include "runtime/memory.h"
#include "tests/support/expect.h"
#include "tests/support/weights_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct world use_world;
char use_weights[256];
static char text[256], images[256];
static char *text_list[] = {text}, *image_list[] = {images};

struct drawn {
    struct un_params table;
    float *values;
};

static enum un_status fill(void *context, int64_t source, int64_t first, int64_t count, float *out) {
    const struct drawn *d = context;
    memcpy(out, d->values + d->table.list[source].offset + first, (size_t)count * sizeof *out);
    return UN_OK;
}

/* Drawn as for a training, but wider, so that pairs differ. */
static void write_weights(const struct un_dims *dims) {
    struct drawn d = {0};
    struct un_st_new list[128];
    struct un_st_content content = {.list = list, .type = UN_ST_F32, .fill = fill, .context = &d};
    expect_ok(un_model_params_build(&d.table, dims));
    assert_true(d.table.n <= 128);
    d.values = un_alloc((size_t)d.table.total, sizeof *d.values, "test");
    un_params_init(&d.table, d.values, 1, 0.3f);
    for (int64_t i = 0; i < d.table.n; ++i) {
        const struct un_param *p = &d.table.list[i];
        list[content.n++] = (struct un_st_new){
            .name = p->name, .rank = p->ndim, .shape = {p->shape[0], p->shape[1]}, .source = i};
    }
    snprintf(use_weights, sizeof use_weights, "%s", scratch("weights"));
    expect_ok(un_safetensors_write(use_weights, &content));
    un_free(d.values);
    un_params_free(&d.table);
}

int use_open(void **state) {
    (void)state;
    struct world_spec spec = {.files = make_files_default(), .mix = {1}};
    struct un_dims dims = weights_dims;
    spec.files.prefix = "a";
    spec.files.images = USE_IMAGES;
    world_open(&use_world, &spec, 1, 1, false);
    const struct un_dataset_info *info = un_dataset_info(use_world.datasets[0]);
    dims.vocab_size = info->vocab.vocab_size;
    dims.img_dim = info->img_dim;
    if (info->img_label_dim > 1) dims.img_label_dim = info->img_label_dim;
    dims.max_position_embeddings = 64;
    write_weights(&dims);
    snprintf(text, sizeof text, "%s/a.txt.h5", use_world.folder);
    snprintf(images, sizeof images, "%s/a.img.h5", use_world.folder);
    return setenv("TMPDIR", use_world.folder, 1);
}

struct un_use_keys use_keys(void) {
    return (struct un_use_keys){.device = 1, /* cpu */
                                .precision = UN_USE_FP32,
                                .threads = 1,
                                .tokens = 60,
                                .num_attention_heads = 2,
                                .text = {text_list, 1},
                                .images = {image_list, 1},
                                .conf_th = 0,
                                .min_bb = 1,
                                .max_bb = 100,
                                .num_bb = 36,
                                .max_txt_len = 60};
}

int use_close(void **state) {
    (void)state;
    world_close(&use_world);
    scratch_remove();
    return 0;
}
