/* Which of their scripts a file is for. */
#include "io/convert/setup/private.h"
#include "io/disk/text.h"

#include <string.h>

const char *const un_setup_tasks[] = {"auto", "pretrain", "pretrain_vcr", "vqa",      "ve", "nlvr2",
                                      "vcr",  "re",       "itm",          "itm_hard", NULL};

static const struct un_setup_script scripts[UN_SETUP_TASKS] = {
    [UN_SETUP_PRETRAIN] = {"pretrain", UN_SETUP_TOKENS, NULL, 4096, 16, 100000, 10000, 1000, 0.01, 2, 0, 42},
    [UN_SETUP_PRETRAIN_VCR] = {"pretrain_vcr", UN_SETUP_TOKENS, NULL, 4096, 16, 100000, 10000, 1000, 0.01, 2,
                               0, 42},
    [UN_SETUP_VQA] = {"train_vqa", UN_SETUP_TOKENS, "vqa", 4096, 16, 100000, 4000, 1000, 0, 2, 10, 42},
    [UN_SETUP_VE] = {"train_ve", UN_SETUP_TOKENS, "ve", 4096, 16, 100000, 4000, 1000, 0, 0.25, 0, 42},
    [UN_SETUP_NLVR2] = {"train_nlvr2", UN_SETUP_TOKENS, "nlvr2_pair", 4096, 16, 100000, 4000, 1000, 0, 0.25,
                        0, 42},
    [UN_SETUP_VCR] = {"train_vcr", UN_SETUP_TOKENS, "vcr", 4096, 16, 100000, 4000, 1000, 0, 2, 10, 42},
    [UN_SETUP_RE] = {"train_re", UN_SETUP_EXAMPLES, "re", 128, 16, 32000, 4000, 1000, 0, 0.25, 1, 24},
    [UN_SETUP_ITM] = {"train_itm", UN_SETUP_EXAMPLES, "itm_rank", 128, 16, 100000, 4000, 1000, 0.01, 0.25, 0,
                      42},
    [UN_SETUP_ITM_HARD] = {"train_itm_hard_negatives", UN_SETUP_GROUPS, "itm_hard", 32, 1, 100000, 4000, 1000,
                           0.01, 0.25, 0, 42},
};

/* The first text in a value: itself, of a list that of its first element. */
static const char *first_text(const json_t *value) {
    while (json_is_array(value)) value = json_array_get(value, 0);
    const char *text = json_string_value(value);
    return text ? text : "";
}

/* The last name of a path, wherever it ends in '/'. */
static const char *last_name(const char *path) {
    const char *name = path;
    for (const char *c = path; *c; ++c)
        if (*c == '/' && c[1] && c[1] != '/') name = c + 1;
    return name;
}

static enum un_setup_task by_keys(const struct un_setup *s) {
    static const struct {
        const char *key;
        enum un_setup_task task;
    } telling[] = {{"hard_neg_size", UN_SETUP_ITM_HARD}, {"negative_size", UN_SETUP_ITM},
                   {"train_loss", UN_SETUP_RE},          {"hard_ratio", UN_SETUP_RE},
                   {"use_img_type", UN_SETUP_NLVR2},     {"checkpoint_from", UN_SETUP_VCR}};
    static const struct {
        const char *front;
        enum un_setup_task task;
    } names[] = {{"vqa", UN_SETUP_VQA}, {"ve_", UN_SETUP_VE},     {"nlvr2", UN_SETUP_NLVR2},
                 {"vcr", UN_SETUP_VCR}, {"refcoco", UN_SETUP_RE}, {"itm", UN_SETUP_ITM}};
    const json_t *sets = json_object_get(s->root, "train_datasets"),
                 *texts = json_object_get(s->root, "train_txt_dbs");
    if (sets) {
        const char *db = first_text(json_object_get(json_array_get(sets, 0), "db"));
        return un_begins(last_name(db), "vcr") ? UN_SETUP_PRETRAIN_VCR : UN_SETUP_PRETRAIN;
    }
    for (size_t i = 0; i < sizeof telling / sizeof *telling; ++i)
        if (json_object_get(s->root, telling[i].key)) return telling[i].task;
    const char *name = last_name(first_text(texts ? texts : json_object_get(s->root, "train_txt_db")));
    for (size_t i = 0; i < sizeof names / sizeof *names; ++i)
        if (un_begins(name, names[i].front)) return names[i].task;
    return UN_SETUP_AUTO;
}

enum un_status un_setup_find_task(struct un_setup *s, enum un_setup_task wanted) {
    s->task = wanted == UN_SETUP_AUTO ? by_keys(s) : wanted;
    if (s->task == UN_SETUP_AUTO)
        return un_fail(
            UN_USAGE,
            "%s: neither its keys nor the names of its databases tell which script it is for: task=vqa, "
            "task=pretrain ...",
            s->path);
    s->script = &scripts[s->task];
    return UN_OK;
}
