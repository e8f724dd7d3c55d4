/* Where the texts of a task come from: one interface over every form of annotations, a record at a time. */
#ifndef UN_IO_CONVERT_TASK_SOURCE_H
#define UN_IO_CONVERT_TASK_SOURCE_H

#include "io/convert/task/answers.h"
#include "io/data/targets.h"

/* Memory of the source, valid until the next call. */
struct un_task_text {
    const char *why; /* not NULL: left out, to be counted and listed */
    int64_t row;     /* of the file, from 1, for messages */
    const char *text_id, *image_id;
    const char *sentence;            /* UTF-8 */
    const char *part[UN_TEXT_PARTS]; /* vcr: answers and rationales; NULL elsewhere */
    struct un_targets targets;       /* but for the tokens of parts */
};

struct un_task_source;
struct un_task_source_ops {
    /* *more false at the end. */
    enum un_status (*next)(struct un_task_source *source, struct un_task_text *text, bool *more);
    void (*close)(struct un_task_source *source);
};
struct un_task_source {
    const struct un_task_source_ops *ops;
    enum un_task task;
    char name[256];                  /* for messages: kind and path */
    int64_t total, done;             /* for progress; 0 unknown */
    const char *unit;                /* of these; NULL: bytes */
    int64_t other_split;             /* texts passed over: of other splits */
    int64_t num_answers;             /* vqa, ve */
    const char *const *answer_names; /* [num_answers], of the source */
    int persons;                     /* vcr: words person_0 ... behind the vocabulary */
};
void un_task_source_close(struct un_task_source *source); /* NULL allowed */

/* What a user may say. Patterns of image ids hold NUMBER, twelve digits; NAME, the data set's own name; SPLIT.
 * "" or NULL: that of the authors' files; what does not go with a task is not asked. */
struct un_task_how {
    const char *image, *second_image; /* patterns */
    const char *split;
    bool progress; /* is shown of files that are read before the first text */
};

/* VQA v2's questions; `annotations` NULL or "": without answers (test2015). SPLIT is data_subtype. The table is
 * borrowed. Memory: some 50 bytes an annotation. */
enum un_status un_task_source_vqa(struct un_task_source **source, const char *questions,
                                  const char *annotations, const struct un_answer_table *table,
                                  const struct un_task_how *how);
/* SNLI-VE, an object a line. */
enum un_status un_task_source_ve(struct un_task_source **source, const char *path,
                                 const struct un_task_how *how);
/* NLVR2, an object a line; `missing`: a JSON list of images whose examples are left out, or NULL, "". */
enum un_status un_task_source_nlvr2(struct un_task_source **source, const char *path, const char *missing,
                                    const struct un_task_how *how);
/* VCR, an object a line; `metadata`: the folder that metadata_fn is in: each file's names must be the objects;
 * NULL, "": not looked at. */
enum un_status un_task_source_vcr(struct un_task_source **source, const char *path, const char *metadata,
                                  const struct un_task_how *how);
/* RefCOCO's refs(*).p and instances.json. `ann_ids`: iid_to_ann_ids.json, the order of the regions of annotated
 * boxes, which makes labels; NULL or "": regions are detected ones, and no label is known. Memory: all of it. */
enum un_status un_task_source_refcoco(struct un_task_source **source, const char *refs, const char *instances,
                                      const char *ann_ids, const struct un_task_how *how);
/* Karpathy's dataset_{coco,flickr30k}.json. */
enum un_status un_task_source_retrieval(struct un_task_source **source, const char *path,
                                        const struct un_task_how *how);

#endif
