/* Questions about one scene: two of different kinds. The first one's answer is even over all that its text may be
 * answered with; so is the second one's but for answers that do not go with the first question. */
#include "io/synth/pose_private.h"
#include <stdio.h>
#include <string.h>

enum ask {
    COLOUR,
    WHAT_NEAR,  /* what is left of the dog? */
    WHAT_KIND,  /* what animal is in the picture? */
    COUNT,      /* how many dogs are there? */
    COUNT_KIND, /* how many animals are there? */
    WHERE,
    IS_THERE,
    IS_COLOURED,
    IS_NEAR,
    ASKS
};
enum { YES = 0, NO = 1, NUMBER_0 = 2, NUMBERS = 4, COLOUR_0 = NUMBER_0 + NUMBERS };
enum { CLASS_0 = COLOUR_0 + UN_SYNTH_COLOURS - 1, LAST_GROUND = 41, ANSWERS = CLASS_0 + LAST_GROUND + 1 };

struct question {
    enum ask ask;
    int a, b; /* classes asked about, 0: none; of WHAT_NEAR, a is the answer's */
    int kind; /* of WHAT_KIND and COUNT_KIND, else -1 */
    int colour;
    enum un_synth_relation relation;
    int answer;
};

int un_synth_answers(enum un_synth_task task) {
    return task == UN_SYNTH_VE ? UN_SYNTH_VE_LABELS : ANSWERS;
}
const char *un_synth_answer_name(enum un_synth_task task, int answer) {
    static const char *const label[] = {"contradiction", "entailment", "neutral"};
    static const char *const first[] = {"yes", "no", "0", "1", "2", "3"};
    if (answer < 0 || answer >= un_synth_answers(task)) return NULL;
    if (task == UN_SYNTH_VE) return label[answer];
    if (answer < COLOUR_0) return first[answer];
    return answer <= CLASS_0 ? un_synth_colours[answer - COLOUR_0] : un_synth_noun(answer - CLASS_0);
}

static bool any_thing(int class_, const void *context) {
    (void)context;
    return class_ > 0;
}
static bool coloured(int class_, const void *context) {
    (void)context;
    return un_synth_colours_of(class_) > 1;
}
static bool supports(int class_, const void *context) {
    (void)context;
    return un_synth_classes[class_].spot == UN_SYNTH_SUPPORTS;
}
static bool small(int class_, const void *context) {
    (void)context;
    return un_synth_classes[class_].spot == UN_SYNTH_SMALL;
}
static bool of_kind(int class_, const void *context) {
    return (int)un_synth_classes[class_].kind == *(const int *)context;
}
static bool meets(int class_, const void *context) {
    int other = *(const int *)context;
    return class_ != other && un_synth_meet(class_, other);
}
static bool small_beside(int class_, const void *context) {
    return small(class_, NULL) && meets(class_, context);
}

static void draw_where(struct un_synth_draw *d, struct question *q) {
    float weight[LAST_GROUND + 1] = {0};
    for (int c = 1; c <= LAST_GROUND; ++c) weight[c] = c > UN_SYNTH_LAST_THING || supports(c, NULL) ? 1 : 0;
    q->a = un_synth_draw_class(d, small, NULL);
    q->b = un_synth_pick(d, weight, LAST_GROUND + 1);
    q->answer = CLASS_0 + q->b;
}

static void draw_near(struct un_synth_draw *d, struct question *q, bool what) {
    static const enum un_synth_relation choice[] = {UN_SYNTH_LEFT_OF, UN_SYNTH_RIGHT_OF, UN_SYNTH_ON};
    q->relation = choice[un_synth_int(d, 0, 2)];
    bool on = q->relation == UN_SYNTH_ON;
    q->b = un_synth_draw_class(d, on ? supports : any_thing, NULL);
    q->a = un_synth_draw_class(d, on ? small_beside : meets, &q->b);
    q->answer = what ? CLASS_0 + q->a : un_synth_int(d, YES, NO);
}

