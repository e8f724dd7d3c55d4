/* Questions about people, with four answers and four rationales. person_0 is the left one of two, person_1 the right
 * one, as in the annotated boxes. Which choice is right is drawn evenly before the scene is looked for; what the
 * other person wears, or a thing that stands elsewhere, is among the wrong ones. */
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

enum { N = UN_SYNTH_CHOICES, FIRST_PERSON = 1, LAST_PERSON = 4 };
struct vcr_question {
    bool wears; /* what colour is it in; else what is beside it */
    int person; /* who is asked about: 0 left, 1 right */
    int people[2];
    int colour[N], class_[N]; /* choices; the first one is right, the second one there but wrong */
    enum un_synth_relation relation;
};

static bool thing_of_many_colours(int class_, const void *context) {
    const struct vcr_question *q = context;
    if (class_ <= LAST_PERSON || un_synth_colours_of(class_) < N) return false;
    for (int i = 0; i < N; ++i)
        if (q->class_[i] > 0 && (q->class_[i] == class_ || !un_synth_meet(q->class_[i], class_)))
            return false;
    return true;
}

static void draw_colours(struct un_synth_draw *d, int class_, int colour[N]) {
    int list[UN_SYNTH_COLOURS], n = 0;
    for (int c = 0; c < UN_SYNTH_COLOURS; ++c)
        if (un_synth_classes[class_].colours >> c & 1u) list[n++] = c;
    un_synth_shuffle(d, list, n);
    memcpy(colour, list, N * sizeof *colour);
}

static struct vcr_question draw_question(struct un_synth_draw *d) {
    struct vcr_question q = {.wears = un_synth_chance(d, 0.5f), .person = un_synth_int(d, 0, 1)};
    int people[] = {1, 2, 3, 4};
    un_synth_shuffle(d, people, N);
    q.people[q.person] = people[0];
    q.people[1 - q.person] = people[1];
    q.relation = un_synth_chance(d, 0.5f) ? UN_SYNTH_LEFT_OF : UN_SYNTH_RIGHT_OF;
    for (int i = 0; i < N && !q.wears; ++i) q.class_[i] = un_synth_draw_class(d, thing_of_many_colours, &q);
    if (!q.wears) un_synth_shuffle(d, q.class_, N); /* whatever the draws before it leave */
    if (q.wears) memcpy(q.class_, people, sizeof people);
    draw_colours(d, q.class_[0], q.colour);
    return q;
}

/* The thing's index when there is one of its class. */
static bool stands(const struct un_synth_scene *s, const struct vcr_question *q, int choice) {
    return un_synth_related(s, q->relation, q->class_[choice], q->people[q->person]) == 1;
}

static bool fits(const struct un_synth_scene *s, const void *context) {
    const struct vcr_question *q = context;
    int people = 0;
    for (int c = FIRST_PERSON; c <= LAST_PERSON; ++c) people += un_synth_count(s, c);
    if (people != 2 || un_synth_related(s, UN_SYNTH_LEFT_OF, q->people[0], q->people[1]) != 1) return false;
    if (q->wears) return true;
    for (int i = 0; i < N; ++i)
        if (un_synth_count(s, q->class_[i]) != (i < 2) || stands(s, q, i) != (i == 0)) return false;
    return true;
}

static void say_answer(const struct vcr_question *q, int i, char *text, size_t size) {
    if (q->wears)
        snprintf(text, size, "person_%d is in %s", q->person, un_synth_colours[q->colour[i]]);
    else
        snprintf(text, size, "the %s is %s person_%d", un_synth_noun(q->class_[i]),
                 un_synth_say_relation(q->relation), q->person);
}
static void say_rationale(const struct vcr_question *q, int i, char *text, size_t size) {
    if (q->wears)
        snprintf(text, size, "because the %s is person_%d", un_synth_noun(q->class_[i]), q->person);
    else
        snprintf(text, size, "because the %s that is there is %s", un_synth_noun(q->class_[0]),
                 un_synth_colours[q->colour[i]]);
}

bool un_synth_pose_vcr(struct un_synth_pose *pose, struct un_synth_try *t) {
    struct vcr_question q = draw_question(&t->draw);
    struct un_synth_asked *asked = &pose->asked[0];
    struct un_synth_wish wish = {0};
    for (int p = 0; p < 2; ++p)
        un_synth_wish_for(&wish, q.people[p], q.wears ? q.colour[p == q.person ? 0 : 1] : -1);
    for (int i = 0; i < 2 && !q.wears; ++i) un_synth_wish_for(&wish, q.class_[i], i == 0 ? q.colour[0] : -1);
    if (!un_synth_find(pose, t, 0, &wish, fits, &q)) return false;
    if (q.wears)
        snprintf(asked->text, sizeof asked->text, "what colour is person_%d in?", q.person);
    else
        snprintf(asked->text, sizeof asked->text, "what is %s person_%d?", un_synth_say_relation(q.relation),
                 q.person);
    for (int kind = 0; kind < 2; ++kind) {
        int order[N] = {0, 1, 2, 3};
        un_synth_shuffle(&t->draw, order, N);
        for (int i = 0; i < N; ++i) {
            char *part = asked->part[kind * N + i];
            (kind == 0 ? say_answer : say_rationale)(&q, order[i], part, sizeof asked->part[0]);
            if (order[i] == 0) *(kind == 0 ? &asked->label : &asked->rationale) = i;
        }
    }
    return true;
}
