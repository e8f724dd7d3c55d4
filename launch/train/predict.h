/* What the network says about the texts of tasks, gathered over ranks in the order of the texts: the same list
 * on every rank, whatever their number. */
#ifndef UN_LAUNCH_TRAIN_PREDICT_H
#define UN_LAUNCH_TRAIN_PREDICT_H

#include "comm/comm.h"
#include "io/feed/loader.h"
#include "io/score/score.h"
#include "model/outputs.h"

/* Of one text; what is right comes along, because a rank holds the index of its own lanes only. Moved as bytes. */
struct un_prediction {
    int64_t text;
    int32_t dataset, objective;
    int32_t variant;  /* vcr, where the questions of a text are samples of their own: 0, 1; merged: 0 */
    int32_t said;     /* label, region; retrieval: 1 when the true pair is the highest of its group */
    int32_t right[2]; /* label or right answer; kind of vqa, right rationale of vcr; -1: not known */
    float value
        [UN_VCR_SCORES]; /* vqa: [0] what it earns. vcr: scores. re: [0..3] box found, [4..7] annotated */
};

struct un_predictions {
    struct un_prediction *list;
    int64_t n, room;
};

/* Adds those of a micro-batch whose scores are on the host. */
enum un_status un_predictions_add(struct un_predictions *p, const struct un_plan *plan,
                                  const struct un_batch_caps *caps, const struct un_loaded *loaded,
                                  const struct un_host_outputs *outputs);
/* Those of all ranks, by objective, data set and text. Collective; ends alike on all ranks. */
enum un_status un_predictions_gather(struct un_predictions *p, struct un_comm *comm);
void un_predictions_free(struct un_predictions *p);

/* The measures of some predictions of one objective, the main one first. identifier [n]: of nlvr2, for its consistency; NULL: without. */
enum { UN_MEASURES = 4 };
struct un_measured {
    const char *name[UN_MEASURES];
    struct un_mean value[UN_MEASURES];
    int n;
};
enum un_status un_predictions_measure(const struct un_prediction *list, int64_t n,
                                      const char *const *identifier, struct un_measured *out);
/* Predictions [begin, end) that begin at `begin` and are of one objective, and of one data set if `each`. */
int64_t un_predictions_end(const struct un_predictions *p, int64_t begin, bool each);

#endif
