/* Sizes of the network: keys, presets, checks, and the work of a pass counted from the shapes. See dims.h. */
#include "model/dims.h"
#include "runtime/config/keys.h"

enum { PRESETS = 3 };
static const char *const preset_names[PRESETS + 1] = {"tiny", "base", "large", NULL};
static const struct un_dims presets[PRESETS] = {
    {.hidden_size = 128, .num_hidden_layers = 2, .num_attention_heads = 2, .intermediate_size = 512},
    {.hidden_size = 768, .num_hidden_layers = 12, .num_attention_heads = 12, .intermediate_size = 3072},
    {.hidden_size = 1024, .num_hidden_layers = 24, .num_attention_heads = 16, .intermediate_size = 4096}};
/* The same for every preset: those of the released checkpoints. */
enum { POSITIONS = 512, TOKEN_TYPES = 2 };

static const struct un_key dims_keys[] = {
    UN_KEY_INT(un_dims, vocab_size, "0", 0, 1 << 24, "", "words of the vocabulary; 0: from the text files"),
    /* Their 0, which stood for auto once, is still in the config.yaml of earlier runs; un_dims_zeros finds it. */
    UN_KEY_INT_AUTO(un_dims, hidden_size, 0, 1 << 16, "", "width of a token; auto: from the preset"),
    UN_KEY_INT_AUTO(un_dims, num_hidden_layers, 0, 1024, "", "encoder layers; auto: from the preset"),
    UN_KEY_INT_AUTO(un_dims, num_attention_heads, 0, 1024, "",
                    "attention heads, must divide hidden_size; auto: from the preset"),
    UN_KEY_INT_AUTO(un_dims, intermediate_size, 0, 1 << 18, "",
                    "width between the two feed-forward maps; auto: from the preset"),
    UN_KEY_INT_AUTO(un_dims, max_position_embeddings, 0, 1 << 20, "", "positions a text may have; auto: 512"),
    UN_KEY_INT_AUTO(un_dims, type_vocab_size, 0, 1 << 10, "",
                    "token types, 0 = word, 1 = region; auto: 3 with nlvr2, 4 with vcr, else 2"),
    UN_KEY_INT(un_dims, img_dim, "0", 0, 1 << 20, "", "width of a region feature; 0: from the image files"),
    UN_KEY_INT(un_dims, img_label_dim, "0", 0, 1 << 20, "",
               "region classes, class 0 = background; 0: from the image files"),
    UN_KEY_INT(un_dims, num_labels, "0", 0, 1 << 20, "",
               "answers of the head of vqa and ve; 0: from the text files"),
    UN_KEY_INT(un_dims, re_layers, "1", 1, 2, "",
               "head of re and re_rank: 1 a linear map, 2 two with GELU and LayerNorm between"),
    UN_KEY_FLOAT(
        un_dims, dropout, "0.1", 0, 0.9, "",
        "probability to drop an element, after embeddings, in attention, after both halves of a layer"),
    UN_KEY_FLOAT(un_dims, initializer_range, "0.02", 0, 10, "", "standard deviation of the initial weights"),
};
static const struct un_key_table dims_table = UN_KEY_TABLE("", un_dims, dims_keys);

static const struct un_key keys[] = {
    UN_KEY_CHOICE(un_model_keys, preset, "base", preset_names, "sizes that are not given by themselves"),
    UN_KEY_PART(un_model_keys, dims, dims_table),
    UN_KEY_PATH(un_model_keys, init, "", "file",
                "initial weights of a fresh start: safetensors with names of UNITER or BERT, or a run's "
                "folder; what it does not hold, or empty: random"),
};
const struct un_key_table un_model_key_table = UN_KEY_TABLE("model", un_model_keys, keys);

static void take_if_none(int64_t *size, int64_t from_preset) {
    if (*size == 0 || *size == UN_AUTO) *size = from_preset;
}

