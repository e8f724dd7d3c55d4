/* data, and what their databases are called here: /txt/vqa_train.db is data/vqa_train.txt.h5, /img/vg/ is data/vg.img.h5. */
#include "io/convert/setup/private.h"

#include <stdio.h>
#include <string.h>

enum { STEM = 200 };

/* Databases of a set: texts, or features, where ';' stands between those of one text. */
typedef enum un_status path_visit(struct un_setup *s, const char *path, const char *stem, void *context);

static enum un_status visit_path(struct un_setup *s, const char *key, const char *path, size_t length,
                                 path_visit *visit, void *context) {
    char whole[1024], stem[STEM];
    while (length > 0 && path[length - 1] == '/') --length;
    if (length == 0 || length >= sizeof whole)
        return un_setup_wrong(s, key, "an empty or too long path of a database");
    snprintf(whole, sizeof whole, "%.*s", (int)length, path);
    const char *name = strrchr(whole, '/') ? strrchr(whole, '/') + 1 : whole;
    snprintf(stem, sizeof stem, "%.190s", name);
    if (un_ends(stem, ".db") && strlen(stem) > 3) stem[strlen(stem) - 3] = '\0';
    if (!un_setup_is_name(stem))
        return un_setup_wrong(s, key, "control characters in the name of a database");
    if (strpbrk(stem, "$*?[]")) return un_setup_wrong(s, key, "$, *, ?, [ or ] in the name of a database");
    return visit(s, whole, stem, context);
}

static enum un_status each_path(struct un_setup *s, const char *key, const json_t *value, path_visit *visit,
                                void *context) {
    size_t n = json_is_array(value) ? json_array_size(value) : 1;
    if (n == 0) return un_setup_wrong(s, key, "no database");
    for (size_t i = 0; i < n; ++i) {
        const char *path = json_string_value(json_is_array(value) ? json_array_get(value, i) : value);
        if (!path) return un_setup_wrong(s, key, "neither a path nor a list of paths");
        for (;;) {
            size_t length = strcspn(path, ";");
            UN_TRY(visit_path(s, key, path, length, visit, context));
            if (!path[length]) break;
            path += length + 1;
        }
    }
    return UN_OK;
}

struct list {
    const char *ending;
    bool texts, detected; /* detected: regions of a detector, not annotated ones */
    int n;
};

static enum un_status write_import(struct un_setup *s, const char *path, const char *stem, void *context) {
    const struct list *l = context;
    const char *extra = !l->texts                                                 ? ""
                        : s->task == UN_SETUP_ITM || s->task == UN_SETUP_ITM_HARD ? " task=retrieval"
                        : s->task == UN_SETUP_RE && l->detected                   ? " detected=true"
                                                                                  : "";
    un_setup_comment(s, 4, "uniter data import lmdb %s data/%s%s%s", path, stem,
                     l->texts ? ".txt.h5" : ".img.h5", extra);
    return UN_OK;
}

static enum un_status write_name(struct un_setup *s, const char *path, const char *stem, void *context) {
    struct list *l = context;
    char name[STEM + 32];
    (void)path;
    snprintf(name, sizeof name, "data/%s%s", stem, l->ending);
    if (l->n++ > 0) un_text_put(s->out, ", ");
    un_text_put_string(s->out, name);
    return UN_OK;
}

static enum un_status write_names(struct un_setup *s, const char *before, const char *key, const char *ours,
                                  const char *ending, const json_t *value) {
    struct list l = {.ending = ending};
    un_text_put(s->out, "%s  %s: [", before, ours);
    UN_TRY(each_path(s, key, value, write_name, &l));
    un_text_put(s->out, "]\n");
    return UN_OK;
}

struct set {
    const char *name, *mix; /* mix NULL: that of the training */
    const char *txt_key, *img_key;
    const json_t *txt, *img;
    const char *before; /* of every line */
};

static enum un_status write_set(struct un_setup *s, const struct set *set) {
    struct list texts = {.texts = true}, images = {0};
    char all[2048];
    if (!set->txt) return un_setup_wrong(s, set->txt_key, "not given, but a data set needs it");
    if (!set->img) return un_setup_wrong(s, set->img_key, "not given, but a data set needs it");
    const char *first = json_string_value(json_is_array(set->img) ? json_array_get(set->img, 0) : set->img);
    texts.detected = first && strstr(first, "_det");
    UN_TRY(each_path(s, set->txt_key, set->txt, write_import, &texts));
    UN_TRY(each_path(s, set->img_key, set->img, write_import, &images));
    un_text_put(s->out, "%s- name: ", set->before);
    un_text_put_string(s->out, set->name);
    un_text_put(s->out, "\n");
    UN_TRY(write_names(s, set->before, set->txt_key, "text", ".txt.h5", set->txt));
    UN_TRY(write_names(s, set->before, set->img_key, "images", ".img.h5", set->img));
    snprintf(all, sizeof all, "%s  mix: {%s}\n", set->before, set->mix ? set->mix : "");
    if (set->mix) un_text_put_bytes(s->out, all, strlen(all));
    return UN_OK;
}

