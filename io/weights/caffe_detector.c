/* A .caffemodel as the region detector's tensors (caffe_detector.h). */
#include "io/weights/caffe_rules.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* resN..., bnN..., scaleN... of a stage N: a layer of a block. */
static bool of_a_block(const char *layer) {
    static const char *const fronts[] = {"res", "bn", "scale"};
    for (size_t i = 0; i < sizeof fronts / sizeof *fronts; ++i) {
        size_t length = strlen(fronts[i]);
        if (strncmp(layer, fronts[i], length) == 0 && layer[length] >= '2' && layer[length] <= '5')
            return true;
    }
    return false;
}

/* What is left over may not be a part of the network that was not found because a block before it is missing. */
static enum un_status check_left(const struct un_caffe_detector *d) {
    for (int64_t i = 0; i < d->file->n; ++i)
        if (!d->used[i] && of_a_block(d->file->layers[i].name))
            return un_fail(UN_DATA,
                           "%s: layer %s, blob 0: of no block: one before it is missing, or it has no place",
                           d->file->path, d->file->layers[i].name);
    return UN_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct un_st_tensor *)a)->name, ((const struct un_st_tensor *)b)->name);
}

static enum un_status make_list(struct un_caffe_detector *d) {
    d->list = un_alloc((size_t)d->n, sizeof *d->list, "tensors of a .caffemodel");
    if (!d->list) return UN_MEMORY;
    for (int64_t i = 0; i < d->n; ++i) {
        const struct un_caffe_rule *rule = &d->rules[i];
        d->list[i] = (struct un_st_tensor){.name = rule->name,
                                           .type = UN_ST_F32,
                                           .type_name = "F32",
                                           .rank = rule->rank,
                                           .count = rule->count,
                                           .at = i};
        memcpy(d->list[i].shape, rule->shape, sizeof rule->shape);
    }
    qsort(d->list, (size_t)d->n, sizeof *d->list, by_name);
    return UN_OK;
}

enum un_status un_caffe_detector_open(struct un_caffe_detector *detector, const char *path) {
    *detector = (struct un_caffe_detector){0};
    UN_TRY(un_caffe_open(&detector->file, path));
    detector->used = un_alloc((size_t)detector->file->n, sizeof *detector->used, "layers of a .caffemodel");
    if (!detector->used) return UN_MEMORY;
    UN_TRY(un_caffe_plan(detector));
    UN_TRY(check_left(detector));
    return make_list(detector);
}

void un_caffe_detector_close(struct un_caffe_detector *detector) {
    un_caffe_close(detector->file);
    un_free(detector->list);
    un_free(detector->rules);
    un_free(detector->used);
    *detector = (struct un_caffe_detector){0};
}

enum un_status un_caffe_detector_scale(struct un_caffe_detector *detector, const double *scales, int64_t n) {
    if (n != detector->n_scales)
        return un_fail(UN_USAGE,
                       "%s: %" PRId64 " scales of anchors, %" PRId64 " are wanted: a third of the anchors",
                       detector->file->path, n, detector->n_scales);
    for (int64_t i = 0; i < n; ++i) {
        if (!(scales[i] > 0 && scales[i] <= UN_CAFFE_SCALE_MAX))
            return un_fail(UN_USAGE, "%s: a scale of anchors of %g: not above 0 and at most %d",
                           detector->file->path, scales[i], UN_CAFFE_SCALE_MAX);
        detector->scales[i] = scales[i];
    }
    detector->guessed = false;
    return UN_OK;
}
