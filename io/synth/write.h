/* One data file of the micro-world, written as a stream: memory does not grow with features or words. */
#ifndef UN_IO_SYNTH_WRITE_H
#define UN_IO_SYNTH_WRITE_H

#include "io/h5/h5.h"
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
};
/* Where the files' rows come from: one data set, one split. */
struct un_synth_part {
    enum un_synth_set set;
    uint32_t split; /* 0 train, 1 valid */
    int64_t images;
};
extern const char *const un_synth_split_names[2];
/* "coco_train_00000012" */
void un_synth_image_id(char *id, size_t size, const struct un_synth_part *part, int64_t image);
void un_synth_make_scene(const struct un_synth_job *job, const struct un_synth_part *part, int64_t image,
                         struct un_synth_scene *scene);
/* Attributes that both kinds of files have. */
enum un_status un_synth_put_header(struct un_h5 *file, const char *format, const struct un_synth_job *job);

/* *rows: regions, words written. Nothing is left at PATH after a failure. */
enum un_status un_synth_write_images(const struct un_synth_job *job, const struct un_synth_part *part,
                                     const char *path, int64_t *rows);
enum un_status un_synth_write_texts(const struct un_synth_job *job, const struct un_synth_part *part,
                                    const char *path, int64_t *rows);

#endif
