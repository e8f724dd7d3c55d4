/* uniter answer: the best answers of a network of VQA (or the label of one of visual entailment). */
#include "io/convert/task/answers.h"
#include "io/data/file.h"
#include "launch/tools/tools.h"
#include "launch/use/lines.h"
#include "launch/use/session.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <math.h>
#include <string.h>

enum { TOP_MAX = 1000 };

struct answer_keys {
    struct un_use_keys use;
    char answers[256];
    int64_t top;
};
static const struct un_key keys[] = {
    UN_KEY_PART(answer_keys, use, un_use_key_table),
    UN_KEY_PATH(answer_keys, answers, "", "file",
                "what the labels are called: the table of answers (JSON), or a text file of the task "
                "(*.txt.h5); nothing: as `text` says, else numbers"),
    UN_KEY_INT(answer_keys, top, "5", 1, TOP_MAX, "answers", "so many of the best ones"),
};
static const struct un_key_table table = UN_KEY_TABLE("", answer_keys, keys);

/* What the labels are called, from one of the three. */
struct names {
    struct un_answer_table json;
    struct un_text_file file;
    const struct un_dataset *set;
    int64_t labels, top;
};

static const char *name_of(const struct names *names, int64_t label) {
    static const char *const entailment[] = {"contradiction", "entailment", "neutral"};
    if (names->json.n) return names->json.name[label];
    const struct un_target_columns *c = &names->file.targets;
    if (c->answer_names) return c->answer_names + label * c->name_stride;
    const char *name = un_dataset_answer_name(names->set, label);
    return name ? name : names->labels == 3 ? entailment[label] : NULL;
}

static void print(void *context, FILE *out, const struct un_use_pairs *pairs, int64_t index,
                  const float *result) {
    const struct names *names = context;
    un_use_print_pair(out, pairs, index);
    fputs(", \"answers\": [", out);
    for (int64_t i = 0; i < names->top; ++i) {
        int64_t label = (int64_t)result[2 * i];
        const char *name = name_of(names, label);
        fputs(i ? ", {\"answer\": " : "{\"answer\": ", out);
        if (name)
            un_use_print_text(out, name);
        else
            fprintf(out, "%lld", (long long)label);
        un_use_print_number(out, "score", (double)result[2 * i + 1]);
        un_use_print_number(out, "probability", 1 / (1 + exp(-(double)result[2 * i + 1])));
        fputc('}', out);
    }
    fputs("]}\n", out);
}

/* The `top` highest scores, of equal ones the first label, as label and score. */
static void choose(const float *score, int64_t labels, int64_t top, float *result) {
    int64_t held = 0;
    for (int64_t label = 0; label < labels; ++label) {
        int64_t at = held;
        while (at > 0 && score[label] > result[2 * at - 1]) --at;
        if (at == top) continue;
        int64_t moved = (held < top ? held : top - 1) - at;
        memmove(result + 2 * (at + 1), result + 2 * at, (size_t)(2 * moved) * sizeof *result);
        result[2 * at] = (float)label;
        result[2 * at + 1] = score[label];
        if (held < top) ++held;
    }
}

static enum un_status run(struct un_use_session *s, enum un_objective task, struct names *names,
                          struct un_use_lines *lines) {
    const struct un_host_outputs *out = &s->net[0].outputs;
    UN_TRY(un_use_session_network(s, 0, task, false));
    UN_TRY(un_use_lines_open(lines));
    for (;;) {
        UN_TRY(un_use_pairs_next(&s->pairs));
        if (s->pairs.n == 0) return UN_OK;
        UN_TRY(un_use_pairs_ask(&s->pairs, task));
        UN_TRY(un_use_network_pass(&s->net[0], &s->pairs.batch));
        for (int64_t i = 0; i < s->pairs.n; ++i)
            choose(out->score[task] + i * out->score_cols[task], names->labels, names->top,
                   un_use_lines_put(lines, un_use_pairs_index(&s->pairs, i)));
        UN_TRY(un_use_lines_flush(lines));
    }
}

/* The path ends with ".h5". */
static bool is_h5(const char *path) {
    size_t length = strlen(path);
    return length > 3 && strcmp(path + length - 3, ".h5") == 0;
}

static enum un_status open_names(struct names *names, const char *path) {
    int64_t n = names->labels;
    if (is_h5(path)) {
        UN_TRY(un_text_file_open(&names->file, path));
        n = names->file.targets.answer_names ? names->file.targets.num_answers : 0;
    } else if (path[0]) {
        UN_TRY(un_answer_table_open(&names->json, path));
        n = names->json.n;
    } else if (un_dataset_info(names->set)->num_answers) {
        n = un_dataset_info(names->set)->num_answers;
        path = "text";
    }
    if (n == names->labels) return UN_OK;
    return un_fail(UN_USAGE, "%s: %lld names of answers, the network has %lld labels", path, (long long)n,
                   (long long)names->labels);
}

static enum un_status open_all(struct un_use_session *s, struct names *names, const struct answer_keys *k,
                               const struct un_arguments *a, enum un_objective *task) {
    UN_TRY(un_use_session_open(s, &k->use, a->names[0]));
    un_objective_set tasks = s->weights.sizes.tasks & un_weights_head_tasks(UN_HEAD_ANSWERS);
    if (!tasks)
        return un_fail(UN_USAGE,
                       "%s: no head of answers (vqa_output): not a network of VQA or visual entailment",
                       s->weights.view.path);
    *task = tasks & un_objective_bit(UN_VE) ? UN_VE : UN_VQA;
    UN_TRY(un_use_session_pairs(s, a->names + 1, a->n - 1, (int)*task));
    names->set = s->pairs.set;
    names->labels = s->weights.dims.num_labels;
    names->top = k->top < names->labels ? k->top : names->labels;
    return open_names(names, k->answers);
}

/* Names: the weights, then images and questions. */
static enum un_status run_answer(const struct un_tool *tool, int n, char **words) {
    struct answer_keys k = {0};
    struct un_arguments a;
    struct un_use_session s = {0};
    struct names names = {0};
    enum un_objective task = UN_VQA;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    struct un_use_lines lines = {.pairs = &s.pairs, .out = stdout, .print = print, .context = &names};
    enum un_status status = open_all(&s, &names, &k, &a, &task);
    lines.width = 2 * names.top;
    if (status == UN_OK) status = run(&s, task, &names, &lines);
    un_use_lines_close(&lines);
    un_answer_table_close(&names.json);
    un_text_file_close(&names.file);
    un_use_session_close(&s);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"answer", NULL, NULL,
     "RUN|CHECKPOINT|FILE.safetensors images=FILES [IMAGE QUESTION ...] [key=value ...]",
     "the best answers to questions about images, a line of JSON a pair", &table, run_answer},
};
const struct un_tools un_tools_answer = {list, sizeof list / sizeof *list};
