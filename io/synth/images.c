/* The image file of one part of the micro-world. Scenes are made twice: to count the regions, then to write
 * them. */
#include "io/h5/row_sink.h"
#include "io/synth/detect.h"
#include "io/synth/write.h"
#include "runtime/half.h"
#include "runtime/memory.h"
#include <stdio.h>

enum { ID_STRIDE = 32 };
const char *const un_synth_split_names[UN_SYNTH_SPLITS] = {"train", "valid", "test"};

const char *un_synth_part_name(const struct un_synth_part *part) {
    if (part->task == UN_SYNTH_NO_TASK) return un_synth_set_names[part->set];
    return part->annotated ? "vcr_gt" : un_synth_task_names[part->task];
}

void un_synth_image_id(char *id, size_t size, const struct un_synth_part *part, int64_t image) {
    snprintf(id, size, "%s_%s_%08lld", un_synth_part_name(part), un_synth_split_names[part->split],
             (long long)image);
}

enum un_status un_synth_posed(const struct un_synth_job *job, const struct un_synth_part *part, int64_t image,
                              const struct un_synth_pose **pose) {
    struct un_synth_posed *p = job->posed;
    int scenes, texts;
    un_synth_pose_size(part->task, &scenes, &texts);
    uint32_t number = (uint32_t)(image / scenes);
    bool same = p->any && p->task == part->task && p->split == part->split && p->number == number;
    p->any = false;
    if (!same) UN_TRY(un_synth_pose(&p->pose, part->task, &job->law, job->seed, part->split, number));
    p->any = true;
    p->task = part->task;
    p->split = part->split;
    p->number = number;
    *pose = &p->pose;
    return UN_OK;
}

enum un_status un_synth_make_scene(const struct un_synth_job *job, const struct un_synth_part *part,
                                   int64_t image, struct un_synth_scene *scene) {
    bool task = part->task != UN_SYNTH_NO_TASK;
    if (task && part->task != UN_SYNTH_RETRIEVAL) {
        const struct un_synth_pose *pose;
        UN_TRY(un_synth_posed(job, part, image, &pose));
        *scene = pose->scene[image % pose->scenes];
        if (part->annotated) un_synth_annotate(scene);
        return UN_OK;
    }
    struct un_synth_place place = {job->seed, task ? un_synth_pose_set(part->task) : (uint32_t)part->set,
                                   part->split, (uint32_t)image};
    un_synth_scene(scene, &job->law, &place);
    return UN_OK;
}

enum un_status un_synth_put_header(struct un_h5 *file, const char *format, const struct un_synth_job *job) {
    UN_TRY(un_h5_put_attr_text(file, "", "format", format));
    UN_TRY(un_h5_put_attr_i64(file, "", "version", 1));
    return un_h5_put_attr_text(file, "", "source", job->source);
}

/* What has one entry an image. */
static enum un_status write_index(struct un_h5 *file, const struct un_synth_job *job,
                                  const struct un_synth_part *part, int64_t *regions) {
    enum un_status status = UN_OK;
    char *id = un_alloc((size_t)part->images, ID_STRIDE, "image ids");
    int64_t *offset = un_alloc((size_t)part->images + 1, sizeof *offset, "region offsets");
    if (id == NULL || offset == NULL) UN_TRY_GOTO(UN_MEMORY, out);
    for (int64_t i = 0; i < part->images; ++i) {
        struct un_synth_scene scene;
        UN_TRY_GOTO(un_synth_make_scene(job, part, i, &scene), out);
        offset[i + 1] = offset[i] + scene.n_regions;
        un_synth_image_id(id + i * ID_STRIDE, ID_STRIDE, part, i);
    }
    *regions = offset[part->images];
    UN_TRY_GOTO(un_h5_write_texts(file, "image_id", part->images, ID_STRIDE, id), out);
    UN_TRY_GOTO(un_h5_write_all(file, "region_offset", UN_I64, part->images + 1, 0, offset), out);
out:
    un_free(id);
    un_free(offset);
    return status;
}

