/* uniter weights import | export | show | diff. */
#include "io/weights/tools.h"
#include "launch/tools/tools.h"
#include "model/net/network.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct write_keys {
    int dtype; /* as enum un_st_type */
    bool tied;
};
static const char *const dtype_names[] = {"f32", "f16", "bf16", NULL};
static const struct un_key write_list[] = {
    UN_KEY_CHOICE(write_keys, dtype, "f32", dtype_names,
                  "type of the values; f16 and bf16 round to nearest even"),
    UN_KEY_BOOL(write_keys, tied, "true", "write tied copies too, as PyTorch's state_dict has them"),
};
static const struct un_key_table write_table = UN_KEY_TABLE("", write_keys, write_list);

struct diff_keys {
    double tol;
};
static const struct un_key diff_list[] = {
    UN_KEY_FLOAT(diff_keys, tol, "0", 0, 1e30, "", "largest difference of two values that count as equal"),
};
static const struct un_key_table diff_table = UN_KEY_TABLE("", diff_keys, diff_list);

/* ---- sizes and metadata ---- */

enum { PAIRS_MAX = 64, NUMBER = 32 };

struct notes {
    struct un_st_pair pairs[PAIRS_MAX];
    char numbers[PAIRS_MAX][NUMBER];
    int64_t n;
};

static void note(struct notes *notes, const char *key, const char *value) {
    if (notes->n < PAIRS_MAX) notes->pairs[notes->n++] = (struct un_st_pair){key, value};
}

static void note_size(struct notes *notes, const char *key, int64_t value) {
    if (value <= 0 || notes->n == PAIRS_MAX) return;
    snprintf(notes->numbers[notes->n], NUMBER, "%" PRId64, value);
    note(notes, key, notes->numbers[notes->n]);
}

static void note_sizes(struct notes *notes, const struct un_weights_sizes *s) {
    note_size(notes, "vocab_size", s->vocab_size);
    note_size(notes, "hidden_size", s->hidden_size);
    note_size(notes, "num_hidden_layers", s->num_hidden_layers);
    note_size(notes, "intermediate_size", s->intermediate_size);
    note_size(notes, "max_position_embeddings", s->max_position_embeddings);
    note_size(notes, "type_vocab_size", s->type_vocab_size);
    note_size(notes, "img_dim", s->img_dim);
    note_size(notes, "img_label_dim", s->img_label_dim);
}

static struct un_weights_sizes sizes_of(const struct un_weights_view *view, enum un_weights_names names) {
    struct un_weights_sizes sizes = {0};
    char name[UN_WEIGHTS_NAME];
    for (int64_t i = 0; i < view->n; ++i) {
        enum un_weights_kind kind = un_weights_name(names, view->list[i].name, name);
        if (kind == UN_WEIGHTS_TAKEN || kind == UN_WEIGHTS_COPY)
            un_weights_sizes_add(&sizes, name, &view->list[i]);
    }
    return sizes;
}

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

/* ---- commands ---- */

static enum un_status export_checkpoint(const struct un_weights_view *view, const char *path,
                                        const struct write_keys *keys) {
    const struct un_checkpoint_params *c = &view->checkpoint;
    struct un_weights_plan plan;
    struct notes notes = {0};
    char digest[UN_DIGEST_TEXT];
    struct un_weights_sizes sizes = sizes_of(view, UN_NAMES_UNITER);
    un_digest_print(&c->manifest.param, digest);
    note(&notes, "format", "pt");
    note(&notes, "producer", "uniter_dist");
    note_size(&notes, "step", c->manifest.step);
    note(&notes, "param_digest", digest);
    note_sizes(&notes, &sizes);
    note_size(&notes, "num_attention_heads", heads_of_run(c->run_dir, &sizes));
    enum un_status status = un_weights_plan_open(&plan, view, &c->table);
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
    struct write_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view view;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&view, a.names[0]);
    if (status == UN_OK && view.file)
        status = un_fail(UN_USAGE, "%s: is a file already; export takes a run or a checkpoint's folder",
                         a.names[0]);
    if (status == UN_OK) status = export_checkpoint(&view, a.names[1], &keys);
    un_weights_view_close(&view);
    un_arguments_free(&a);
    return status;
}

