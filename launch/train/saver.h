/* The checkpoints of a run: resume, and saves that the training does not wait for. What a rank owns is copied
 * (the stall), then its writer's thread puts the copy on the disk while steps go on
 * (io/checkpoint/writer.h). */
#ifndef UN_LAUNCH_TRAIN_SAVER_H
#define UN_LAUNCH_TRAIN_SAVER_H

#include "io/checkpoint/manifest.h"
#include "io/checkpoint/writer.h"
#include "launch/job/job.h"
#include "launch/job/machine.h"

struct un_saver {
    struct un_job *job;
    struct un_checkpoint checkpoint; /* p, m, v: the copy */
    struct un_fp8_history fp8;       /* its copy, too */
    char kind[UN_MACHINE_TEXT];      /* of machine */
    struct un_checkpoint_writer *writer;
    int64_t step;  /* of the newest checkpoint that is there or under way; -1: none */
    double stall;  /* seconds the training stood still for saves, since the last look */
    double resume; /* seconds the resume took */
    double best;   /* measure of the best checkpoint, there or to come; -inf: none */
};

/* Collective; after the device stage of the job. All ranks get the same status. */
enum un_status un_saver_open(struct un_saver *saver, struct un_job *job);
/* how: "auto" | "none" | a checkpoint's folder. Fills parameters, moments, states and job->step, or leaves
 * the start as it is: *found false. Collective; the same status on all ranks. */
enum un_status un_saver_resume(struct un_saver *saver, const char *how, bool *found);
/* A save of job->step is under way when this returns; nothing to do when there is one. Waits for the save
 * before it first. Collective; the same status on all ranks. */
enum un_status un_saver_begin(struct un_saver *saver);
/* The same, and waits until the checkpoint is there. */
enum un_status un_saver_finish(struct un_saver *saver);
/* Is a validation's measure above all before it? The next save, of the same step, is then to be the best. */
bool un_saver_improves(const struct un_saver *saver, double measure);
void un_saver_best(struct un_saver *saver, double measure);
bool un_saver_is_best(const struct un_saver *saver); /* such a save is due */
/* Has the save under way failed on this rank? To be told to all ranks as trouble of the next step. */
enum un_status un_saver_trouble(struct un_saver *saver);
/* agreed: all ranks end here with the same status, else they may be anywhere. */
void un_saver_close(struct un_saver *saver, bool agreed);

#endif
