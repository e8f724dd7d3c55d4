/* Maps of a convolutional network, channels last: a cell is a row of channels, so whatever is done to cells is done
 * to runs of neighbouring floats.
 *
 * Law: a task writes only its own rows. Maxima are choices, not sums: cells go by rows, then columns, and of equal
 * ones the first stays. mean_rows adds in blocks of ops.h's order. */
#include "runtime/cpu/cpu.h"

#include <math.h>
#include <string.h>

enum { STRIP = 64, MEAN_STRIP = 256, MEAN_BLOCK = 16 };

static int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
static int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static bool parallel(struct un_mat m) {
    return m.rows > 1 && m.rows * m.cols > UN_CPU_PARALLEL_MIN;
}

/* ---- patches ---- */

struct sliding {
    struct un_mat src;
    struct un_maps in;
    struct un_window w;
    int64_t out_height, out_width;
    bool runs; /* neighbouring taps of a row are neighbours in memory */
};

static void copy_floats(float *restrict dst, const float *restrict src, int64_t n) {
    if (n >= STRIP)
        memcpy(dst, src, (size_t)n * sizeof *dst);
    else
        for (int64_t i = 0; i < n; ++i) dst[i] = src[i];
}

/* size taps of C channels from the cells x, x + dilation, .. of a row of the map. */
static void copy_taps(float *dst, const struct sliding *s, int64_t row, int64_t x) {
    const int64_t channels = s->src.cols, taps = s->w.size, step = s->w.dilation;
    /* taps [from, to) are inside */
    const int64_t from = x >= 0 ? 0 : least((-x + step - 1) / step, taps);
    const int64_t to = x >= s->in.width ? from : most(least((s->in.width - 1 - x) / step + 1, taps), from);
    memset(dst, 0, (size_t)(from * channels) * sizeof *dst);
    if (s->runs && to > from)
        copy_floats(dst + from * channels, un_cpu_row(s->src, row + x + from), (to - from) * channels);
    for (int64_t k = from; k < to && !s->runs; ++k)
        copy_floats(dst + k * channels, un_cpu_row(s->src, row + x + k * step), channels);
    memset(dst + to * channels, 0, (size_t)((taps - to) * channels) * sizeof *dst);
}

static void copy_patch(float *dst, const struct sliding *s, int64_t cell) {
    const int64_t length = s->w.size * s->src.cols;
    const int64_t x = cell % s->out_width * s->w.stride - s->w.pad, line = cell / s->out_width;
    const int64_t y = line % s->out_height * s->w.stride - s->w.pad, map = line / s->out_height;
    for (int64_t k = 0; k < s->w.size; ++k, dst += length) {
        const int64_t at = y + k * s->w.dilation;
        if (at < 0 || at >= s->in.height)
            memset(dst, 0, (size_t)length * sizeof *dst);
        else
            copy_taps(dst, s, (map * s->in.height + at) * s->in.width, x);
    }
}

void un_cpu_patches(struct un_queue *q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
                    const struct un_window *window, int64_t first) {
    const struct sliding s = {src,
                              *maps,
                              *window,
                              un_window_out(maps->height, window),
                              un_window_out(maps->width, window),
                              window->dilation == 1 && src.stride == src.cols};
    UN_ASSERT(dst.cols == window->size * window->size * src.cols);
    UN_ASSERT(first >= 0 && first + dst.rows <= maps->n * s.out_height * s.out_width);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(dst))
    for (int64_t r = 0; r < dst.rows; ++r) copy_patch(un_cpu_row(dst, r), &s, first + r);
}

/* ---- maxima ---- */

/* Cells [top, bottom) x [left, right) of a map whose first cell is row `map` of x. */
struct cells {
    int64_t map, top, bottom, left, right;
};

static inline void keep_larger(float *restrict y, const float *restrict x, int64_t n) {
    for (int64_t j = 0; j < n; ++j) y[j] = (x[j] > y[j]) | (x[j] != x[j]) ? x[j] : y[j];
}

/* y = max over the cells, at least one of them, of the channels [col, col + n), n <= STRIP. */
static inline void max_strip(float *y, struct un_mat x, int64_t width, const struct cells *c, int64_t col,
                             int64_t n) {
    float top[STRIP];
    memcpy(top, un_cpu_row(x, c->map + c->top * width + c->left) + col, (size_t)n * sizeof *top);
    for (int64_t i = c->top; i < c->bottom; ++i)
        for (int64_t j = c->left; j < c->right; ++j)
            keep_larger(top, un_cpu_row(x, c->map + i * width + j) + col, n);
    memcpy(y + col, top, (size_t)n * sizeof *top);
}

static void max_cells(float *y, struct un_mat x, int64_t width, const struct cells *c) {
    int64_t col = 0;
    for (; col + STRIP <= x.cols; col += STRIP) max_strip(y, x, width, c, col, STRIP);
    if (col < x.cols) max_strip(y, x, width, c, col, x.cols - col);
}

