/* uniter data split | merge | subset: parts of feature and text files, by image. */
#include "io/convert/select/select.h"
#include "io/data/dataset.h"
#include "io/disk/paths.h"
#include "launch/process/signals.h"
#include "launch/tools/keys.h"
#include "launch/tools/tools.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct select_keys {
    struct un_tool_run_keys run;
    struct draw {
        int64_t seed;
    } draw;
    char ids[256], out[256];
    int64_t first;
    double fraction, valid;
};
static const struct un_key draw_keys[] = {
    UN_KEY_INT(draw, seed, "1", 0, 9007199254740992.0, "", "another seed chooses other images"),
};
static const struct un_key_table draw_table = UN_KEY_TABLE("", draw, draw_keys);

static const struct un_key merge_keys[] = {
    UN_KEY_PART(select_keys, run, un_tool_run_table),
};
static const struct un_key subset_keys[] = {
    UN_KEY_PART(select_keys, run, un_tool_run_table),
    UN_KEY_PART(select_keys, draw, draw_table),
    UN_KEY_FLOAT(select_keys, fraction, "0", 0, 1, "of the images",
                 "a random part of the images, the same in every file"),
    UN_KEY_INT(select_keys, first, "0", 0, 1e15, "images", "the first images that the files name"),
    UN_KEY_PATH(select_keys, ids, "", "",
                "file with an image id a line, or a feature or text file whose images are meant"),
};
static const struct un_key split_keys[] = {
    UN_KEY_PART(select_keys, run, un_tool_run_table),
    UN_KEY_PART(select_keys, draw, draw_table),
    UN_KEY_PATH(select_keys, out, UN_REQUIRED, "", "folder of the new files"),
    UN_KEY_FLOAT(select_keys, valid, "0", 0, 1, "of the images",
                 "a random part of the images, the same in every file"),
    UN_KEY_PATH(select_keys, ids, "", "",
                "the images of the validation part: an id a line, or a feature or text file"),
};
static const struct un_key_table merge_table = UN_KEY_TABLE("", select_keys, merge_keys),
                                 subset_table = UN_KEY_TABLE("", select_keys, subset_keys),
                                 split_table = UN_KEY_TABLE("", select_keys, split_keys);

/* One command at work. */
struct work {
    struct select_keys keys;
    struct un_arguments arguments;
    char **paths; /* [n] the names, patterns resolved */
    int64_t n;
    struct un_select select;
    struct un_image_import how;
};

/* The last `others` names are not inputs. */
static enum un_status open_work(struct work *w, const struct un_tool *tool, int n, char **words, int others) {
    UN_TRY(un_arguments_read(&w->arguments, tool, n, words, 1 + others, -1, &w->keys));
    const struct un_strings patterns = {(char **)(uintptr_t)w->arguments.names, w->arguments.n - others};
    UN_TRY(un_paths_expand(&w->paths, &w->n, &patterns, "the files"));
    if (w->n > 65536) return un_fail(UN_USAGE, "%lld files, at most 65536", (long long)w->n);
    un_signals_install();
    w->how = (struct un_image_import){
        .threads = w->keys.run.threads, .quiet = w->keys.run.quiet, .stop = un_signals_stop_wanted};
    return UN_OK;
}

static void close_work(struct work *w) {
    un_select_free(&w->select);
    un_paths_free(w->paths, w->n);
    un_arguments_free(&w->arguments);
}

static const char *const *inputs(const struct work *w) {
    return (const char *const *)w->paths;
}
static const char *output(const struct work *w) {
    return w->arguments.names[w->arguments.n - 1];
}

static enum un_status run_merge(const struct un_tool *tool, int n, char **words) {
    struct work w = {0};
    enum un_status status = open_work(&w, tool, n, words, 1);
    if (status == UN_OK)
        status = un_select_merge(inputs(&w), (int)w.n, output(&w), &w.select, "uniter data merge", &w.how);
    close_work(&w);
    return status;
}

static enum un_status one_rule(const struct un_tool *tool, int rules, const char *names) {
    return rules == 1 ? UN_OK
                      : un_fail(UN_USAGE, "uniter data %s: exactly one of %s is wanted", tool->name, names);
}

static enum un_status subset(struct work *w, const struct un_tool *tool) {
    const struct select_keys *k = &w->keys;
    char what[256];
    UN_TRY(one_rule(tool, (k->fraction > 0) + (k->first > 0) + (k->ids[0] != '\0'),
                    "ids=FILE, fraction=0.1 (above 0), first=N (above 0)"));
    if (k->ids[0]) {
        UN_TRY(un_select_ids(&w->select, k->ids));
        snprintf(what, sizeof what, "uniter data subset ids=%.200s", k->ids);
    } else if (k->first > 0) {
        UN_TRY(un_select_first(&w->select, inputs(w), (int)w->n, k->first));
        snprintf(what, sizeof what, "uniter data subset first=%lld", (long long)k->first);
    } else {
        w->select = un_select_fraction(k->fraction, k->draw.seed, UN_SELECT_SUBSET);
        snprintf(what, sizeof what, "uniter data subset fraction=%.17g seed=%lld", k->fraction,
                 (long long)k->draw.seed);
    }
    return un_select_merge(inputs(w), (int)w->n, output(w), &w->select, what, &w->how);
}
static enum un_status run_subset(const struct un_tool *tool, int n, char **words) {
    struct work w = {0};
    enum un_status status = open_work(&w, tool, n, words, 1);
    if (status == UN_OK) status = subset(&w, tool);
    close_work(&w);
    return status;
}

static enum un_status split(struct work *w, const struct un_tool *tool) {
    const struct select_keys *k = &w->keys;
    char what[128];
    UN_TRY(one_rule(tool, (k->valid > 0) + (k->ids[0] != '\0'), "valid=0.05 (above 0), ids=FILE"));
    if (k->ids[0]) {
        UN_TRY(un_select_ids(&w->select, k->ids));
        snprintf(what, sizeof what, "uniter data split ids=%.80s", k->ids);
    } else {
        w->select = un_select_fraction(k->valid, k->draw.seed, UN_SELECT_SPLIT);
        snprintf(what, sizeof what, "uniter data split valid=%.17g seed=%lld", k->valid,
                 (long long)k->draw.seed);
    }
    return un_select_split(inputs(w), (int)w->n, k->out, &w->select, what, &w->how);
}
static enum un_status run_split(const struct un_tool *tool, int n, char **words) {
    struct work w = {0};
    enum un_status status = open_work(&w, tool, n, words, 0);
    if (status == UN_OK) status = split(&w, tool);
    close_work(&w);
    return status;
}

static const struct un_tool list[] = {
    {"data", "split", NULL, "FILE ... out=FOLDER valid=0.05|ids=FILE [key=value ...]",
     "each NAME.img.h5 and NAME.txt.h5 into NAME_train and NAME_valid; an image goes one way", &split_table,
     run_split},
    {"data", "merge", NULL, "FILE ... OUT [key=value ...]", "feature files, or text files, into one",
     &merge_table, run_merge},
    {"data", "subset", NULL, "FILE ... OUT ids=FILE|fraction=0.1|first=N [key=value ...]",
     "some images of feature files, or the texts of some images", &subset_table, run_subset},
};
const struct un_tools un_tools_select = {list, sizeof list / sizeof *list};
