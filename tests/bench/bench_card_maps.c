/* The ops of convolutional networks at the shapes of the region detector: a photo of 600 x 1000, blocks of 32 regions
 * of 14 x 14 bins, f32. */
#include "tests/bench/bench_card_rig.h"

enum { REGIONS = 32, POOL = 14, WIDTH = 63, HEIGHT = 38 };

static struct operand in, out;
static struct un_maps maps;
static struct un_window window;
static float *box;

static void run_patches(void) {
    rig.ops->patches(rig.queue, out.of[rig.set], in.of[rig.set], &maps, &window, 0);
}
static void run_max_pool(void) {
    rig.ops->max_pool(rig.queue, out.of[rig.set], in.of[rig.set], &maps, &window);
}
static void run_region_pool(void) {
    rig.ops->region_pool(rig.queue, out.of[rig.set], in.of[rig.set], HEIGHT, WIDTH, box, REGIONS, POOL,
                         0.0625f);
}
static void run_add_relu(void) {
    rig.ops->add_relu(rig.queue, out.of[rig.set], out.of[rig.set], in.of[rig.set]);
}
static void run_mean_rows(void) {
    rig.ops->mean_rows(rig.queue, out.of[rig.set], in.of[rig.set], POOL * POOL);
}

/* Bytes: the map `reads` times, what is written once. */
static void timed(const char *name, int reads, void (*run)(void)) {
    const struct un_mat from = in.of[0], to = out.of[0];
    report(name, 4.0 * ((double)reads * (double)(from.rows * from.cols) + (double)(to.rows * to.cols)), 0,
           run);
    release(&in);
    release(&out);
}

static void patches(const char *name, struct un_maps of, struct un_window w, int64_t channels) {
    maps = of, window = w;
    in = mats(of.n * of.height * of.width, channels, UN_F32);
    out = mats(of.n * un_window_out(of.height, &w) * un_window_out(of.width, &w), w.size * w.size * channels,
               UN_F32);
    timed(name, 1, run_patches);
}

/* Boxes of 2 to 35 cells a side. */
static void regions(void) {
    static float boxes[REGIONS * 4];
    for (int i = 0; i < REGIONS; ++i) {
        const float left = (float)(i * 37 % 400), top = (float)(i * 53 % 300);
        boxes[4 * i] = left, boxes[4 * i + 1] = top;
        boxes[4 * i + 2] = left + 32.0f + (float)(i * 211 % 560);
        boxes[4 * i + 3] = top + 32.0f + (float)(i * 97 % 300);
    }
    box = (float *)ints((const int32_t *)boxes, REGIONS * 4); /* bits */
    in = mats(HEIGHT * WIDTH, 1024, UN_F32);
    out = mats(REGIONS * POOL * POOL, 1024, UN_F32);
    timed("region_pool 32 regions, 1024 channels", 1, run_region_pool);
    rig.device->mem->free(rig.device, box);
}

void bench_maps(void) {
    patches("patches 7x7 stride 2, 3 channels", (struct un_maps){1, 600, 1000},
            (struct un_window){7, 2, 1, 3}, 3);
    patches("patches 3x3, 64 channels", (struct un_maps){1, 150, 250}, (struct un_window){3, 1, 1, 1}, 64);
    patches("patches 3x3 dilated, 512 channels", (struct un_maps){REGIONS, POOL, POOL},
            (struct un_window){3, 1, 2, 2}, 512);
    maps = (struct un_maps){1, 300, 500}, window = (struct un_window){3, 2, 1, 0};
    in = mats(300 * 500, 64, UN_F32), out = mats(150 * 250, 64, UN_F32);
    timed("max_pool 3x3, 64 channels", 1, run_max_pool);
    regions();
    in = mats(REGIONS * POOL * POOL, 2048, UN_F32), out = mats(REGIONS * POOL * POOL, 2048, UN_F32);
    timed("add_relu [6272,2048]", 2, run_add_relu);
    in = mats(REGIONS * POOL * POOL, 2048, UN_F32), out = mats(REGIONS, 2048, UN_F32);
    timed("mean_rows 196 of [6272,2048]", 1, run_mean_rows);
}
