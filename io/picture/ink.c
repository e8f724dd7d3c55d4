/* Lines of text, boxes, colours (private.h). */
#include "io/picture/private.h"

#include <math.h>
#include <stdio.h>

enum { TEXT_MOST = 512 };

/* Colours of Okabe and Ito's palette, told apart by the colour-blind. */
const struct un_colour un_black = {0.1, 0.1, 0.1}, un_gray = {0.42, 0.42, 0.42},
                       un_faint = {0.85, 0.85, 0.85}, un_heat = {0.835, 0.369, 0},
                       un_other = {0, 0.447, 0.698};

/* Cairo refuses what is no UTF-8. */
static void clean(char out[TEXT_MOST], const char *text) {
    size_t used = 0;
    while (*text && used + 5 < TEXT_MOST) {
        const bool control = (unsigned char)*text < 0x20 || *text == 0x7F;
        const size_t n = control ? 0 : un_text_character(text);
        if (n == 0) out[used++] = '?';
        for (size_t i = 0; i < n; ++i) out[used++] = text[i];
        text += n ? n : 1;
    }
    out[used] = '\0';
}

static double width_of(const struct un_ink *ink, const char *text) {
    cairo_text_extents_t extents;
    cairo_text_extents(ink->cr, text, &extents);
    return extents.x_advance;
}

/* Takes characters off until the text and an ellipsis fit. */
static double cut(const struct un_ink *ink, char text[TEXT_MOST], double width) {
    double has = width_of(ink, text);
    if (has <= width) return has;
    size_t n = strlen(text);
    while (n > 0) {
        do --n;
        while (n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80);
        memcpy(text + n, "\xE2\x80\xA6", 4);
        has = width_of(ink, text);
        if (has <= width) return has;
    }
    text[0] = '\0';
    return 0;
}

/* The text begins at x - left of its width. Returns that. */
static double place(struct un_ink *ink, double x, double y, double size, double width, double left,
                    const char *text) {
    char line[TEXT_MOST];
    clean(line, text);
    cairo_set_font_size(ink->cr, size);
    double has = cut(ink, line, width);
    cairo_move_to(ink->cr, x - left * has, y);
    cairo_show_text(ink->cr, line);
    return has;
}

double un_ink_text(struct un_ink *ink, double x, double y, double size, double width, const char *text) {
    return place(ink, x, y, size, width, 0, text);
}

void un_ink_text_left_of(struct un_ink *ink, double x, double y, double size, double width,
                         const char *text) {
    (void)place(ink, x, y, size, width, 1, text);
}

void un_ink_bold(struct un_ink *ink, bool bold) {
    cairo_select_font_face(ink->cr, "DejaVu Sans", CAIRO_FONT_SLANT_NORMAL,
                           bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
}

void un_ink_colour(struct un_ink *ink, struct un_colour c, double alpha) {
    cairo_set_source_rgba(ink->cr, c.red, c.green, c.blue, alpha);
}

void un_ink_fill(struct un_ink *ink, struct un_patch box) {
    cairo_rectangle(ink->cr, box.x, box.y, box.width, box.height);
    cairo_fill(ink->cr);
}

void un_ink_frame(struct un_ink *ink, struct un_patch box, double line) {
    cairo_set_line_width(ink->cr, line);
    cairo_rectangle(ink->cr, box.x, box.y, box.width, box.height);
    cairo_stroke(ink->cr);
}

void un_ink_heading(struct un_ink *ink, const char *text, const char *meaning) {
    ink->y += 40;
    un_ink_bold(ink, true);
    un_ink_colour(ink, un_black, 1);
    un_ink_text(ink, UN_PAGE_MARGIN, ink->y, 17, UN_PAGE_INNER, text);
    un_ink_bold(ink, false);
    un_ink_colour(ink, un_gray, 1);
    un_ink_text(ink, UN_PAGE_MARGIN, ink->y + 20, 12.5, UN_PAGE_INNER, meaning);
    ink->y += 34;
}

struct un_colour un_ink_scale(double value) {
    static const struct un_colour at[] = {
        {1, 1, 1}, {0.62, 0.79, 0.88}, {0.19, 0.51, 0.74}, {0.03, 0.19, 0.42}};
    double v = fmin(fmax(value, 0), 1) * 3;
    int i = v >= 3 ? 2 : (int)v;
    double part = v - i;
    return (struct un_colour){at[i].red + part * (at[i + 1].red - at[i].red),
                              at[i].green + part * (at[i + 1].green - at[i].green),
                              at[i].blue + part * (at[i + 1].blue - at[i].blue)};
}

void un_ink_legend(struct un_ink *ink, double x, double y, const char *low, const char *high, bool alpha) {
    enum { STEPS = 24, WIDTH = 168 };
    un_ink_colour(ink, un_gray, 1);
    double at = x + un_ink_text(ink, x, y + 10, 11.5, 200, low) + 8;
    for (int i = 0; i < STEPS; ++i) {
        struct un_patch box = {at + i * (double)WIDTH / STEPS, y, (double)WIDTH / STEPS, 12};
        double value = (i + 0.5) / STEPS;
        un_ink_colour(ink, alpha ? un_heat : un_ink_scale(value), alpha ? 0.85 * value : 1);
        un_ink_fill(ink, box);
    }
    un_ink_colour(ink, un_gray, 1);
    un_ink_frame(ink, (struct un_patch){at, y, WIDTH, 12}, 0.5);
    un_ink_text(ink, at + WIDTH + 8, y + 10, 11.5, 560, high);
}

const char *un_ink_name(char *text, size_t size, const char *name, int64_t id) {
    if (name[0])
        snprintf(text, size, "%s", name);
    else if (id >= 0)
        snprintf(text, size, "#%lld", (long long)id);
    else
        text[0] = '\0';
    return text;
}