struct region_sinks {
    struct un_row_sink feature, box, confidence, soft_label;
};

static enum un_status open_sinks(struct region_sinks *s, struct un_h5 *file, const struct un_synth_job *job,
                                 int64_t rows) {
    enum { MOST = UN_SYNTH_MAX_REGIONS };
    UN_TRY(un_row_sink_open(&s->feature, file, "feature", UN_F16, rows, job->img_dim, MOST));
    UN_TRY(un_row_sink_open(&s->box, file, "box", UN_F32, rows, 6, MOST));
    UN_TRY(un_row_sink_open(&s->confidence, file, "confidence", UN_F16, rows, 0, MOST));
    return un_row_sink_open(&s->soft_label, file, "soft_label", UN_F16, rows, job->img_label_dim, MOST);
}

static enum un_status write_scene(struct region_sinks *s, const struct un_synth_job *job,
                                  const struct un_synth_scene *scene) {
    UN_TRY(un_row_sink_room(&s->feature, scene->n_regions));
    UN_TRY(un_row_sink_room(&s->box, scene->n_regions));
    UN_TRY(un_row_sink_room(&s->confidence, scene->n_regions));
    UN_TRY(un_row_sink_room(&s->soft_label, scene->n_regions));
    uint16_t *feature = un_row_sink_take(&s->feature, scene->n_regions);
    float *box = un_row_sink_take(&s->box, scene->n_regions);
    uint16_t *confidence = un_row_sink_take(&s->confidence, scene->n_regions);
    uint16_t *soft_label = un_row_sink_take(&s->soft_label, scene->n_regions);
    for (int r = 0; r < scene->n_regions; ++r) {
        const struct un_synth_box *b = &scene->region[r].box;
        const float row[6] = {b->x1, b->y1, b->x2, b->y2, b->x2 - b->x1, b->y2 - b->y1};
        un_synth_feature(job->renderer, scene, r, feature + r * job->img_dim);
        un_synth_soft_label(job->renderer, scene, r, soft_label + r * job->img_label_dim);
        for (int i = 0; i < 6; ++i) box[6 * r + i] = row[i];
        confidence[r] = un_half_from(scene->region[r].confidence);
    }
    return UN_OK;
}

static enum un_status write_regions(struct un_h5 *file, const struct un_synth_job *job,
                                    const struct un_synth_part *part, int64_t rows) {
    enum un_status status;
    struct region_sinks s = {0};
    UN_TRY_GOTO(open_sinks(&s, file, job, rows), out);
    for (int64_t i = 0; i < part->images; ++i) {
        struct un_synth_scene scene;
        UN_TRY_GOTO(un_synth_make_scene(job, part, i, &scene), out);
        UN_TRY_GOTO(write_scene(&s, job, &scene), out);
        un_progress_add(job->progress, 1);
    }
    UN_TRY_GOTO(un_row_sink_flush(&s.feature), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.box), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.confidence), out);
    UN_TRY_GOTO(un_row_sink_flush(&s.soft_label), out);
out:
    un_row_sink_close(&s.feature);
    un_row_sink_close(&s.box);
    un_row_sink_close(&s.confidence);
    un_row_sink_close(&s.soft_label);
    return status;
}

enum un_status un_synth_write_images(const struct un_synth_job *job, const struct un_synth_part *part,
                                     const char *path, int64_t *rows) {
    enum un_status status;
    struct un_h5 *file;
    UN_TRY(un_h5_create(&file, path));
    UN_TRY_GOTO(un_synth_put_header(file, "uniter-images", job), out);
    UN_TRY_GOTO(write_index(file, job, part, rows), out);
    UN_TRY_GOTO(write_regions(file, job, part, *rows), out);
    UN_TRY_GOTO(un_h5_commit(file), out);
out:
    un_h5_close(file);
    return status;
}