static void draw_kind(struct un_synth_draw *d, struct question *q) {
    static const enum un_synth_kind what[] = {UN_SYNTH_ANIMAL, UN_SYNTH_VEHICLE, UN_SYNTH_FOOD,
                                              UN_SYNTH_FURNITURE};
    static const enum un_synth_kind count[] = {UN_SYNTH_ANIMAL, UN_SYNTH_VEHICLE, UN_SYNTH_PERSON,
                                               UN_SYNTH_WARE};
    int i = un_synth_int(d, 0, 3);
    q->kind = (int)(q->ask == WHAT_KIND ? what : count)[i];
    if (q->ask == WHAT_KIND) {
        q->a = un_synth_draw_class(d, of_kind, &q->kind);
        q->answer = CLASS_0 + q->a;
    } else {
        q->answer = NUMBER_0 + un_synth_int(d, 0, NUMBERS - 1);
    }
}

static struct question draw_question(struct un_synth_draw *d) {
    static const float weight[ASKS] = {3, 2, 1, 1, 1, 2, 1, 1, 1};
    struct question q = {.ask = (enum ask)un_synth_pick(d, weight, ASKS), .kind = -1};
    switch (q.ask) {
    case COLOUR:
        q.a = un_synth_draw_class(d, coloured, NULL);
        q.answer = COLOUR_0 + un_synth_draw_colour(d, q.a);
        break;
    case WHERE: draw_where(d, &q); break;
    case WHAT_NEAR:
    case IS_NEAR: draw_near(d, &q, q.ask == WHAT_NEAR); break;
    case WHAT_KIND:
    case COUNT_KIND: draw_kind(d, &q); break;
    case COUNT:
        q.a = un_synth_draw_class(d, any_thing, NULL);
        q.answer = NUMBER_0 + un_synth_int(d, 0, NUMBERS - 1);
        break;
    default:
        q.a = un_synth_draw_class(d, q.ask == IS_THERE ? any_thing : coloured, NULL);
        q.colour = un_synth_draw_colour(d, q.a);
        q.answer = un_synth_int(d, YES, NO);
    }
    return q;
}

/* How many of the kind there are; *class_: of the last one. */
static int count_kind(const struct un_synth_scene *s, int kind, int *class_) {
    int n = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o)
        if ((int)un_synth_classes[s->object[o].class_].kind == kind) {
            *class_ = s->object[o].class_;
            ++n;
        }
    return n;
}

static int only_near(const struct un_synth_scene *s, const struct question *q) {
    int b = un_synth_only(s, q->b), n = 0, found = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects && b >= 0; ++o)
        if (o != b && un_synth_holds(s, q->relation, o, b)) {
            ++n;
            found = s->object[o].class_;
        }
    return n == 1 ? CLASS_0 + found : -1;
}

static int where(const struct un_synth_scene *s, int class_) {
    int o = un_synth_only(s, class_);
    if (o < 0) return -1;
    return CLASS_0 + s->object[s->object[o].on >= 0 ? s->object[o].on : UN_SYNTH_THE_GROUND].class_;
}

static int yes_if(int value) {
    return value < 0 ? -1 : value > 0 ? YES : NO;
}

/* The answer in this scene, -1: none. */
static int right(const struct un_synth_scene *s, const struct question *q) {
    int class_ = 0, seen = un_synth_colour_seen(s, q->a);
    switch (q->ask) {
    case COLOUR: return seen < 0 ? -1 : COLOUR_0 + seen;
    case WHAT_NEAR: return only_near(s, q);
    case WHAT_KIND: return count_kind(s, q->kind, &class_) == 1 ? CLASS_0 + class_ : -1;
    case COUNT: return NUMBER_0 + un_synth_count(s, q->a);
    case COUNT_KIND: return NUMBER_0 + count_kind(s, q->kind, &class_);
    case WHERE: return where(s, q->a);
    case IS_THERE: return yes_if(un_synth_count(s, q->a));
    case IS_COLOURED: return seen < 0 ? -1 : yes_if(seen == q->colour);
    default: return yes_if(un_synth_related(s, q->relation, q->a, q->b));
    }
}

