/* How full the waves of the encoder's matrix products are, by arithmetic (runtime/waves.h); no card.
 *
 *   waves [tokens of a lane]...        without any: 8192 16384 16896 33792
 *
 * For base and large, forward, gradients of inputs (dX) and of weights (dW): shape m x n x k, tiles of 128 x 128, their
 * waves and fill; fill with tiles of 128 x 256 or 256 x 128, whichever fill more; whether the inner dimension may be
 * cut, into how many pieces at the least that fill 85 % of the waves, and what their sums cost: every piece writes m n
 * f32 and they are read once. Last, the fill of all these products together, each by its multiply-adds. */
#include "runtime/waves.h"
#include "model/dims.h"
#include "runtime/cuda/product.h"

#include <stdio.h>
#include <stdlib.h>

enum { WIDE = 2 * UN_WAVE_TILE, MOST_PIECES = 16 };

struct product {
    const char *name;
    int64_t m, n, k; /* row-major c [m,n] */
    bool weight;     /* dW: f32, added to */
};

/* Multiply-adds, and those that would have had room in the waves. */
struct sum {
    double done[2], room[2]; /* tiles of 128 x 128; of 128 x 256 */
    double cut;              /* room with the least pieces that fill, 128 x 128 */
};

static double fill_of(int64_t tiles) {
    return (double)tiles / (double)(un_waves(tiles) * UN_WAVE_TILES);
}

static int64_t wide_tiles(const struct product *p) {
    const int64_t lying = un_wave_tiles(p->m, p->n, UN_WAVE_TILE, WIDE),
                  standing = un_wave_tiles(p->m, p->n, WIDE, UN_WAVE_TILE);
    return fill_of(standing) > fill_of(lying) ? standing : lying;
}

/* Asks the backend's own rule; its addresses are aligned as the program's are. */
static bool may_be_cut(const struct product *p) {
    static _Alignas(64) unsigned char place[64];
    const enum un_type to = p->weight ? UN_F32 : UN_BF16;
    struct un_product made;
    return un_product_make(&made, un_mat(place, to, p->m, p->n), un_mat(place, UN_BF16, p->m, p->k), false,
                           un_mat(place, UN_BF16, p->n, p->k), true, p->weight ? 1.0f : 0.0f, false, UN_F32,
                           false) &&
           made.split;
}

static int64_t least_pieces(int64_t tiles) {
    int64_t pieces = 1;
    while (pieces < MOST_PIECES && !un_waves_full(pieces * tiles)) ++pieces;
    return pieces;
}

static void print_product(const struct product *p, struct sum *sum) {
    const int64_t tiles = un_wave_tiles(p->m, p->n, UN_WAVE_TILE, UN_WAVE_TILE);
    const double work = (double)p->m * (double)p->n * (double)p->k;
    const int64_t pieces = may_be_cut(p) ? least_pieces(tiles) : 1;
    const double fill = fill_of(tiles), wide = fill_of(wide_tiles(p)), filled = fill_of(pieces * tiles);
    printf("%-10s %6lld x %4lld x %5lld %6lld %5lld %5.1f %6.1f", p->name, (long long)p->m, (long long)p->n,
           (long long)p->k, (long long)tiles, (long long)un_waves(tiles), 100 * fill, 100 * wide);
    if (pieces > 1)
        printf("   %2lld -> %5.1f %6.1f MB", (long long)pieces, 100 * filled,
               2e-6 * (double)pieces * (double)p->m * (double)p->n * sizeof(float));
    printf("\n");
    sum->done[0] += work, sum->done[1] += work;
    sum->room[0] += work / fill, sum->room[1] += work / wide;
    sum->cut += work / filled;
}

/* The four maps of a layer: width in, width out. */
static void print_layer(const char *preset, const struct un_dims *dims, int64_t tokens) {
    static const char *const names[4][3] = {{"qkv", "qkv dX", "qkv dW"},
                                            {"dense", "dense dX", "dense dW"},
                                            {"up", "up dX", "up dW"},
                                            {"down", "down dX", "down dW"}};
    const int64_t h = dims->hidden_size, wide = dims->intermediate_size;
    const int64_t in[4] = {h, h, h, wide}, out[4] = {3 * h, h, wide, h};
    struct sum sum = {0};
    printf("\n%s, %lld tokens\n%-10s %6s   %4s   %5s %6s %5s %5s %6s   %s\n", preset, (long long)tokens,
           "product", "m", "n", "k", "tiles", "waves", "fill", "wide", "cut -> fill, sums");
    for (int i = 0; i < 4; ++i) {
        print_product(&(struct product){names[i][0], tokens, out[i], in[i], false}, &sum);
        print_product(&(struct product){names[i][1], tokens, in[i], out[i], false}, &sum);
        print_product(&(struct product){names[i][2], out[i], in[i], tokens, true}, &sum);
    }
    printf("together: fill %.1f, wide %.1f, cut %.1f %%\n", 100 * sum.done[0] / sum.room[0],
           100 * sum.done[1] / sum.room[1], 100 * sum.done[0] / sum.cut);
}

static int print_all(int64_t tokens) {
    static const char *const presets[2] = {"base", "large"};
    if (tokens < 16 || tokens > 1 << 24) {
        fprintf(stderr, "waves: tokens of a lane are 16 to %d\n", 1 << 24);
        return UN_USAGE;
    }
    for (int i = 0; i < 2; ++i) {
        struct un_dims dims = {0};
        if (un_dims_resolve(&dims, i + 1) != UN_OK) {
            fprintf(stderr, "waves: %s\n", un_error_get()->text);
            return un_error_get()->status;
        }
        print_layer(presets[i], &dims, tokens);
    }
    return 0;
}

int main(int argc, char **argv) {
    static const int64_t usual[4] = {8192, 16384, 16896, 33792};
    const int count = argc > 1 ? argc - 1 : 4;
    int failed = 0;
    for (int i = 0; i < count && !failed; ++i)
        failed = print_all(argc > 1 ? (int64_t)strtoll(argv[i + 1], NULL, 10) : usual[i]);
    return failed;
}
