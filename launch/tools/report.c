/* uniter report: runs as one page. */
#include "io/report/report.h"
#include "io/checkpoint/best.h"
#include "io/checkpoint/folder.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

struct report_keys {
    char out[256];
    double every;
    bool quiet;
};
static const struct un_key keys[] = {
    UN_KEY_PATH(report_keys, out, "", "file",
                "the page; also as -o FILE; of one run RUN/report.html, of several report.html"),
    UN_KEY_FLOAT(report_keys, every, "0", 0, 1e6, "seconds",
                 "written anew after so long while a run is under way; 0: once"),
    UN_KEY_BOOL(report_keys, quiet, "false", "neither progress nor what was written"),
};
static const struct un_key_table table = UN_KEY_TABLE("", report_keys, keys);

/* Steps of the whole checkpoints, and the best. save [saves]: un_free. */
static enum un_status find_saves(struct un_report_run *run, int64_t **save) {
    struct un_checkpoint_folder *list;
    struct un_checkpoint_best best;
    int64_t n;
    UN_TRY(un_checkpoint_folder_list(run->dir, &list, &n));
    *save = un_alloc((size_t)n + 1, sizeof **save, "steps of checkpoints");
    for (int64_t i = 0; *save && i < n; ++i)
        if (un_checkpoint_folder_whole(run->dir, &list[i])) (*save)[run->saves++] = list[i].step;
    un_free(list);
    if (!*save) return UN_MEMORY;
    run->save = *save;
    UN_TRY(un_checkpoint_best_read(run->dir, &best));
    run->best = best.step;
    run->measure = best.measure;
    return UN_OK;
}

static enum un_status write_once(const struct un_arguments *a, const char *path, bool quiet, bool *over) {
    size_t n = (size_t)a->n;
    enum un_status status = UN_OK;
    struct un_report_run *runs = un_alloc(n, sizeof *runs, "runs");
    int64_t **saves = un_alloc(n, sizeof *saves, "runs");
    if (!runs || !saves) status = UN_MEMORY;
    for (size_t i = 0; i < n && status == UN_OK; ++i) {
        runs[i] = (struct un_report_run){.dir = a->names[i], .best = -1, .quiet = quiet};
        status = find_saves(&runs[i], &saves[i]);
    }
    if (status == UN_OK) status = un_report_write(runs, a->n, path, over);
    for (size_t i = 0; saves && i < n; ++i) un_free(saves[i]);
    un_free(saves);
    un_free(runs);
    return status;
}

static void wait_for(double seconds) {
    struct timespec part = {.tv_nsec = 100000000};
    for (double waited = 0; waited < seconds && !un_signals_stop_wanted(); waited += 0.1)
        nanosleep(&part, NULL);
}

static enum un_status write_page(const struct un_arguments *a, const struct report_keys *k) {
    char path[UN_PATH_MAX];
    bool over = false;
    if (k->out[0])
        snprintf(path, sizeof path, "%s", k->out);
    else if (a->n > 1)
        snprintf(path, sizeof path, "report.html");
    else
        UN_TRY(un_files_join(path, a->names[0], "report.html"));
    if (k->every > 0) un_signals_install();
    do {
        UN_TRY(write_once(a, path, k->quiet, &over));
        if (!k->quiet) printf("%s: %d run%s%s\n", path, a->n, a->n > 1 ? "s" : "", over ? "" : ", under way");
        fflush(stdout);
        if (k->every > 0 && !over) wait_for(k->every);
    } while (k->every > 0 && !over && !un_signals_stop_wanted());
    return UN_OK;
}

static enum un_status run(const struct un_tool *tool, int n, char **words) {
    struct un_arguments a;
    struct report_keys k;
    static char out[] = "--out";
    for (int i = 0; i < n; ++i)
        if (strcmp(words[i], "-o") == 0) words[i] = out;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    enum un_status status = write_page(&a, &k);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"report", NULL, NULL, "RUN .. [-o FILE.html] [key=value ...]",
     "curves, verdict and configuration of runs as one page", &table, run},
};
const struct un_tools un_tools_report = {list, sizeof list / sizeof *list};
