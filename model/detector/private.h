/* What the files of the detector's network share: its layers, its memory, and a convolution. */
#ifndef UN_MODEL_DETECTOR_PRIVATE_H
#define UN_MODEL_DETECTOR_PRIVATE_H

#include "model/detector/count.h"
#include "model/detector/network.h"
#include "runtime/memory.h"
#include "runtime/ops.h"

#define UN_DETECTOR_STEM_WINDOW                                                                              \
    { .size = 7, .stride = 2, .dilation = 1, .pad = 3 }
#define UN_DETECTOR_POOL_WINDOW                                                                              \
    { .size = 3, .stride = 2, .dilation = 1 }

/* ---- layers ---- */

enum un_conv_form {
    UN_CONV_NORM, /* a frozen norm follows, folded in at load */
    UN_CONV_BIAS,
    UN_CONV_BARE /* a table: rows of the weight, no bias */
};
/* A convolution or a linear layer: y = window of x . weight^T + bias. */
struct un_conv {
    enum un_conv_form form;
    struct un_window window;
    int64_t in, out;
    int64_t inner;     /* size * size * in */
    void *weight;      /* [out, inner] on the device: ky, kx, channel; rows are `stride` apart */
    enum un_type type; /* of weight: that of products' factors; a table f32 */
    int64_t stride;    /* inner rounded up, so that rows begin where vectors do */
    float *bias;       /* [out] */
};
struct un_bottleneck {
    struct un_conv conv1, conv2, conv3, shortcut; /* shortcut.out 0: the input itself is added */
};
struct un_detector_stage {
    int64_t n, mid, out;
    struct un_bottleneck block[UN_DETECTOR_BLOCKS_MAX];
};
struct un_detector_weights {
    struct un_conv stem;
    struct un_detector_stage stage[UN_DETECTOR_STAGES];
    struct un_conv rpn, objectness, deltas;
    struct un_conv classes, boxes, embedding, attribute_hidden, attributes;
};

/* Sets every layer's form, sizes and type; weights stay where they are. factor: of products. */
void un_detector_layout(struct un_detector_weights *weights, const struct un_detector_sizes *sizes,
                        enum un_type factor);
/* All layers with their names in a weight file, in one fixed order; stops at the first failure. */
typedef enum un_status un_conv_visit(void *context, struct un_conv *conv, const char *name);
enum un_status un_detector_each(struct un_detector_weights *weights, const struct un_detector_sizes *sizes,
                                un_conv_visit *visit, void *context);
/* Places of all weights in device memory. */
void un_detector_weights_carve(struct un_detector_weights *weights, const struct un_detector_sizes *sizes,
                               struct un_arena *arena);
/* Reads, checks, folds and sends all weights; anchors [A,4] on the host. */
enum un_status un_detector_weights_fill(struct un_detector_weights *weights,
                                        const struct un_detector_sizes *sizes,
                                        const struct un_detector_file *file, struct un_queue *queue,
                                        struct un_device *device, float *anchors);

/* ---- memory ---- */

/* Into what the work is cut. By kind of device alone: products of other sizes may have other bits. */
struct un_detector_grain {
    int64_t piece;   /* rows of a map that a product takes at once */
    int64_t round;   /* rows of a product are filled up to a multiple: a card meets few shapes */
    int64_t regions; /* that pass the last stage at once, at most */
};

/* What a photo passes through. */
struct un_detector_work {
    float *input;               /* [pixels,3] */
    float *wide[2];             /* maps between blocks, by turns */
    float *narrow;              /* after the first convolution of a block */
    float *map;                 /* [coarse cells, 4 width], kept between the calls */
    float *patches;             /* [piece, widest inner] */
    uint16_t *low;              /* [piece, widest factor] in bf16; NULL: factors are f32 */
    float *inside;              /* [piece, widest middle]: after the second convolution */
    float *shortcut;            /* [piece, widest out] */
    float *logits, *deltas;     /* [coarse cells, A], [coarse cells, 4A] */
    float *box;                 /* [regions,4] */
    float *feature, *joined;    /* [regions,F], [regions,F+E] */
    float *hidden;              /* [regions,attribute_hidden] */
    float *classes, *box_delta; /* [regions,K+1], [regions,4K] */
    float *attributes;          /* [regions,B+1] */
    int32_t *index;             /* [2 regions]: a region's own row, its class */
};
/* The parts of it that are handed out, on the host. */
struct un_detector_out {
    float *logits, *deltas;
    float *feature, *classes, *box_delta, *attributes;
    int32_t *index;
};

struct un_detector {
    struct un_device *device;
    struct un_queue *queue;
    struct un_detector_sizes sizes;
    struct un_detector_limits limits;
    struct un_detector_grain grain;
    int64_t most[UN_DETECTOR_STEPS]; /* cells */
    struct un_detector_weights weights;
    struct un_detector_work work;
    struct un_detector_out out;
    void *block, *host; /* all of weights and work; all of out */
    float *anchors;
    int64_t height, width; /* of the map; 0: no photo was seen */
    un_detector_touch *touch;
    void *touch_context;
};

/* Regions that pass the last stage at once: about equal parts of them all, so that none is almost empty. */
int64_t un_detector_regions_at_once(const struct un_detector *d, int64_t regions);

/* ---- passes ---- */

/* A run of output rows. */
struct un_piece {
    int64_t first, rows;
    int64_t filled; /* rows with those that fill up the product; what they hold is read by nobody */
};
/* The piece after this one, of `total` rows; a piece of zeros begins. False: there is none. */
bool un_piece_next(const struct un_detector *d, struct un_piece *piece, int64_t total);

struct un_maps un_conv_maps(const struct un_conv *c, const struct un_maps *maps);
static inline int64_t un_maps_rows(const struct un_maps *maps) {
    return maps->n * maps->height * maps->width;
}
/* y [filled,out] = act(rows of the piece of the convolution of x). y is the piece's first row. */
void un_conv_fwd(struct un_detector *d, float *y, const struct un_conv *c, const float *x,
                 const struct un_maps *maps, const struct un_piece *piece, enum un_activation activation);
/* All blocks of a stage. maps: of x, then of the result. to NULL: one of work.wide; x is in there too, or in
 * work.map. Returns where the result is. */
float *un_detector_stage_fwd(struct un_detector *d, const struct un_detector_stage *stage, const float *x,
                             struct un_maps *maps, float *to);

#endif
