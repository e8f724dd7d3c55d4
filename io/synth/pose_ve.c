/* Hypotheses about a scene: three, of which one is right, one wrong, and one about things that are not there, which
 * the scene cannot decide. So every image has each label once, and every hypothesis is as often one as the other. */
#include "io/synth/pose_private.h"
#include <stdio.h>

enum { HYPOTHESES = 3 };
struct hypothesis {
    int a, b; /* b 0: about a's colour */
    int colour;
    enum un_synth_relation relation;
    int label;
};

static bool coloured(int class_, const void *context) {
    const struct un_synth_wish *taken = context;
    for (int i = 0; i < taken->things; ++i)
        if (taken->thing[i].class_ == class_) return false;
    return class_ > 0 && un_synth_colours_of(class_) > 1;
}

static struct hypothesis draw_hypothesis(struct un_synth_draw *d, struct un_synth_wish *taken) {
    struct hypothesis h = {.a = un_synth_draw_class(d, coloured, taken)};
    un_synth_wish_for(taken, h.a, -1);
    h.colour = un_synth_draw_colour(d, h.a);
    h.relation = un_synth_chance(d, 0.5f) ? UN_SYNTH_LEFT_OF : UN_SYNTH_RIGHT_OF;
    if (un_synth_chance(d, 0.6f)) return h;
    h.b = un_synth_draw_class(d, coloured, taken);
    un_synth_wish_for(taken, h.b, -1);
    return h;
}

static int right_label(const struct un_synth_scene *s, const struct hypothesis *h) {
    int seen = un_synth_colour_seen(s, h->a);
    int value = h->b > 0 ? un_synth_related(s, h->relation, h->a, h->b) : seen < 0 ? -1 : seen == h->colour;
    return value < 0 ? UN_SYNTH_NEUTRAL : value > 0 ? UN_SYNTH_ENTAILMENT : UN_SYNTH_CONTRADICTION;
}

static bool all_right(const struct un_synth_scene *s, const void *context) {
    const struct hypothesis *h = context;
    for (int i = 0; i < HYPOTHESES; ++i)
        if (right_label(s, &h[i]) != h[i].label) return false;
    return true;
}

/* Of an undecidable relation one of both may be there. */
static void wish_for(struct un_synth_draw *d, const struct hypothesis *h, struct un_synth_wish *wish) {
    int missing = un_synth_int(d, 0, 2); /* a, b, both */
    bool neutral = h->label == UN_SYNTH_NEUTRAL;
    if (h->b == 0 && !neutral)
        un_synth_wish_for(wish, h->a, h->label == UN_SYNTH_ENTAILMENT ? h->colour : -1);
    if (h->b == 0) return;
    if (!neutral || missing == 1) un_synth_wish_for(wish, h->a, -1);
    if (!neutral || missing == 0) un_synth_wish_for(wish, h->b, -1);
}

bool un_synth_pose_ve(struct un_synth_pose *pose, struct un_synth_try *t) {
    struct hypothesis h[HYPOTHESES];
    struct un_synth_wish taken = {0}, wish = {0};
    int label[HYPOTHESES] = {UN_SYNTH_CONTRADICTION, UN_SYNTH_ENTAILMENT, UN_SYNTH_NEUTRAL};
    do {
        taken = (struct un_synth_wish){0};
        for (int i = 0; i < HYPOTHESES; ++i) h[i] = draw_hypothesis(&t->draw, &taken);
    } while (!un_synth_wish_meets(&taken));
    un_synth_shuffle(&t->draw, label, HYPOTHESES);
    for (int i = 0; i < HYPOTHESES; ++i) {
        h[i].label = label[i];
        wish_for(&t->draw, &h[i], &wish);
    }
    if (!un_synth_find(pose, t, 0, &wish, all_right, h)) return false;
    for (int i = 0; i < HYPOTHESES; ++i) {
        struct un_synth_asked *asked = &pose->asked[i];
        char colour[24];
        asked->answer = h[i].label;
        if (h[i].b == 0)
            snprintf(asked->text, sizeof asked->text, "the %s is %s", un_synth_noun(h[i].a),
                     un_synth_say_colour(colour, h[i].a, h[i].colour));
        else
            snprintf(asked->text, sizeof asked->text, "the %s is %s the %s", un_synth_noun(h[i].a),
                     un_synth_say_relation(h[i].relation), un_synth_noun(h[i].b));
    }
    return true;
}
