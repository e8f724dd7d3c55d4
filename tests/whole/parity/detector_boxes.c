/* Input, proposals and choice against a reference file of the detector. */
#include "runtime/memory.h"
#include "tests/whole/parity/detector.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void line(struct detector_run *r, const char *name, double error, double tolerance, const char *what) {
    char title[64];
    snprintf(title, sizeof title, "%s %s", r->from, name);
    card_line(r->card, title, error, tolerance, "%s", what);
}

/* Same number of values, or a failed line that says both. */
static bool same_count(struct detector_run *r, const char *name, int64_t got, int64_t want) {
    char what[80];
    if (got == want) return true;
    snprintf(what, sizeof what, "%lld values, reference %lld", (long long)got, (long long)want);
    line(r, name, HUGE_VAL, 0, what);
    return false;
}

enum un_status compare_stage(struct detector_run *r, const char *name, const float *got, int64_t n,
                             bool cells, double tolerance) {
    struct stage want;
    char title[64];
    enum un_status status = stage_read(&want, r->file, r->profile, name);
    if (status == UN_OK && cells) status = stage_cells(&want);
    snprintf(title, sizeof title, "%s %s", r->from, name);
    if (status == UN_OK && same_count(r, name, n, want.n))
        compare_largest(r->card, title, got, want.value, n,
                        cells ? want.shape[want.rank - 3] : want.shape[want.rank - 1], tolerance);
    stage_free(&want);
    return status;
}

/* Boxes: the largest difference in pixels. */
static enum un_status compare_pixels(struct detector_run *r, const char *name, const float *got, int64_t n,
                                     double most) {
    struct stage want;
    char what[80];
    enum un_status status = stage_read(&want, r->file, r->profile, name);
    if (status == UN_OK && same_count(r, name, n, want.n)) {
        int64_t at = worst_at(got, want.value, n);
        snprintf(what, sizeof what, "(%lld,%lld): %.8g, reference %.8g", (long long)(at / 4),
                 (long long)(at % 4), got[at], want.value[at]);
        line(r, name, fabs((double)got[at] - want.value[at]), most, what);
    }
    stage_free(&want);
    return status;
}

/* Whole numbers: how many differ. */
static enum un_status compare_numbers(struct detector_run *r, const char *name, const int32_t *got,
                                      int64_t n) {
    struct stage want;
    char what[80] = "all equal";
    int64_t wrong = 0;
    enum un_status status = stage_read(&want, r->file, r->profile, name);
    if (status == UN_OK && same_count(r, name, n, want.n)) {
        for (int64_t i = 0; i < n; ++i)
            if (got[i] != (int32_t)want.value[i] && wrong++ == 0)
                snprintf(what, sizeof what, "%lld: %d, reference %d", (long long)i, got[i],
                         (int)want.value[i]);
        line(r, name, (double)wrong, 0, what);
    }
    stage_free(&want);
    return status;
}

enum un_status compare_scale(struct detector_run *r) {
    struct stage input;
    char what[100];
    UN_TRY(un_detector_scale(&r->scale, r->file->photo.height, r->file->photo.width, r->how));
    enum un_status status = stage_read(&input, r->file, r->profile, "input");
    if (status == UN_OK) {
        int64_t off = llabs(r->scale.height - input.shape[1]) + llabs(r->scale.width - input.shape[2]);
        snprintf(what, sizeof what, "%lld x %lld, reference %lld x %lld", (long long)r->scale.height,
                 (long long)r->scale.width, (long long)input.shape[1], (long long)input.shape[2]);
        line(r, "size of the input", (double)off, 0, what);
    }
    stage_free(&input);
    if (status == UN_OK && r->profile == UN_DETECTOR_CAFFE) {
        double factor = r->file->factor;
        snprintf(what, sizeof what, "%.17g, reference %.17g", r->scale.factor, factor);
        line(r, "factor", fabs(r->scale.factor - factor), 0, what);
    }
    return status;
}

enum un_status compare_input(struct detector_run *r, float *input, const struct un_photo *photo,
                             double tolerance) {
    un_detector_input(input, photo, &r->scale, r->profile);
    return compare_stage(r, "input", input, r->scale.height * r->scale.width * 3, true, tolerance);
}

enum un_status compare_proposals(struct detector_run *r, const struct un_detector_proposals *got,
                                 double tolerance, double box) {
    UN_TRY(compare_stage(r, "proposal_logits", got->logit, got->n, false, tolerance));
    if (box > 0) return compare_pixels(r, "proposals", got->box, got->n * 4, box);
    return compare_stage(r, "proposals", got->box, got->n * 4, false, tolerance);
}

