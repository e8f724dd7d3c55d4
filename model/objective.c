/* The table of objectives, see objective.h. */
#include "model/objective.h"

#include <stddef.h>

const char *const un_objective_names[UN_OBJECTIVE_COUNT + 1] = {
#define UN_OBJECTIVE_NAME(upper, lower, head) #lower,
    UN_OBJECTIVES(UN_OBJECTIVE_NAME)
#undef UN_OBJECTIVE_NAME
        NULL};

const struct un_objective_facts un_objectives[UN_OBJECTIVE_COUNT] = {
    [UN_MLM] = {UN_ASKS_WORDS, UN_TARGET_WORD, UN_UNITS_ONE, .hits = true},
    [UN_MRFR] = {UN_ASKS_REGIONS, UN_TARGET_FEATURES, UN_UNITS_FEATURES},
    [UN_MRC] = {UN_ASKS_REGIONS, UN_TARGET_CLASS, UN_UNITS_ONE, .needs_soft_labels = true, .hits = true},
    [UN_MRCKL] = {UN_ASKS_REGIONS, UN_TARGET_SOFT, UN_UNITS_CLASSES, .needs_soft_labels = true, .hits = true},
    [UN_ITM] = {UN_ASKS_PAIR, UN_TARGET_TRUE, UN_UNITS_ONE, .hits = true, .other_image = true, .aligns = true,
                .pools = true},
    [UN_VQA] = {UN_ASKS_GROUP, UN_TARGET_ANSWERS, UN_UNITS_ONE, .hits = true, .task = true, .pools = true,
                .fast = "vqa_output"},
    [UN_VE] = {UN_ASKS_GROUP, UN_TARGET_ANSWERS, UN_UNITS_ONE, .hits = true, .task = true, .pools = true},
    [UN_NLVR2_TRIPLET] = {UN_ASKS_GROUP, UN_TARGET_LABEL, UN_UNITS_ONE, .hits = true, .task = true,
                          .pools = true},
    [UN_NLVR2_PAIR] = {UN_ASKS_GROUP, UN_TARGET_LABEL, UN_UNITS_ONE, .hits = true, .task = true,
                       .pools = true},
    [UN_NLVR2_ATTN] = {UN_ASKS_TWO, UN_TARGET_LABEL, UN_UNITS_ONE, .hits = true, .task = true},
    [UN_VCR] = {UN_ASKS_GROUP, UN_TARGET_LABEL, UN_UNITS_ONE, .hits = true, .task = true, .pools = true,
                .fast = "vcr_output"},
    [UN_RE] = {UN_ASKS_PLACES, UN_TARGET_MEMBER, UN_UNITS_ONE, .hits = true, .task = true, .summed = true,
               .fast = "re_output"},
    [UN_RE_RANK] = {UN_ASKS_PLACES, UN_TARGET_MEMBER, UN_UNITS_ONE, .hits = true, .task = true,
                    .summed = true, .fast = "re_output"},
    [UN_ITM_RANK] = {UN_ASKS_GROUP, UN_TARGET_MEMBER, UN_UNITS_NEGATIVES, .hits = true, .task = true,
                     .pools = true},
    [UN_ITM_HARD] = {UN_ASKS_GROUP, UN_TARGET_MEMBER, UN_UNITS_NEGATIVES, .hits = true, .task = true,
                     .pools = true},
};

un_objective_set un_objectives_pretraining(void) {
    un_objective_set set = 0;
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (!un_objectives[t].task) set |= un_objective_bit((enum un_objective)t);
    return set;
}

int64_t un_objective_units(enum un_objective t, int64_t img_dim, int64_t img_label_dim) {
    switch (un_objectives[t].units) {
    case UN_UNITS_FEATURES: return img_dim;
    case UN_UNITS_CLASSES: return img_label_dim;
    case UN_UNITS_NEGATIVES:
    case UN_UNITS_ONE: break;
    }
    return 1;
}

bool un_objective_has_ids(enum un_objective t) {
    enum un_target target = un_objectives[t].target;
    return target == UN_TARGET_WORD || target == UN_TARGET_CLASS || target == UN_TARGET_TRUE ||
           target == UN_TARGET_LABEL || target == UN_TARGET_MEMBER;
}

bool un_objective_mix_needs_soft_labels(const double mix[UN_OBJECTIVE_COUNT]) {
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        if (mix[t] > 0 && un_objectives[t].needs_soft_labels) return true;
    return false;
}
