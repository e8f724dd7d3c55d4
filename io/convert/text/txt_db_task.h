/* What the records of a txt_db ask: which task it is, its table of answers, the boxes of its images. */
#ifndef UN_IO_CONVERT_TEXT_TXT_DB_TASK_H
#define UN_IO_CONVERT_TEXT_TXT_DB_TASK_H

#include "io/convert/text/source.h"
#include "io/convert/text/txt_db_side.h"
#include "io/convert/text/txt_db_value.h"

/* Of one image of images.json. */
struct un_txt_image {
    int64_t id, first, n; /* its annotations, in the order of its regions */
    float size[2];
};
struct un_txt_task {
    enum un_task task;
    bool detected; /* re: regions are detected, so none of them is known to be right */
    int64_t num_answers;
    const char **names; /* [num_answers] NULL: none */
    struct un_txt_side answers;
    struct un_txt_image *image; /* [images] by id */
    int64_t images, image_room, *annotation, annotations, annotation_room;
    struct un_targets targets; /* of the last record */
    char second[256];
};

/* first: the first record of the database `folder`, whose fields tell the task where `how` does not. */
enum un_status un_txt_task_open(struct un_txt_task *task, const char *folder,
                                const struct un_txt_value *first, const struct un_text_lmdb *how);
void un_txt_task_close(struct un_txt_task *task);
/* Targets of a record in task->targets; a text that cannot be used is rejected. */
enum un_status un_txt_task_take(struct un_txt_task *task, const char *where, const struct un_txt_value *value,
                                struct un_caption *caption);

#endif
