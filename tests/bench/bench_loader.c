/* How many samples a second the loader delivers: 36 regions of 2048 f16 features and 12 words a sample, all
 * objectives, from a warm file larger than the caches; beside it the plan alone, the reading of images alone,
 * and packing without threads. Not a test: nothing here passes or fails.
 *
 *     bench_loader [IMAGES] [SECONDS]      1000 images, 2 seconds a line */
#include "io/feed/loader.h"
#include "runtime/clock.h"
#include "tests/support/make_files.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

struct bench {
    struct un_dataset *d;
    struct un_plan *plan;
    struct un_batch_caps caps;
    struct un_lane_state start;
    struct un_sample *samples;
    double seconds, image_bytes;
};

static void check(enum un_status status) {
    if (status == UN_OK) return;
    fprintf(stderr, "bench_loader: %s\n", un_error_get()->text);
    exit(status);
}

/* Wall clock and the processor time of all threads: on a machine with other work only the latter says what
 * the code costs. */
struct start {
    double wall;
    clock_t used;
};

static struct start start_now(void) {
    return (struct start){un_clock(), clock()};
}

static void print(const struct bench *b, const char *what, double samples, const struct start *start) {
    double wall = un_clock() - start->wall, used = (double)(clock() - start->used) / CLOCKS_PER_SEC;
    printf("%-26s %8.0f samples/s %6.2f GB/s of regions; %8.0f samples per processor second\n", what,
           samples / wall, samples * b->image_bytes / wall * 1e-9, samples / used);
}

/* The files are opened and then unlinked, so nothing stays behind. */
static void open_data(struct bench *b, int64_t images) {
    char folder[] = P_tmpdir "/uniter_bench_XXXXXX", image_path[64], text_path[64], name[] = "bench";
    struct make_files files = make_files_default();
    files.images = images;
    files.texts_per_image = 5;
    files.img_dim = 2048;
    files.classes = 1601;
    files.vocab_size = 28996;
    files.min_regions = files.max_regions = 36;
    files.min_words = files.max_words = 12;
    if (!mkdtemp(folder)) exit(74);
    snprintf(image_path, sizeof image_path, "%s/b.img.h5", folder);
    snprintf(text_path, sizeof text_path, "%s/b.txt.h5", folder);
    check(make_files(&files, image_path, text_path));
    char *image_list[] = {image_path}, *text_list[] = {text_path};
    struct un_dataset_keys keys = {.text = {text_list, 1}, .images = {image_list, 1}, .mix = {8, 4, 0, 4, 6}};
    const struct un_data_keys data = {
        .max_txt_len = 60, .conf_th = -1, .min_bb = 36, .max_bb = 36, .num_bb = 36};
    const struct un_plan_keys how = {.lanes = 1,
                                     .tokens_per_lane = 8192,
                                     .itm_neg_prob = 0.5,
                                     .mlm_prob = 0.15,
                                     .mrm_prob = 0.15,
                                     .seed = 1};
    snprintf(keys.name, sizeof keys.name, "%s", name);
    check(un_dataset_open(&b->d, &keys, &data, 1, true, false, NULL));
    unlink(image_path);
    unlink(text_path);
    rmdir(folder);
    check(un_plan_open(&b->plan, &b->d, &keys, 1, &how, false));
    un_pack_caps(b->plan, 2048, 1601, &b->caps);
    un_plan_start(b->plan, 0, &b->start);
    b->samples = un_alloc((size_t)un_plan_max_samples(b->plan), sizeof *b->samples, "samples");
    b->image_bytes = 36 * 2048 * 2;
    if (!b->samples) exit(71);
}

static void bench_plan(struct bench *b) {
    struct un_lane_state state = b->start;
    double total = 0;
    const struct start start = start_now();
    int64_t n;
    for (uint32_t step = 1; un_clock() - start.wall < b->seconds; ++step, total += (double)n)
        check(un_plan_next(b->plan, step, 0, &state, b->samples, &n));
    print(b, "plan alone", total, &start);
}

static void bench_read(struct bench *b) {
    int64_t images = un_dataset_info(b->d)->images, i = 0;
    void *feature = un_alloc((size_t)(36 * 2048), 2, "features");
    float *box = un_alloc(36 * 7, 4, "boxes");
    if (!feature || !box) exit(71);
    for (int64_t k = 0; k < images; ++k) check(un_dataset_read_image(b->d, k, feature, box)); /* warm */
    const struct start start = start_now();
    for (; un_clock() - start.wall < b->seconds; ++i)
        check(un_dataset_read_image(b->d, i * 7919 % images, feature, box));
    print(b, "reading images, 1 thread", (double)i, &start);
    un_free(feature);
    un_free(box);
}

static void bench_pack(struct bench *b) {
    struct un_packer *packer;
    struct un_batch batch;
    struct un_arena arena = {.name = "bench"};
    struct un_lane_state state = b->start;
    int64_t n;
    check(un_packer_open(&packer, b->plan, &b->caps));
    un_batch_carve(&batch, &b->caps, &arena);
    arena = (struct un_arena){.base = un_alloc(arena.used, 1, "batch"), .size = arena.used};
    if (!arena.base) exit(71);
    un_batch_carve(&batch, &b->caps, &arena);
    double total = 0;
    const struct start start = start_now();
    for (uint32_t step = 1; un_clock() - start.wall < b->seconds; ++step, total += (double)n) {
        check(un_plan_next(b->plan, step, 0, &state, b->samples, &n));
        check(un_pack(packer, &batch, b->samples, n, step, 0, UN_RNG_MASK));
    }
    print(b, "plan and pack, no threads", total, &start);
    un_packer_close(packer);
    un_free(arena.base);
}

static void bench_loader(struct bench *b, int threads) {
    struct un_loader *loader;
    struct un_loaded got;
    const struct un_loader_setup setup = {.plan = b->plan,
                                          .caps = b->caps,
                                          .lane_end = 1,
                                          .first_step = 1,
                                          .states = &b->start,
                                          .slots = threads + 2,
                                          .threads = threads,
                                          .purpose = UN_RNG_MASK};
    char what[32];
    check(un_loader_open(&loader, &setup));
    double total = 0;
    const struct start start = start_now();
    while (un_clock() - start.wall < b->seconds) {
        check(un_loader_next(loader, &got));
        total += (double)got.batch->samples;
        un_loader_release(loader, &got);
    }
    snprintf(what, sizeof what, "loader, %d threads", threads);
    print(b, what, total, &start);
    un_loader_close(loader);
}

int main(int argc, char **argv) {
    struct bench b = {.seconds = argc > 2 ? strtod(argv[2], NULL) : 2};
    open_data(&b, argc > 1 ? strtol(argv[1], NULL, 10) : 1000);
    bench_plan(&b);
    bench_read(&b);
    bench_pack(&b);
    for (int threads = 1; threads <= 8; threads *= 2) bench_loader(&b, threads);
    un_plan_close(b.plan);
    un_dataset_close(b.d);
    un_free(b.samples);
    return 0;
}
