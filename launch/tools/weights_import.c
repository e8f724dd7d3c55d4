/* uniter weights import: others' weights under our names. model/net says which parameters a network has. */
#include "launch/tools/weights.h"
#include "model/net/network.h"
#include "runtime/config/keys.h"

#include <stdio.h>

static void say_line(void *context, const char *text) {
    fprintf(context, "%s\n", text);
}

/* The table of the model that the file's own sizes and heads make; what BERT does not have takes the released sizes. */
static enum un_status table_of(struct un_params *table, const struct un_weights_view *view,
                               const struct un_weights_sizes *s) {
    struct un_dims dims = {.vocab_size = s->vocab_size,
                           .hidden_size = s->hidden_size,
                           .num_hidden_layers = s->num_hidden_layers,
                           .num_attention_heads = 1,
                           .intermediate_size = s->intermediate_size,
                           .max_position_embeddings = s->max_position_embeddings,
                           .type_vocab_size = s->type_vocab_size,
                           .img_dim = s->img_dim ? s->img_dim : 2048,
                           .img_label_dim = s->img_label_dim ? s->img_label_dim : 1601,
                           .num_labels = s->num_labels,
                           .re_layers = s->re_layers,
                           .heads = s->tasks};
    if (!s->vocab_size || !s->hidden_size || !s->num_hidden_layers || !s->intermediate_size ||
        !s->max_position_embeddings || !s->type_vocab_size)
        return un_fail(UN_DATA,
                       "%s: not a whole BERT or UNITER: word, position and type embeddings and the layers "
                       "must be there, as tables of values",
                       view->path);
    if (s->tasks & (s->tasks - 1))
        return un_fail(UN_DATA, "%s: the heads of several tasks, one of them %s: a network has those of one",
                       view->path, un_weights_task_name(s->tasks));
    return un_model_params_build(table, &dims);
}

/* A network of UNITER or BERT; a file without known names is refused by the plan. */
static enum un_status import_network(struct un_weights_view *view, const char *path,
                                     const struct un_tool_import_keys *import_keys) {
    const struct un_tool_weights_keys *keys = &import_keys->weights;
    enum un_weights_names names = un_weights_names_of(view);
    struct un_weights_sizes sizes;
    struct un_params table = {0};
    struct un_weights_plan plan = {0};
    struct un_tool_notes notes = {0};
    enum un_status status = UN_OK;
    if (import_keys->anchor_scales[0])
        return un_fail(UN_USAGE, "anchor_scales: %s holds no region detector", view->path);
    UN_TRY(un_weights_refuse_foreign(view, names));
    un_weights_sizes_of(&sizes, view);
    if (names != UN_NAMES_NONE) UN_TRY_GOTO(table_of(&table, view, &sizes), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, view, &table, UN_FIT_EXACT),
                out); /* refuses a file without known names */
    un_weights_plan_tell(&plan, say_line, stdout);
    un_tool_note(&notes, "format", "pt");
    un_tool_note(&notes, "producer", "uniter_dist");
    un_tool_note_sizes(&notes, &sizes);
    un_tool_note_size(&notes, "num_attention_heads", un_weights_heads_told(view));
    status = un_weights_write(&plan, path, (enum un_st_type)keys->dtype, keys->tied, notes.pairs, notes.n);
out:
    un_weights_plan_close(&plan);
    un_params_free(&table);
    return status;
}

/* What a file holds, by its names. */
typedef enum un_status import_one(struct un_weights_view *view, const char *path,
                                  const struct un_tool_import_keys *keys);
static import_one *const kinds[UN_NAMES_KINDS] = {
    [UN_NAMES_NONE] = import_network,
    [UN_NAMES_UNITER] = import_network,
    [UN_NAMES_BERT] = import_network,
    [UN_NAMES_DETECTOR] = un_tool_import_detector,
};

static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct un_tool_import_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view view;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&view, a.names[0]);
    if (status == UN_OK) status = kinds[un_weights_names_of(&view)](&view, a.names[1], &keys);
    un_weights_view_close(&view);
    un_arguments_free(&a);
    return status;
}

static const struct un_key import_keys[] = {
    UN_KEY_PART(un_tool_import_keys, weights, un_tool_weights_table),
    UN_KEY_STRING(un_tool_import_keys, anchor_scales, "", "",
                  "a .caffemodel's scales of anchors, as 4,8,16,32, which are taken for 12 anchors (empty)"),
};
static const struct un_key_table import_table = UN_KEY_TABLE("", un_tool_import_keys, import_keys);

static const struct un_tool list[] = {
    {"weights", "import", NULL, "IN.safetensors|INDEX.json|IN.caffemodel OUT.safetensors [key=value ...]",
     "BERT, released UNITER of any task, region detector: one form", &import_table, run_import},
};
const struct un_tools un_tools_weights_import = {list, sizeof list / sizeof *list};
