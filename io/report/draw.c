/* A chart as SVG for readers without JavaScript (private.h): 640 x 240 points, both axes linear. Colours are classes of the
 * page's style. */
#include "io/report/private.h"

#include <math.h>
#include <string.h>

enum { WIDTH = 640, HEIGHT = 240, LEFT = 64, RIGHT = 12, TOP = 10, BOTTOM = 24, COLORS = 10 };

struct frame {
    double x0, x1, y0, y1;
};

static void widen(struct frame *f, double x, double y) {
    if (!isfinite(y)) return;
    f->x0 = fmin(f->x0, x);
    f->x1 = fmax(f->x1, x);
    f->y0 = fmin(f->y0, y);
    f->y1 = fmax(f->y1, y);
}

static double at_x(const struct frame *f, double x) {
    return LEFT + (WIDTH - LEFT - RIGHT) * (f->x1 > f->x0 ? (x - f->x0) / (f->x1 - f->x0) : 0.5);
}
static double at_y(const struct frame *f, double y) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (f->y1 > f->y0 ? (y - f->y0) / (f->y1 - f->y0) : 0.5);
}

/* 1, 2 or 5 times a power of ten, about a fourth of `span`. */
static double tick_step(double span) {
    double step = pow(10, floor(log10(span / 4)));
    return span / step > 20 ? 5 * step : span / step > 8 ? 2 * step : step;
}

static void draw_axes(struct un_text_out *out, const struct frame *f) {
    double dy = f->y1 > f->y0 ? tick_step(f->y1 - f->y0) : 1,
           dx = f->x1 > f->x0 ? tick_step(f->x1 - f->x0) : 1;
    for (double y = ceil(f->y0 / dy) * dy; y <= f->y1; y += dy)
        un_text_put(
            out,
            "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/><text x=\"%d\" y=\"%.1f\" "
            "text-anchor=\"end\">%.6g</text>",
            LEFT, WIDTH - RIGHT, at_y(f, y), at_y(f, y), LEFT - 6, at_y(f, y) + 4, fabs(y) < dy / 2 ? 0 : y);
    for (double x = ceil(f->x0 / dx) * dx; x <= f->x1; x += dx)
        un_text_put(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.7g</text>", at_x(f, x),
                    HEIGHT - 8, x);
}

/* Value k of curve i, with those below it where they lie on each other: times of a step stand in the same lines. */
static double height(const struct un_chart *chart, int i, size_t k) {
    const struct un_curve *own = chart->curve[i].curve;
    double sum = own->value[k];
    for (int j = 0; chart->stacked && j < i; ++j)
        if (k < chart->curve[j].curve->n) sum += chart->curve[j].curve->value[k];
    return sum;
}

static void draw_curve(struct un_text_out *out, const struct frame *f, const struct un_chart *chart, int i) {
    const struct un_curve *curve = chart->curve[i].curve;
    bool open = false;
    un_text_put(out, "<path class=\"c%d%s\" d=\"", i % COLORS, chart->curve[i].valid ? " valid" : "");
    for (size_t k = 0; k < curve->n; ++k) {
        double y = height(chart, i, k);
        if (isfinite(y))
            un_text_put(out, open ? "L%.1f %.1f" : "M%.1f %.1fh0", at_x(f, curve->step[k]), at_y(f, y));
        open = isfinite(y);
    }
    un_text_put(out, "\"/>");
}

static void draw_names(struct un_text_out *out, const struct un_chart *chart, const struct un_told *told) {
    un_text_put(out, "<p class=\"names\">");
    for (int i = 0; i < chart->n; ++i) {
        un_text_put(out, "<span class=\"c%d\">", i % COLORS);
        un_page_text(out, told[chart->curve[i].run].name);
        un_text_put(out, " ");
        un_page_text(out, chart->curve[i].curve->key);
        un_text_put(out, "</span> ");
    }
    un_text_put(out, "</p>");
}

void un_chart_draw(struct un_text_out *out, const struct un_chart *chart, const struct un_told *told) {
    struct frame f = {INFINITY, -INFINITY, INFINITY, -INFINITY};
    for (int i = 0; i < chart->n; ++i)
        for (size_t k = 0; k < chart->curve[i].curve->n; ++k)
            widen(&f, chart->curve[i].curve->step[k], height(chart, i, k));
    if (chart->stacked) f.y0 = fmin(f.y0, 0);
    un_text_put(out, "<div class=\"still\"><svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
                HEIGHT);
    un_page_text(out, chart->title);
    un_text_put(out, "\">");
    if (isfinite(f.x0)) {
        draw_axes(out, &f);
        for (int i = 0; i < chart->n; ++i) draw_curve(out, &f, chart, i);
    }
    un_text_put(out, "</svg>");
    draw_names(out, chart, told);
    un_text_put(out, "</div>");
}