static void say_line(void *context, const char *text) {
    fprintf(context, "%s\n", text);
}

/* The table of the model that the file's own sizes make; what BERT does not have takes the released sizes. */
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
                           .img_label_dim = s->img_label_dim ? s->img_label_dim : 1601};
    if (!s->vocab_size || !s->hidden_size || !s->num_hidden_layers || !s->intermediate_size ||
        !s->max_position_embeddings || !s->type_vocab_size)
        return un_fail(UN_DATA,
                       "%s: not a whole BERT or UNITER: word, position and type embeddings and the layers "
                       "must be there, as tables of values",
                       view->path);
    return un_model_params_build(table, &dims);
}

static enum un_status import_view(const struct un_weights_view *view, const char *path,
                                  const struct write_keys *keys) {
    enum un_weights_names names = un_weights_names_of(view);
    struct un_weights_sizes sizes = sizes_of(view, names);
    struct un_params table = {0};
    struct un_weights_plan plan = {0};
    struct notes notes = {0};
    enum un_status status = UN_OK;
    if (names != UN_NAMES_NONE) UN_TRY_GOTO(table_of(&table, view, &sizes), out);
    UN_TRY_GOTO(un_weights_plan_open(&plan, view, &table), out); /* refuses a file without known names */
    un_weights_plan_tell(&plan, say_line, stdout);
    note(&notes, "format", "pt");
    note(&notes, "producer", "uniter_dist");
    note_sizes(&notes, &sizes);
    status = un_weights_write(&plan, path, (enum un_st_type)keys->dtype, keys->tied, notes.pairs, notes.n);
out:
    un_weights_plan_close(&plan);
    un_params_free(&table);
    return status;
}

static enum un_status run_import(const struct un_tool *tool, int n, char **words) {
    struct write_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view view;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&view, a.names[0]);
    if (status == UN_OK) status = import_view(&view, a.names[1], &keys);
    un_weights_view_close(&view);
    un_arguments_free(&a);
    return status;
}

static enum un_status run_show(const struct un_tool *tool, int n, char **words) {
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, NULL));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) {
        struct un_weights_view view;
        status = un_weights_view_open(&view, a.names[i]);
        if (status == UN_OK) status = un_weights_show(&view, stdout);
        un_weights_view_close(&view);
    }
    un_arguments_free(&a);
    return status;
}

static enum un_status run_diff(const struct un_tool *tool, int n, char **words) {
    struct diff_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view first, second = {0};
    bool equal = false;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&first, a.names[0]);
    if (status == UN_OK) status = un_weights_view_open(&second, a.names[1]);
    if (status == UN_OK) status = un_weights_diff(&first, &second, keys.tol, stdout, &equal);
    if (status == UN_OK && !equal) status = un_fail(UN_DATA, "%s and %s differ", a.names[0], a.names[1]);
    un_weights_view_close(&first);
    un_weights_view_close(&second);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"weights", "import", NULL, "IN.safetensors OUT.safetensors [key=value ...]",
     "BERT or released UNITER weights, under UNITER's names", &write_table, run_import},
    {"weights", "export", NULL, "RUN|CHECKPOINT OUT.safetensors [key=value ...]",
     "a checkpoint as PyTorch users expect it", &write_table, run_export},
    {"weights", "show", NULL, "FILE|RUN|CHECKPOINT ...", "names, shapes, statistics, metadata", NULL,
     run_show},
    {"weights", "diff", NULL, "A B [tol=0]", "two files, runs or checkpoints; exit code 65 when they differ",
     &diff_table, run_diff},
};
const struct un_tools un_tools_weights = {list, sizeof list / sizeof *list};
