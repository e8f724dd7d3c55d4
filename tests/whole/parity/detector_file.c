/* See detector_file.h. Stages have up to four axes and keys are arrays: read by HDF5 itself, which io/h5 does not hand on. */
#include "tests/whole/parity/detector_file.h"

#include "io/h5/h5.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

const char *const detector_profiles[UN_DETECTOR_PROFILES] = {"caffe", "port"};

bool detector_file_is(const char *path) {
    struct un_h5 *f = NULL;
    bool is = un_h5_open(&f, path, false) == UN_OK && un_h5_exists(f, "photo") && un_h5_exists(f, "caffe") &&
              un_h5_exists(f, "port");
    un_error_clear();
    un_h5_close(f);
    return is;
}

/* ---- attributes ---- */

/* Attribute of up to `most` numbers; returns how many, 0: there is none such. */
static int64_t numbers(struct detector_file *file, const char *group, const char *name, double *value,
                       int64_t most) {
    hid_t a = -1, space = -1;
    hssize_t n = 0;
    if (H5Aexists_by_name(file->id, group, name, H5P_DEFAULT) > 0 &&
        (a = H5Aopen_by_name(file->id, group, name, H5P_DEFAULT, H5P_DEFAULT)) >= 0 &&
        (space = H5Aget_space(a)) >= 0) {
        n = H5Sget_simple_extent_npoints(space);
        if (n < 1 || n > most || H5Aread(a, H5T_NATIVE_DOUBLE, value) < 0) n = 0;
    }
    if (space >= 0) H5Sclose(space);
    if (a >= 0) H5Aclose(a);
    return n;
}

static enum un_status number(struct detector_file *file, const char *group, const char *name, double *value) {
    return numbers(file, group, name, value, 1) == 1
               ? UN_OK
               : un_fail(UN_DATA, "%s: attribute %s is missing or no number", group, name);
}

static enum un_status whole(struct detector_file *file, const char *group, const char *name, int64_t *value) {
    double v;
    UN_TRY(number(file, group, name, &v));
    *value = (int64_t)v;
    return UN_OK;
}

static enum un_status read_keys(struct detector_file *file, enum un_detector_profile profile) {
    struct un_detector_how *how = &file->how[profile];
    const char *group = detector_profiles[profile];
    const struct {
        const char *name;
        int64_t *value;
    } counts[] = {{"short", &how->shorter},     {"long", &how->longest},  {"pre_nms", &how->pre_nms},
                  {"post_nms", &how->post_nms}, {"min_bb", &how->min_bb}, {"max_bb", &how->max_bb}};
    const struct {
        const char *name;
        double *value;
    } reals[] = {{"rpn_nms", &how->rpn_nms}, {"min_side", &how->min_side}, {"conf_th", &how->conf_th}};
    un_detector_profile(how, profile);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; ++i)
        UN_TRY(whole(file, group, counts[i].name, counts[i].value));
    for (size_t i = 0; i < sizeof reals / sizeof *reals; ++i)
        UN_TRY(number(file, group, reals[i].name, reals[i].value));
    how->n_final_nms = numbers(file, group, "final_nms", how->final_nms, UN_DETECTOR_NMS_MAX);
    return how->n_final_nms > 0 ? UN_OK : un_fail(UN_DATA, "%s: attribute final_nms is missing", group);
}

static enum un_status agree(const char *name, int64_t file, int64_t weights) {
    return file == weights ? UN_OK
                           : un_fail(UN_DATA, "%s is %lld, of the weights %lld", name, (long long)file,
                                     (long long)weights);
}

/* The sizes are read off the weights; the file says the same, and the pool, which no weight shows. */
static enum un_status read_sizes(struct detector_file *file) {
    struct un_detector_sizes *s = &file->sizes;
    double blocks[UN_DETECTOR_STAGES];
    const struct {
        const char *name;
        int64_t value;
    } sizes[] = {{"stem", s->stem},
                 {"bottleneck", s->bottleneck},
                 {"width", s->width},
                 {"rpn", s->rpn},
                 {"num_anchors", s->anchors},
                 {"classes", s->classes},
                 {"attributes", s->attributes},
                 {"stride", UN_DETECTOR_STRIDE}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i) {
        int64_t value;
        UN_TRY(whole(file, "/", sizes[i].name, &value));
        UN_TRY(agree(sizes[i].name, value, sizes[i].value));
    }
    UN_TRY(agree("number of stages", numbers(file, "/", "blocks", blocks, UN_DETECTOR_STAGES),
                 UN_DETECTOR_STAGES));
    for (int k = 0; k < UN_DETECTOR_STAGES; ++k) UN_TRY(agree("blocks", (int64_t)blocks[k], s->blocks[k]));
    return whole(file, "/", "pool", &s->pool);
}

/* ---- data sets ---- */

