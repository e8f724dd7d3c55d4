/* Text and region embeddings, see inputs.h. Each kind is computed on its own rows and scattered into packed
 * order; words and regions do not meet before the first layer. Regions come first in the forward and last in the backward:
 * they take longer and read little, so the large tables of words are on their way meanwhile. */
#include "model/net/inputs.h"

#define TEXT  "uniter.embeddings."
#define IMAGE "uniter.img_embeddings."

static enum un_status add_mask(struct un_params *params, struct un_inputs_at *at,
                               const struct un_dims *dims) {
    UN_TRY(un_pass_add(params, IMAGE "mask_embedding.weight", 2, dims->img_dim, UN_INIT_NORMAL, &at->mask));
    params->list[params->n - 1].zero_row0 = true;
    return UN_OK;
}

/* A table whose rows are read in the type that computes. */
static enum un_status add_table(struct un_params *params, const char *name, int64_t rows, int64_t cols,
                                int64_t *offset) {
    UN_TRY(un_pass_add(params, name, rows, cols, UN_INIT_NORMAL, offset));
    params->list[params->n - 1].low = true;
    return UN_OK;
}

enum un_status un_inputs_add(struct un_params *params, struct un_inputs_at *at, const struct un_dims *dims) {
    int64_t h = dims->hidden_size;
    UN_TRY(add_table(params, TEXT "word_embeddings.weight", dims->vocab_size, h, &at->word));
    UN_TRY(add_table(params, TEXT "position_embeddings.weight", dims->max_position_embeddings, h,
                     &at->position));
    UN_TRY(un_pass_add(params, TEXT "token_type_embeddings.weight", dims->type_vocab_size, h, UN_INIT_NORMAL,
                       &at->type));
    UN_TRY(un_norm_add(params, &at->text_norm, TEXT "LayerNorm", h));
    UN_TRY(un_linear_add(params, &at->image, IMAGE "img_linear", h, dims->img_dim));
    un_linear_low(params, true);
    UN_TRY(un_norm_add(params, &at->image_norm, IMAGE "img_layer_norm", h));
    UN_TRY(un_norm_add(params, &at->box_norm, IMAGE "pos_layer_norm", h));
    UN_TRY(un_linear_add(params, &at->box, IMAGE "pos_linear", h, UN_BOX_WIDTH));
    params->list[params->n - 1].low = true; /* boxes are f32 */
    UN_TRY(add_mask(params, at, dims));
    return un_norm_add(params, &at->region_norm, IMAGE "LayerNorm", h);
}

void un_inputs_carve(struct un_inputs_kept *kept, struct un_arena *arena, enum un_type act,
                     const struct un_dims *dims, const struct un_batch_caps *caps) {
    int64_t h = dims->hidden_size, most = caps->words > caps->regions ? caps->words : caps->regions;
    un_norm_carve(&kept->text_norm, arena, act, caps->words, h);
    un_norm_carve(&kept->image_norm, arena, act, caps->regions, h);
    un_norm_carve(&kept->box_norm, arena, act, caps->regions, h);
    un_norm_carve(&kept->region_norm, arena, act, caps->regions, h);
    kept->feature = un_take(arena, act, caps->regions * dims->img_dim);
    kept->first = un_take(arena, act, most * h);
    kept->second = un_take(arena, act, most * h);
    kept->masked_sum = un_take_floats(arena, h);
    kept->saved_row = un_take_floats(arena, h);
    kept->row_zero = un_arena_take(arena, 1, sizeof(int32_t));
    kept->x = un_take(arena, act, caps->tokens * h);
}

static struct un_mat packed(const struct un_pass *p, const struct un_inputs_kept *kept) {
    return un_pass_mat(p, kept->x, p->batch->tokens, p->dims->hidden_size);
}

/* The rows of one kind as they enter the first layer: norm, dropout, and each to its place. */
static void place_rows(const struct un_pass *p, const struct un_inputs_kept *kept, const struct un_norm *at,
                       const struct un_norm_kept *norm, struct un_mat r, const int32_t *row,
                       enum un_site site) {
    const struct un_dropout drop = un_pass_dropout(p, site);
    p->ops->norm_scatter_fwd(p->q, packed(p, kept), row, r, norm->mean, norm->rstd, p->params + at->gamma,
                             p->params + at->beta, &drop);
}

