/* The files of an evaluation (results.h). */
#include "launch/train/results.h"

#include "io/disk/files.h"
#include "io/h5/h5.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum un_status un_results_take(struct un_results *r, const struct un_prediction *list, int64_t n) {
    un_free(r->id);
    r->list = list;
    r->n = n;
    r->id = un_alloc((size_t)n + 1, sizeof *r->id, "ids of texts");
    if (!r->id) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) r->id[i] = un_dataset_text_id(r->d, list[i].text);
    return UN_OK;
}

void un_results_free(struct un_results *r) {
    un_free(r->id);
    r->id = NULL;
}

/* RUN/<kind>_<set>.<ending>; the folder must still be ours. */
static enum un_status path_of(const struct un_results *r, const char *kind, const char *ending,
                              char path[UN_PATH_MAX]) {
    char name[300];
    snprintf(name, sizeof name, "%s_%s.%s", kind, un_dataset_name(r->d), ending);
    UN_TRY(un_owner_check(&r->job->owner));
    return un_files_join(path, r->job->config.run.dir, name);
}

/* ---- answers and labels ---- */

static const char *name_of(const struct un_results *r, bool entailment, int32_t label) {
    static const char *const ve[] = {"contradiction", "entailment", "neutral"};
    const char *name = un_dataset_answer_name(r->d, label);
    return name || !entailment || label >= 3 ? name : ve[label];
}

static enum un_status write_answers(const struct un_results *r, const char *path, bool entailment) {
    const char **name = un_alloc((size_t)r->n + 1, sizeof *name, "answers");
    enum un_status status = name ? UN_OK : UN_MEMORY;
    bool named = true;
    for (int64_t i = 0; i < r->n && name; ++i)
        named = (name[i] = name_of(r, entailment, r->list[i].said)) != NULL && named;
    if (!named)
        un_log(UN_LOG_WARN, "%s is not written: data set %s does not tell what its answers are called", path,
               un_dataset_name(r->d));
    else if (status == UN_OK)
        status = entailment ? un_results_labels(path, r->id, name, r->n)
                            : un_results_answers(path, r->id, name, r->n);
    un_free(name);
    return status;
}

static enum un_status write_statements(const struct un_results *r, const char *path) {
    int32_t *said = un_alloc((size_t)r->n + 1, sizeof *said, "statements");
    if (!said) return UN_MEMORY;
    for (int64_t i = 0; i < r->n; ++i) said[i] = r->list[i].said;
    enum un_status status = un_results_statements(path, r->id, said, r->n);
    un_free(said);
    return status;
}

/* ---- choices and boxes ---- */

/* `count` of each prediction's values from `first` on. */
static float *values_of(const struct un_results *r, int first, int count) {
    float *value = un_alloc((size_t)(r->n * count) + 1, sizeof *value, "values of predictions");
    for (int64_t i = 0; i < r->n && value; ++i)
        memcpy(value + i * count, r->list[i].value + first, (size_t)count * sizeof *value);
    return value;
}

static enum un_status write_choices(const struct un_results *r, const char *path) {
    float *scores = values_of(r, 0, UN_VCR_SCORES);
    if (!scores) return UN_MEMORY;
    enum un_status status = un_results_choices(path, r->id, scores, r->n);
    un_free(scores);
    return status;
}

static enum un_status write_boxes(const struct un_results *r, const char *path) {
    float *found = values_of(r, 0, 4), *target = values_of(r, 4, 4);
    enum un_status status = found && target ? UN_OK : UN_MEMORY;
    if (status == UN_OK) status = un_results_boxes(path, r->id, found, target, r->n);
    un_free(found);
    un_free(target);
    return status;
}

enum un_status un_results_write(const struct un_results *r) {
    char json[UN_PATH_MAX], csv[UN_PATH_MAX];
    if (r->n == 0) return UN_OK;
    UN_TRY(path_of(r, "results", "json", json));
    UN_TRY(path_of(r, "results", "csv", csv));
    switch ((enum un_objective)r->list->objective) {
    case UN_VQA: return write_answers(r, json, false);
    case UN_VE: return write_answers(r, json, true);
    case UN_VCR: return write_choices(r, csv);
    case UN_RE:
    case UN_RE_RANK: return write_boxes(r, json);
    default: return write_statements(r, csv);
    }
}

enum un_status un_results_write_measures(const struct un_results *r) {
    char path[UN_PATH_MAX];
    const struct un_dataset_info *info = un_dataset_info(r->d);
    const struct un_evaluated e = {.set = un_dataset_name(r->d),
                                   .task = un_task_names[info->task],
                                   .step = r->job->step,
                                   .texts = info->texts,
                                   .measure = r->measure,
                                   .measures = r->measures};
    UN_TRY(path_of(r, "eval", "json", path));
    return un_results_measures(path, &e);
}

/* ---- retrieval ---- */

enum un_status un_results_recalls_of(const struct un_results *r, const float *score,
                                     struct un_retrieval_score *recalls) {
    const struct un_dataset_info *info = un_dataset_info(r->d);
    int32_t *image = un_alloc((size_t)info->texts + 1, sizeof *image, "images of texts");
    if (!image) return UN_MEMORY;
    for (int64_t i = 0; i < info->texts; ++i) image[i] = (int32_t)un_dataset_text_image(r->d, i);
    enum un_status status = un_score_retrieval(score, image, info->texts, info->images, recalls);
    un_free(image);
    return status;
}

static enum un_status write_ids(struct un_h5 *f, const char *name, int64_t n,
                                const char *(*id_of)(const struct un_dataset *d, int64_t i),
                                const struct un_dataset *d) {
    size_t stride = 1;
    for (int64_t i = 0; i < n; ++i) {
        size_t length = strlen(id_of(d, i));
        if (length > stride) stride = length;
    }
    char *cells = un_alloc((size_t)n + 1, stride, "ids");
    if (!cells) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) memcpy(cells + (size_t)i * stride, id_of(d, i), strlen(id_of(d, i)));
    enum un_status status = un_h5_write_texts(f, name, n, (int64_t)stride, cells);
    un_free(cells);
    return status;
}

static enum un_status write_scores(struct un_h5 *f, const struct un_dataset *d, const float *score) {
    const struct un_dataset_info *info = un_dataset_info(d);
    UN_TRY(un_h5_write_all(f, "score", UN_F32, info->texts, info->images, score));
    UN_TRY(write_ids(f, "text_id", info->texts, un_dataset_text_id, d));
    UN_TRY(write_ids(f, "image_id", info->images, un_dataset_image_id, d));
    return un_h5_commit(f);
}

enum un_status un_results_write_matrix(const struct un_results *r, const float *score,
                                       const struct un_retrieval_score *recalls) {
    char path[UN_PATH_MAX];
    struct un_h5 *f = NULL;
    UN_TRY(path_of(r, "scores", "h5", path));
    UN_TRY(un_h5_create(&f, path));
    enum un_status status = write_scores(f, r->d, score);
    un_h5_close(f);
    UN_TRY(status);
    UN_TRY(path_of(r, "scores", "json", path));
    return un_results_recalls(path, recalls);
}