int un_dims_zeros(const struct un_dims *d, const char *names[UN_DIMS_SIZES]) {
    const struct {
        const char *name;
        int64_t size;
    } sizes[] = {{"hidden_size", d->hidden_size},
                 {"num_hidden_layers", d->num_hidden_layers},
                 {"num_attention_heads", d->num_attention_heads},
                 {"intermediate_size", d->intermediate_size},
                 {"max_position_embeddings", d->max_position_embeddings},
                 {"type_vocab_size", d->type_vocab_size}};
    _Static_assert(sizeof sizes / sizeof *sizes == UN_DIMS_SIZES, "room for every name");
    int n = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        if (sizes[i].size == 0) names[n++] = sizes[i].name;
    return n;
}

enum un_status un_dims_resolve(struct un_dims *dims, int preset) {
    if (preset < 0 || preset >= PRESETS)
        return un_fail(UN_USAGE, "model.preset: no preset number %d", preset);
    take_if_none(&dims->hidden_size, presets[preset].hidden_size);
    take_if_none(&dims->num_hidden_layers, presets[preset].num_hidden_layers);
    take_if_none(&dims->num_attention_heads, presets[preset].num_attention_heads);
    take_if_none(&dims->intermediate_size, presets[preset].intermediate_size);
    take_if_none(&dims->max_position_embeddings, POSITIONS);
    take_if_none(&dims->type_vocab_size, TOKEN_TYPES);
    if (dims->hidden_size % dims->num_attention_heads)
        return un_fail(
            UN_USAGE,
            "model.num_attention_heads: %lld heads (preset %s unless given) do not divide hidden_size %lld",
            (long long)dims->num_attention_heads, preset_names[preset], (long long)dims->hidden_size);
    if (dims->type_vocab_size < TOKEN_TYPES)
        return un_fail(UN_USAGE, "model.type_vocab_size: %lld, but words and regions need types 0 and 1",
                       (long long)dims->type_vocab_size);
    if (!(dims->dropout >= 0 && dims->dropout < 1))
        return un_fail(UN_USAGE, "model.dropout: %g is not in [0, 1)", dims->dropout);
    return UN_OK;
}

int64_t un_dims_units(const struct un_dims *dims, enum un_objective t) {
    if (un_objectives[t].units == UN_UNITS_NEGATIVES) return dims->negatives;
    return un_objective_units(t, dims->img_dim, dims->img_label_dim);
}

/* A row of a task, or a member of one, through its head, pooler included. */
static double task_flop(const struct un_dims *d, enum un_objective t) {
    double h = (double)d->hidden_size;
    switch (t) {
    case UN_VQA: return h * h + 2 * h * (h + (double)d->num_labels);
    case UN_VE: return h * h + 2 * h * (h + 3);
    case UN_VCR: return h * h + 2 * h * (h + 2);
    case UN_RE:
    case UN_RE_RANK: return d->re_layers == 2 ? h * h + h : h;
    case UN_NLVR2_ATTN: return 2 * h * 2; /* the maps of its tokens: un_work.looking */
    default: return h * h + 2 * h;
    }
}

double un_dims_flop(const struct un_dims *dims, const struct un_work *work) {
    double h = (double)dims->hidden_size, layers = (double)dims->num_hidden_layers;
    double maps = layers * (4 * h * h + 2 * h * (double)dims->intermediate_size) * (double)work->tokens;
    double attention =
        layers * 2 * h * (double)work->sum_sq; /* scores and values; recomputation not counted */
    double heads = (double)work->mlm * (h * h + h * (double)dims->vocab_size) +
                   (double)work->mrfr * (h * h + h * (double)dims->img_dim) +
                   (double)work->mrc * (h * h + h * (double)dims->img_label_dim) +
                   (double)work->pairs * (h * h + h * 2); /* without the costs of the transport */
    for (int t = 0; t < UN_OBJECTIVE_COUNT; ++t)
        heads += (double)work->task[t] * task_flop(dims, (enum un_objective)t);
    heads += (double)work->looking * 6 * h * h; /* query, key, value, output, and the join of two widths */
    /* Nothing needs the gradient of features and boxes, so these maps have one product in the backward, not
     * two. That of the mask row is one vector-matrix product a pass: left out. */
    double inputs = (double)work->regions * h * (double)(dims->img_dim + 7);
    return 6 * (maps + attention + heads) + 4 * inputs;
}
