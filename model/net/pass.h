/* What every function of one forward or backward is given, and views on it. Inside the wing only.
 *
 * Activations are buffers sized from caps; views on them (un_mat) have the real row counts of the batch. */
#ifndef UN_MODEL_NET_PASS_H
#define UN_MODEL_NET_PASS_H

#include "model/batch.h"
#include "model/dims.h"
#include "runtime/params.h"

struct un_fp8;

struct un_pass {
    const struct un_ops *ops;
    struct un_queue *q;
    const struct un_dims *dims;
    const struct un_batch *batch; /* device pointers */
    const float *params;          /* [P] */
    const void *low;              /* [P] bf16 copy of params for products and tables; NULL when act is f32 */
    enum un_type act;             /* of activations and their gradients: f32 or bf16 */
    const struct un_fp8 *fp8;     /* NULL: linear maps are not in fp8 */
    float *grads;                 /* [P], += ; NULL: forward only */
    uint64_t seed;
    double drop_prob; /* 0: no dropout in this pass */
};

/* Places where dropout happens; the number is part of what "same seed, same training" means. */
enum un_site { UN_SITE_TEXT, UN_SITE_IMAGE, UN_SITE_LAYERS };
enum un_layer_site { UN_SITE_PROBABILITIES, UN_SITE_ATTENTION, UN_SITE_OUTPUT, UN_SITES_OF_LAYER };

struct un_dropout un_pass_dropout(const struct un_pass *p, uint32_t site);
static inline uint32_t un_pass_site(int64_t layer, enum un_layer_site site) {
    return (uint32_t)(UN_SITE_LAYERS + layer * UN_SITES_OF_LAYER + site);
}

/* Appends tensor `name` to the table; *offset is its place. shape1 0: a vector. */
enum un_status un_pass_add(struct un_params *params, const char *name, int64_t shape0, int64_t shape1,
                           enum un_init init, int64_t *offset);

/* An activation. */
static inline struct un_mat un_pass_mat(const struct un_pass *p, const void *data, int64_t rows,
                                        int64_t cols) {
    return un_mat((void *)(uintptr_t)data, p->act, rows, cols);
}
/* [rows,cols] of the parameters in `type`, as a factor of a product with a matrix of it, or as rows of a table: the
 * f32 values, or their bf16 copy. */
static inline struct un_mat un_pass_weight(const struct un_pass *p, int64_t offset, int64_t rows,
                                           int64_t cols, enum un_type type) {
    const void *from = type == UN_F32 ? (const void *)(p->params + offset)
                                      : (const void *)((const uint16_t *)p->low + offset);
    return un_mat((void *)(uintptr_t)from, type, rows, cols);
}
/* [rows,cols] of the parameters, and of their gradients. */
static inline struct un_mat un_pass_param(const struct un_pass *p, int64_t offset, int64_t rows,
                                          int64_t cols) {
    return un_mat32(p->params + offset, rows, cols);
}
static inline struct un_mat un_pass_grad(const struct un_pass *p, int64_t offset, int64_t rows,
                                         int64_t cols) {
    return un_mat32(p->grads + offset, rows, cols);
}
static inline struct un_mat un_no_mat(void) {
    return (struct un_mat){.data = NULL};
}
static inline void *un_take(struct un_arena *arena, enum un_type type, int64_t count) {
    return un_arena_take(arena, (size_t)count, (size_t)un_type_bytes(type));
}
static inline float *un_take_floats(struct un_arena *arena, int64_t count) {
    return un_arena_take(arena, (size_t)count, sizeof(float));
}

#endif