enum un_status compare_regions(struct detector_run *r, const struct un_detector_regions *got,
                               const float *feature, double tolerance, double box) {
    const int64_t n = got->n, features = un_detector_features(&r->file->sizes);
    UN_TRY(compare_numbers(r, "out_row", got->row, n));
    UN_TRY(compare_numbers(r, "out_class", got->class_number, n));
    UN_TRY(compare_numbers(r, "out_attribute", got->attribute, n));
    UN_TRY(compare_stage(r, "out_confidence", got->confidence, n, false, tolerance));
    UN_TRY(compare_stage(r, "out_attribute_prob", got->attribute_probability, n, false, tolerance));
    UN_TRY(compare_stage(r, "out_soft_label", got->soft_label, n * (r->file->sizes.classes + 1), false,
                         tolerance));
    if (box > 0)
        UN_TRY(compare_pixels(r, "out_box", got->box, n * 4, box));
    else
        UN_TRY(compare_stage(r, "out_box", got->box, n * 4, false, tolerance));
    /* The six columns are boxes over the photo's sides. */
    double six = box > 0 ? box / (double)(r->scale.photo_height < r->scale.photo_width ? r->scale.photo_height
                                                                                       : r->scale.photo_width)
                         : tolerance;
    UN_TRY(compare_stage(r, "out_box6", got->box6, n * 6, false, six));
    float *rows = un_alloc((size_t)(n * features), sizeof *rows, "features that are kept");
    if (!rows) return un_error_get()->status;
    for (int64_t k = 0; k < n; ++k)
        memcpy(rows + k * features, feature + got->row[k] * features, (size_t)features * sizeof *rows);
    enum un_status status = compare_stage(r, "out_feature", rows, n * features, false, tolerance);
    un_free(rows);
    return status;
}

/* ---- from the file's own values ---- */

static enum un_status propose_alone(struct detector_run *r, const float *anchors, double tolerance) {
    struct stage logits = {0}, deltas = {0};
    struct un_detector_proposals got;
    enum un_status status = stage_read(&logits, r->file, r->profile, "rpn_logits");
    if (status == UN_OK) status = stage_cells(&logits);
    if (status == UN_OK) status = stage_read(&deltas, r->file, r->profile, "rpn_deltas");
    if (status == UN_OK) status = stage_cells(&deltas);
    if (status == UN_OK)
        status = un_detector_propose(r->room, &got, logits.value, deltas.value, anchors, logits.shape[1],
                                     logits.shape[2], &r->scale);
    if (status == UN_OK) status = compare_proposals(r, &got, tolerance, 0);
    stage_free(&logits);
    stage_free(&deltas);
    return status;
}

static enum un_status choose_alone(struct detector_run *r, double tolerance) {
    static const char *const names[] = {"proposals", "class_logits", "box_deltas", "attribute_logits",
                                        "feature"};
    enum { BOX, CLASS, DELTA, ATTRIBUTE, FEATURE, STAGES };
    struct stage s[STAGES] = {0};
    struct un_detector_regions got;
    enum un_status status = UN_OK;
    for (int i = 0; i < STAGES && status == UN_OK; ++i)
        status = stage_read(&s[i], r->file, r->profile, names[i]);
    if (status == UN_OK) {
        struct un_detector_proposals proposals = {s[BOX].shape[0], s[BOX].value, NULL};
        status = un_detector_choose(r->room, &got, &proposals, s[CLASS].value, s[DELTA].value,
                                    s[ATTRIBUTE].value, &r->scale);
    }
    if (status == UN_OK) status = compare_regions(r, &got, s[FEATURE].value, tolerance, 0);
    for (int i = 0; i < STAGES; ++i) stage_free(&s[i]);
    return status;
}

enum un_status compare_boxes_alone(struct detector_run *r, double tolerance) {
    float anchors[64 * 4];
    int64_t i =
        un_detector_file_find(&r->file->tensors, "proposal_generator.anchor_generator.cell_anchors.0");
    if (r->file->sizes.anchors > 64)
        return un_fail(UN_DATA, "%lld anchors", (long long)r->file->sizes.anchors);
    UN_TRY(r->file->tensors.read(r->file->tensors.context, i, 0, r->file->sizes.anchors * 4, anchors));
    UN_TRY(propose_alone(r, anchors, tolerance));
    return choose_alone(r, tolerance);
}
