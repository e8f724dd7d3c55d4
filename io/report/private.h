/* What the files of this wing share: a run as it was read, charts, and the pieces of the page. */
#ifndef UN_IO_REPORT_PRIVATE_H
#define UN_IO_REPORT_PRIVATE_H

#include "io/disk/text.h"
#include "io/report/report.h"
#include "io/run/owner_record.h"

/* Values under one key of metrics.jsonl; NaN: null stood there. */
struct un_curve {
    char *key;
    double *step, *value; /* [n] */
    size_t n, room;
    int64_t bad; /* values that are none */
};
/* A line of log/starts.jsonl; strings are cut. */
struct un_told_start {
    int64_t step, ranks;
    char time[32], host[64], device[128], version[32];
};
struct un_told {
    const struct un_report_run *given;
    const char *name; /* the last part of its path */
    struct un_curve *curve;
    size_t curves, room;
    int64_t lines, last_step;
    char *config;  /* text of config.yaml; "" without one */
    int64_t steps; /* train.steps of it; 0: not known */
    struct un_owner_record owner;
    struct un_told_start *start; /* [starts] */
    int64_t starts;
};
/* Long curves are thinned already (report.h). */
enum un_status un_told_read(struct un_told *told, const struct un_report_run *run);
void un_told_free(struct un_told *told);
/* NULL: no such key. */
const struct un_curve *un_told_curve(const struct un_told *told, const char *key);

enum { UN_CHART_CURVES = 48, UN_CHARTS = 64 };
struct un_charted {
    int run;
    const struct un_curve *curve; /* borrowed */
    bool valid;                   /* of validations: marked points */
};
struct un_chart {
    char title[128];
    const char *unit, *about; /* about: a sentence */
    bool stacked;
    struct un_charted curve[UN_CHART_CURVES];
    int n;
};
/* Sorts the curves of all runs into charts; returns how many. What finds no place (more than 48 curves in a chart) is said. */
int un_charts_make(struct un_chart charts[UN_CHARTS], const struct un_told *told, int64_t n);
void un_chart_draw(struct un_text_out *out, const struct un_chart *chart, const struct un_told *told);

/* Of a text from anywhere into HTML. */
void un_page_text(struct un_text_out *out, const char *text);
/* In words: finished, under way, stopped, diverged, what was skipped, the best. */
void un_page_verdict(struct un_text_out *out, const struct un_told *told);
void un_page_numbers(struct un_text_out *out, const struct un_told *told, int64_t n);
void un_page_configs(struct un_text_out *out, const struct un_told *told, int64_t n);

/* Files of page/, made part of the program. */
extern const char un_page_css[], un_page_js[], un_page_uplot_css[], un_page_uplot_js[];

#endif
