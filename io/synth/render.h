/* Features and soft labels of the micro-world's regions.
 *
 * feature = relu(0.3 + (1-blend) P[class] + blend P[lookalike] + 0.8 P[colour] + 0.6 P[size] + 0.7 P[state]
 *                + 0.35 (cx G0 + cy G1 + w G2 + h G3) + noise e),   rounded to f16
 * where a class prototype is 0.6 P[kind] + 0.8 P[own] and all P, G and e are independent draws of zero mean
 * and unit variance: the sum of the four bytes of a random word (Irwin-Hall: within 3.5 standard deviations,
 * near enough to normal, and exact integer arithmetic, so every machine makes the same bytes at about memory
 * speed). soft_label = the confidence mass shared by class and lookalike, a part for the rest of the kind and
 * the background, a floor for all columns; entries sum to 1 up to f16 rounding of the floor. */
#ifndef UN_IO_SYNTH_RENDER_H
#define UN_IO_SYNTH_RENDER_H

#include "io/synth/world.h"
#include "runtime/status.h"

struct un_synth_renderer; /* prototypes of one (seed, F) and scratch */

enum un_status un_synth_renderer_open(struct un_synth_renderer **renderer, uint64_t seed, int64_t img_dim,
                                      int64_t img_label_dim, double noise);
void un_synth_renderer_close(struct un_synth_renderer *renderer);
/* feature f16 [F], as bits. */
void un_synth_feature(struct un_synth_renderer *renderer, const struct un_synth_scene *scene, int region,
                      uint16_t *feature);
/* soft_label f16 [C], as bits. */
void un_synth_soft_label(struct un_synth_renderer *renderer, const struct un_synth_scene *scene, int region,
                         uint16_t *soft_label);

/* row [f4] += weight * e, e the near-normal numbers at (step, lane, sample, 0 ..); f4 is a multiple of 4. */
void un_synth_add_bell(float *row, float weight, int64_t f4, uint64_t seed, uint32_t step, uint32_t lane,
                       uint32_t sample);

#endif
