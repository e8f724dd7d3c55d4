/* How fast a photo is, and where its time goes (bench.h). */
#include "launch/extract/bench.h"
#include "io/weights/view.h"
#include "launch/extract/engine.h"
#include "launch/extract/file.h"
#include "launch/extract/random.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include "runtime/ops.h"
#include "runtime/rng.h"

#include <string.h>
#include <sys/resource.h>

enum { MADE_HEIGHT = 600, MADE_WIDTH = 1000, PHOTOS_CPU = 2, PHOTOS_CARD = 10, PRODUCTS = 8 };
enum { DECODE, INPUT, BACKBONE, PROPOSALS, REGIONS, CHOICE, STAGES };
static const char *const stage_names[STAGES] = {"decode",    "input",   "backbone",
                                                "proposals", "regions", "choice"};

struct bench {
    const struct un_extract_keys *keys;
    struct un_detector_how how;
    struct un_extract_random random;
    struct un_weights_view view;
    struct un_extract_engine engine;
    struct un_pixels pixels; /* of a file */
    uint8_t *made;           /* of none */
    struct un_photo photo;
    const char *path; /* NULL: made */
    struct un_detector_scale scale;
    float *input, *box; /* box [post_nms,4]: regions in place of too few proposals */
    struct un_queue *queue;
    struct un_mat a, b, c; /* of the product */
    double seconds[STAGES], total, product_seconds, product_flops;
    int64_t photos, regions;
};

static void lap(struct bench *m, int stage, double *start) {
    double now = un_clock();
    m->seconds[stage] += now - *start;
    m->total += now - *start;
    *start = now;
}

/* ---- the product that is held against ---- */

static enum un_status product_open(struct bench *m) {
    struct un_device *d = m->engine.device;
    bool card = d->kind != UN_DEVICE_CPU;
    int64_t rows = card ? 8192 : 1024, cols = card ? 8192 : 3072, inner = card ? 8192 : 768;
    const struct un_limits limits = {
        .max_tokens = rows, .max_samples = 1, .max_width = cols, .max_heads = 1, .max_params = 1};
    int64_t count[] = {rows * inner, inner * cols, rows * cols};
    struct un_mat *mat[] = {&m->a, &m->b, &m->c};
    UN_TRY(d->mem->queue_open(d, &limits, &m->queue));
    m->a = un_mat(NULL, UN_F32, rows, inner);
    m->b = un_mat(NULL, UN_F32, inner, cols);
    m->c = un_mat(NULL, UN_F32, rows, cols);
    float *host =
        un_alloc((size_t)(rows * cols > rows * inner ? rows * cols : rows * inner), sizeof *host, "operands");
    if (!host) return UN_MEMORY;
    enum un_status status = UN_OK;
    for (int k = 0; k < 3 && status == UN_OK; ++k) {
        for (int64_t i = 0; i < count[k] && k < 2; ++i)
            host[i] = un_rng_unit(un_rng(1, UN_RNG_BENCH, 0, 2, (uint32_t)k, (uint32_t)i).v[0]) - 0.5f;
        mat[k]->data = d->mem->alloc(d, (size_t)count[k] * sizeof *host, "operands of the benchmark");
        if (!mat[k]->data) status = UN_MEMORY;
        if (status == UN_OK && k < 2)
            d->mem->copy_in(m->queue, mat[k]->data, host, (size_t)count[k] * sizeof *host);
        if (status == UN_OK) status = d->mem->queue_wait(m->queue);
    }
    un_free(host);
    return status;
}

/* Between the photos, so that what else the machine does weighs on both. */
static enum un_status product_measure(struct bench *m) {
    struct un_device *d = m->engine.device;
    for (int i = 0; i < PRODUCTS; ++i) {
        double start = un_clock();
        d->ops->gemm(m->queue, m->c, m->a, false, m->b, false, 0.0f, NULL);
        UN_TRY(d->mem->queue_wait(m->queue));
        m->product_seconds += un_clock() - start;
        m->product_flops += 2.0 * (double)(m->a.rows * m->a.cols * m->b.cols);
    }
    return UN_OK;
}

/* ---- photos ---- */

