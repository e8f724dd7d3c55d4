/* run.check_every: a card or memory that changes bits is found, named and nothing of it is saved. Four looks:
 *
 *   replicas   after every check_every updates, at the start, and before each save, the parameters of all ranks are compared,
 *              bucket by bucket. In a step they come from their owners, so a replica that was damaged before is
 *              healed by then: this finds what is damaged on the way or since, and cards that do not hold what they are
 *              told.
 *              In bf16 these are the bf16 copy and what is read as f32: the other f32 values only owners have.
 *   at rest    from such a comparison until the next update nothing may write to parameters and moments: looked at
 *              again there. This is what finds a damaged moment or a damaged parameter of its owner, which the next
 *              update would make equal and wrong on all ranks.
 *   twice      the first micro-batch of a checked step is computed twice, and the gradients are the same.
 *   probe      a product of the parameters with themselves is the same on all ranks: finds a rank that computes
 *              the same wrong thing each time. Only where all ranks are of one kind, on the CPU.
 *
 * With check_every 1 every step is looked at. With more, a bit that flips once between two looks and is used
 * before the second is part of the training: nothing tells it from a right value. What flips again and again is
 * found by the next looks. Not looked at: gradients between backward and update, the sums over ranks. */
#ifndef UN_LAUNCH_TRAIN_GUARD_H
#define UN_LAUNCH_TRAIN_GUARD_H

#include "launch/job/job.h"

/* Takes all memory that the looks need; *guard NULL where run.check_every is 0. Collective. After the device stage; owner:
 * caller, un_guard_close. */
enum un_status un_guard_open(struct un_watch **guard, struct un_job *job);
void un_guard_close(struct un_watch *guard);

/* All below: nothing to do with NULL. What a rank finds alone it keeps until un_guard_step. */

/* Is lane i (of this rank) of the step under way computed twice? */
bool un_guard_repeats(const struct un_watch *guard, int64_t i);
/* The gradients of a pass are complete; `again`: of the second. Waits for the queue. */
void un_guard_pass(struct un_watch *guard, const float *grads, bool again);
/* Before the update of a step. */
void un_guard_rest(struct un_watch *guard);
/* At the end of a step: what was found, and the looks that are due. Collective; the same status on all ranks,
 * UN_INTERNAL with rank and host where something was found. */
enum un_status un_guard_step(struct un_watch *guard);
/* Compares now, unless that was done for this step: at the start and before a save. Collective as un_guard_step. */
enum un_status un_guard_compare(struct un_watch *guard);

#endif