static void wish_for(struct un_synth_draw *d, const struct question *q, struct un_synth_wish *w) {
    int n = q->answer - NUMBER_0;
    switch (q->ask) {
    case COLOUR: un_synth_wish_for(w, q->a, q->answer - COLOUR_0); break;
    case WHERE:
        un_synth_wish_for(w, q->a, -1);
        if (q->b <= UN_SYNTH_LAST_THING)
            un_synth_wish_for(w, q->b, -1);
        else
            w->ground = q->b;
        break;
    case COUNT:
        for (int i = 0; i < n; ++i) un_synth_wish_for(w, q->a, -1);
        break;
    case COUNT_KIND:
        for (int i = 0; i < n; ++i) un_synth_wish_for(w, un_synth_draw_class(d, of_kind, &q->kind), -1);
        break;
    case IS_THERE:
        if (q->answer == YES) un_synth_wish_for(w, q->a, -1);
        break;
    case IS_COLOURED: un_synth_wish_for(w, q->a, q->answer == YES ? q->colour : -1); break;
    default:
        un_synth_wish_for(w, q->a, -1);
        if (q->b > 0) un_synth_wish_for(w, q->b, -1);
    }
}

static void say(const struct question *q, char *text, size_t size) {
    const char *a = un_synth_noun(q->a), *b = un_synth_noun(q->b);
    char colour[24];
    switch (q->ask) {
    case COLOUR: snprintf(text, size, "what colour is the %s?", a); break;
    case WHAT_NEAR: snprintf(text, size, "what is %s the %s?", un_synth_say_relation(q->relation), b); break;
    case WHAT_KIND: snprintf(text, size, "what %s is in the picture?", un_synth_hypernyms[q->kind]); break;
    case COUNT: snprintf(text, size, "how many %s are there?", un_synth_classes[q->a].plural); break;
    case COUNT_KIND:
        snprintf(text, size, "how many %s are there?", un_synth_hypernym_plurals[q->kind]);
        break;
    case WHERE: snprintf(text, size, "where is the %s?", a); break;
    case IS_THERE: snprintf(text, size, "is there %s %s?", un_synth_article(q->a), a); break;
    case IS_COLOURED:
        snprintf(text, size, "is the %s %s?", a, un_synth_say_colour(colour, q->a, q->colour));
        break;
    default: snprintf(text, size, "is the %s %s the %s?", a, un_synth_say_relation(q->relation), b);
    }
}

static bool is_named(const struct question *q, int class_) {
    bool of = q->kind >= 0 && class_ <= UN_SYNTH_LAST_THING && (int)un_synth_classes[class_].kind == q->kind;
    return class_ > 0 && (class_ == q->a || class_ == q->b || of);
}

/* Can both be asked of one scene? */
static bool apart(const struct question *p, const struct question *q) {
    if (p->ask == q->ask || is_named(p, q->a) || is_named(p, q->b)) return false;
    return !is_named(q, p->a) && !is_named(q, p->b) && (p->kind < 0 || p->kind != q->kind);
}

static bool both_right(const struct un_synth_scene *s, const void *context) {
    const struct question *q = context;
    return right(s, &q[0]) == q[0].answer && right(s, &q[1]) == q[1].answer;
}

bool un_synth_pose_vqa(struct un_synth_pose *pose, struct un_synth_try *t) {
    enum { PAIRINGS = 200 };
    struct question q[2] = {draw_question(&t->draw), {0}};
    struct un_synth_wish wish = {0};
    bool good = false;
    for (int i = 0; i < PAIRINGS && !good; ++i) {
        q[1] = draw_question(&t->draw);
        wish = (struct un_synth_wish){0};
        for (int k = 0; k < 2; ++k) wish_for(&t->draw, &q[k], &wish);
        good = apart(&q[0], &q[1]) && wish.things <= t->law.max_objects && un_synth_wish_meets(&wish);
    }
    if (!good || !un_synth_find(pose, t, 0, &wish, both_right, q)) return false;
    for (int k = 0; k < 2; ++k) {
        struct un_synth_asked *asked = &pose->asked[k];
        say(&q[k], asked->text, sizeof asked->text);
        asked->answer = q[k].answer;
        asked->kind = q[k].answer <= NO        ? UN_SYNTH_YES_NO
                      : q[k].answer < COLOUR_0 ? UN_SYNTH_NUMBER
                                               : UN_SYNTH_OTHER;
    }
    return true;
}
