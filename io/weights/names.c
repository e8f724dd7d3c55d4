/* The names of tensors: ours, which are those of the released checkpoints, and BERT's. Source of both rules:
 * the authors' from_pretrained and the names in Hugging Face's BERT files. */
#include "io/weights/weights.h"
#include <stdio.h>
#include <stdlib.h>
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

static bool begins(const char *text, const char *front) {
    return strncmp(text, front, strlen(front)) == 0;
}

static bool ends(char *text, const char *end, char **at) {
    size_t length = strlen(text), tail = strlen(end);
    *at = length >= tail ? text + length - tail : text;
    return length >= tail && strcmp(*at, end) == 0;
}

enum un_weights_names un_weights_names_of(const struct un_weights_view *view) {
    enum un_weights_names found = UN_NAMES_NONE;
    for (int64_t i = 0; i < view->n; ++i) {
        const char *name = view->list[i].name;
        if (begins(name, "uniter.")) return UN_NAMES_UNITER;
        if (begins(name, "bert.") || begins(name, "embeddings.word_embeddings.")) found = UN_NAMES_BERT;
    }
    return found;
}

/* LayerNorm.gamma and .beta are what old files call weight and bias. */
static void modernise(char *name) {
    char *at;
    if (ends(name, ".gamma", &at)) memcpy(at, ".weight", sizeof ".weight");
    if (ends(name, ".beta", &at)) memcpy(at, ".bias", sizeof ".bias");
}

static bool any_begin(const char *name, const char *const *fronts) {
    for (; *fronts; ++fronts)
        if (begins(name, *fronts)) return true;
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
        rest = begins(from, "bert.") ? from + 5 : from;
        if (any_begin(rest, beside)) return UN_WEIGHTS_IGNORED;
        if (any_begin(rest, body))
            front = "uniter.";
        else if (rest != from || !begins(rest, "cls.predictions."))
            return UN_WEIGHTS_UNEXPECTED;
    }
    snprintf(to, UN_WEIGHTS_NAME, "%s%s", front, rest);
    modernise(to);
    const char *partner = un_weights_partner(to);
    if (!partner) return UN_WEIGHTS_TAKEN;
    snprintf(to, UN_WEIGHTS_NAME, "%s", partner);
    return UN_WEIGHTS_COPY;
}

void un_weights_sizes_add(struct un_weights_sizes *sizes, const char *name, const struct un_st_tensor *t) {
    const struct {
        const char *name;
        int64_t *rows, *cols;
    } known[] = {
        {"uniter.embeddings.word_embeddings.weight", &sizes->vocab_size, &sizes->hidden_size},
        {"uniter.embeddings.position_embeddings.weight", &sizes->max_position_embeddings, NULL},
        {"uniter.embeddings.token_type_embeddings.weight", &sizes->type_vocab_size, NULL},
        {"uniter.encoder.layer.0.intermediate.dense.weight", &sizes->intermediate_size, NULL},
        {"uniter.img_embeddings.img_linear.weight", NULL, &sizes->img_dim},
        {"region_classifier.net.3.weight", &sizes->img_label_dim, NULL},
    };
    static const char layer[] = "uniter.encoder.layer.";
    for (size_t i = 0; i < sizeof known / sizeof *known && t->rank == 2; ++i) {
        if (strcmp(known[i].name, name) != 0) continue;
        if (known[i].rows) *known[i].rows = t->shape[0];
        if (known[i].cols) *known[i].cols = t->shape[1];
    }
    if (!begins(name, layer)) return;
    char *end;
    long long number = strtoll(name + sizeof layer - 1, &end, 10);
    if (*end == '.' && number >= 0 && number < 1024 && number >= sizes->num_hidden_layers)
        sizes->num_hidden_layers = number + 1;
}
