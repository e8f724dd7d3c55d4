/* Weights of other networks, by what only they have in their names (private.h): some have all that a BERT has under
 * names of BERT, and would be taken for one without a word. */
#include "io/weights/private.h"
#include <string.h>

static const struct {
    const char *part; /* of a name; with ^ at its front */
    const char *what;
    bool everywhere; /* also among names of UNITER */
} marks[] = {
    {".base_layer.",
     "a model with an adapter (LoRA) beside its layers: merge it first (merge_and_unload of peft)", true},
    {"lora_", "an adapter (LoRA): merge it into its model first (merge_and_unload of peft)", true},
    {".adapters.", "a model with adapters between its layers", true},
    {"^roberta.", "RoBERTa's: its vocabulary and positions are other ones than BERT's", false},
    {"^lm_head.", "RoBERTa's or GPT's: their vocabulary and positions are other ones than BERT's", false},
    {"^distilbert.", "DistilBERT's, which has no token types and other layers", false},
    {"^transformer.layer.", "DistilBERT's, which has no token types and other layers", false},
    {"^electra.", "ELECTRA's, no BERT", false},
    {"embeddings_project.", "ELECTRA's, whose embeddings are narrower than its layers", false},
    {"^lxmert.", "LXMERT's, a network of two streams", false},
    {"encoder.r_layers.", "LXMERT's, a network of two streams", false},
    {"encoder.x_layers.", "LXMERT's, a network of two streams", false},
    {"^visual_bert.", "VisualBERT's, which embeds regions otherwise", false},
    {"^bert.bert.", "VisualBERT's, which embeds regions otherwise", false},
    {"embeddings.visual_", "VisualBERT's, which embeds regions otherwise", false},
    {"relative_attention_bias", "MPNet's, whose attention has relative positions", false},
    {".query_proj.", "DeBERTa's, whose attention is another one", false},
    {".q_lin.", "DistilBERT's, which has no token types and other layers", false},
    {".query_key_value.", "Megatron's, whose queries, keys and values are one tensor", false},
    {"^albert.", "ALBERT's, whose layers are one", false},
    {"albert_layer_groups", "ALBERT's, whose layers are one", false},
};

static bool has_part(const char *name, const char *part) {
    return part[0] == '^' ? strncmp(name, part + 1, strlen(part + 1)) == 0 : strstr(name, part) != NULL;
}

/* Of RoBERTa and its kin by the bare names: one token type. */
static bool one_token_type(const struct un_st_tensor *t) {
    return t->rank == 2 && t->shape[0] == 1 && strstr(t->name, "embeddings.token_type_embeddings.weight");
}

enum un_status un_weights_refuse_foreign(const struct un_weights_view *view, enum un_weights_names names) {
    for (int64_t i = 0; i < view->n; ++i) {
        const struct un_st_tensor *t = &view->list[i];
        for (size_t m = 0; m < sizeof marks / sizeof *marks; ++m)
            if ((names != UN_NAMES_UNITER || marks[m].everywhere) && has_part(t->name, marks[m].part))
                return un_fail(UN_DATA, "%s: tensor %s: weights of UNITER or BERT are wanted, these are %s",
                               view->path, t->name, marks[m].what);
        if (names != UN_NAMES_UNITER && one_token_type(t))
            return un_fail(
                UN_DATA,
                "%s: tensor %s: one token type, BERT has two: these are RoBERTa's, whose vocabulary and "
                "positions are other ones",
                view->path, t->name);
    }
    return UN_OK;
}
