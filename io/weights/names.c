/* The names of tensors: ours, which are those of the released checkpoints, and BERT's. Source of both rules:
 * the authors' from_pretrained and the names in Hugging Face's BERT files. */
#include "io/disk/text.h"
#include "io/weights/weights.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *copy, *partner;
} tied[] = {
    {"cls.predictions.decoder.weight", "uniter.embeddings.word_embeddings.weight"},
    {"feat_regress.weight", "uniter.img_embeddings.img_linear.weight"},
    {"cls.predictions.decoder.bias", "cls.predictions.bias"},
};
const char *const un_weights_copies[] = {"cls.predictions.decoder.weight", "feat_regress.weight", NULL};

const char *un_weights_partner(const char *name) {
    for (size_t i = 0; i < sizeof tied / sizeof *tied; ++i)
        if (strcmp(tied[i].copy, name) == 0) return tied[i].partner;
    return NULL;
}

bool un_weights_is_counter(const char *name) {
    static const char tail[] = ".num_batches_tracked";
    size_t length = strlen(name);
    return length >= sizeof tail && strcmp(name + length - (sizeof tail - 1), tail) == 0;
}

static bool ends(char *text, const char *end, char **at) {
    size_t length = strlen(text), tail = strlen(end);
    *at = length >= tail ? text + length - tail : text;
    return length >= tail && strcmp(*at, end) == 0;
}

static bool of_detector(const char *name) {
    return un_begins(name, "backbone.") || un_begins(name, "proposal_generator.") ||
           un_begins(name, "roi_heads.");
}

enum un_weights_names un_weights_names_of(const struct un_weights_view *view) {
    enum un_weights_names found = UN_NAMES_NONE;
    for (int64_t i = 0; i < view->n; ++i) {
        const char *name = view->list[i].name;
        if (un_begins(name, "uniter.")) return UN_NAMES_UNITER;
        if (un_begins(name, "bert.") || un_begins(name, "embeddings.word_embeddings.")) found = UN_NAMES_BERT;
        if (found == UN_NAMES_NONE && of_detector(name)) found = UN_NAMES_DETECTOR;
    }
    return found;
}

/* LayerNorm.gamma and .beta are what old files call weight and bias. */
static void modernise(char *name) {
    char *at;
    if (ends(name, ".gamma", &at)) memcpy(at, ".weight", sizeof ".weight");
    if (ends(name, ".beta", &at)) memcpy(at, ".bias", sizeof ".bias");
}

enum un_weights_head un_weights_head_of(const char *name) {
    static const struct {
        const char *front;
        enum un_weights_head head;
    } heads[] = {{"cls.predictions.", UN_HEAD_PRETRAINING},
                 {"feat_regress.", UN_HEAD_PRETRAINING},
                 {"region_classifier.", UN_HEAD_PRETRAINING},
                 {"itm_output.", UN_HEAD_PRETRAINING},
                 {"vqa_output.", UN_HEAD_ANSWERS},
                 {"nlvr2_output.", UN_HEAD_NLVR2},
                 {"attn1.", UN_HEAD_NLVR2},
                 {"attn2.", UN_HEAD_NLVR2},
                 {"fc.0.", UN_HEAD_NLVR2},
                 {"attn_pool.fc.0.", UN_HEAD_NLVR2},
                 {"vcr_output.", UN_HEAD_VCR},
                 {"re_output.", UN_HEAD_RE},
                 {"rank_output.", UN_HEAD_RETRIEVAL}};
    for (size_t i = 0; i < sizeof heads / sizeof *heads; ++i)
        if (un_begins(name, heads[i].front)) return heads[i].head;
    return UN_HEAD_NONE;
}

static bool any_begin(const char *name, const char *const *fronts) {
    for (; *fronts; ++fronts)
        if (un_begins(name, *fronts)) return true;
    return false;
}

enum un_weights_kind un_weights_name(enum un_weights_names names, const char *from,
                                     char to[UN_WEIGHTS_NAME]) {
    static const char *const body[] = {"embeddings.", "encoder.", "pooler.", NULL};
    static const char *const beside[] = {"cls.seq_relationship.", "embeddings.position_ids",
                                         "embeddings.token_type_ids", NULL};
    to[0] = '\0';
    if (strlen(from) > UN_ST_NAME_MAX) return UN_WEIGHTS_UNEXPECTED;
    const char *rest = from, *front = "";
    if (names == UN_NAMES_BERT) {
        rest = un_begins(from, "bert.") ? from + 5 : from;
        if (any_begin(rest, beside)) return UN_WEIGHTS_IGNORED;
        if (any_begin(rest, body))
            front = "uniter.";
        else if (rest != from || !un_begins(rest, "cls.predictions."))
            return UN_WEIGHTS_UNEXPECTED;
    }
    snprintf(to, UN_WEIGHTS_NAME, "%s%s", front, rest);
    modernise(to);
    const char *partner = un_weights_partner(to);
    if (!partner) return UN_WEIGHTS_TAKEN;
    snprintf(to, UN_WEIGHTS_NAME, "%s", partner);
    return UN_WEIGHTS_COPY;
}