static enum un_status make_photo(struct bench *m) {
    m->made = un_alloc(MADE_HEIGHT * MADE_WIDTH * 3, 1, "a made photo");
    if (!m->made) return UN_MEMORY;
    for (uint32_t i = 0; i < MADE_HEIGHT * MADE_WIDTH * 3; ++i)
        m->made[i] = (uint8_t)un_rng_below(un_rng(1, UN_RNG_BENCH, 0, 3, 0, i).v[0], 256);
    m->photo = (struct un_photo){m->made, MADE_HEIGHT, MADE_WIDTH};
    return UN_OK;
}

static enum un_status decode(struct bench *m) {
    if (!m->path) return UN_OK;
    const struct un_pixels_how how = {.orient = m->keys->orient};
    UN_TRY(un_pixels_read(&m->pixels, m->path, &how));
    m->photo = (struct un_photo){m->pixels.bgr, m->pixels.height, m->pixels.width};
    return UN_OK;
}

/* Random weights propose what they like: the rest of post_nms regions is drawn, so that the work is that of a true photo. */
static void fill_regions(struct bench *m, struct un_detector_proposals *p) {
    for (int64_t i = 0; i < m->how.post_nms; ++i) {
        float *box = m->box + 4 * i;
        struct un_rng4 r = un_rng(1, UN_RNG_BENCH, 0, 4, 0, (uint32_t)i);
        if (i < p->n) {
            memcpy(box, p->box + 4 * i, 4 * sizeof *box);
            continue;
        }
        box[0] = un_rng_unit(r.v[0]) * 0.5f * (float)m->scale.width;
        box[1] = un_rng_unit(r.v[1]) * 0.5f * (float)m->scale.height;
        box[2] = box[0] + (0.1f + 0.4f * un_rng_unit(r.v[2])) * (float)m->scale.width;
        box[3] = box[1] + (0.1f + 0.4f * un_rng_unit(r.v[3])) * (float)m->scale.height;
    }
    *p = (struct un_detector_proposals){m->how.post_nms, m->box, NULL};
}

static enum un_status one_photo(struct bench *m) {
    struct un_extract_engine *e = &m->engine;
    struct un_detector_proposals proposals = {0};
    struct un_detector_regions regions;
    struct un_detector_judgement j;
    struct un_detector_sight sight;
    double start = un_clock();
    UN_TRY(decode(m));
    lap(m, DECODE, &start);
    un_detector_input(m->input, &m->photo, &m->scale, m->how.profile);
    lap(m, INPUT, &start);
    UN_TRY(un_detector_see(e->detector, m->input, m->scale.height, m->scale.width, &sight));
    lap(m, BACKBONE, &start);
    UN_TRY(un_detector_propose(e->room, &proposals, sight.logits, sight.deltas,
                               un_detector_anchors(e->detector), sight.h, sight.w, &m->scale));
    lap(m, PROPOSALS, &start);
    fill_regions(m, &proposals);
    UN_TRY(un_detector_judge(e->detector, proposals.box, proposals.n, &j));
    lap(m, REGIONS, &start);
    UN_TRY(un_detector_choose(e->room, &regions, &proposals, j.class_logits, j.box_deltas, j.attribute_logits,
                              &m->scale));
    lap(m, CHOICE, &start);
    m->regions = regions.n;
    return UN_OK;
}

/* ---- all of it ---- */

static enum un_status open_engine(struct bench *m) {
    struct un_detector_file file;
    if (strcmp(m->keys->weights, "random") == 0) {
        UN_TRY(un_extract_random_open(&m->random));
        file = m->random.file;
    } else {
        UN_TRY(un_weights_view_open(&m->view, m->keys->weights));
        file = un_extract_file(&m->view);
    }
    const struct un_extract_engine_setup setup = {.device = un_extract_devices[m->keys->device],
                                                  .threads = (int)m->keys->threads,
                                                  .tf32 = m->keys->tf32,
                                                  .factor = un_extract_factor(m->keys),
                                                  .regions = m->how.post_nms,
                                                  .how = m->how};
    return un_extract_engine_open(&m->engine, &file, &setup);
}

