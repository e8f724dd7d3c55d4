/* Heads of attention as small matrices of all tokens, and where words look in the image. */
#include "io/picture/private.h"

#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>

enum { COLUMNS = 6, GAP = 18, LINES = 38 };

/* The square root of a probability, so that small ones are seen; as pixels, several a token, so that enlarging does not blur. */
static cairo_surface_t *paint(const struct un_picture *p, const struct un_picture_head *head) {
    int64_t tokens = p->words + p->regions, each = 360 / tokens + 1, side = each * tokens;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)side, (int)side);
    unsigned char *data = cairo_image_surface_get_data(surface);
    int64_t stride = cairo_image_surface_get_stride(surface);
    for (int64_t y = 0; data && y < side; ++y)
        for (int64_t x = 0; x < side; ++x) {
            struct un_colour c = un_ink_scale(sqrt((double)head->probability[y / each * tokens + x / each]));
            uint32_t pixel = (uint32_t)lround(255 * c.red) << 16 | (uint32_t)lround(255 * c.green) << 8 |
                             (uint32_t)lround(255 * c.blue);
            memcpy(data + y * stride + x * 4, &pixel, sizeof pixel);
        }
    cairo_surface_mark_dirty(surface);
    return surface;
}

static void draw_head(struct un_ink *ink, struct un_patch box, const struct un_picture_head *head) {
    const struct un_picture *p = ink->picture;
    char text[96];
    double words = box.width * (double)p->words / (double)(p->words + p->regions);
    cairo_surface_t *surface = paint(p, head);
    cairo_save(ink->cr);
    cairo_translate(ink->cr, box.x, box.y);
    cairo_scale(ink->cr, box.width / cairo_image_surface_get_width(surface),
                box.height / cairo_image_surface_get_height(surface));
    cairo_set_source_surface(ink->cr, surface, 0, 0);
    cairo_paint(ink->cr);
    cairo_restore(ink->cr);
    cairo_surface_destroy(surface);
    un_ink_colour(ink, un_heat, 1);
    un_ink_frame(ink, (struct un_patch){box.x, box.y, words, words}, 0.75);
    un_ink_frame(ink, (struct un_patch){box.x + words, box.y + words, box.width - words, box.height - words},
                 0.75);
    un_ink_colour(ink, un_gray, 1);
    un_ink_frame(ink, box, 0.75);
    un_ink_colour(ink, un_black, 1);
    snprintf(text, sizeof text, "layer %lld, head %lld", (long long)head->layer, (long long)head->head);
    un_ink_text(ink, box.x, box.y + box.height + 15, 12, box.width, text);
    un_ink_colour(ink, un_gray, 1);
    un_ink_text(ink, box.x, box.y + box.height + 29, 11.5, box.width, head->pattern);
}

/* From words to regions, the mean of the heads. */
static void draw_mean(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    int64_t tokens = p->words + p->regions, n = p->words * p->regions;
    double *value = un_alloc((size_t)n, sizeof *value, "a mean of attention"), most = 2 / (double)tokens;
    char text[96];
    if (!value) {
        ink->failed = true;
        return;
    }
    for (int64_t i = 0; i < n; ++i) {
        for (int64_t h = 0; h < p->heads; ++h)
            value[i] += (double)p->head[h].probability[i / p->regions * tokens + p->words + i % p->regions] /
                        (double)p->heads;
        most = fmax(most, value[i]);
    }
    struct un_part_matrix matrix = {value, most};
    un_ink_heading(ink, "Attention from words to regions",
                   "The mean of the heads above. Even attention is at half of the scale or below.");
    snprintf(text, sizeof text, "%.3g", most);
    un_ink_legend(ink, UN_PAGE_MARGIN, ink->y, "0", text, false);
    ink->y += 22;
    un_part_matrix(ink, (struct un_patch){UN_PAGE_MARGIN, ink->y, UN_PAGE_INNER, 0}, &matrix);
    ink->y += un_part_matrix_height(p);
    un_free(value);
}

void un_part_heads(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    double side = (UN_PAGE_INNER - (COLUMNS - 1) * GAP) / (double)COLUMNS;
    if (p->heads == 0) return;
    un_ink_heading(ink, "Attention",
                   "From each token, a row, to each, a column; words first, then regions (framed: each among "
                   "themselves). "
                   "Every row sums to 1.");
    un_ink_legend(ink, UN_PAGE_MARGIN, ink->y, "0", "1, by the square root", false);
    ink->y += 26;
    for (int64_t h = 0; h < p->heads; ++h) {
        if (h > 0 && h % COLUMNS == 0) ink->y += side + LINES;
        draw_head(
            ink, (struct un_patch){UN_PAGE_MARGIN + (double)(h % COLUMNS) * (side + GAP), ink->y, side, side},
            &p->head[h]);
    }
    ink->y += side + LINES;
    draw_mean(ink);
}