enum { MIX = 512 };

static bool stands_before(const json_t *tasks, size_t n, const char *task) {
    for (size_t i = 0; i < n; ++i)
        if (strcmp(json_string_value(json_array_get(tasks, i)), task) == 0) return true;
    return false;
}

/* "mlm: 8, itm: 6" of "tasks" and "mix_ratio"; a validation has no ratio. */
static enum un_status read_mix(const struct un_setup *s, const json_t *set, bool training, char mix[MIX]) {
    const json_t *tasks = json_object_get(set, "tasks"), *ratios = json_object_get(set, "mix_ratio");
    const char *key = training ? "train_datasets" : "val_datasets";
    mix[0] = '\0';
    if (json_array_size(tasks) == 0) return un_setup_wrong(s, key, "a set without tasks");
    if (training && json_array_size(ratios) != json_array_size(tasks))
        return un_setup_wrong(s, key, "not as many numbers in mix_ratio as tasks");
    for (size_t i = 0; i < json_array_size(tasks); ++i) {
        const char *task = json_string_value(json_array_get(tasks, i));
        const json_t *ratio = training ? json_array_get(ratios, i) : NULL;
        if (!task || strlen(task) > 16 || strspn(task, "abcdefghijklmnopqrstuvwxyz_") != strlen(task))
            return un_setup_wrong(s, key, "a task that is none of mlm, mrfr, mrc, mrckl, itm");
        if (stands_before(tasks, i, task))
            return un_setup_wrong(s, key, "a task that stands twice in its set");
        if (training && !json_is_number(ratio))
            return un_setup_wrong(s, key, "a mix_ratio that is no number");
        char number[32];
        size_t used = strlen(mix);
        int more = snprintf(mix + used, MIX - used, "%s%s: %s", i ? ", " : "", task,
                            un_setup_float(number, training ? json_number_value(ratio) : 1));
        if (used + (size_t)more >= MIX) return un_setup_wrong(s, key, "a set with too many tasks");
    }
    return UN_OK;
}

/* Is a validation asked what the training is taught? Then our default says it. */
static bool asks_all(const struct un_setup *s, const json_t *set) {
    const json_t *sets = json_object_get(s->root, "train_datasets");
    json_t *taught = json_object(), *asked = json_object();
    bool all = taught && asked;
    for (size_t i = 0; i < json_array_size(sets); ++i) {
        const json_t *tasks = json_object_get(json_array_get(sets, i), "tasks");
        for (size_t k = 0; k < json_array_size(tasks); ++k)
            json_object_set_new(taught, json_string_value(json_array_get(tasks, k)), json_true());
    }
    const json_t *tasks = json_object_get(set, "tasks");
    for (size_t k = 0; k < json_array_size(tasks); ++k) {
        const char *task = json_string_value(json_array_get(tasks, k));
        json_object_set_new(asked, task, json_true());
        all = all && task && json_object_get(taught, task);
    }
    all = all && json_object_size(taught) == json_object_size(asked);
    json_decref(taught);
    json_decref(asked);
    return all;
}

/* Sets of pretraining. */
static enum un_status write_list(struct un_setup *s, const char *key, const char *ours) {
    const json_t *sets = un_setup_get(s, key);
    bool training = strcmp(ours, "train") == 0;
    if (!json_is_array(sets) || json_array_size(sets) == 0)
        return un_setup_wrong(s, key, "not a list of data sets");
    un_text_put(s->out, "  %s:\n", ours);
    for (size_t i = 0; i < json_array_size(sets); ++i) {
        const json_t *set = json_array_get(sets, i);
        const char *name = json_string_value(json_object_get(set, "name"));
        char mix[MIX];
        if (!name || !un_setup_is_name(name)) return un_setup_wrong(s, key, "a set without a name");
        UN_TRY(read_mix(s, set, training, mix));
        UN_TRY(write_set(s, &(struct set){name, training || !asks_all(s, set) ? mix : NULL, key, key,
                                          json_object_get(set, "db"), json_object_get(set, "img"), "    "}));
    }
    return UN_OK;
}

/* The word behind the last '_': "devval" of ".../vqa_devval.db". */
static enum un_status last_word(struct un_setup *s, const char *path, const char *stem, void *context) {
    char *word = context;
    const char *at = strrchr(stem, '_');
    (void)s;
    (void)path;
    snprintf(word, 64, "%.60s", at && at[1] ? at + 1 : stem);
    return UN_OK;
}

