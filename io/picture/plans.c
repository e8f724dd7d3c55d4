/* Plans as matrices of words and regions. */
#include "io/picture/private.h"

#include <math.h>
#include <stdio.h>

enum { NAMES = 84, ROW = 17, HEAD = 18, GAP = 28, CELL_MOST = 72, SIDE_BY_SIDE = 40 };

double un_part_matrix_height(const struct un_picture *p) {
    return HEAD + ROW * (double)p->words;
}

/* Numbers of the regions above the columns, as many as there is room for. */
static void columns(struct un_ink *ink, struct un_patch cells, double cell) {
    int64_t each = (int64_t)ceil(20 / cell);
    un_ink_colour(ink, un_other, 1);
    for (int64_t r = 0; r < ink->picture->regions; r += each) {
        char text[24];
        snprintf(text, sizeof text, "%lld", (long long)r);
        un_ink_text(ink, cells.x + (double)r * cell + fmax(0, cell / 2 - 3.4 * (double)strlen(text)),
                    cells.y - 5, 10.5, cell * (double)each, text);
    }
}

void un_part_matrix(struct un_ink *ink, struct un_patch box, const struct un_part_matrix *m) {
    const struct un_picture *p = ink->picture;
    struct un_patch cells = {box.x + NAMES, box.y + HEAD, box.width - NAMES, ROW * (double)p->words};
    double cell = fmin(cells.width / (double)p->regions, CELL_MOST);
    cells.width = cell * (double)p->regions;
    cairo_set_antialias(ink->cr, CAIRO_ANTIALIAS_NONE); /* no seams between cells */
    columns(ink, cells, cell);
    for (int64_t w = 0; w < p->words; ++w) {
        char name[128];
        double y = cells.y + ROW * (double)w;
        un_ink_colour(ink, un_black, 1);
        un_ink_name(name, sizeof name, p->word[w].name, p->word[w].id);
        un_ink_text_left_of(ink, cells.x - 6, y + 12.5, 11.5, NAMES - 8, name);
        for (int64_t r = 0; r < p->regions; ++r) {
            double value = m->value[w * p->regions + r] / m->most;
            if (value < 0.004) continue;
            un_ink_colour(ink, un_ink_scale(value), 1);
            un_ink_fill(ink, (struct un_patch){cells.x + (double)r * cell, y, cell, ROW});
        }
    }
    cairo_set_antialias(ink->cr, CAIRO_ANTIALIAS_DEFAULT);
    un_ink_colour(ink, un_gray, 1);
    un_ink_frame(ink, cells, 0.75);
}

static void title(struct un_ink *ink, double x, double width, const struct un_picture_plan *plan) {
    char text[160];
    un_ink_colour(ink, un_black, 1);
    snprintf(text, sizeof text, "%s: distance %.5f, %lld entries, sums within %.1e", plan->solver,
             plan->distance, (long long)plan->entries, fmax(plan->row_error, plan->column_error));
    un_ink_text(ink, x, ink->y + 12, 12.5, width, text);
}

static void plan(struct un_ink *ink, double x, double width, const struct un_picture_plan *of, double most) {
    title(ink, x, width, of);
    struct un_part_matrix matrix = {of->mass, most};
    un_part_matrix(ink, (struct un_patch){x, ink->y + 20, width, 0}, &matrix);
}

void un_part_plans(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    double most = 0, height = 20 + un_part_matrix_height(p);
    char text[200];
    for (int64_t i = 0; i < p->words * p->regions; ++i)
        most = fmax(most, fmax(p->solver.mass[i], p->exact.mass[i]));
    snprintf(text, sizeof text,
             "The plan of training beside the exact one, which has at most %lld + %lld - 1 = %lld entries. "
             "Gap of the "
             "distances: %.3g.",
             (long long)p->words, (long long)p->regions, (long long)(p->words + p->regions - 1),
             p->solver.distance - p->exact.distance);
    un_ink_heading(ink, "Plans of transport", text);
    snprintf(text, sizeof text, "%.3g of the whole mass, on both", most);
    un_ink_legend(ink, UN_PAGE_MARGIN, ink->y, "0", text, false);
    ink->y += 22;
    if (p->regions <= SIDE_BY_SIDE) {
        double width = (UN_PAGE_INNER - GAP) / 2.0;
        plan(ink, UN_PAGE_MARGIN, width, &p->solver, most);
        plan(ink, UN_PAGE_MARGIN + width + GAP, width, &p->exact, most);
    } else {
        plan(ink, UN_PAGE_MARGIN, UN_PAGE_INNER, &p->solver, most);
        ink->y += height + 14;
        plan(ink, UN_PAGE_MARGIN, UN_PAGE_INNER, &p->exact, most);
    }
    ink->y += height;
}
