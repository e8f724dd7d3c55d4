/* See world.h. */
#include "tests/support/world.h"

#include "io/h5/h5.h"

#include <fcntl.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

void world_check(enum un_status status) {
    if (status != UN_OK) fail_msg("status %d: %s", status, un_error_get()->text);
}

/* Overwrites bytes of a dataset of a closed, finished file, from the start of a row. */
static void patch(const char *path, const char *name, enum un_type type, int64_t row, const void *bytes,
                  int64_t n) {
    struct un_h5 *file;
    struct un_h5_data *data;
    struct un_h5_shape shape;
    world_check(un_h5_open(&file, path, true));
    world_check(un_h5_data_open(file, name, &data, &shape));
    int64_t at = un_h5_raw_offset(data, type);
    un_h5_data_close(data);
    un_h5_close(file);
    assert_true(at > 0);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, bytes, (size_t)n, at + row * shape.dims[1] * un_type_bytes(type)), n);
    close(fd);
}

static void poison(const struct world_spec *spec, const char *path) {
    const uint16_t nan16 = 0x7E00;
    const float nan32 = NAN;
    int64_t row = 0;
    for (int64_t i = 0; i < spec->bad_image; ++i) row += make_regions(&spec->files, i);
    if (spec->files.feature_type == UN_F16) patch(path, "feature", UN_F16, row, &nan16, 2);
    if (spec->files.feature_type == UN_F32) patch(path, "feature", UN_F32, row, &nan32, 4);
}

static void tie(const struct world_spec *spec, const char *path) {
    uint16_t soft[64] = {[0] = 0x3800, [3] = 0x3800, [7] = 0x3800};
    assert_in_range(spec->files.classes, 8, 64);
    patch(path, "soft_label", UN_F16, 0, soft, 2 * spec->files.classes);
}

static void open_one(struct world *world, const struct world_spec *spec, int64_t lanes,
                     bool allow_empty_lanes) {
    char image_path[128], text_path[128];
    snprintf(image_path, sizeof image_path, "%s/%s.img.h5", world->folder, spec->files.prefix);
    snprintf(text_path, sizeof text_path, "%s/%s.txt.h5", world->folder, spec->files.prefix);
    world_check(make_files(&spec->files, image_path, text_path));
    if (spec->bad_image > 0) poison(spec, image_path);
    if (spec->tie) tie(spec, image_path);
    char *images[] = {image_path}, *texts[] = {text_path};
    int64_t bb = spec->max_bb > 0 ? spec->max_bb : 1000;
    struct un_dataset_keys *keys = &world->keys[world->n];
    snprintf(keys->name, sizeof keys->name, "%s", spec->files.prefix);
    keys->images = (struct un_strings){images, 1};
    keys->text = (struct un_strings){texts, 1};
    memcpy(keys->mix, spec->mix, sizeof keys->mix);
    const struct un_data_keys data = {.max_txt_len = 1000, .conf_th = 0, .min_bb = bb, .max_bb = bb};
    world_check(un_dataset_open(&world->datasets[world->n], keys, &data, lanes, spec->files.classes > 0,
                                allow_empty_lanes, NULL));
    keys->images = keys->text = (struct un_strings){0};
    ++world->n;
}

void world_open(struct world *world, const struct world_spec *specs, int64_t n, int64_t lanes,
                bool allow_empty_lanes) {
    *world = (struct world){.folder = P_tmpdir "/uniter_world_XXXXXX"};
    assert_true(n <= WORLD_MAX);
    assert_non_null(mkdtemp(world->folder));
    for (int64_t i = 0; i < n; ++i) open_one(world, &specs[i], lanes, allow_empty_lanes);
}

bool world_open_real(struct world *world, int64_t lanes) {
    char image_path[] = "../shared/data/real/coco9.img.h5", text_path[] = "../shared/data/real/coco9.txt.h5";
    char *images[] = {image_path}, *texts[] = {text_path};
    *world = (struct world){0};
    if (access(image_path, R_OK) != 0) return false;
    struct un_dataset_keys *keys = &world->keys[0];
    *keys = (struct un_dataset_keys){
        .name = "coco9", .images = {images, 1}, .text = {texts, 1}, .mix = {8, 4, 2, 4, 6}};
    const struct un_data_keys data = {.max_txt_len = 60, .conf_th = 0.2, .min_bb = 10, .max_bb = 100};
    world_check(un_dataset_open(&world->datasets[0], keys, &data, lanes, true, false, NULL));
    keys->images = keys->text = (struct un_strings){0};
    world->n = 1;
    return true;
}

void world_close(struct world *world) {
    for (int64_t i = 0; i < world->n; ++i) un_dataset_close(world->datasets[i]);
    if (!world->folder[0]) return;
    char pattern[64];
    glob_t found;
    snprintf(pattern, sizeof pattern, "%s/*", world->folder);
    if (glob(pattern, 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; ++i) unlink(found.gl_pathv[i]);
        globfree(&found);
    }
    rmdir(world->folder);
}
