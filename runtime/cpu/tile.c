/* Register-blocked products; see tile.h. A block is 4 rows by 4 registers of columns (2 where there are 16
 * registers). The blocking and the width of a register move work about, never the order of a sum. */
#include "runtime/cpu/tile.h"

#include "runtime/cpu/rows.h"

/* Registers as wide as the processor's: gcc 12 takes vectors wider than that apart into single floats. KEEP
 * makes the compiler hold a loaded vector in its register: it would load it again for each of the four rows,
 * and the load port becomes the bound (77 instead of 110 GFLOP/s on the core this was written on). */
#if defined(__AVX512F__)
enum { WIDTH = 16, VECTORS = 4, DOT_ROWS = 4 };
#define KEEP(v) __asm__("" : "+v"(v))
#elif defined(__AVX__)
enum { WIDTH = 8, VECTORS = 2, DOT_ROWS = 2 };
#define KEEP(v) __asm__("" : "+x"(v))
#else
enum { WIDTH = 4, VECTORS = 2, DOT_ROWS = 1 };
#define KEEP(v) ((void)0)
#endif
enum { ROWS = 4, BLOCK_COLS = VECTORS * WIDTH, DOT_COLS = DOT_ROWS, PARTS = UN_LANES / WIDTH };

typedef float vec __attribute__((vector_size(4 * WIDTH)));
typedef int32_t mask __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t words __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t halves __attribute__((vector_size(2 * WIDTH)));
typedef float four __attribute__((vector_size(16)));
typedef uint32_t four_words __attribute__((vector_size(16)));
typedef uint16_t four_halves __attribute__((vector_size(8)));

_Static_assert((int)UN_TILE_LANES == (int)UN_LANES, "panels are padded to whole groups of lanes");
_Static_assert(UN_TILE_LANES % WIDTH == 0, "panels are padded to whole registers");

UN_INLINE vec load(const float *x) {
    vec v;
    memcpy(&v, x, sizeof v);
    return v;
}
/* Elements [i, i + WIDTH) of f32 or bf16; `low` is a constant after inlining. */
UN_INLINE vec load_of(const void *x, int64_t i, bool low) {
    if (!low) return load((const float *)x + i);
    halves h;
    memcpy(&h, (const uint16_t *)x + i, sizeof h);
    return (vec)(__builtin_convertvector(h, words) << 16);
}
UN_INLINE void store(float *x, vec v) {
    memcpy(x, &v, sizeof v);
}

/* Rows of the left factor that a block reads: pointers to their first elements. */
struct left_rows {
    const float *row[ROWS];
    int64_t step;
};

/* One block; `vectors` is a constant after inlining. */
UN_INLINE void block(float *c, int64_t c_stride, const struct left_rows *left, const float *right,
                     int64_t right_stride, int64_t depth, int vectors, bool add) {
    vec sum[ROWS][VECTORS];
    for (int r = 0; r < ROWS; ++r)
        for (int j = 0; j < vectors; ++j) {
            sum[r][j] = (vec){0};
            if (add) sum[r][j] = load(c + r * c_stride + j * WIDTH);
        }
    for (int64_t k = 0; k < depth; ++k) {
        vec y[VECTORS];
        for (int j = 0; j < vectors; ++j) {
            y[j] = load(right + k * right_stride + j * WIDTH);
            KEEP(y[j]);
        }
        for (int r = 0; r < ROWS; ++r) {
            float x = left->row[r][k * left->step];
            for (int j = 0; j < vectors; ++j) sum[r][j] += x * y[j];
        }
    }
    for (int r = 0; r < ROWS; ++r)
        for (int j = 0; j < vectors; ++j) store(c + r * c_stride + j * WIDTH, sum[r][j]);
}

static void block_any(float *c, int64_t c_stride, const struct left_rows *left, const float *right,
                      int64_t right_stride, int64_t depth, int64_t cols, bool add) {
    switch ((cols + WIDTH - 1) / WIDTH) {
    case 1: block(c, c_stride, left, right, right_stride, depth, 1, add); break;
    case 2: block(c, c_stride, left, right, right_stride, depth, 2, add); break;
    case 3: block(c, c_stride, left, right, right_stride, depth, VECTORS < 3 ? VECTORS : 3, add); break;
    default: block(c, c_stride, left, right, right_stride, depth, VECTORS, add); break;
    }
}

static void copy_block(float *dst, int64_t dst_stride, const float *src, int64_t src_stride, int64_t rows,
                       int64_t cols) {
    for (int64_t i = 0; i < rows; ++i)
        memcpy(dst + i * dst_stride, src + i * src_stride, (size_t)cols * sizeof *dst);
}

