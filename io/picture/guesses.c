/* What words and regions are taken for when they are masked: bars of probabilities. */
#include "io/picture/private.h"

#include <math.h>
#include <stdio.h>

enum { COLUMNS = 4, GAP = 26, ROW = 17, BAR = 74, SHOWN = 4, BLOCK = (SHOWN + 1) * ROW + 16 };
static const double width = (UN_PAGE_INNER - (COLUMNS - 1) * GAP) / (double)COLUMNS;

static void bar(struct un_ink *ink, double x, double y, const struct un_picture_guess *g, bool right) {
    char name[128], text[32];
    un_ink_colour(ink, right ? un_other : un_faint, right ? 0.55 : 1);
    un_ink_fill(ink, (struct un_patch){x, y - 11, fmax(BAR * g->probability, 0.5), 13});
    un_ink_colour(ink, un_black, 1);
    snprintf(text, sizeof text, "%.1f %%", 100 * g->probability);
    un_ink_text_left_of(ink, x + BAR - 4, y, 11, BAR, text);
    un_ink_bold(ink, right);
    un_ink_name(name, sizeof name, g->name, g->id);
    un_ink_text(ink, x + BAR + 6, y, 12, width - BAR - 8, name);
    un_ink_bold(ink, false);
}

/* number: of a region; -1: a word. */
static void block(struct un_ink *ink, double x, double y, const struct un_picture_unit *unit,
                  int64_t number) {
    char name[128], text[192];
    un_ink_name(name, sizeof name, unit->name, unit->id);
    if (number >= 0)
        snprintf(text, sizeof text, "%lld %s", (long long)number, name);
    else
        snprintf(text, sizeof text, "%s", name);
    un_ink_bold(ink, true);
    un_ink_colour(ink, un_black, 1);
    double has = un_ink_text(ink, x, y, 12.5, width - 74, text);
    un_ink_bold(ink, false);
    un_ink_colour(ink, un_gray, 1);
    snprintf(text, sizeof text, "%.1f %%", 100 * unit->truth);
    if (unit->id >= 0) un_ink_text(ink, x + has + 8, y, 11.5, 66, text);
    for (int64_t g = 0; g < unit->guesses && g < SHOWN; ++g)
        bar(ink, x, y + (double)(g + 1) * ROW, &unit->guess[g], unit->guess[g].id == unit->id);
}

static void blocks(struct un_ink *ink, const struct un_picture_unit *unit, int64_t n, bool regions) {
    int64_t drawn = 0, shown = 0;
    for (int64_t i = 0; i < n; ++i) shown = unit[i].guesses > shown ? unit[i].guesses : shown;
    double height = BLOCK - ROW * (double)(SHOWN - (shown < SHOWN ? shown : SHOWN));
    for (int64_t i = 0; i < n; ++i) {
        if (unit[i].guesses == 0) continue;
        if (drawn > 0 && drawn % COLUMNS == 0) ink->y += height;
        block(ink, UN_PAGE_MARGIN + (double)(drawn++ % COLUMNS) * (width + GAP), ink->y + 12, &unit[i],
              regions ? i : -1);
    }
    if (drawn) ink->y += height;
}

static bool any(const struct un_picture_unit *unit, int64_t n) {
    for (int64_t i = 0; i < n; ++i)
        if (unit[i].guesses) return true;
    return false;
}

void un_part_guesses(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    if (any(p->word, p->words)) {
        un_ink_heading(
            ink, "Masked words",
            "Each word masked by itself: its probability, and the most probable words. Blue: the right one.");
        blocks(ink, p->word, p->words, false);
    }
    if (any(p->region, p->regions)) {
        un_ink_heading(
            ink, "Masked regions",
            "Each region masked by itself: the probability of the detector's class, and the most probable "
            "classes. Blue: the detector's.");
        blocks(ink, p->region, p->regions, true);
    }
}
