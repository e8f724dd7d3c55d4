/* The ops of convolutional networks at the shapes of the region detector: a photo of 600 x 1000, blocks of 16 regions
 * of 14 x 14 bins. */
#include "tests/bench/bench_ops_rig.h"

#include <stdio.h>
#include <stdlib.h>

enum { REGIONS = 16, POOL = 14, WIDTH = 63, HEIGHT = 38 };

static struct un_mat in, out;
static struct un_maps maps;
static struct un_window window;
static float *box;

static void run_patches(void) {
    ops->patches(queue, out, in, &maps, &window, 0);
}
static void run_max_pool(void) {
    ops->max_pool(queue, out, in, &maps, &window);
}
static void run_region_pool(void) {
    ops->region_pool(queue, out, in, HEIGHT, WIDTH, box, REGIONS, POOL, 0.0625f);
}
static void run_add_relu(void) {
    ops->add_relu(queue, out, out, in);
}
static void run_mean_rows(void) {
    ops->mean_rows(queue, out, in, POOL * POOL);
}

/* Bytes: the map once, what is written once. */
static void timed(const char *name, int64_t read, void (*run)(void)) {
    const double written = (double)(out.rows * out.cols);
    report(name, 4.0 * ((double)read + written), written, run);
    release(in);
    release(out);
}

static void patches(const char *name, struct un_maps of, struct un_window w, int64_t channels) {
    maps = of, window = w;
    in = mat(of.n * of.height * of.width, channels);
    out = mat(of.n * un_window_out(of.height, &w) * un_window_out(of.width, &w), w.size * w.size * channels);
    timed(name, in.rows * in.cols, run_patches);
}

/* Boxes of 2 to 35 cells a side. */
static void regions(void) {
    box = fresh(REGIONS * 4);
    for (int i = 0; i < REGIONS; ++i) {
        const float left = (float)(i * 37 % 400), top = (float)(i * 53 % 300);
        box[4 * i] = left, box[4 * i + 1] = top;
        box[4 * i + 2] = left + 32.0f + (float)(i * 211 % 560),
                    box[4 * i + 3] = top + 32.0f + (float)(i * 97 % 300);
    }
    in = mat(HEIGHT * WIDTH, 1024);
    out = mat(REGIONS * POOL * POOL, 1024);
    timed("region_pool 16 regions, 1024 channels", in.rows * in.cols, run_region_pool);
    device->mem->free(device, box);
}

void bench_maps(void) {
    printf("-- maps\n");
    patches("patches 7x7 stride 2, 3 channels", (struct un_maps){1, 600, 1000},
            (struct un_window){7, 2, 1, 3}, 3);
    patches("patches 3x3, 64 channels", (struct un_maps){1, 150, 250}, (struct un_window){3, 1, 1, 1}, 64);
    patches("patches 3x3, 256 channels", (struct un_maps){1, HEIGHT, WIDTH}, (struct un_window){3, 1, 1, 1},
            256);
    patches("patches 3x3 dilated, 512 channels", (struct un_maps){REGIONS, POOL, POOL},
            (struct un_window){3, 1, 2, 2}, 512);
    patches("patches 1x1 stride 2, 256 channels", (struct un_maps){1, 150, 250},
            (struct un_window){1, 2, 1, 0}, 256);
    maps = (struct un_maps){1, 300, 500}, window = (struct un_window){3, 2, 1, 0};
    in = mat(300 * 500, 64), out = mat(150 * 250, 64);
    timed("max_pool 3x3, 64 channels", in.rows * in.cols, run_max_pool);
    regions();
    in = mat(REGIONS * POOL * POOL, 2048), out = mat(in.rows, in.cols);
    timed("add_relu [3136,2048]", 2 * in.rows * in.cols, run_add_relu);
    in = mat(REGIONS * POOL * POOL, 2048), out = mat(REGIONS, 2048);
    timed("mean_rows 196 of [3136,2048]", in.rows * in.cols, run_mean_rows);
}
