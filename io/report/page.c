/* The page as a whole (report.h): words first, then charts, then tables; the numbers of all charts as JSON, once. */
#include "io/report/private.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static void put_numbers(struct un_text_out *out, const double *values, size_t n) {
    un_text_put(out, "[");
    for (size_t i = 0; i < n; ++i) {
        if (i) un_text_put_bytes(out, ",", 1);
        un_text_put_number(out, values[i]);
    }
    un_text_put(out, "]");
}

/* A "<" would end the script that holds the data. */
static void put_json_string(struct un_text_out *out, const char *text) {
    size_t from = out->used;
    un_text_put_string(out, text);
    for (size_t i = from; i < out->used; ++i)
        if (out->text[i] == '<') out->text[i] = '_';
}

static void put_run(struct un_text_out *out, const struct un_told *t) {
    un_text_put(out, "{\"name\":");
    put_json_string(out, t->name);
    un_text_put(out, ",\"saves\":[");
    for (int64_t i = 0; i < t->given->saves; ++i)
        un_text_put(out, "%s%" PRId64, i ? "," : "", t->given->save[i]);
    un_text_put(out, "],\"starts\":[");
    for (int64_t i = 0; i < t->starts; ++i) un_text_put(out, "%s%" PRId64, i ? "," : "", t->start[i].step);
    un_text_put(out, "],\"best\":%" PRId64 ",\"curves\":{", t->given->best);
    for (size_t i = 0; i < t->curves; ++i) {
        if (i) un_text_put(out, ",\n");
        put_json_string(out, t->curve[i].key);
        un_text_put(out, ":{\"step\":");
        put_numbers(out, t->curve[i].step, t->curve[i].n);
        un_text_put(out, ",\"value\":");
        put_numbers(out, t->curve[i].value, t->curve[i].n);
        un_text_put(out, "}");
    }
    un_text_put(out, "}}");
}

static void put_data(struct un_text_out *out, const struct un_told *told, int64_t n,
                     const struct un_chart *charts, int m) {
    un_text_put(out, "<script type=\"application/json\" id=\"data\">{\"runs\":[");
    for (int64_t r = 0; r < n; ++r) {
        if (r) un_text_put(out, ",\n");
        put_run(out, &told[r]);
    }
    un_text_put(out, "],\n\"charts\":[");
    for (int c = 0; c < m; ++c) {
        un_text_put(out, "%s{\"unit\":\"%s\",\"stacked\":%s,\"curves\":[", c ? ",\n" : "", charts[c].unit,
                    charts[c].stacked ? "true" : "false");
        for (int i = 0; i < charts[c].n; ++i) {
            const struct un_charted *one = &charts[c].curve[i];
            un_text_put(out, "%s{\"run\":%d,\"valid\":%s,\"key\":", i ? "," : "", one->run,
                        one->valid ? "true" : "false");
            put_json_string(out, one->curve->key);
            un_text_put(out, "}");
        }
        un_text_put(out, "]}");
    }
    un_text_put(out, "]}</script>\n");
}

static void put_charts(struct un_text_out *out, const struct un_told *told, const struct un_chart *charts,
                       int m) {
    for (int c = 0; c < m; ++c) {
        un_text_put(out, "<figure id=\"chart%d\"><figcaption><h2>", c);
        un_page_text(out, charts[c].title);
        un_text_put(out, "</h2> %s</figcaption>", charts[c].about);
        un_chart_draw(out, &charts[c], told);
        un_text_put(out, "</figure>\n");
    }
}

static void put_page(struct un_text_out *out, const struct un_told *told, int64_t n,
                     const struct un_chart *charts, int m) {
    un_text_put(out, "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
                     "content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" "
                     "content=\"light dark\"><title>");
    for (int64_t r = 0; r < n; ++r) {
        if (r) un_text_put(out, ", ");
        un_page_text(out, told[r].name);
    }
    un_text_put(out, "</title><link rel=\"icon\" href=\"data:,\"><style>%s\n%s</style></head><body><main>",
                un_page_uplot_css, un_page_css);
    for (int64_t r = 0; r < n; ++r) un_page_verdict(out, &told[r]);
    un_text_put(out, "<div id=\"controls\" hidden></div><div class=\"charts\">");
    put_charts(out, told, charts, m);
    un_text_put(out, "</div>");
    un_page_numbers(out, told, n);
    un_page_configs(out, told, n);
    un_text_put(out, "</main>\n");
    put_data(out, told, n, charts, m);
    un_text_put(out, "<script>%s</script>\n<script>%s</script></body></html>\n", un_page_uplot_js,
                un_page_js);
}

static enum un_status write_told(struct un_told *told, int64_t n, const char *path) {
    struct un_text_out out = {0};
    struct un_chart *charts = un_alloc(UN_CHARTS, sizeof *charts, "charts");
    if (!charts) return UN_MEMORY;
    put_page(&out, told, n, charts, un_charts_make(charts, told, n));
    un_free(charts);
    return un_text_write(&out, path);
}

enum un_status un_report_write(const struct un_report_run *runs, int64_t n, const char *path, bool *over) {
    struct un_told *told = un_alloc((size_t)n + 1, sizeof *told, "runs");
    enum un_status status = told ? UN_OK : UN_MEMORY;
    *over = true;
    for (int64_t r = 0; r < n && status == UN_OK; ++r) {
        status = un_told_read(&told[r], &runs[r]);
        *over = *over && !(told[r].owner.present && !told[r].owner.ended);
    }
    if (status == UN_OK) status = write_told(told, n, path);
    for (int64_t r = 0; told && r < n; ++r) un_told_free(&told[r]);
    un_free(told);
    return status;
}