static enum un_status open_all(struct bench *m, const char *const *names, int n) {
    UN_TRY(un_extract_how(&m->how, m->keys));
    UN_TRY(open_engine(m));
    m->path = n > 0 ? names[0] : NULL;
    UN_TRY(m->path ? decode(m) : make_photo(m));
    UN_TRY(un_detector_scale(&m->scale, m->photo.height, m->photo.width, &m->how));
    m->input = un_alloc((size_t)(m->scale.height * m->scale.width * 3), sizeof *m->input, "an input");
    m->box = un_alloc((size_t)m->how.post_nms * 4, sizeof *m->box, "regions");
    if (!m->input || !m->box) return UN_MEMORY;
    return product_open(m);
}

static void report(const struct bench *m, FILE *out) {
    const struct un_extract_engine *e = &m->engine;
    double n = (double)m->photos, network = (m->seconds[BACKBONE] + m->seconds[REGIONS]) / n;
    double flops = un_detector_flops(&e->sizes, m->scale.height, m->scale.width, m->how.post_nms);
    double rate = m->product_flops / m->product_seconds;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    fprintf(out, "device      %s\n", e->device->name);
    fprintf(out, "photo       %lld x %lld, the network sees %lld x %lld; %lld regions judged, %lld kept\n",
            (long long)m->scale.photo_width, (long long)m->scale.photo_height, (long long)m->scale.width,
            (long long)m->scale.height, (long long)m->how.post_nms, (long long)m->regions);
    fprintf(out, "work        %.1f GFLOP a photo\n", flops * 1e-9);
    fprintf(out, "network     %.1f GFLOP/s\n", flops / network * 1e-9);
    fprintf(out, "sgemm       %.1f GFLOP/s (%lld x %lld x %lld, same device, mean of %lld)\n", rate * 1e-9,
            (long long)m->a.rows, (long long)m->b.cols, (long long)m->a.cols,
            (long long)(PRODUCTS * (m->photos + 1)));
    fprintf(out, "ratio       %.3f\n", flops / network / rate);
    for (int s = 0; s < STAGES; ++s)
        if (s == DECODE && !m->path)
            fprintf(out, "decode      not measured: name a photo\n");
        else
            fprintf(out, "%-11s %.1f ms a photo, %.2f %%\n", stage_names[s], m->seconds[s] / n * 1e3,
                    m->seconds[s] / m->total * 100);
    fprintf(out, "photo       %.3f s in a row; %.0f photos an hour where decoding runs ahead\n", m->total / n,
            3600 / ((m->total - m->seconds[DECODE] - m->seconds[INPUT]) / n));
    fprintf(out, "memory      %.0f MiB at the peak\n", (double)usage.ru_maxrss / 1024);
}

static enum un_status run(struct bench *m, const char *const *names, int n, FILE *out) {
    UN_TRY(open_all(m, names, n));
    int64_t photos = m->engine.device->kind == UN_DEVICE_CPU ? PHOTOS_CPU : PHOTOS_CARD;
    UN_TRY(one_photo(m)); /* pages are touched, products are chosen */
    memset(m->seconds, 0, sizeof m->seconds);
    m->total = 0;
    for (; m->photos < photos; ++m->photos) {
        UN_TRY(product_measure(m));
        UN_TRY(one_photo(m));
    }
    UN_TRY(product_measure(m));
    report(m, out);
    return UN_OK;
}

static void close_all(struct bench *m) {
    struct un_device *d = m->engine.device;
    if (d && m->queue) d->mem->queue_close(m->queue);
    if (m->a.data) d->mem->free(d, m->a.data);
    if (m->b.data) d->mem->free(d, m->b.data);
    if (m->c.data) d->mem->free(d, m->c.data);
    un_extract_engine_close(&m->engine);
    un_weights_view_close(&m->view);
    un_extract_random_close(&m->random);
    un_pixels_free(&m->pixels);
    un_free(m->made);
    un_free(m->input);
    un_free(m->box);
}

enum un_status un_extract_bench(const struct un_extract_keys *keys, const char *const *names, int n,
                                FILE *out) {
    struct bench *m = un_alloc(1, sizeof *m, "a benchmark");
    if (!m) return UN_MEMORY;
    m->keys = keys;
    enum un_status status = run(m, names, n, out);
    close_all(m);
    un_free(m);
    return status;
}
