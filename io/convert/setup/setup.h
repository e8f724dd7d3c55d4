/* The authors' training set-ups, a JSON file each (config/ of their repository), as configurations of ours.
 *
 * Every key of theirs becomes one or more of ours, with the arithmetic in a comment, or stands at the end as a comment that
 * says why it has no counterpart. A key that is absent has the default of their script. One update sees what one of theirs sees:
 *
 *   cards x gradient_accumulation_steps x train_batch_size = lanes x tokens_per_lane (or samples_per_lane)
 *
 * with lanes a power of two, so that any power of two of ranks up to it trains the same bits. Their loss is the mean of a
 * card's micro-batches added over the accumulation, ours the mean of a step: train.loss_scale is the factor between. */
#ifndef UN_IO_CONVERT_SETUP_SETUP_H
#define UN_IO_CONVERT_SETUP_SETUP_H

#include "io/disk/text.h"

enum un_setup_task {
    UN_SETUP_AUTO, /* as the keys and the names of the databases tell */
    UN_SETUP_PRETRAIN,
    UN_SETUP_PRETRAIN_VCR,
    UN_SETUP_VQA,
    UN_SETUP_VE,
    UN_SETUP_NLVR2,
    UN_SETUP_VCR,
    UN_SETUP_RE,
    UN_SETUP_ITM,
    UN_SETUP_ITM_HARD,
    UN_SETUP_TASKS
};
extern const char *const un_setup_tasks[]; /* names of the above, NULL at the end */

struct un_setup_options {
    enum un_setup_task task;
    int64_t cards; /* 0: as the file's name says ("...-8gpu.json") */
};
struct un_setup_counts {
    int64_t mapped, left, doubtful; /* keys; doubtful: among those left, what may change the training */
};

/* The JSON file PATH as YAML, put behind what `yaml` holds; un_free(yaml->text) by the caller, failed or not. UN_USAGE: cards or
 * task cannot be told; UN_DATA: no JSON, or a key with a value that it cannot have, with file and key. */
enum un_status un_setup_import(struct un_text_out *yaml, struct un_setup_counts *counts, const char *path,
                               const struct un_setup_options *options);
/* The same of a text in memory; `path` stands for the file. */
enum un_status un_setup_convert(struct un_text_out *yaml, struct un_setup_counts *counts, const char *path,
                                const char *text, size_t bytes, const struct un_setup_options *options);

#endif