/* The way back: dr of the rows of one kind from d, that of all. */
static void take_rows(const struct un_pass *p, struct un_mat dr, const struct un_norm *at,
                      const struct un_norm_kept *norm, struct un_mat d, const int32_t *row, enum un_site site,
                      float *dbias) {
    const struct un_dropout drop = un_pass_dropout(p, site);
    p->ops->norm_gather_bwd(p->q, dr, p->grads + at->gamma, p->grads + at->beta, dbias, d, row,
                            un_pass_mat(p, norm->r, dr.rows, at->width), norm->mean, norm->rstd,
                            p->params + at->gamma, &drop);
}

void un_inputs_fwd_words(const struct un_pass *p, const struct un_inputs_kept *kept,
                         const struct un_inputs_at *at) {
    const struct un_batch *b = p->batch;
    int64_t h = p->dims->hidden_size;
    struct un_mat r = un_pass_mat(p, kept->text_norm.r, b->words, h);
    p->ops->embed_words(p->q, r, b->word_id, b->word_pos,
                        un_pass_weight(p, at->word, p->dims->vocab_size, h, p->act),
                        un_pass_weight(p, at->position, p->dims->max_position_embeddings, h, p->act),
                        un_pass_param(p, at->type, p->dims->type_vocab_size, h), b->word_type);
    place_rows(p, kept, &at->text_norm, &kept->text_norm, r, b->word_row, UN_SITE_TEXT);
}

/* What regions are added: the row of their type, or row 1 for all. */
static void add_region_types(const struct un_pass *p, const struct un_inputs_at *at, struct un_mat r,
                             struct un_mat image, struct un_mat box) {
    const int32_t *type = p->batch->region_type;
    int64_t first = type ? 0 : 1;
    p->ops->add_row(p->q, r, image, box,
                    un_pass_param(p, at->type + first * r.cols, p->dims->type_vocab_size - first, r.cols),
                    type);
}

static void embed_regions(const struct un_pass *p, const struct un_inputs_kept *kept,
                          const struct un_inputs_at *at) {
    const struct un_batch *b = p->batch;
    int64_t n = b->regions, h = p->dims->hidden_size, f = p->dims->img_dim;
    struct un_mat feature = un_pass_mat(p, kept->feature, n, f),
                  r_image = un_pass_mat(p, kept->image_norm.r, n, h);
    struct un_mat r_box = un_pass_mat(p, kept->box_norm.r, n, h),
                  r = un_pass_mat(p, kept->region_norm.r, n, h);
    struct un_mat first = un_pass_mat(p, kept->first, n, h), second = un_pass_mat(p, kept->second, n, h);
    p->ops->mask_features(p->q, feature, un_batch_features(b, f), b->feature_row, b->masked,
                          p->params + at->mask + f);
    un_linear_fwd(p, r_image, &at->image, feature, UN_ACT_NONE, un_no_mat());
    un_norm_fwd(p, first, &kept->image_norm, &at->image_norm, r_image, un_no_mat(), NULL);
    un_linear_fwd(p, r_box, &at->box, un_mat32(b->box, n, UN_BOX_WIDTH), UN_ACT_NONE, un_no_mat());
    un_norm_fwd(p, second, &kept->box_norm, &at->box_norm, r_box, un_no_mat(), NULL);
    add_region_types(p, at, r, first, second);
    place_rows(p, kept, &at->region_norm, &kept->region_norm, r, b->region_row, UN_SITE_IMAGE);
}

void un_inputs_fwd_regions(const struct un_pass *p, const struct un_inputs_kept *kept,
                           const struct un_inputs_at *at) {
    struct un_mat x = packed(p, kept);
    p->ops->zero(p->q, x.data, (size_t)(x.rows * x.cols * un_type_bytes(x.type)));
    embed_regions(p, kept, at);
}

/* The lookup is padded: word 0 gets no gradient from it (but from the tied decoder it does), so row 0 is put
 * back. */
