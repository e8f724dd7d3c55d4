/* Statements about two images: two on each of four pairs of images. Each is right on two of the pairs, and on every
 * pair one of the two is right: neither the statement nor the pair tells. */
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

enum { STATEMENTS = 2, PAIRS = 4 };
enum form { BOTH, LEFT, RIGHT, ONE, COLOURED_BOTH, SAME_COLOUR, FORMS };
struct statement {
    enum form form;
    int class_, colour;
    bool right[PAIRS];
};
/* What a statement asks of one image: the thing is there, once, in this colour; or it is not. */
struct need {
    int class_;
    bool there;
    int colour; /* -1: any */
};

static bool coloured(int class_, const void *context) {
    const int *other = context;
    return class_ > 0 && un_synth_colours_of(class_) > 1 &&
           (*other == 0 || (class_ != *other && un_synth_meet(class_, *other)));
}

/* There or not in the left and the right image, so that it is right or wrong. */
static void draw_there(struct un_synth_draw *d, const struct statement *s, bool right, struct need need[2]) {
    bool coin = un_synth_chance(d, 0.5f);
    int side = s->form == RIGHT;
    switch (s->form) {
    case BOTH:
        need[0].there = right || coin;
        need[1].there = right || !coin;
        break;
    case ONE:
        need[0].there = coin;
        need[1].there = coin != right;
        break;
    default: need[side].there = right; need[1 - side].there = coin;
    }
}

static void draw_needs(struct un_synth_draw *d, const struct statement *s, bool right, struct need need[2]) {
    int colour = s->form == SAME_COLOUR ? un_synth_draw_colour(d, s->class_) : s->colour;
    int other = un_synth_draw_other_colour(d, s->class_, colour), odd = un_synth_int(d, 0, 1);
    for (int i = 0; i < 2; ++i) need[i] = (struct need){s->class_, true, -1};
    if (s->form != COLOURED_BOTH && s->form != SAME_COLOUR) {
        draw_there(d, s, right, need);
        return;
    }
    need[0].colour = need[1].colour = colour;
    if (!right) need[odd].colour = other;
}

static bool met(const struct un_synth_scene *s, const void *context) {
    const struct need *need = context; /* one a statement */
    for (int i = 0; i < STATEMENTS; ++i) {
        int n = un_synth_count(s, need[i].class_);
        if (n != need[i].there) return false;
        if (need[i].there && need[i].colour >= 0 && un_synth_colour_seen(s, need[i].class_) != need[i].colour)
            return false;
    }
    return true;
}

static bool find_pair(struct un_synth_pose *pose, struct un_synth_try *t, int pair,
                      const struct statement statement[STATEMENTS]) {
    struct need need[2][STATEMENTS];
    for (int i = 0; i < STATEMENTS; ++i) {
        struct need sides[2];
        draw_needs(&t->draw, &statement[i], statement[i].right[pair], sides);
        need[0][i] = sides[0];
        need[1][i] = sides[1];
    }
    for (int side = 0; side < 2; ++side) {
        struct un_synth_wish wish = {0};
        for (int i = 0; i < STATEMENTS; ++i)
            if (need[side][i].there) un_synth_wish_for(&wish, need[side][i].class_, need[side][i].colour);
        if (!un_synth_find(pose, t, 2 * pair + side, &wish, met, need[side])) return false;
    }
    return true;
}

static void say(const struct statement *s, char *text, size_t size) {
    const char *noun = un_synth_noun(s->class_), *a = un_synth_article(s->class_);
    char colour[24];
    switch (s->form) {
    case BOTH: snprintf(text, size, "there is %s %s in both images", a, noun); break;
    case LEFT: snprintf(text, size, "there is %s %s in the left image", a, noun); break;
    case RIGHT: snprintf(text, size, "there is %s %s in the right image", a, noun); break;
    case ONE: snprintf(text, size, "exactly one image shows %s %s", a, noun); break;
    case COLOURED_BOTH:
        snprintf(text, size, "the %s is %s in both images", noun,
                 un_synth_say_colour(colour, s->class_, s->colour));
        break;
    default: snprintf(text, size, "the %s has the same colour in both images", noun);
    }
}

bool un_synth_pose_nlvr2(struct un_synth_pose *pose, struct un_synth_try *t) {
    struct statement s[STATEMENTS];
    int order[PAIRS] = {0, 1, 2, 3}, other = 0;
    un_synth_shuffle(&t->draw, order, PAIRS);
    for (int i = 0; i < STATEMENTS; ++i) {
        s[i].form = (enum form)un_synth_int(&t->draw, 0, FORMS - 1);
        s[i].class_ = other = un_synth_draw_class(&t->draw, coloured, &other);
        s[i].colour = un_synth_draw_colour(&t->draw, s[i].class_);
        for (int p = 0; p < PAIRS; ++p) s[i].right[order[p]] = (p < PAIRS / 2) == (i == 0);
    }
    for (int p = 0; p < PAIRS; ++p)
        if (!find_pair(pose, t, p, s)) return false;
    for (int i = 0; i < STATEMENTS * PAIRS; ++i) {
        struct un_synth_asked *asked = &pose->asked[i];
        int pair = i / STATEMENTS;
        say(&s[i % STATEMENTS], asked->text, sizeof asked->text);
        asked->scene = 2 * pair;
        asked->second = 2 * pair + 1;
        asked->label = s[i % STATEMENTS].right[pair];
    }
    return true;
}
