/* Where the mass of each word goes: a small photo a word, its regions marked. */
#include "io/picture/private.h"

#include <math.h>
#include <stdio.h>

enum { COLUMNS = 5, GAP = 18, LINES = 40 };

/* What is marked lies between an even share of a word's mass and this: the largest that one region has of the words that are
 * shown, but at least twice an even one, so that a plan without a preference looks like one. */
static double largest(const struct un_picture *p) {
    double most = 2 / (double)p->regions;
    for (int64_t w = 0; w < p->words; ++w)
        if (p->word[w].shown)
            most = fmax(most, p->solver.mass[w * p->regions + un_picture_best(p, &p->solver, w)] *
                                  (double)p->words);
    return most;
}

static void captions(struct un_ink *ink, struct un_patch photo, int64_t w) {
    const struct un_picture *p = ink->picture;
    char name[128], text[192];
    int64_t best = un_picture_best(p, &p->solver, w), exact = un_picture_best(p, &p->exact, w);
    un_ink_bold(ink, true);
    un_ink_colour(ink, un_black, 1);
    un_ink_name(name, sizeof name, p->word[w].name, p->word[w].id);
    un_ink_text(ink, photo.x, photo.y + photo.height + 16, 13, photo.width, name);
    un_ink_bold(ink, false);
    un_ink_name(name, sizeof name, p->region[best].name, p->region[best].id);
    snprintf(text, sizeof text, "%lld %s %.0f %%; exact %lld", (long long)best, name,
             100 * p->solver.mass[w * p->regions + best] * (double)p->words, (long long)exact);
    un_ink_colour(ink, un_gray, 1);
    un_ink_text(ink, photo.x, photo.y + photo.height + 31, 11.5, photo.width, text);
}

static void mark(struct un_ink *ink, struct un_patch photo, int64_t w, double most) {
    const struct un_picture *p = ink->picture;
    un_ink_photo(ink, photo, ink->small);
    un_ink_colour(ink, (struct un_colour){1, 1, 1}, ink->small ? 0.45 : 0);
    un_ink_fill(ink, photo);
    for (int64_t r = 0; r < p->regions; ++r) {
        double share = p->solver.mass[w * p->regions + r] * (double)p->words, even = 1 / (double)p->regions;
        share = (share - even) / (most - even);
        un_ink_colour(ink, un_heat, 0.85 * share);
        if (share > 0.02) un_ink_fill(ink, un_ink_region(ink, photo, r));
    }
    for (int64_t r = 0; r < p->regions; ++r) {
        un_ink_colour(ink, un_other, 1);
        if (p->exact.mass[w * p->regions + r] > 0) un_ink_frame(ink, un_ink_region(ink, photo, r), 1.5);
    }
    captions(ink, photo, w);
}

void un_part_words(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    double width = (UN_PAGE_INNER - (COLUMNS - 1) * GAP) / (double)COLUMNS, most = largest(p);
    double ratio = p->bgr ? (double)p->height / (double)p->width : 0.75;
    double height = width * fmin(fmax(ratio, 0.25), 1.5);
    int64_t drawn = 0;
    char low[96], high[96];
    un_ink_heading(ink, "From words to regions",
                   "Mass that the plan of training carries from a word to regions, beyond an even share; "
                   "framed: where the "
                   "exact plan carries it.");
    snprintf(low, sizeof low, "%.0f %%", 100 / (double)p->regions);
    snprintf(high, sizeof high, "%.0f %% of a word's mass", 100 * most);
    un_ink_legend(ink, UN_PAGE_MARGIN, ink->y, low, high, true);
    ink->y += 26;
    for (int64_t w = 0; w < p->words; ++w) {
        if (!p->word[w].shown) continue;
        if (drawn > 0 && drawn % COLUMNS == 0) ink->y += height + LINES;
        struct un_patch photo = {UN_PAGE_MARGIN + (double)(drawn++ % COLUMNS) * (width + GAP), ink->y, width,
                                 height};
        mark(ink, photo, w, most);
    }
    if (drawn) ink->y += height + LINES;
}
