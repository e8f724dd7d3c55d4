/* Values of a detector's tensors out of a .caffemodel's blobs (caffe_detector.h). */
#include "io/weights/caffe_rules.h"

#include <inttypes.h>
#include <math.h>

enum { PIECE = 4096, DELTAS = 4, CORNERS = 4 };

static enum un_status read_average(const struct un_caffe_detector *d, const struct un_caffe_rule *rule,
                                   int64_t first, int64_t count, float *out) {
    const struct un_caffe_blob *blob = &d->file->blobs[rule->blob];
    UN_TRY(un_caffe_read(d->file, rule->blob, first, count, out));
    for (int64_t k = 0; k < count; ++k) {
        out[k] *= rule->factor;
        if (rule->way == UN_CAFFE_VARIANCE && out[k] < 0)
            return un_fail(UN_DATA, "%s: layer %s, blob %" PRId64 ": element %" PRId64 ": a variance of %g",
                           d->file->path, blob->layer, blob->number, first + k, (double)out[k]);
    }
    return UN_OK;
}

static enum un_status read_object(const struct un_caffe_detector *d, const struct un_caffe_rule *rule,
                                  int64_t first, int64_t count, float *out) {
    float background[PIECE];
    UN_TRY(un_caffe_read(d->file, rule->blob, rule->count + first, count, out));
    for (int64_t done = 0; done < count;) {
        int64_t n = count - done < PIECE ? count - done : PIECE;
        UN_TRY(un_caffe_read(d->file, rule->blob, first + done, n, background));
        for (int64_t k = 0; k < n; ++k) out[done + k] -= background[k];
        done += n;
    }
    return UN_OK;
}

static enum un_status read_turned(const struct un_caffe_detector *d, const struct un_caffe_rule *rule,
                                  int64_t first, int64_t count, float *out) {
    int64_t others = rule->count - rule->row; /* elements after the first row, which comes last */
    int64_t before = others - first, n = before < 0 ? 0 : before < count ? before : count;
    if (n > 0) UN_TRY(un_caffe_read(d->file, rule->blob, first + rule->row, n, out));
    if (n == count) return UN_OK;
    return un_caffe_read(d->file, rule->blob, first + n - others, count - n, out + n);
}

static enum un_status read_deltas(const struct un_caffe_detector *d, const struct un_caffe_rule *rule,
                                  int64_t first, int64_t count, float *out) {
    static const float units[DELTAS] = {10, 10, 5, 5};
    UN_TRY(un_caffe_read(d->file, rule->blob, DELTAS * rule->row + first, count, out));
    for (int64_t k = 0; k < count; ++k) out[k] *= units[(first + k) / rule->row % DELTAS];
    return UN_OK;
}

static void read_anchors(const struct un_caffe_detector *d, int64_t first, int64_t count, float *out) {
    static const double sides[UN_CAFFE_RATIOS][2] = {{23, 12}, {16, 16}, {11, 22}}; /* width, height */
    if (d->guessed && first == 0)
        un_log(UN_LOG_WARN,
               "%s: the scales of its %" PRId64
               " anchors a cell are not in the file; 1 2 4 ... are taken (anchor_scales)",
               d->file->path, UN_CAFFE_RATIOS * d->n_scales);
    for (int64_t k = first; k < first + count; ++k) {
        int64_t anchor = k / CORNERS, corner = k % CORNERS;
        double half = sides[anchor / d->n_scales][corner % 2] * d->scales[anchor % d->n_scales] / 2;
        out[k - first] = (float)(corner < 2 ? 8 - half : 8 + half);
    }
}

static enum un_status read_values(const struct un_caffe_detector *d, const struct un_caffe_rule *rule,
                                  int64_t first, int64_t count, float *out) {
    switch (rule->way) {
    case UN_CAFFE_AS_IS: return un_caffe_read(d->file, rule->blob, first, count, out);
    case UN_CAFFE_MEAN:
    case UN_CAFFE_VARIANCE: return read_average(d, rule, first, count, out);
    case UN_CAFFE_OBJECT: return read_object(d, rule, first, count, out);
    case UN_CAFFE_TO_END: return read_turned(d, rule, first, count, out);
    case UN_CAFFE_DELTAS: return read_deltas(d, rule, first, count, out);
    case UN_CAFFE_ANCHORS: read_anchors(d, first, count, out); return UN_OK;
    }
    return UN_OK;
}

/* Finite blobs can still make values that are not. */
enum un_status un_caffe_detector_read(const struct un_caffe_detector *detector, int64_t i, int64_t first,
                                      int64_t count, float *out) {
    const struct un_caffe_rule *rule = &detector->rules[detector->list[i].at];
    UN_ASSERT(first >= 0 && count >= 0 && first <= rule->count - count);
    UN_TRY(read_values(detector, rule, first, count, out));
    for (int64_t k = 0; k < count; ++k)
        if (!isfinite(out[k]))
            return un_fail(UN_DATA, "%s: tensor %s: element %" PRId64 " becomes %g", detector->file->path,
                           rule->name, first + k, (double)out[k]);
    return UN_OK;
}
