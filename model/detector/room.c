/* Memory of proposals and choice: three blocks. They are taken for the largest input that the keys allow; a block is taken anew,
 * larger, when a map has more cells or a photo more given boxes. Nothing in them outlives a call, so nothing is copied. */
#include "model/detector/boxes_private.h"
#include "runtime/memory.h"

#define TAKE(pointer, count) ((pointer) = un_arena_take(arena, (size_t)(count), sizeof *(pointer)))

typedef void carve(struct un_detector_room *room, struct un_arena *arena, int64_t n);

static void carve_anchors(struct un_detector_room *r, struct un_arena *arena, int64_t n) {
    TAKE(r->anchor_box, n);
    TAKE(r->anchor_score, n);
    TAKE(r->anchor_order, n);
    TAKE(r->anchor_memory.key, n);
    TAKE(r->anchor_memory.other_key, n);
    TAKE(r->anchor_memory.other, n);
}

static void carve_proposals(struct un_detector_room *r, struct un_arena *arena, int64_t n) {
    for (int k = 0; k < UN_BOX_SIDES; ++k) TAKE(r->side[k], n);
    TAKE(r->proposal, n);
    TAKE(r->proposal_logit, n);
    TAKE(r->attribute_row, r->sizes.attributes);
}

static void carve_regions(struct un_detector_room *r, struct un_arena *arena, int64_t n) {
    const int64_t labels = r->sizes.classes + 1, words = n / 64 + 1;
    TAKE(r->box, n);
    TAKE(r->area, n);
    TAKE(r->probability, n * labels);
    TAKE(r->confidence, n);
    TAKE(r->class_score, n * UN_CLASSES_AT_ONCE);
    TAKE(r->candidate_score, n);
    TAKE(r->candidate, n);
    TAKE(r->region_order, n);
    TAKE(r->kept, n);
    TAKE(r->best, n);
    TAKE(r->bits.row, n * words);
    TAKE(r->gone, words);
    TAKE(r->region_memory.key, n);
    TAKE(r->region_memory.other_key, n);
    TAKE(r->region_memory.other, n);
    TAKE(r->out.row, n);
    TAKE(r->out.class_number, n);
    TAKE(r->out.attribute, n);
    TAKE(r->out.confidence, n);
    TAKE(r->out.attribute_probability, n);
    TAKE(r->out.box, n);
    TAKE(r->out.box6, n * 6);
    TAKE(r->out.soft_label, n * labels);
}

static enum un_status take(struct un_detector_room *r, struct un_room_block *block, carve *carved,
                           int64_t n) {
    struct un_arena arena = {.name = "boxes of the detector"};
    if (n <= block->n) return UN_OK;
    un_free(block->memory);
    *block = (struct un_room_block){0};
    carved(r, &arena, n);
    if (!(block->memory = un_alloc(arena.used + UN_ALIGN, 1, arena.name))) return un_error_get()->status;
    arena = (struct un_arena){.name = arena.name, .base = block->memory, .size = arena.used + UN_ALIGN};
    carved(r, &arena, n);
    block->n = n;
    return UN_OK;
}

enum un_status un_detector_room_anchors(struct un_detector_room *room, int64_t n) {
    return take(room, &room->of_anchors, carve_anchors, n);
}

enum un_status un_detector_room_regions(struct un_detector_room *room, int64_t n) {
    return take(room, &room->of_regions, carve_regions, n);
}

/* Cells of the coarse map along a side of so many pixels, as the strides of the backbone make them. */
static int64_t cells(int64_t pixels) {
    int64_t stem = (pixels + 1) / 2, pooled = stem > 3 ? (stem - 2) / 2 + 1 : 1;
    return ((pooled + 1) / 2 + 1) / 2;
}

enum un_status un_detector_room_open(struct un_detector_room **room, const struct un_detector_sizes *sizes,
                                     const struct un_detector_how *how) {
    struct un_detector_room *r = un_alloc(1, sizeof *r, "boxes of the detector");
    *room = NULL;
    if (!r) return un_error_get()->status;
    r->sizes = *sizes;
    r->how = *how;
    enum un_status status = take(r, &r->of_proposals, carve_proposals, how->post_nms);
    if (status == UN_OK) status = un_detector_room_regions(r, how->post_nms);
    if (status == UN_OK)
        status = un_detector_room_anchors(r, cells(how->shorter) * cells(how->longest) * sizes->anchors);
    if (status != UN_OK) {
        un_detector_room_close(r);
        return status;
    }
    *room = r;
    return UN_OK;
}

void un_detector_room_close(struct un_detector_room *room) {
    if (!room) return;
    un_free(room->of_anchors.memory);
    un_free(room->of_proposals.memory);
    un_free(room->of_regions.memory);
    un_free(room);
}
