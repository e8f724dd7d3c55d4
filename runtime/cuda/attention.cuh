/* Attention on the card: what its two paths share. attention.cu checks a call and chooses the path; the
 * kernels stand in attention_fwd.cu and attention_bwd.cu (bf16 heads of 64 columns, matrix instructions) and
 * in attention_plain.cu (everything else); attention between two batches is all plain, in attention_cross.cu.
 *
 * A block works on one head of one sample. The grid knows the count of samples and the longest of them only:
 * lengths are read on the card, blocks without work end at once. */
#ifndef UN_RUNTIME_CUDA_ATTENTION_CUH
#define UN_RUNTIME_CUDA_ATTENTION_CUH

#include "runtime/cuda/codes.cuh"

enum {
    /* Blocks a head that zero the rows behind the last sample. */
    UN_ATTENTION_TAIL = 8,
    UN_ATTENTION_GROUPS = (int)UN_MAX_SAMPLE_TOKENS / (int)UN_VEC /* dropout groups of a query and head */
};

/* A call, by value. Block index: (sample * heads + head), behind the last sample the blocks of the tail. */
struct un_attention {
    const int32_t *start;
    int samples, heads;
    int least, most; /* tokens of the samples that this launch is for */
    int rows;
    un_dropout drop;
};

/* What a block works on: rows [first, first + tokens); tokens 0: nothing. */
struct un_attention_part {
    int sample, first, tokens, head;
    int tail; /* -1, or which of the UN_ATTENTION_TAIL blocks; then tokens is what lies behind the samples */
};

__device__ __forceinline__ un_attention_part un_attention_part_of(const un_attention &c, int block) {
    un_attention_part p;
    const int s = block / c.heads;
    p.sample = s;
    p.head = block - s * c.heads;
    p.tail = s < c.samples ? -1 : s - c.samples;
    if (p.tail < 0) {
        p.first = c.start[s];
        p.tokens = c.start[s + 1] - p.first;
        if (p.tokens < c.least || p.tokens > c.most) p.tokens = 0;
    } else {
        p.first = c.samples > 0 ? c.start[c.samples] : 0;
        p.tokens = c.rows - p.first;
    }
    return p;
}
static inline unsigned un_attention_blocks(const un_attention &c, bool tail) {
    return (unsigned)((c.samples + (tail ? UN_ATTENTION_TAIL : 0)) * c.heads);
}

/* Host: a call for all samples of a layout, over so many rows. */
static inline un_attention un_attention_call(const struct un_layout *layout, int64_t rows, int64_t heads,
                                             const struct un_dropout *drop) {
    struct un_attention c;
    c.start = layout->start;
    c.samples = (int)layout->samples;
    c.heads = (int)heads;
    c.least = 1;
    c.most = (int)layout->longest;
    c.rows = (int)rows;
    c.drop = un_dropout_or_none(drop);
    if (c.drop.threshold == 0) c.drop.scale = 1.0f;
    return c;
}

/* Dropout group of the first eight keys of a query. */
__device__ __forceinline__ uint32_t un_attention_group(const un_attention &c, int64_t row, int head) {
    return (uint32_t)(row * c.heads + head) * UN_ATTENTION_GROUPS;
}

/* The paths. All operands of one type; width = D. codes: of the first output, wide; NULL: none are wanted. */
void un_attention_fwd_mma(struct un_queue *q, struct un_mat out, const un_code_sink *codes, float *lse,
                          struct un_mat qkv, struct un_attention call);
/* partial [samples, 3H]: sums of each sample's rows of dqkv; NULL: none are wanted. */
void un_attention_bwd_mma(struct un_queue *q, struct un_mat dqkv, const un_code_sink *codes, float *partial,
                          struct un_mat dout, struct un_mat out, const float *lse, struct un_mat qkv,
                          struct un_attention call);
/* Shared memory that a block wants for a sample of so many tokens. */
size_t un_attention_fwd_bytes(int tokens);
size_t un_attention_bwd_bytes(int tokens);
void un_attention_fwd_plain(struct un_queue *q, struct un_mat out, float *lse, struct un_mat qkv,
                            struct un_attention call);
void un_attention_bwd_plain(struct un_queue *q, struct un_mat dqkv, struct un_mat dout, struct un_mat out,
                            const float *lse, struct un_mat qkv, struct un_attention call);

#endif