/* A set of a task, under keys with or without an "s". */
static enum un_status write_task_set(struct un_setup *s, const char *which, const char *name, const char *mix,
                                     const char *before) {
    char txt[32], img[32], word[64] = "";
    snprintf(txt, sizeof txt, "%s_txt_dbs", which);
    snprintf(img, sizeof img, "%s_img_dbs", which);
    const json_t *texts = un_setup_get(s, txt), *images = un_setup_get(s, img);
    if (!texts) txt[strlen(txt) - 1] = '\0';
    if (!images) img[strlen(img) - 1] = '\0';
    if (!texts) texts = un_setup_get(s, txt);
    if (!images) images = un_setup_get(s, img);
    if (!texts && !images && strcmp(which, "train") != 0) return UN_OK; /* there need not be one */
    if (!name && texts) UN_TRY(each_path(s, txt, texts, last_word, word));
    return write_set(s, &(struct set){name ? name : word, mix, txt, img, texts, images, before});
}

static bool takes_all(const struct un_setup *s) {
    const char *images = json_string_value(json_object_get(s->root, "train_img_db"));
    return images && strstr(images, "coco_gt");
}

/* Regions: what one script takes at most and at least. */
static enum un_status write_regions(struct un_setup *s) {
    static const struct {
        const char *key;
        int64_t low, high, absent;
    } whole[] = {{"max_txt_len", 1, 100000, 60},
                 {"min_bb", 1, 100000, 10},
                 {"max_bb", 1, 100000, 100},
                 {"num_bb", 1, 100000, 36}};
    char why[160], number[32];
    double conf;
    bool given;
    UN_TRY(un_setup_number(s, "conf_th", 0.2, &conf, &given));
    bool all = s->task == UN_SETUP_RE && takes_all(s);
    if (all && conf != -1)
        un_setup_line(s, 2, "train_re.py takes all regions of coco_gt, whatever conf_th and num_bb say",
                      "conf_th: -1");
    else
        un_setup_line(s, 2, un_setup_from(s, why, "conf_th", given), "conf_th: %s",
                      un_setup_float(number, conf));
    for (size_t i = 0; i < sizeof whole / sizeof *whole; ++i) {
        int64_t value;
        UN_TRY(un_setup_whole(s, whole[i].key, whole[i].low, whole[i].high, whole[i].absent, &value, &given));
        if (all && strcmp(whole[i].key, "num_bb") == 0) value = 100;
        un_setup_line(s, 2, un_setup_from(s, why, whole[i].key, given), "%s: %lld", whole[i].key,
                      (long long)value);
    }
    return UN_OK;
}

enum un_status un_setup_write_data(struct un_setup *s) {
    char mix[64];
    const char *objective = s->script->objective, *model = NULL, *loss = NULL;
    un_text_put(s->out, "data:\n");
    UN_TRY(write_regions(s));
    if (!objective) {
        UN_TRY(write_list(s, "train_datasets", "train"));
        return write_list(s, "val_datasets", "valid");
    }
    if (s->task == UN_SETUP_NLVR2) {
        UN_TRY(un_setup_text(s, "model", "paired", &model));
        objective = strcmp(model, "paired") == 0        ? "nlvr2_pair"
                    : strcmp(model, "triplet") == 0     ? "nlvr2_triplet"
                    : strcmp(model, "paired-attn") == 0 ? "nlvr2_attn"
                                                        : NULL;
        if (!objective) return un_setup_wrong(s, "model", "none of paired, triplet, paired-attn");
    }
    if (s->task == UN_SETUP_RE) {
        UN_TRY(un_setup_text(s, "train_loss", "cls", &loss));
        if (strcmp(loss, "rank") == 0) objective = "re_rank";
        if (strcmp(loss, "cls") != 0 && strcmp(loss, "rank") != 0)
            return un_setup_wrong(s, "train_loss", "neither cls nor rank");
    }
    snprintf(mix, sizeof mix, "%s: 1", objective);
    if (s->task == UN_SETUP_NLVR2) un_setup_comment(s, 2, "model: %s: the objective %s", model, objective);
    if (s->task == UN_SETUP_RE) un_setup_comment(s, 2, "train_loss: %s: the objective %s", loss, objective);
    un_text_put(s->out, "  train:\n");
    UN_TRY(write_task_set(s, "train", "train", mix, "    "));
    un_text_put(s->out, "%s",
                json_object_get(s->root, "val_txt_db") || json_object_get(s->root, "val_txt_dbs")
                    ? "  valid:\n"
                    : "");
    UN_TRY(write_task_set(s, "val", NULL, NULL, "    "));
    return write_task_set(s, "test", NULL, NULL, "    # ");
}