void un_tile_product(float *c, int64_t c_stride, struct un_tile_left left, const float *right,
                     int64_t right_stride, int64_t rows, int64_t cols, int64_t depth, bool add) {
    float edge[ROWS * BLOCK_COLS] = {0};
    for (int64_t j = 0; j < cols; j += BLOCK_COLS) {
        const int64_t width = cols - j < BLOCK_COLS ? cols - j : BLOCK_COLS;
        for (int64_t i = 0; i < rows; i += ROWS) {
            const int64_t height = rows - i < ROWS ? rows - i : ROWS;
            struct left_rows rest = {.step = left.step};
            for (int r = 0; r < ROWS; ++r) /* past the end: the last row again, its result is not kept */
                rest.row[r] = left.data + (i + (r < height ? r : height - 1)) * left.row;
            float *to = c + i * c_stride + j;
            if (height == ROWS && width % WIDTH == 0) {
                block_any(to, c_stride, &rest, right + j, right_stride, depth, width, add);
                continue;
            }
            if (add) copy_block(edge, BLOCK_COLS, to, c_stride, height, width);
            block_any(edge, BLOCK_COLS, &rest, right + j, right_stride, depth, width, add);
            copy_block(to, c_stride, edge, BLOCK_COLS, height, width);
        }
    }
}

UN_INLINE vec larger(vec a, vec b) {
    const mask pick = a > b;
    return (vec)(((mask)a & pick) | ((mask)b & ~pick));
}

float un_tile_max(const float *x, int64_t padded) {
    float m[WIDTH];
    vec most = load(x);
    for (int64_t i = WIDTH; i < padded; i += WIDTH) most = larger(load(x + i), most);
    store(m, most);
    for (int half = WIDTH / 2; half > 0; half /= 2)
        for (int j = 0; j < half; ++j) m[j] = m[j + half] > m[j] ? m[j + half] : m[j];
    return m[0];
}

void un_tile_pack(float *panel, struct un_mat x) {
    const int64_t stride = un_tile_round(x.cols);
    for (int64_t i = 0; i < x.rows; ++i) {
        un_rows_widen(panel + i * stride, x.type, un_rows_at(x, i, 0), x.cols);
        memset(panel + i * stride + x.cols, 0, (size_t)(stride - x.cols) * sizeof *panel);
    }
}

UN_INLINE four load_four(const void *x, int64_t i, bool low) {
    four v;
    four_halves h;
    if (!low) {
        memcpy(&v, (const float *)x + i, sizeof v);
        return v;
    }
    memcpy(&h, (const uint16_t *)x + i, sizeof h);
    return (four)(__builtin_convertvector(h, four_words) << 16);
}

/* A square of 4 x 4 inside registers: pairs of rows interleaved, then halves of them put together. */
UN_INLINE void transpose_four(float *to, int64_t to_stride, const void *x, int64_t at, int64_t x_stride,
                              bool low) {
    four a[4], b[4];
    for (int i = 0; i < 4; ++i) a[i] = load_four(x, at + i * x_stride, low);
    b[0] = __builtin_shufflevector(a[0], a[1], 0, 4, 1, 5);
    b[1] = __builtin_shufflevector(a[0], a[1], 2, 6, 3, 7);
    b[2] = __builtin_shufflevector(a[2], a[3], 0, 4, 1, 5);
    b[3] = __builtin_shufflevector(a[2], a[3], 2, 6, 3, 7);
    a[0] = __builtin_shufflevector(b[0], b[2], 0, 1, 4, 5);
    a[1] = __builtin_shufflevector(b[0], b[2], 2, 3, 6, 7);
    a[2] = __builtin_shufflevector(b[1], b[3], 0, 1, 4, 5);
    a[3] = __builtin_shufflevector(b[1], b[3], 2, 3, 6, 7);
    for (int i = 0; i < 4; ++i) memcpy(to + i * to_stride, &a[i], sizeof a[i]);
}

UN_INLINE void transpose(float *panel, struct un_mat x, bool low) {
    const int64_t stride = un_tile_round(x.rows), row_fours = x.rows / 4 * 4, col_fours = x.cols / 4 * 4;
    for (int64_t i = 0; i < row_fours; i += 4)
        for (int64_t k = 0; k < col_fours; k += 4)
            transpose_four(panel + k * stride + i, stride, x.data, i * x.stride + k, x.stride, low);
    for (int64_t i = 0; i < x.rows; ++i)
        for (int64_t k = i < row_fours ? col_fours : 0; k < x.cols; ++k)
            un_rows_widen(panel + k * stride + i, x.type, un_rows_at(x, i, k), 1);
    for (int64_t k = 0; k < x.cols; ++k)
        for (int64_t i = x.rows; i < stride; ++i) panel[k * stride + i] = 0.0f;
}

