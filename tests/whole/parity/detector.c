/* See detector.h. */
#include "tests/whole/parity/detector.h"

#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

static const double input_tolerance[UN_DETECTOR_PROFILES] = {1e-6, 1e-4}; /* port: coordinates in float */
static const double stage_tolerance = 1e-5;

static enum un_status compare_stages(struct detector_run *r, float *input) {
    r->from = "stage";
    UN_TRY(compare_input(r, input, &r->file->photo, input_tolerance[r->profile]));
    return compare_boxes_alone(r, stage_tolerance);
}

static enum un_status compare_profile(struct detector_run *r) {
    r->from = "stage";
    UN_TRY(compare_scale(r));
    UN_TRY(un_detector_room_open(&r->room, &r->file->sizes, r->how));
    float *input = un_alloc((size_t)(r->scale.height * r->scale.width * 3), sizeof *input, "an input");
    enum un_status status = input ? compare_stages(r, input) : un_error_get()->status;
    un_free(input);
    un_detector_room_close(r->room);
    return status;
}

static enum un_status compare_all(struct card *card, struct detector_file *file, const char *path) {
    UN_TRY(detector_file_open(file, path));
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct detector_run r = {
            .file = file, .card = card, .profile = (enum un_detector_profile)p, .how = &file->how[p]};
        card->task = detector_profiles[p];
        UN_TRY(compare_profile(&r));
    }
    return UN_OK;
}

bool compare_detector(struct card *card, const char *path, const char *device, int threads, bool bf16) {
    struct detector_file file = {.id = -1};
    if (!detector_file_is(path)) return false;
    const char *slash = strrchr(path, '/');
    card->file = slash ? slash + 1 : path;
    card->task = "-";
    if (bf16) {
        printf("skipped %s: the detector is computed in fp32 only\n", card->file);
        card->skipped++;
        return true;
    }
    (void)device;
    (void)threads;
    if (compare_all(card, &file, path) != UN_OK)
        card_missing(card, "reading and running", un_error_get()->text);
    un_error_clear();
    detector_file_close(&file);
    return true;
}
