/* The detector: opening, and what stands around its passes (network.h). */
#include "model/detector/network.h"

#include "model/detector/memory_private.h"

static enum un_status open_memory(struct un_detector *d) {
    struct un_device *device = d->device;
    struct un_arena arena = {.name = "detector"}, host = {.name = "results of the detector"};
    un_detector_carve(d, &arena);
    un_detector_carve_host(d, &host);
    d->block = device->mem->alloc(device, arena.used, "weights and maps of the detector");
    d->host = d->block ? device->mem->host_alloc(device, host.used, "results of the detector") : NULL;
    d->anchors = d->host ? un_alloc((size_t)(4 * d->sizes.anchors), sizeof(float), "anchors") : NULL;
    if (!d->anchors) return un_error_get()->status;
    arena = (struct un_arena){.name = "detector", .base = d->block, .size = arena.used};
    host = (struct un_arena){.name = "results of the detector", .base = d->host, .size = host.used};
    un_detector_carve(d, &arena);
    un_detector_carve_host(d, &host);
    return UN_OK;
}

static enum un_status open_all(struct un_detector *d, const struct un_detector_file *file) {
    struct un_limits limits = un_detector_queue_limits(d);
    UN_TRY(d->device->mem->queue_open(d->device, &limits, &d->queue));
    UN_TRY(open_memory(d));
    return un_detector_weights_fill(&d->weights, &d->sizes, file, d->queue, d->device, d->anchors);
}

enum un_status un_detector_open(struct un_detector **detector, struct un_device *device,
                                const struct un_detector_file *file, const struct un_detector_sizes *sizes,
                                const struct un_detector_limits *limits) {
    *detector = NULL;
    if (limits->pixels < 1 || limits->regions < 1)
        return un_fail(UN_INTERNAL, "a detector for %lld pixels and %lld regions", (long long)limits->pixels,
                       (long long)limits->regions);
    struct un_detector *d = un_alloc(1, sizeof *d, "detector");
    if (!d) return un_error_get()->status;
    un_detector_setup(d, device, sizes, limits);
    enum un_status status = open_all(d, file);
    if (status == UN_OK)
        *detector = d;
    else
        un_detector_close(d);
    return status;
}

void un_detector_close(struct un_detector *d) {
    if (!d) return;
    const struct un_device_ops *mem = d->device->mem;
    if (d->queue) mem->queue_close(d->queue);
    un_free(d->anchors);
    if (d->host) mem->host_free(d->device, d->host);
    if (d->block) mem->free(d->device, d->block);
    un_free(d);
}

const float *un_detector_anchors(const struct un_detector *detector) {
    return detector->anchors;
}

void un_detector_set_touch(struct un_detector *detector, un_detector_touch *touch, void *context) {
    detector->touch = touch;
    detector->touch_context = context;
}
