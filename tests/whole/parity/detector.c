/* See detector.h. */
#include "tests/whole/parity/detector.h"

#include "runtime/device.h"
#include "runtime/memory.h"
#include "tests/support/net.h"

#include <stdio.h>
#include <string.h>

/* Of the file's README. Coordinates of port are floats, those of the file's were computed in another order. */
static const double input_stage[UN_DETECTOR_PROFILES] = {1e-6, 1e-4},
                    input_whole[UN_DETECTOR_PROFILES] = {2e-5, 1e-4};
static const double of_stage = 1e-5, of_whole = 2e-5, box_pixels = 0.02;

static enum un_status compare_stages(struct detector_run *r) {
    float *input = un_alloc((size_t)(r->scale.height * r->scale.width * 3), sizeof *input, "an input");
    enum un_status status = input ? UN_OK : un_error_get()->status;
    if (status == UN_OK) status = compare_input(r, input, &r->file->photo, input_stage[r->profile]);
    un_free(input);
    UN_TRY(status);
    UN_TRY(compare_network_alone(r, of_stage));
    return compare_boxes_alone(r, of_stage);
}

static enum un_status compare_profile(struct detector_run *r) {
    r->from = "stage";
    UN_TRY(compare_scale(r));
    UN_TRY(un_detector_room_open(&r->room, &r->file->sizes, r->how));
    enum un_status status = compare_stages(r);
    r->from = "photo";
    if (status == UN_OK) status = compare_whole(r, input_whole[r->profile], of_whole, box_pixels);
    un_detector_room_close(r->room);
    return status;
}

/* Enough for both profiles: one network sees inputs of both sizes. */
static enum un_status open_network(struct detector_run *r) {
    struct un_detector_limits limits = {0};
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        const struct un_detector_how *how = &r->file->how[p];
        struct un_detector_scale scale;
        UN_TRY(un_detector_scale(&scale, r->file->photo.height, r->file->photo.width, how));
        if (scale.height * scale.width > limits.pixels) limits.pixels = scale.height * scale.width;
        if (how->post_nms > limits.regions) limits.regions = how->post_nms;
    }
    return un_detector_open(&r->net, r->device, &r->file->tensors, &r->file->sizes, &limits);
}

static enum un_status compare_all(struct detector_run *r, const char *path, const char *device, int threads) {
    UN_TRY(detector_file_open(r->file, path));
    UN_TRY(net_device_open(device, threads, &r->device));
    UN_TRY(open_network(r));
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        r->profile = (enum un_detector_profile)p;
        r->how = &r->file->how[p];
        r->card->task = detector_profiles[p];
        UN_TRY(compare_profile(r));
    }
    return UN_OK;
}

bool compare_detector(struct card *card, const char *path, const char *device, int threads, bool bf16) {
    struct detector_file file = {.id = -1};
    struct detector_run run = {.file = &file, .card = card};
    if (!detector_file_is(path)) return false;
    const char *slash = strrchr(path, '/');
    card->file = slash ? slash + 1 : path;
    card->task = "-";
    if (bf16) {
        printf("skipped %s: the detector is computed in fp32 only\n", card->file);
        card->skipped++;
        return true;
    }
    if (compare_all(&run, path, device, threads) != UN_OK)
        card_missing(card, "reading and running", un_error_get()->text);
    un_error_clear();
    un_detector_close(run.net);
    if (run.device) un_device_close(run.device);
    detector_file_close(&file);
    return true;
}
