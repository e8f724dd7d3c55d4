/* Maps of a convolutional network, channels last, f32. Work is cut into rows of `groups` pieces of four neighbouring
 * channels; a block owns some neighbouring rows, its threads go through their pieces. Everything here chooses, copies
 * or adds element by element, so the bits are those of the CPU.
 *
 * Bytes: patches read each cell once from memory (the windows' overlaps come from L2) and write 4 an element of dst;
 * max_pool reads and writes each cell once; region_pool writes 4 an element of y and reads the map, which stays in L2,
 * once for every bin; mean_rows reads 4 an element. */
#include "runtime/cuda/kernel.cuh"

#include <math.h>

namespace {

enum { THREADS = 256, FOUR = 4, PIECES = 512 /* a block has about so many */, AHEAD = 4 };

struct spread {
    int64_t rows;
    uint32_t groups, height; /* pieces of a row; rows of a block */
};

/* ---- four neighbouring channels ---- */

/* v = p[0..n), 0 above; wide: 16-byte aligned (used when n is 4 or more). */
__device__ __forceinline__ void load4(float v[FOUR], const float *p, int64_t n, bool wide) {
    if (wide && n >= FOUR) {
        const float4 a = *(const float4 *)p;
        v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w;
        return;
    }
#pragma unroll
    for (int i = 0; i < FOUR; ++i) v[i] = i < n ? p[i] : 0.0f;
}
__device__ __forceinline__ void store4(float *p, const float v[FOUR], int64_t n, bool wide) {
    if (wide && n >= FOUR) {
        *(float4 *)p = make_float4(v[0], v[1], v[2], v[3]);
        return;
    }
#pragma unroll
    for (int i = 0; i < FOUR; ++i)
        if (i < n) p[i] = v[i];
}

/* ---- which cell ---- */

struct place {
    int64_t map;
    uint32_t y, x;
};
/* Cell `cell` + `more` of maps of height x width; 64-bit divisions once a thread, for the first one. */
__device__ __forceinline__ place place_of(int64_t cell, int64_t height, int64_t width) {
    const int64_t line = cell / width;
    return {line / height, (uint32_t)(line % height), (uint32_t)(cell % width)};
}
__device__ __forceinline__ place place_after(place p, uint32_t more, int64_t height, int64_t width) {
    const uint32_t x = p.x + more, y = p.y + x / (uint32_t)width;
    return {p.map + y / (uint32_t)height, y % (uint32_t)height, x % (uint32_t)width};
}

/* ---- patches ---- */

struct sliding {
    float *dst;
    const float *src;
    int64_t dst_stride, src_stride, channels, first;
    un_maps in;
    un_window w;
    int64_t out_height, out_width;
    bool wide;
};

/* The taps of one column kx of the window, four channels of them, for the output cell `at`. */
__device__ __forceinline__ void copy_column(float *dst, const sliding &s, const place &at, int64_t kx,
                                            int64_t channel) {
    const int64_t x = at.x * s.w.stride + kx * s.w.dilation - s.w.pad, y = at.y * s.w.stride - s.w.pad;
    const int64_t left = s.channels - channel, line = s.w.size * s.channels;
    const bool across = x >= 0 && x < s.in.width;
    /* an address inside src, also where nothing is read from it */
    const float *from =
        s.src + (at.map * s.in.height * s.in.width + (across ? x : 0)) * s.src_stride + channel;
    float *to = dst + kx * s.channels + channel;
    for (int64_t k = 0; k < s.w.size; k += AHEAD) {
        float v[AHEAD][FOUR];
#pragma unroll
        for (int i = 0; i < AHEAD; ++i) {
            const int64_t row = y + (k + i) * s.w.dilation;
            const bool inside = across && k + i < s.w.size && row >= 0 && row < s.in.height;
            load4(v[i], from + (inside ? row * s.in.width * s.src_stride : 0), inside ? left : 0, s.wide);
        }
#pragma unroll
        for (int i = 0; i < AHEAD; ++i)
            if (k + i < s.w.size) store4(to + (k + i) * line, v[i], left, s.wide);
    }
}

__global__ void __launch_bounds__(THREADS) patches(const sliding s, const spread cut) {
    const int64_t row0 = (int64_t)blockIdx.x * cut.height;
    const place start = place_of(s.first + row0, s.out_height, s.out_width);
    const uint32_t fours = cut.groups / (uint32_t)s.w.size;
    for (uint32_t t = threadIdx.x; t < cut.height * cut.groups; t += THREADS) {
        const uint32_t more = t / cut.groups, group = t % cut.groups;
        const int64_t row = row0 + more;
        if (row >= cut.rows) break;
        copy_column(s.dst + row * s.dst_stride, s, place_after(start, more, s.out_height, s.out_width),
                    group / fours, (int64_t)(group % fours) * FOUR);
    }
}

/* ---- maxima ---- */

struct pooled {
    float *y;
    const float *x;
    int64_t y_stride, x_stride, channels;
    int64_t height, width;         /* of a map of x */
    int64_t out_height, out_width; /* of the output, or bins of a region */
    bool wide;
};

/* Cells [top, bottom) x [left, right) of a map whose first cell is row `map` of x. */
struct cells {
    int64_t map, top, bottom, left, right;
};

/* The larger one, NaN above all; of equal ones the first. */
__device__ __forceinline__ float larger(float y, float x) {
    return x > y || x != x ? x : y;
}

/* Four channels of an output row: the maximum over the cells, 0 without any. */
__device__ __forceinline__ void max_cells(float *y, const pooled &p, const cells &c, int64_t channel) {
    const int64_t left = p.channels - channel;
    float best[FOUR] = {};
    if (c.top < c.bottom && c.left < c.right)
        load4(best, p.x + (c.map + c.top * p.width + c.left) * p.x_stride + channel, left, p.wide);
    for (int64_t i = c.top; i < c.bottom; ++i) {
        const float *line = p.x + (c.map + i * p.width) * p.x_stride + channel;
#pragma unroll 4
        for (int64_t j = c.left; j < c.right; ++j) {
            float v[FOUR];
            load4(v, line + j * p.x_stride, left, p.wide);
#pragma unroll
            for (int k = 0; k < FOUR; ++k) best[k] = larger(best[k], v[k]);
        }
    }
    store4(y + channel, best, left, p.wide);
}

__device__ __forceinline__ int64_t least(int64_t a, int64_t b) {
    return a < b ? a : b;
}
__device__ __forceinline__ int64_t most(int64_t a, int64_t b) {
    return a > b ? a : b;
}

__global__ void __launch_bounds__(THREADS)
    max_pool(const pooled p, int64_t size, int64_t stride, const spread cut) {
    const int64_t row0 = (int64_t)blockIdx.x * cut.height;
    const place start = place_of(row0, p.out_height, p.out_width);
    for (uint32_t t = threadIdx.x; t < cut.height * cut.groups; t += THREADS) {
        const uint32_t more = t / cut.groups;
        const int64_t row = row0 + more;
        if (row >= cut.rows) break;
        const place at = place_after(start, more, p.out_height, p.out_width);
        const int64_t top = at.y * stride, left = at.x * stride;
        const cells c = {at.map * p.height * p.width, top, least(top + size, p.height), left,
                         least(left + size, p.width)};
        max_cells(p.y + row * p.y_stride, p, c, (int64_t)(t % cut.groups) * FOUR);
    }
}

/* round(at), half away from zero, cut to what floats count in ones. */
__device__ __forceinline__ int64_t corner(float at) {
    const float far = 16777216.0f;
    return (int64_t)roundf(at > -far ? (at < far ? at : far) : -far);
}

/* Cells of bin p of an axis, inside the map. Each product is rounded by itself, as on the CPU. */
__device__ __forceinline__ void bin_cells(int64_t *first, int64_t *end, float from, float to, float scale,
                                          int64_t pool, int64_t count, uint32_t p) {
    const int64_t start = corner(__fmul_rn(from, scale)), last = corner(__fmul_rn(to, scale));
    const float bin = (float)most(last - start + 1, 1) / (float)pool;
    *first = least(most(start + (int64_t)floorf(__fmul_rn((float)p, bin)), 0), count);
    *end = least(most(start + (int64_t)ceilf(__fmul_rn((float)(p + 1), bin)), 0), count);
}

__global__ void __launch_bounds__(THREADS)
    region_pool(const pooled p, const float *box, int64_t pool, float scale, const spread cut) {
    const int64_t row0 = (int64_t)blockIdx.x * cut.height;
    const place start = place_of(row0, pool, pool);
    for (uint32_t t = threadIdx.x; t < cut.height * cut.groups; t += THREADS) {
        const uint32_t more = t / cut.groups;
        const int64_t row = row0 + more;
        if (row >= cut.rows) break;
        const place at = place_after(start, more, pool, pool);
        const float *b = box + at.map * 4;
        cells c = {};
        bin_cells(&c.top, &c.bottom, b[1], b[3], scale, pool, p.height, at.y);
        bin_cells(&c.left, &c.right, b[0], b[2], scale, pool, p.width, at.x);
        max_cells(p.y + row * p.y_stride, p, c, (int64_t)(t % cut.groups) * FOUR);
    }
}

/* ---- mean_rows: a thread a four of columns; the rows of a block of the sum are read together ---- */

enum { MEAN_THREADS = 128, MEAN_BLOCK = 16 };

__global__ void __launch_bounds__(MEAN_THREADS)
    mean_rows(float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t cols, int64_t count,
              bool wide) {
    const int64_t col = ((int64_t)blockIdx.y * MEAN_THREADS + threadIdx.x) * FOUR, left = cols - col;
    if (left <= 0) return;
    const float *from = x + (int64_t)blockIdx.x * count * x_stride + col;
    float total[FOUR] = {};
    for (int64_t first = 0; first < count; first += MEAN_BLOCK) {
        float v[MEAN_BLOCK][FOUR], sum[FOUR] = {};
#pragma unroll
        for (int j = 0; j < MEAN_BLOCK; ++j)
            load4(v[j], from + (first + j < count ? first + j : 0) * x_stride, first + j < count ? left : 0,
                  wide);
#pragma unroll
        for (int j = 0; j < MEAN_BLOCK; ++j)
#pragma unroll
            for (int k = 0; k < FOUR; ++k)
                if (first + j < count) sum[k] += v[j][k];
#pragma unroll
        for (int k = 0; k < FOUR; ++k) total[k] += sum[k];
    }
#pragma unroll
    for (int k = 0; k < FOUR; ++k) total[k] = total[k] / (float)count;
    store4(y + (int64_t)blockIdx.x * y_stride + col, total, left, wide);
}

/* ---- host ---- */

uint32_t fours_of(int64_t cols) {
    return (uint32_t)((cols + FOUR - 1) / FOUR);
}

spread spread_of(int64_t rows, uint32_t groups) {
    return {rows, groups, groups < PIECES ? PIECES / groups : 1};
}

/* f32, and something to do. */
bool is_sound(struct un_queue *q, struct un_mat out, struct un_mat in, const char *op) {
    if (out.type != UN_F32 || in.type != UN_F32) {
        un_cuda_fail(q, UN_INTERNAL, "%s: operands of types %d and %d, want f32", op, (int)out.type,
                     (int)in.type);
        return false;
    }
    return out.rows > 0 && out.cols > 0;
}

pooled pooled_of(struct un_mat y, struct un_mat x, int64_t height, int64_t width, int64_t out_height,
                 int64_t out_width) {
    return {
        (float *)y.data, (const float *)x.data,         y.stride, x.stride, x.cols, height, width, out_height,
        out_width,       un_is_wide(y) && un_is_wide(x)};
}

} // namespace

