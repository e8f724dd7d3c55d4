/* The photo with its regions, numbered, and the list of them. */
#include "io/picture/private.h"

#include "runtime/memory.h"

#include <math.h>
#include <stdio.h>

enum { PHOTO_WIDTH = 560, LIST_LEFT = UN_PAGE_MARGIN + PHOTO_WIDTH + 28, ROW = 18 };

static double photo_height(const struct un_picture *p) {
    double ratio = p->bgr ? (double)p->height / (double)p->width : 0.75;
    return PHOTO_WIDTH * fmin(fmax(ratio, 0.25), 1.5);
}

/* Tags that are placed. */
struct tags {
    struct un_patch *at; /* [n] */
    int64_t n;
};

static bool covered(const struct tags *tags, struct un_patch t) {
    for (int64_t i = 0; i < tags->n; ++i) {
        const struct un_patch *o = &tags->at[i];
        if (t.x < o->x + o->width && o->x < t.x + t.width && t.y < o->y + o->height && o->y < t.y + t.height)
            return true;
    }
    return false;
}

/* Along the edges of the box, the first place that no other tag has; inside of the photo. */
static struct un_patch place(const struct tags *tags, struct un_patch box, struct un_patch photo,
                             double width) {
    struct un_patch tag = {box.x, box.y, width, 14};
    for (int step = 0; step < 60; ++step) {
        bool below = step % 2 == 1;
        double slide = (double)(step / 2) * 8;
        tag.x = fmin(box.x + slide, photo.x + photo.width - width);
        tag.y = fmin(below ? box.y + box.height - 14 : box.y, photo.y + photo.height - 14);
        if (!covered(tags, tag)) return tag;
    }
    tag.x = fmin(box.x, photo.x + photo.width - width);
    return tag;
}

/* The number of a region at its box, on a ground that it can be read on. */
static void number(struct un_ink *ink, struct tags *tags, struct un_patch box, struct un_patch photo,
                   int64_t region) {
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)region);
    struct un_patch tag = place(tags, box, photo, 5 + 7.0 * (double)strlen(text));
    tags->at[tags->n++] = tag;
    un_ink_colour(ink, un_other, 0.85);
    un_ink_fill(ink, tag);
    un_ink_colour(ink, (struct un_colour){1, 1, 1}, 1);
    un_ink_text(ink, tag.x + 2.5, tag.y + 11, 11, tag.width, text);
}

static int64_t area_order(const struct un_picture *p, int64_t a, int64_t b) {
    const float *x = p->box + a * p->box_width, *y = p->box + b * p->box_width;
    float area_a = (x[2] - x[0]) * (x[3] - x[1]), area_b = (y[2] - y[0]) * (y[3] - y[1]);
    return area_a > area_b ? -1 : area_a < area_b ? 1 : a < b ? -1 : 1;
}

/* The next region after `last` from large to small, so that the numbers of small ones lie on top; -1: none. */
static int64_t next_smaller(const struct un_picture *p, int64_t last) {
    int64_t best = -1;
    for (int64_t r = 0; r < p->regions; ++r)
        if ((last < 0 || area_order(p, last, r) < 0) && r != last && (best < 0 || area_order(p, r, best) < 0))
            best = r;
    return best;
}

static void list(struct un_ink *ink, double top, int64_t rows) {
    const struct un_picture *p = ink->picture;
    double column = (UN_PAGE_WIDTH - UN_PAGE_MARGIN - LIST_LEFT) / ceil((double)p->regions / (double)rows);
    for (int64_t r = 0; r < p->regions; ++r) {
        char text[24], name[128];
        double x = LIST_LEFT + (double)(r / rows) * column, y = top + 12 + (double)(r % rows) * ROW;
        snprintf(text, sizeof text, "%lld", (long long)r);
        un_ink_colour(ink, un_other, 1);
        un_ink_text_left_of(ink, x + 20, y, 12, 24, text);
        un_ink_colour(ink, un_black, 1);
        un_ink_name(name, sizeof name, p->region[r].name, p->region[r].id);
        un_ink_text(ink, x + 27, y, 12, column - 34, name[0] ? name : "region");
    }
}

void un_part_regions(struct un_ink *ink) {
    const struct un_picture *p = ink->picture;
    struct un_patch photo = {UN_PAGE_MARGIN, ink->y, PHOTO_WIDTH, photo_height(p)};
    int64_t rows = (int64_t)(photo.height / ROW);
    struct tags tags = {un_alloc((size_t)p->regions, sizeof *tags.at, "numbers of regions"), 0};
    if (!tags.at) ink->failed = true;
    un_ink_photo(ink, photo, ink->photo);
    for (int64_t r = 0; r < p->regions; ++r) {
        un_ink_colour(ink, un_other, 0.9);
        un_ink_frame(ink, un_ink_region(ink, photo, r), 1.5);
    }
    for (int64_t r = next_smaller(p, -1); r >= 0 && tags.at; r = next_smaller(p, r))
        number(ink, &tags, un_ink_region(ink, photo, r), photo, r);
    un_free(tags.at);
    list(ink, ink->y, rows < 1 ? 1 : rows);
    ink->y += photo.height;
}