void un_cpu_max_pool(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                     const struct un_window *window) {
    const struct un_maps in = *maps;
    const struct un_window w = *window;
    const int64_t height = un_window_out_up(in.height, &w), width = un_window_out_up(in.width, &w);
    UN_ASSERT(w.pad == 0 && w.dilation == 1 && w.stride <= w.size);
    UN_ASSERT(y.rows == in.n * height * width && y.cols == x.cols);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(y))
    for (int64_t r = 0; r < y.rows; ++r) {
        const int64_t left = r % width * w.stride, line = r / width;
        const int64_t top = line % height * w.stride, map = line / height;
        const struct cells c = {map * in.height * in.width, top, least(top + w.size, in.height), left,
                                least(left + w.size, in.width)};
        max_cells(un_cpu_row(y, r), x, in.width, &c);
    }
}

/* An axis of a region: where it starts and how long its bins are, in cells. */
struct axis {
    int64_t start, cells;
    float bin;
};

static int64_t corner(float at) {
    enum { FAR = 1 << 24 }; /* all whole numbers up to it are floats */
    const float cut = at > -FAR ? (at < FAR ? at : FAR) : -FAR;
    return (int64_t)roundf(cut);
}

static struct axis axis_of(float from, float to, float scale, int64_t cells, int64_t pool) {
    const int64_t start = corner(from * scale), end = corner(to * scale);
    return (struct axis){start, cells, (float)most(end - start + 1, 1) / (float)pool};
}

/* Cells of bin p, inside the map. */
static void bin_cells(const struct axis *a, int64_t p, int64_t *first, int64_t *end) {
    const float low = floorf((float)p * a->bin), high = ceilf((float)(p + 1) * a->bin);
    *first = least(most(a->start + (int64_t)low, 0), a->cells);
    *end = least(most(a->start + (int64_t)high, 0), a->cells);
}

void un_cpu_region_pool(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
                        const float *box, int64_t regions, int64_t pool, float scale) {
    UN_ASSERT(y.rows == regions * pool * pool && y.cols == x.cols && x.rows == height * width);
#pragma omp parallel for schedule(dynamic) num_threads(q->threads) if (parallel(y))
    for (int64_t i = 0; i < regions * pool; ++i) {
        const float *b = box + i / pool * 4;
        const struct axis down = axis_of(b[1], b[3], scale, height, pool),
                          along = axis_of(b[0], b[2], scale, width, pool);
        struct cells c = {.map = 0};
        bin_cells(&down, i % pool, &c.top, &c.bottom);
        for (int64_t p = 0; p < pool; ++p) {
            float *to = un_cpu_row(y, i * pool + p);
            bin_cells(&along, p, &c.left, &c.right);
            if (c.top < c.bottom && c.left < c.right)
                max_cells(to, x, width, &c);
            else
                memset(to, 0, (size_t)y.cols * sizeof *to);
        }
    }
}

/* ---- sums ---- */

void un_cpu_add_relu(struct un_queue *q, struct un_mat y, struct un_mat a, struct un_mat b) {
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(y))
    for (int64_t i = 0; i < y.rows; ++i) {
        float *s = un_cpu_row(y, i);
        const float *u = un_cpu_row(a, i), *v = un_cpu_row(b, i);
#pragma GCC ivdep
        for (int64_t j = 0; j < y.cols; ++j) {
            const float sum = u[j] + v[j];
            s[j] = sum < 0.0f ? 0.0f : sum;
        }
    }
}

static void add_floats(float *restrict sum, const float *restrict x, int64_t n) {
    for (int64_t j = 0; j < n; ++j) sum[j] += x[j];
}

/* The columns [col, col + n) of one output row, n <= MEAN_STRIP. */
static void mean_strip(float *y, struct un_mat x, int64_t first, int64_t count, int64_t col, int64_t n) {
    float total[MEAN_STRIP] = {0};
    for (int64_t from = 0; from < count; from += MEAN_BLOCK) {
        float block[MEAN_STRIP] = {0};
        for (int64_t j = from; j < least(from + MEAN_BLOCK, count); ++j)
            add_floats(block, un_cpu_row(x, first + j) + col, n);
        add_floats(total, block, n);
    }
    for (int64_t j = 0; j < n; ++j) y[col + j] = total[j] / (float)count;
}

void un_cpu_mean_rows(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count) {
    const int64_t strips = (y.cols + MEAN_STRIP - 1) / MEAN_STRIP;
    UN_ASSERT(count > 0 && x.rows == y.rows * count && x.cols == y.cols);
#pragma omp parallel for schedule(static) num_threads(q->threads) if (parallel(x))
    for (int64_t i = 0; i < y.rows * strips; ++i) {
        const int64_t row = i / strips, col = i % strips * MEAN_STRIP;
        mean_strip(un_cpu_row(y, row), x, row * count, count, col, least(MEAN_STRIP, y.cols - col));
    }
}
