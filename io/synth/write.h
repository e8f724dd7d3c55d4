/* One data file of the micro-world, written as a stream: memory does not grow with features or words. */
#ifndef UN_IO_SYNTH_WRITE_H
#define UN_IO_SYNTH_WRITE_H

#include "io/h5/h5.h"
#include "io/run/progress.h"
#include "io/synth/pose.h"
#include "io/synth/render.h"
#include "io/synth/text.h"
#include "io/synth/vocab.h"

struct un_synth_job {
    uint64_t seed;
    struct un_synth_law law;
    struct un_synth_vocab vocab;
    struct un_synth_renderer *renderer;
    int64_t img_dim, img_label_dim;
    int64_t texts; /* captions an image of this data set */
    double caption_scale;
    char source[512]; /* the command, kept as an attribute */
    struct un_synth_posed *posed;
    struct un_progress *progress; /* gets the images whose features are written; NULL: nobody is told */
};

/* Where the files' rows come from: one data set or task, one split. */
struct un_synth_part {
    enum un_synth_set set;   /* of a task: coco, whose style retrieval's captions have */
    enum un_synth_task task; /* or UN_SYNTH_NO_TASK */
    bool annotated;          /* images of vcr: what an annotator reports */
    uint32_t split;          /* 0 train, 1 valid, 2 test */
    int64_t images;
};
/* The last pose that was made, so that its scenes and texts are made once. */
struct un_synth_posed {
    bool any;
    enum un_synth_task task;
    uint32_t split, number;
    struct un_synth_pose pose;
};
/* The pose that image number `image` of the part belongs to. */
enum un_status un_synth_posed(const struct un_synth_job *job, const struct un_synth_part *part, int64_t image,
                              const struct un_synth_pose **pose);
enum { UN_SYNTH_SPLITS = 3 };
extern const char *const un_synth_split_names[UN_SYNTH_SPLITS];
/* "coco", "vqa", "vcr_gt" */
const char *un_synth_part_name(const struct un_synth_part *part);
/* "coco_train_00000012" */
void un_synth_image_id(char *id, size_t size, const struct un_synth_part *part, int64_t image);
enum un_status un_synth_make_scene(const struct un_synth_job *job, const struct un_synth_part *part,
                                   int64_t image, struct un_synth_scene *scene);
/* Attributes that both kinds of files have. */
enum un_status un_synth_put_header(struct un_h5 *file, const char *format, const struct un_synth_job *job);
/* Attributes of a text file. more: words behind the vocabulary. */
enum un_status un_synth_put_vocab(struct un_h5 *file, const struct un_synth_vocab *vocab, int64_t more);

/* *rows: regions, words written. Nothing is left at PATH after a failure. */
enum un_status un_synth_write_images(const struct un_synth_job *job, const struct un_synth_part *part,
                                     const char *path, int64_t *rows);
enum un_status un_synth_write_texts(const struct un_synth_job *job, const struct un_synth_part *part,
                                    const char *path, int64_t *rows);
/* What a task asks; all of it is held in memory. */
enum un_status un_synth_write_task(const struct un_synth_job *job, const struct un_synth_part *part,
                                   const char *path, int64_t *texts, int64_t *rows);

#endif
