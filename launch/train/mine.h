/* Hard negatives (itm_hard): before a lane's pass its candidates are scored, without dropout and gradient, and the
 * highest make the micro-batch that is taught. The candidates are drawn by the plan and the highest chosen by equal
 * rules on every rank, so the training does not depend on their number. Source: SPEC section 7. */
#ifndef UN_LAUNCH_TRAIN_MINE_H
#define UN_LAUNCH_TRAIN_MINE_H

#include "launch/job/job.h"

struct un_mine;

/* UN_USAGE: the groups of a lane may not fit into train.tokens_per_lane, there are several data sets, or one of fewer
 * others than train.candidates. Needs the data stage only;
 * nothing to refuse where the run mines nothing. */
enum un_status un_mine_check(const struct un_job *job);
/* *mine NULL: the run mines nothing. Checks first. After un_job_open_device; takes all memory that mining needs. */
enum un_status un_mine_open(struct un_mine **mine, struct un_job *job);
void un_mine_close(struct un_mine **mine);
/* Words and regions of all candidates of a lane. */
enum un_status un_mine_tokens(struct un_mine *mine, const struct un_loaded *loaded, int64_t *tokens);
/* Scores, chooses, packs: the micro-batch of lane number i of the rank, which stays until that of lane i + 2 is asked
 * for. Waits for the device: the choice is the host's. What scoring computes is in no count of FLOP. hooks: of the passes that score. */
enum un_status un_mine_group(struct un_mine *mine, const struct un_loaded *loaded, int64_t i,
                             const struct un_pass_hooks *hooks, struct un_batch **group);
/* The one that was made for lane number i. */
const struct un_batch *un_mine_last(const struct un_mine *mine, int64_t i);

#endif
