/* run, model: sizes, initial weights. */
#include "io/convert/setup/private.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIZES = 4 };
static const char *const size_names[SIZES] = {"hidden_size", "num_hidden_layers", "num_attention_heads",
                                              "intermediate_size"};
static const struct {
    const char *name;
    int64_t size[SIZES];
} presets[] = {{"base", {768, 12, 12, 3072}}, {"large", {1024, 24, 16, 4096}}};
enum { PRESETS = sizeof presets / sizeof *presets };

/* The file of sizes: where the set-up says, else beside the set-up. *text NULL: there is none. */
static enum un_status read_sizes(const struct un_setup *s, const char *said, char **text, size_t *bytes) {
    enum { MOST = 1 << 16 };
    char beside[UN_PATH_MAX];
    const char *slash = strrchr(s->path, '/'), *name = strrchr(said, '/');
    *text = NULL;
    if (access(said, F_OK) == 0) return un_files_read(said, MOST, text, bytes);
    int length = snprintf(beside, sizeof beside, "%.*s%s", slash ? (int)(slash - s->path + 1) : 0, s->path,
                          name ? name + 1 : said);
    if (length < 0 || length >= (int)sizeof beside || access(beside, F_OK) != 0) return UN_OK;
    return un_files_read(beside, MOST, text, bytes);
}

static enum un_status write_own_sizes(struct un_setup *s, const char *said, json_t *sizes) {
    int64_t size[SIZES];
    const char *act = json_string_value(json_object_get(sizes, "hidden_act"));
    if (act && strcmp(act, "gelu") != 0)
        return un_fail(UN_DATA, "%s: hidden_act: %.60s, but networks of ours have gelu", said, act);
    for (int i = 0; i < SIZES; ++i) {
        const json_t *value = json_object_get(sizes, size_names[i]);
        size[i] = json_integer_value(value);
        if (!json_is_integer(value) || size[i] < 1)
            return un_fail(UN_DATA, "%s: %s: not a number of at least 1", said, size_names[i]);
    }
    for (int p = 0; p < PRESETS; ++p)
        if (memcmp(size, presets[p].size, sizeof size) == 0) {
            un_setup_line(s, 2, "model_config: its sizes", "preset: %s", presets[p].name);
            return UN_OK;
        }
    for (int i = 0; i < SIZES; ++i)
        un_setup_line(s, 2, "model_config", "%s: %lld", size_names[i], (long long)size[i]);
    const json_t *positions = json_object_get(sizes, "max_position_embeddings");
    if (json_is_integer(positions))
        un_setup_line(s, 2, "model_config", "max_position_embeddings: %lld",
                      (long long)json_integer_value(positions));
    return UN_OK;
}

static enum un_status write_sizes(struct un_setup *s) {
    const char *said;
    char *text, why[256];
    size_t bytes = 0;
    UN_TRY(un_setup_text(s, "model_config", NULL, &said));
    if (!said) {
        un_setup_line(s, 2, "model_config: not given", "preset: base");
        return UN_OK;
    }
    UN_TRY(read_sizes(s, said, &text, &bytes));
    if (text) {
        json_t *sizes = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
        un_free(text);
        if (!json_is_object(sizes)) {
            json_decref(sizes);
            return un_fail(UN_DATA, "%s: model_config: %.200s holds no JSON object", s->path, said);
        }
        enum un_status status = write_own_sizes(s, said, sizes);
        json_decref(sizes);
        return status;
    }
    for (int p = 0; p < PRESETS; ++p)
        if (strstr(said, presets[p].name)) {
            snprintf(why, sizeof why, "model_config: %.150s, which is not here, by its name", said);
            un_setup_line(s, 2, why, "preset: %s", presets[p].name);
            return UN_OK;
        }
    return un_fail(
        UN_USAGE,
        "%s: model_config: %.200s is neither there nor beside the file, and no base or large by its name",
        s->path, said);
}

static enum un_status write_init(struct un_setup *s) {
    const char *pt, *from;
    char stem[128];
    UN_TRY(un_setup_text(s, "checkpoint", NULL, &pt));
    UN_TRY(un_setup_text(s, "checkpoint_from", NULL, &from));
    if (from) un_setup_comment(s, 2, "checkpoint_from: %s: told by the sizes in the file itself", from);
    if (!pt) {
        un_setup_line(s, 2, "checkpoint: none, random weights", "init: \"\"");
        return UN_OK;
    }
    const char *name = strrchr(pt, '/') ? strrchr(pt, '/') + 1 : pt;
    if (strlen(name) > 100 || strchr(name, '$'))
        return un_setup_wrong(s, "checkpoint", "a name with $, or longer than 100 bytes");
    snprintf(stem, sizeof stem, "%s", name);
    if (un_ends(stem, ".pt")) stem[strlen(stem) - 3] = '\0';
    if (!un_setup_is_name(stem)) return un_setup_wrong(s, "checkpoint", "no name of a file");
    un_setup_comment(s, 2, "checkpoint: pt_safetensors.py %s %s.safetensors, then", pt, stem);
    un_setup_comment(s, 2, "uniter weights import %s.safetensors weights/%s.safetensors", stem, stem);
    un_text_put(s->out, "  init: ");
    snprintf(stem + strlen(stem), sizeof stem - strlen(stem), ".safetensors");
    char path[160];
    snprintf(path, sizeof path, "weights/%s", stem);
    un_text_put_string(s->out, path);
    un_text_put(s->out, "\n");
    return UN_OK;
}

enum un_status un_setup_write_model(struct un_setup *s) {
    double dropout;
    bool given, types;
    char number[32], why[160];
    un_text_put(s->out, "model:\n");
    UN_TRY(write_sizes(s));
    UN_TRY(write_init(s));
    UN_TRY(un_setup_number(s, "dropout", 0.1, &dropout, &given));
    un_setup_line(s, 2, un_setup_from(s, why, "dropout", given), "dropout: %s",
                  un_setup_float(number, dropout));
    if (s->task == UN_SETUP_PRETRAIN_VCR)
        un_setup_line(s, 2, "pretrain_vcr.py: questions, answers and rationales have types of their own",
                      "type_vocab_size: 4");
    if (s->task == UN_SETUP_NLVR2) {
        UN_TRY(un_setup_flag(s, "use_img_type", &types));
        un_setup_line(s, 2,
                      types ? "use_img_type: the second image has a type of its own" : "use_img_type: false",
                      "type_vocab_size: %d", types ? 3 : 2);
    }
    if (s->task == UN_SETUP_RE) {
        int64_t layers;
        UN_TRY(un_setup_whole(s, "mlp", 1, 2, 1, &layers, &given));
        un_setup_line(s, 2, un_setup_from(s, why, "mlp", given), "re_layers: %lld", (long long)layers);
    }
    return UN_OK;
}