static void words_bwd(const struct un_pass *p, const struct un_inputs_kept *kept,
                      const struct un_inputs_at *at, struct un_mat dr) {
    struct un_mat dword = un_pass_grad(p, at->word, p->dims->vocab_size, dr.cols);
    struct un_mat saved = un_mat32(kept->saved_row, 1, dr.cols);
    p->ops->gather_rows(p->q, saved, dword, kept->row_zero);
    p->ops->segment_add_rows(p->q, dword, dr, &p->batch->by_word);
    p->ops->scatter_rows(p->q, dword, saved, kept->row_zero);
}

/* The gradient of the types that words, or regions, were added, once the LayerNorm is through: a row of the table for
 * all of them is the sum of dr, which the LayerNorm's backward brings along. */
static void types_bwd(const struct un_pass *p, const struct un_inputs_at *at, struct un_mat dr,
                      const int32_t *type, const struct un_segments *by_type) {
    if (type)
        p->ops->segment_add_rows(p->q, un_pass_grad(p, at->type, p->dims->type_vocab_size, dr.cols), dr,
                                 by_type);
}

void un_inputs_bwd_words(const struct un_pass *p, const struct un_inputs_kept *kept,
                         const struct un_inputs_at *at, struct un_mat d) {
    const struct un_batch *b = p->batch;
    int64_t h = p->dims->hidden_size;
    struct un_mat dr = un_pass_mat(p, kept->first, b->words, h);
    take_rows(p, dr, &at->text_norm, &kept->text_norm, d, b->word_row, UN_SITE_TEXT,
              b->word_type ? NULL : p->grads + at->type);
    types_bwd(p, at, dr, b->word_type, &b->by_word_type);
    p->ops->segment_add_rows(p->q, un_pass_grad(p, at->position, p->dims->max_position_embeddings, h), dr,
                             &b->by_position);
    words_bwd(p, kept, at, dr);
}

/* A masked region's feature is row 1 of the mask table, so its gradient is the sum of dr W over those regions
 * = (sum of dr) W: one vector through the matrix instead of all rows. The sum stays f32; W is what the forward has
 * multiplied by, in bf16 its bf16 copy. */
static void mask_row_bwd(const struct un_pass *p, const struct un_inputs_kept *kept,
                         const struct un_inputs_at *at, struct un_mat dr) {
    const struct un_batch *b = p->batch;
    int64_t h = p->dims->hidden_size, f = p->dims->img_dim;
    struct un_mat masked = un_pass_mat(p, kept->second, b->masked_count, h),
                  sum = un_mat32(kept->masked_sum, 1, h);
    p->ops->gather_rows(p->q, masked, dr, b->masked_region);
    p->ops->zero(p->q, kept->masked_sum, (size_t)h * sizeof(float));
    p->ops->col_sum(p->q, kept->masked_sum, masked);
    p->ops->gemm(p->q, un_pass_grad(p, at->mask + f, 1, f), sum, false,
                 un_pass_weight(p, at->image.weight, h, f, p->act), false, 1, NULL);
}

void un_inputs_bwd_regions(const struct un_pass *p, const struct un_inputs_kept *kept,
                           const struct un_inputs_at *at, struct un_mat d) {
    const struct un_batch *b = p->batch;
    int64_t n = b->regions, h = p->dims->hidden_size, f = p->dims->img_dim;
    struct un_mat dr = un_pass_mat(p, kept->first, n, h), dbranch = un_pass_mat(p, kept->second, n, h);
    take_rows(p, dr, &at->region_norm, &kept->region_norm, d, b->region_row, UN_SITE_IMAGE,
              b->region_type ? NULL : p->grads + at->type + h);
    types_bwd(p, at, dr, b->region_type, &b->by_region_type);
    un_norm_bwd(p, dbranch, un_no_mat(), &at->box_norm, dr, &kept->box_norm, NULL, p->grads + at->box.bias);
    un_linear_grad_weight(p, &at->box, dbranch, un_mat32(b->box, n, UN_BOX_WIDTH));
    un_norm_bwd(p, dr, un_no_mat(), &at->image_norm, dr, &kept->image_norm, NULL, p->grads + at->image.bias);
    un_linear_grad_weight(p, &at->image, dr, un_pass_mat(p, kept->feature, n, f));
    mask_row_bwd(p, kept, at, dr);
}
