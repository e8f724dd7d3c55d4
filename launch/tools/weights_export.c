/* uniter weights export: a checkpoint as others read it. */
#include "launch/tools/weights.h"
#include "model/dims.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

/* The number of heads is in no shape: the run's own configuration has it. 0: not known. */
static int64_t heads_of_run(const char *run_dir, const struct un_weights_sizes *s) {
    char path[UN_PATH_MAX];
    struct un_config *document = NULL;
    struct un_model_keys keys;
    int64_t heads = 0;
    if (!run_dir[0] || un_files_join(path, run_dir, "config.yaml") != UN_OK || access(path, F_OK) != 0) {
        un_error_clear();
        un_log(UN_LOG_WARN,
               "the run's config.yaml is not there: num_attention_heads is left out of the metadata");
        return 0;
    }
    enum un_status status = un_config_read(&document, path, NULL, 0);
    if (status == UN_OK) status = un_config_bind(document, &un_model_key_table, &keys);
    if (status == UN_OK) status = un_dims_resolve(&keys.dims, keys.preset);
    if (status != UN_OK) {
        un_log(UN_LOG_WARN, "num_attention_heads is left out of the metadata: %s", un_error_get()->text);
        un_error_clear();
    } else if (keys.dims.hidden_size != s->hidden_size ||
               keys.dims.num_hidden_layers != s->num_hidden_layers) {
        un_log(UN_LOG_WARN, "%s is of another model: num_attention_heads is left out of the metadata", path);
    } else {
        heads = keys.dims.num_attention_heads;
    }
    un_config_free(document);
    return heads;
}

static enum un_status export_checkpoint(const struct un_weights_view *view, const char *path,
                                        const struct un_tool_weights_keys *keys) {
    const struct un_checkpoint_params *c = &view->checkpoint;
    struct un_weights_plan plan;
    struct un_tool_notes notes = {0};
    char digest[UN_DIGEST_TEXT];
    struct un_weights_sizes sizes;
    un_weights_sizes_of(&sizes, view);
    un_digest_print(&c->manifest.param, digest);
    un_tool_note(&notes, "format", "pt");
    un_tool_note(&notes, "producer", "uniter_dist");
    un_tool_note_size(&notes, "step", c->manifest.step);
    un_tool_note(&notes, "param_digest", digest);
    un_tool_note_sizes(&notes, &sizes);
    un_tool_note_size(&notes, "num_attention_heads", heads_of_run(c->run_dir, &sizes));
    enum un_status status = un_weights_plan_open(&plan, view, &c->table, UN_FIT_EXACT);
    if (status == UN_OK)
        status =
            un_weights_write(&plan, path, (enum un_st_type)keys->dtype, keys->tied, notes.pairs, notes.n);
    if (status == UN_OK)
        printf("%s: %" PRId64 " tensors of %s, step %" PRId64 ", param_digest %s\n", path, plan.taken,
               c->folder, c->manifest.step, digest);
    un_weights_plan_close(&plan);
    return status;
}

static enum un_status run_export(const struct un_tool *tool, int n, char **words) {
    struct un_tool_weights_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view view;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&view, a.names[0]);
    if (status == UN_OK && !un_weights_view_is_checkpoint(&view))
        status = un_fail(UN_USAGE, "%s: is a file already; export takes a run or a checkpoint's folder",
                         a.names[0]);
    if (status == UN_OK) status = export_checkpoint(&view, a.names[1], &keys);
    un_weights_view_close(&view);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"weights", "export", NULL, "RUN|CHECKPOINT OUT.safetensors [key=value ...]",
     "a checkpoint as PyTorch users expect it", &un_tool_weights_table, run_export},
};
const struct un_tools un_tools_weights_export = {list, sizeof list / sizeof *list};