void un_tile_transpose(float *panel, struct un_mat x) {
    if (x.type == UN_BF16)
        transpose(panel, x, true);
    else
        transpose(panel, x, false);
}

/* Sixteen running sums of each of DOT_ROWS x DOT_COLS dot products. */
struct dot_sums {
    vec part[DOT_ROWS][DOT_COLS][PARTS];
};

UN_INLINE void dots_step(struct dot_sums *sums, const void *const x[DOT_ROWS], const void *const y[DOT_COLS],
                         int64_t k, bool low) {
    for (int p = 0; p < PARTS; ++p) {
        vec b[DOT_COLS];
        for (int j = 0; j < DOT_COLS; ++j) {
            b[j] = load_of(y[j], k + p * WIDTH, low);
            KEEP(b[j]);
        }
        for (int r = 0; r < DOT_ROWS; ++r) {
            vec a = load_of(x[r], k + p * WIDTH, low);
            KEEP(a);
            for (int j = 0; j < DOT_COLS; ++j) sums->part[r][j][p] += a * b[j];
        }
    }
}

/* The last depth % UN_LANES elements, filled up with zeros. */
UN_INLINE void dots_rest(struct dot_sums *sums, const void *const x[DOT_ROWS], const void *const y[DOT_COLS],
                         int64_t k, int64_t depth, bool low) {
    float padded[DOT_ROWS + DOT_COLS][UN_LANES] = {{0}};
    const enum un_type type = low ? UN_BF16 : UN_F32;
    const int64_t at = k * un_type_bytes(type);
    const void *a[DOT_ROWS], *b[DOT_COLS];
    for (int r = 0; r < DOT_ROWS; ++r)
        un_rows_widen(padded[r], type, (const unsigned char *)x[r] + at, depth - k), a[r] = padded[r];
    for (int j = 0; j < DOT_COLS; ++j)
        un_rows_widen(padded[DOT_ROWS + j], type, (const unsigned char *)y[j] + at, depth - k),
            b[j] = padded[DOT_ROWS + j];
    dots_step(sums, a, b, 0, false);
}

UN_INLINE float dots_fold(const vec part[PARTS]) {
    float s[UN_LANES];
    memcpy(s, part, sizeof s);
    for (int half = UN_LANES / 2; half > 0; half /= 2)
        for (int i = 0; i < half; ++i) s[i] += s[i + half];
    return s[0];
}

UN_INLINE void dots_block(float out[DOT_ROWS][DOT_COLS], const void *const x[DOT_ROWS],
                          const void *const y[DOT_COLS], int64_t depth, bool low) {
    const int64_t whole = depth / UN_LANES * UN_LANES;
    struct dot_sums sums;
    memset(&sums, 0, sizeof sums);
    for (int64_t k = 0; k < whole; k += UN_LANES) dots_step(&sums, x, y, k, low);
    if (whole < depth) dots_rest(&sums, x, y, whole, depth, low);
    for (int r = 0; r < DOT_ROWS; ++r)
        for (int j = 0; j < DOT_COLS; ++j) out[r][j] = dots_fold(sums.part[r][j]);
}

static void dots_of_f32(float out[DOT_ROWS][DOT_COLS], const void *const x[DOT_ROWS],
                        const void *const y[DOT_COLS], int64_t depth) {
    dots_block(out, x, y, depth, false);
}
static void dots_of_bf16(float out[DOT_ROWS][DOT_COLS], const void *const x[DOT_ROWS],
                         const void *const y[DOT_COLS], int64_t depth) {
    dots_block(out, x, y, depth, true);
}

void un_tile_dots(float *c, int64_t c_stride, struct un_mat x, struct un_mat y) {
    for (int64_t i = 0; i < x.rows; i += DOT_ROWS)
        for (int64_t j = 0; j < y.rows; j += DOT_COLS) {
            const void *xs[DOT_ROWS], *ys[DOT_COLS];
            float out[DOT_ROWS][DOT_COLS];
            for (int r = 0; r < DOT_ROWS; ++r) xs[r] = un_rows_at(x, i + r < x.rows ? i + r : x.rows - 1, 0);
            for (int r = 0; r < DOT_COLS; ++r) ys[r] = un_rows_at(y, j + r < y.rows ? j + r : y.rows - 1, 0);
            (x.type == UN_BF16 ? dots_of_bf16 : dots_of_f32)(out, xs, ys, x.cols);
            for (int r = 0; r < DOT_ROWS && i + r < x.rows; ++r)
                for (int k = 0; k < DOT_COLS && j + k < y.rows; ++k)
                    c[(i + r) * c_stride + j + k] = out[r][k];
        }
}