/* Freshly allocated values of `type`, of `size` bytes each. */
static enum un_status read_values(struct detector_file *file, const char *name, hid_t type, size_t size,
                                  struct stage *stage, void **value) {
    hsize_t dims[H5S_MAX_RANK] = {0};
    hid_t d = H5Dopen(file->id, name, H5P_DEFAULT), space = d < 0 ? -1 : H5Dget_space(d);
    bool ok = false;
    *value = NULL;
    *stage = (struct stage){.n = 1};
    if (space >= 0) {
        stage->rank = H5Sget_simple_extent_dims(space, dims, NULL);
        for (int k = 0; k < stage->rank && k < STAGE_RANK; ++k)
            stage->n *= stage->shape[k] = (int64_t)dims[k];
        ok = stage->rank >= 1 && stage->rank <= STAGE_RANK &&
             (*value = un_alloc((size_t)stage->n, size, name)) &&
             H5Dread(d, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, *value) >= 0;
    }
    if (space >= 0) H5Sclose(space);
    if (d >= 0) H5Dclose(d);
    return ok ? UN_OK : un_fail(UN_DATA, "%s is missing or cannot be read", name);
}

static enum un_status read_photo(struct detector_file *file) {
    struct stage shape;
    UN_TRY(read_values(file, "photo", H5T_NATIVE_UINT8, 1, &shape, (void **)&file->bgr));
    file->photo = (struct un_photo){file->bgr, shape.shape[0], shape.shape[1]};
    return shape.rank == 3 && shape.shape[2] == 3 ? UN_OK : un_fail(UN_DATA, "photo is not [h,w,3]");
}

enum un_status stage_read(struct stage *stage, struct detector_file *file, enum un_detector_profile profile,
                          const char *name) {
    char path[64];
    void *value;
    snprintf(path, sizeof path, "%s/%s", detector_profiles[profile], name);
    enum un_status status = read_values(file, path, H5T_NATIVE_FLOAT, sizeof(float), stage, &value);
    stage->value = value;
    return status;
}

enum un_status stage_cells(struct stage *stage) {
    const int first = stage->rank - 3;
    if (first < 0) return un_fail(UN_DATA, "a stage of %d axes is no map", stage->rank);
    const int64_t channels = stage->shape[first], cells = stage->shape[first + 1] * stage->shape[first + 2];
    const int64_t images = stage->n / (channels * cells);
    float *turned = un_alloc((size_t)stage->n, sizeof *turned, "a map");
    if (!turned) return un_error_get()->status;
    for (int64_t i = 0; i < images; ++i)
        for (int64_t c = 0; c < channels; ++c)
            for (int64_t p = 0; p < cells; ++p)
                turned[(i * cells + p) * channels + c] = stage->value[(i * channels + c) * cells + p];
    un_free(stage->value);
    stage->value = turned;
    return UN_OK;
}

void stage_free(struct stage *stage) {
    un_free(stage->value);
    *stage = (struct stage){0};
}

/* ---- the whole ---- */

static struct un_detector_tensor tensor(void *context, int64_t i) {
    const struct un_weights_view *view = context;
    return (struct un_detector_tensor){view->list[i].name, view->list[i].rank, view->list[i].shape};
}

static enum un_status read_tensor(void *context, int64_t i, int64_t first, int64_t count, float *out) {
    return un_weights_view_read(context, i, first, count, out);
}

/* path without its last `ending`, with another. */
static void beside(char *out, size_t size, const char *path, const char *ending) {
    const char *dot = strrchr(path, '.');
    snprintf(out, size, "%.*s%s", dot ? (int)(dot - path) : (int)strlen(path), path, ending);
}

/* photos/NAME beside the file. */
static enum un_status name_photo(struct detector_file *file, const char *path) {
    struct un_h5 *f = NULL;
    char name[128];
    const char *slash = strrchr(path, '/');
    enum un_status status = un_h5_open(&f, path, false);
    if (status == UN_OK) status = un_h5_attr_text(f, "/", "photo", name, sizeof name);
    un_h5_close(f);
    UN_TRY(status);
    snprintf(file->photo_path, sizeof file->photo_path, "%.*sphotos/%s", slash ? (int)(slash - path) + 1 : 0,
             path, name);
    return UN_OK;
}

enum un_status detector_file_open(struct detector_file *file, const char *path) {
    char weights[512];
    *file = (struct detector_file){.id = -1};
    beside(weights, sizeof weights, path, ".safetensors");
    UN_TRY(un_weights_view_open(&file->weights, weights));
    file->tensors =
        (struct un_detector_file){file->weights.path, file->weights.n, tensor, read_tensor, &file->weights};
    UN_TRY(un_detector_sizes_of(&file->sizes, &file->tensors));
    UN_TRY(name_photo(file, path));
    file->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file->id < 0) return un_fail(UN_DATA, "%s cannot be opened", path);
    UN_TRY(read_sizes(file));
    for (int p = 0; p < UN_DETECTOR_PROFILES; ++p) UN_TRY(read_keys(file, (enum un_detector_profile)p));
    UN_TRY(number(file, "caffe", "factor", &file->factor));
    return read_photo(file);
}

void detector_file_close(struct detector_file *file) {
    if (file->id >= 0) H5Fclose(file->id);
    un_weights_view_close(&file->weights);
    un_free(file->bgr);
    *file = (struct detector_file){.id = -1};
}