void un_cuda_patches(struct un_queue *q, struct un_mat dst, struct un_mat src, const struct un_maps *maps,
                     const struct un_window *window, int64_t first) {
    const int64_t height = un_window_out(maps->height, window), width = un_window_out(maps->width, window);
    UN_ASSERT(dst.cols == window->size * window->size * src.cols);
    UN_ASSERT(first >= 0 && first + dst.rows <= maps->n * height * width);
    if (!is_sound(q, dst, src, "patches")) return;
    const sliding s = {(float *)dst.data,
                       (const float *)src.data,
                       dst.stride,
                       src.stride,
                       src.cols,
                       first,
                       *maps,
                       *window,
                       height,
                       width,
                       un_is_wide(dst) && un_is_wide(src) && src.cols % FOUR == 0};
    const spread cut = spread_of(dst.rows, fours_of(src.cols) * (uint32_t)window->size);
    UN_LAUNCH(q, patches, un_blocks(cut.rows, cut.height), THREADS, 0, s, cut);
}

void un_cuda_max_pool(struct un_queue *q, struct un_mat y, struct un_mat x, const struct un_maps *maps,
                      const struct un_window *window) {
    const int64_t height = un_window_out_up(maps->height, window),
                  width = un_window_out_up(maps->width, window);
    UN_ASSERT(window->pad == 0 && window->dilation == 1 && window->stride <= window->size);
    UN_ASSERT(y.rows == maps->n * height * width && y.cols == x.cols);
    if (!is_sound(q, y, x, "max_pool")) return;
    const spread cut = spread_of(y.rows, fours_of(y.cols));
    UN_LAUNCH(q, max_pool, un_blocks(cut.rows, cut.height), THREADS, 0,
              pooled_of(y, x, maps->height, maps->width, height, width), window->size, window->stride, cut);
}

void un_cuda_region_pool(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t height, int64_t width,
                         const float *box, int64_t regions, int64_t pool, float scale) {
    UN_ASSERT(y.rows == regions * pool * pool && y.cols == x.cols && x.rows == height * width);
    if (!is_sound(q, y, x, "region_pool")) return;
    const spread cut = spread_of(regions * pool * pool, fours_of(y.cols));
    UN_LAUNCH(q, region_pool, un_blocks(cut.rows, cut.height), THREADS, 0,
              pooled_of(y, x, height, width, pool, pool), box, pool, scale, cut);
}

void un_cuda_mean_rows(struct un_queue *q, struct un_mat y, struct un_mat x, int64_t count) {
    UN_ASSERT(count > 0 && x.rows == y.rows * count && x.cols == y.cols);
    if (!is_sound(q, y, x, "mean_rows")) return;
    const dim3 grid((unsigned)y.rows, un_blocks(y.cols, (int)MEAN_THREADS * FOUR));
    UN_LAUNCH(q, mean_rows, grid, MEAN_THREADS, 0, (float *)y.data, y.stride, (const float *)x.data, x.stride,
              y.cols, count, un_is_wide(y) && un_is_wide(x));
}
