/* One page that tells a run, or several beside each other: HTML without anything from elsewhere. Curves of all numbers of
 * RUN/log/metrics.jsonl, drawn once as SVG for readers without JavaScript and anew by uPlot where there is some; verdict,
 * final numbers, checkpoints, configuration and how the runs differ in it. Nothing of the runs is changed. */
#ifndef UN_IO_REPORT_REPORT_H
#define UN_IO_REPORT_REPORT_H

#include "runtime/status.h"

/* A run and what its checkpoints say; all borrowed. */
struct un_report_run {
    const char *dir;
    const int64_t *save; /* [saves] steps of its checkpoints */
    int64_t saves;
    int64_t best; /* step of the best one; -1: none is marked */
    double measure;
    bool quiet; /* nothing is said of how far the reading is */
};
/* Writes PATH at once. *over: no run of them is under way any more. UN_DATA: no line in a run's metrics.jsonl.
 * Long curves are thinned: of each of at most 1,000 pieces the lowest and the highest value stay, and both ends. */
enum un_status un_report_write(const struct un_report_run *runs, int64_t n, const char *path, bool *over);

#endif
