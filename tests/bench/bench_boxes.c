/* Times what the host does for a photo beside the network, at the sizes of the public detector: pixels into an input of about
 * 600 x 800, proposals of 38 x 63 cells, the choice among 300 regions and 1,600 classes. One thread, its processor time, the
 * median of the passes. Run by hand: bench_boxes [passes] */
#include "model/detector/boxes.h"
#include "runtime/memory.h"
#include "runtime/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { H = 38, W = 63, A = 12, P = 300, K = 1600, B = 400, PASSES_MOST = 1000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float uniform(uint32_t what, int64_t i) {
    return (float)(un_philox((uint32_t)i, what, 0, 0, 3, 4).v[0] >> 8) / (float)(1 << 24);
}

static float normal(uint32_t what, int64_t i) {
    float a = sqrtf(-2 * logf(1 - uniform(what, 2 * i)));
    return a * cosf(6.2831853f * uniform(what, 2 * i + 1));
}

static float *values(int64_t n) {
    float *v = un_alloc((size_t)n, sizeof *v, "values");
    if (!v) exit(UN_MEMORY);
    return v;
}

static void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "bench_boxes: %s\n", un_error_get()->text);
    exit((int)status);
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct work {
    struct un_detector_room *room;
    struct un_detector_scale scale;
    struct un_detector_proposals proposals;
    struct un_detector_regions regions;
    struct un_photo photo;
    enum un_detector_profile profile;
    float *input, *logits, *deltas, *class_logits, *box_deltas, *attribute_logits;
};

static float cell[A * 4];

static void propose(struct work *w) {
    check(un_detector_propose(w->room, &w->proposals, w->logits, w->deltas, cell, H, W, &w->scale));
}

static void choose(struct work *w) {
    check(un_detector_choose(w->room, &w->regions, &w->proposals, w->class_logits, w->box_deltas,
                             w->attribute_logits, &w->scale));
}

static void resize(struct work *w) {
    un_detector_input(w->input, &w->photo, &w->scale, w->profile);
}

static void measure(struct work *w, void (*pass)(struct work *), int passes, const char *what,
                    const char *more) {
    double seconds[PASSES_MOST];
    for (int i = 0; i < passes; ++i) {
        double start = now();
        pass(w);
        seconds[i] = now() - start;
    }
    qsort(seconds, (size_t)passes, sizeof *seconds, ascending);
    printf("%-6s %-44s %8.2f ms (least %.2f, most %.2f) %s\n",
           w->profile == UN_DETECTOR_CAFFE ? "caffe" : "port", what, 1e3 * seconds[passes / 2],
           1e3 * seconds[0], 1e3 * seconds[passes - 1], more);
}

static void measure_boxes(struct work *w, int passes, float spread, const char *what_proposals) {
    static const char *const names[] = {"choice, a few likely classes", "choice, all classes alike",
                                        "choice, all scores equal"};
    static const float peak[] = {2.6f, 0.01f, 0};
    char more[60];
    for (int64_t i = 0; i < H * W * A * 4; ++i) w->deltas[i] = spread * normal(2, i);
    propose(w);
    snprintf(more, sizeof more, "%lld proposals", (long long)w->proposals.n);
    measure(w, propose, passes, what_proposals, more);
    for (int k = 0; k < 3; ++k) {
        for (int64_t i = 0; i < P * (K + 1); ++i) w->class_logits[i] = peak[k] * normal(3, i);
        choose(w);
        snprintf(more, sizeof more, "%lld kept", (long long)w->regions.n);
        measure(w, choose, passes, names[k], more);
    }
}

static void measure_photo(struct work *w, int passes, int64_t height, int64_t width,
                          const struct un_detector_how *how) {
    char what[60];
    uint8_t *bgr = un_alloc((size_t)(height * width * 3), 1, "a photo");
    if (!bgr) exit(UN_MEMORY);
    for (int64_t i = 0; i < height * width * 3; ++i) bgr[i] = (uint8_t)(i * 2654435761u >> 13);
    w->photo = (struct un_photo){bgr, height, width};
    check(un_detector_scale(&w->scale, height, width, how));
    w->input = values(w->scale.height * w->scale.width * 3);
    snprintf(what, sizeof what, "%lld x %lld to %lld x %lld", (long long)width, (long long)height,
             (long long)w->scale.width, (long long)w->scale.height);
    measure(w, resize, passes, what, "");
    un_free(w->input);
    un_free(bgr);
}

static void fill(struct work *w) {
    static const float sides[A / 3] = {64, 128, 256, 512};
    for (int a = 0; a < A; ++a) {
        float ratio = powf(2, (float)(a % 3 - 1)), wide = 0.5f * sides[a / 3] / sqrtf(ratio);
        const float box[4] = {-wide, -ratio * wide, wide, ratio * wide};
        memcpy(cell + 4 * a, box, sizeof box);
    }
    for (int64_t i = 0; i < H * W * A; ++i) w->logits[i] = 2 * normal(1, i);
    for (int64_t i = 0; i < (int64_t)P * K * 4; ++i) w->box_deltas[i] = normal(4, i);
    for (int64_t i = 0; i < P * (B + 1); ++i) w->attribute_logits[i] = normal(5, i);
}

int main(int argc, char **argv) {
    int passes = argc > 1 ? atoi(argv[1]) : 21;
    const struct un_detector_sizes sizes = {.anchors = A, .classes = K, .attributes = B};
    struct work w = {.logits = values(H * W * A),
                     .deltas = values(H * W * A * 4),
                     .class_logits = values(P * (K + 1)),
                     .box_deltas = values((int64_t)P * K * 4),
                     .attribute_logits = values(P * (B + 1))};
    if (passes < 1 || passes > PASSES_MOST) return UN_USAGE;
    fill(&w);
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) {
        struct un_detector_how how;
        un_detector_profile(&how, (enum un_detector_profile)p);
        w.profile = how.profile;
        measure_photo(&w, passes, 480, 640, &how);
        measure_photo(&w, passes, 3000, 4000, &how);
        check(un_detector_scale(&w.scale, 600, 1000, &how));
        check(un_detector_room_open(&w.room, &sizes, &how));
        measure_boxes(&w, passes, 0.3f, "proposals, as they come");
        /* Nothing moved: the anchors beside each other overlap, so that many are dropped before 300 are kept. */
        measure_boxes(&w, passes, 0, "proposals, anchors unmoved");
        un_detector_room_close(w.room);
    }
    un_free(w.logits);
    un_free(w.deltas);
    un_free(w.class_logits);
    un_free(w.box_deltas);
    un_free(w.attribute_logits);
    return 0;
}
