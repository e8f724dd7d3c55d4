/* The page from top to bottom. */
#include "io/picture/private.h"

#include "runtime/memory.h"

#include <stdio.h>

static void draw_title(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    struct un_text_out sentence = {0};
    char text[512];
    un_picture_sentence(&sentence, p);
    ink->failed = ink->failed || sentence.failed;
    ink->y = UN_PAGE_MARGIN + 18;
    un_ink_bold(ink, true);
    un_ink_colour(ink, un_black, 1);
    un_ink_text(ink, UN_PAGE_MARGIN, ink->y, 21, UN_PAGE_INNER, sentence.failed ? "" : sentence.text);
    un_ink_bold(ink, false);
    un_free(sentence.text);
    un_ink_colour(ink, un_gray, 1);
    snprintf(text, sizeof text, "text %s, image %s, by %s", p->text_id, p->image_id, p->weights);
    un_ink_text(ink, UN_PAGE_MARGIN, ink->y + 22, 12.5, UN_PAGE_INNER, text);
    un_ink_colour(ink, un_black, 1);
    snprintf(text, sizeof text,
             "They belong together: %.2f %%.   Distance by %s: %.5f, exact: %.5f, gap %.3g.   Entries of the "
             "exact plan: "
             "%lld of at most %lld.",
             100 * p->match, p->solver.solver, p->solver.distance, p->exact.distance,
             p->solver.distance - p->exact.distance, (long long)p->exact.entries,
             (long long)(p->words + p->regions - 1));
    un_ink_text(ink, UN_PAGE_MARGIN, ink->y + 46, 14, UN_PAGE_INNER, text);
    ink->y += 64;
}

void un_page_draw(struct un_ink *ink) {
    cairo_set_source_rgb(ink->cr, 1, 1, 1);
    cairo_paint(ink->cr);
    draw_title(ink);
    un_part_regions(ink);
    un_part_words(ink);
    un_part_plans(ink);
    un_part_guesses(ink);
    un_part_heads(ink);
    ink->y += UN_PAGE_MARGIN;
}
