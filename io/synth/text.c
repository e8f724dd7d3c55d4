/* Templates and how they are filled. A template is words and marks:
 *   %S %O  the subject, the other thing, with article       %s %o  the same without
 *   %b     is / are, by the subject                         %V     the subject's state where it is a verb
 *   %R     a relation that holds between the two            %G %B  ground, backdrop
 * A template is used where all its marks can be filled and its conditions hold. The last one of each style
 * always fits. */
#include "io/synth/text.h"
#include "runtime/status.h"
#include <string.h>

const char *const un_synth_set_names[UN_SYNTH_SETS] = {"coco", "vg", "cc", "sbu"};

/* Conditions of a template. */
enum {
    LAND = 1 /* subject stands on the ground */,
    BOTH = 2 /* so does the other */,
    AIR = 4,
    SOLID = 8 /* no sky */,
    SKY = 16
};

struct template {
    const char *text;
    float weight;
    int needs;
};
enum { MAX_TEMPLATES = 10 };
static const struct template templates[UN_SYNTH_SETS][MAX_TEMPLATES] = {
    [UN_SYNTH_COCO] = {{"%S %b %V on the %G", 3, LAND},
                       {"%S %b %V %R %O", 4, 0},
                       {"%S %b %R %O", 2, 0},
                       {"there %b %S %R %O", 2, 0},
                       {"%S and %O on the %G", 2, LAND | BOTH},
                       {"%S %b %V over the %G", 2, AIR},
                       {"%S %b %V in the %B", 3, AIR | SKY},
                       {"%S %b in front of the %B", 2, LAND | SOLID},
                       {"there %b %S on the %G", 1, LAND},
                       {"a picture of %S", 0.2f, 0}},
    [UN_SYNTH_VG] = {{"%s %V", 2, 0},
                     {"%s on %G", 2, LAND},
                     {"%s %V on %G", 2, LAND},
                     {"%s %R %o", 4, 0},
                     {"%B behind %s", 1, LAND | SOLID},
                     {"%s %V in %B", 2, AIR | SKY},
                     {"%s over %G", 1, AIR},
                     {"%s", 2, 0}},
    [UN_SYNTH_CC] = {{"photo of %S on the %G", 2, LAND},
                     {"%s and %o on the %G", 2, LAND | BOTH},
                     {"%S %R %O", 3, 0},
                     {"stock photo : %s %R %o", 1, 0},
                     {"close up of %S %V on the %G", 2, LAND},
                     {"%s %V in the clear %B", 3, AIR | SKY},
                     {"view of %S and %O", 1, 0},
                     {"%S with the %B in the background", 2, 0}},
    [UN_SYNTH_SBU] = {{"i saw %S %R %O on our trip", 3, 0},
                      {"my %s %V on the %G this morning", 2, LAND},
                      {"here %b my %s and %O", 1, 0},
                      {"look at %S %V in front of the %B", 2, LAND | SOLID},
                      {"took this picture of %S and %O last summer", 2, 0},
                      {"%S %b %R %O , so cute !", 2, 0},
                      {"we found %S on the %G near our house", 2, LAND},
                      {"%S %V over the %G this morning", 3, AIR},
                      {"this is %S i like", 0.5f, 0}},
};

/* How a style speaks of a thing: probabilities, and its words for small and large. */
struct manner {
    float colour, size, state, hypernym, rare, wrong;
    const char *little, *large, *joiner, *end;
};
static const struct manner manners[UN_SYNTH_SETS] = {
    [UN_SYNTH_COCO] = {0.85f, 0.60f, 0.5f, 0, 0, 0, "small", "large", "and", "."},
    [UN_SYNTH_VG] = {0.90f, 0.50f, 0.5f, 0, 0, 0, "small", "big", ",", NULL},
    [UN_SYNTH_CC] = {0.60f, 0.30f, 0.3f, 0.25f, 0, 0, "little", "large", "and", NULL},
    [UN_SYNTH_SBU] = {0.65f, 0.35f, 0.3f, 0.10f, 0.35f, 0.1f, "tiny", "huge", "and", NULL},
};

enum { MAX_PHRASES = 3 };
static const char *const phrases[UN_SYNTH_RELATIONS][MAX_PHRASES] = {
    [UN_SYNTH_ON] = {"on", "on top of"},
    [UN_SYNTH_IN_FRONT_OF] = {"in front of"},
    [UN_SYNTH_BEHIND] = {"behind"},
    [UN_SYNTH_ABOVE] = {"above", "over"},
    [UN_SYNTH_BELOW] = {"below", "under"},
    [UN_SYNTH_NEXT_TO] = {"next to", "beside", "near"},
    [UN_SYNTH_LEFT_OF] = {"left of", "to the left of"},
    [UN_SYNTH_RIGHT_OF] = {"right of", "to the right of"},
};
static const float relation_liking[UN_SYNTH_RELATIONS] = {6, 2, 2, 3, 3, 2, 1, 1};
static const char *const small_words[] = {"a", "an", "some", "two", "in", "is", "are"};

/* One caption in the making. */
struct talk {
    struct un_synth_caption *out;
    const struct un_synth_scene *scene;
    struct un_synth_draw *draw;
    const struct manner *manner;
    int subject, other, relation; /* -1: none */
};

static void say(struct talk *t, const char *word, size_t length, int object) {
    if (t->out->n == UN_SYNTH_MAX_WORDS) return; /* room for all clauses is left by un_synth_caption */
    UN_ASSERT(length < UN_SYNTH_MAX_WORD);
    struct un_synth_said *w = &t->out->word[t->out->n++];
    memcpy(w->text, word, length);
    w->text[length] = '\0';
    w->object = object;
    w->pair = object >= 0 && t->scene->object[object].twin >= 0;
}
static void say_word(struct talk *t, const char *word, int object) {
    say(t, word, strlen(word), object);
}
static void say_phrase(struct talk *t, const char *phrase) {
    while (*phrase != '\0') {
        size_t n = strcspn(phrase, " ");
        say(t, phrase, n, -1);
        phrase += n + (phrase[n] == ' ');
    }
}

static const char *choose_noun(struct talk *t, const struct un_synth_object *o) {
    const struct un_synth_class *c = &un_synth_classes[o->class_];
    bool pair = o->twin >= 0;
    const char *cover = pair ? un_synth_hypernym_plurals[c->kind] : un_synth_hypernyms[c->kind];
    float u = un_synth_unit(t->draw);
    if (cover != NULL && u < t->manner->hypernym) return cover;
    if (c->rare != NULL && !pair && u > 1 - t->manner->rare) return c->rare;
    return pair ? c->plural : c->name;
}

static const char *article_for(const char *noun, const char *next) {
    bool mass = noun == un_synth_hypernyms[UN_SYNTH_FOOD] || noun == un_synth_hypernyms[UN_SYNTH_FURNITURE];
    return mass ? "some" : strchr("aeiou", next[0]) != NULL ? "an" : "a";
}

/* "a small wooden red chair", "two men in blue". */
static void say_thing(struct talk *t, int object, bool article) {
    const struct un_synth_object *o = &t->scene->object[object];
    const struct manner *m = t->manner;
    bool person = un_synth_classes[o->class_].kind == UN_SYNTH_PERSON;
    const char *noun = choose_noun(t, o);
    const char *colour = NULL, *size = NULL, *state = NULL;
    int colour_of = object;
    if (un_synth_chance(t->draw, m->colour) && o->colour >= 0) colour = un_synth_colours[o->colour];
    if (un_synth_chance(t->draw, m->wrong) && colour != NULL) {
        colour =
            un_synth_colours[(o->colour + un_synth_int(t->draw, 1, UN_SYNTH_COLOURS - 1)) % UN_SYNTH_COLOURS];
        colour_of = -1;
    }
    if (un_synth_chance(t->draw, m->size) && o->size != UN_SYNTH_MEDIUM)
        size = o->size == UN_SYNTH_LITTLE ? m->little : m->large;
    if (un_synth_chance(t->draw, m->state) && o->state >= 0 && !un_synth_state_is_verb(o->state))
        state = un_synth_states[o->state];
    bool stuff =
        state != NULL && un_synth_state_is_stuff(o->state); /* "red wooden chair" but "old red chair" */
    const char *before = state != NULL && !stuff ? state : colour != NULL && !person ? colour : state;
    const char *first = size != NULL ? size : before != NULL ? before : noun;
    if (o->twin >= 0)
        say_word(t, "two", -1);
    else if (article)
        say_word(t, article_for(noun, first), -1);
    if (size != NULL) say_word(t, size, object);
    if (state != NULL && !stuff) say_word(t, state, object);
    if (colour != NULL && !person) say_word(t, colour, colour_of);
    if (stuff) say_word(t, state, object);
    say_word(t, noun, object);
    if (colour == NULL || !person) return;
    say_word(t, "in", -1);
    say_word(t, colour, colour_of);
}

static void say_relation(struct talk *t) {
    int n = 0;
    while (n < MAX_PHRASES && phrases[t->relation][n] != NULL) ++n;
    say_phrase(t, phrases[t->relation][un_synth_int(t->draw, 0, n - 1)]);
}

static void say_mark(struct talk *t, char mark) {
    const struct un_synth_object *subject = &t->scene->object[t->subject];
    switch (mark) {
    case 'S': say_thing(t, t->subject, true); break;
    case 's': say_thing(t, t->subject, false); break;
    case 'O': say_thing(t, t->other, true); break;
    case 'o': say_thing(t, t->other, false); break;
    case 'b': say_word(t, subject->twin >= 0 ? "are" : "is", -1); break;
    case 'V': say_word(t, un_synth_states[subject->state], t->subject); break;
    case 'R': say_relation(t); break;
    case 'G':
        say_word(t, un_synth_classes[t->scene->object[UN_SYNTH_THE_GROUND].class_].name, UN_SYNTH_THE_GROUND);
        break;
    case 'B':
        say_word(t, un_synth_classes[t->scene->object[UN_SYNTH_THE_BACKDROP].class_].name,
                 UN_SYNTH_THE_BACKDROP);
        break;
    default: UN_ASSERT(!"known mark");
    }
}

static bool flies(const struct un_synth_object *o) {
    return un_synth_classes[o->class_].spot == UN_SYNTH_FLIES;
}
static bool lands(const struct un_synth_object *o) {
    return !flies(o) && o->on < 0;
}

static bool fits(const struct talk *t, const struct template *m) {
    const struct un_synth_object *subject = &t->scene->object[t->subject];
    bool sky = strcmp(un_synth_classes[t->scene->object[UN_SYNTH_THE_BACKDROP].class_].name, "sky") == 0;
    if (strchr(m->text, 'R') != NULL && t->relation < 0) return false;
    if ((strchr(m->text, 'O') != NULL || strstr(m->text, "%o") != NULL) && t->other < 0) return false;
    if (strchr(m->text, 'V') != NULL && !un_synth_state_is_verb(subject->state)) return false;
    if ((m->needs & LAND) != 0 && !lands(subject)) return false;
    if ((m->needs & BOTH) != 0 && !lands(&t->scene->object[t->other])) return false;
    if ((m->needs & AIR) != 0 && !flies(subject)) return false;
    if ((m->needs & SOLID) != 0 && sky) return false;
    return (m->needs & SKY) == 0 || sky;
}

/* The other thing: one that stands in a relation to the subject if there is any, else any but its twin. */
static void choose_other(struct talk *t) {
    float weight[UN_SYNTH_MAX_OBJECTS * UN_SYNTH_RELATIONS] = {0}, any[UN_SYNTH_MAX_OBJECTS] = {0};
    const struct un_synth_scene *s = t->scene;
    bool related = false, other = false;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o) {
        if (o == t->subject || o == s->object[t->subject].twin) continue;
        any[o] = 1;
        other = true;
        if (s->object[o].twin >= 0 || s->object[t->subject].twin >= 0) continue;
        for (int r = 0; r < UN_SYNTH_RELATIONS; ++r)
            if (un_synth_holds(s, (enum un_synth_relation)r, t->subject, o)) {
                weight[o * UN_SYNTH_RELATIONS + r] = relation_liking[r];
                related = true;
            }
    }
    t->other = t->relation = -1;
    if (related) {
        int at = un_synth_pick(t->draw, weight, UN_SYNTH_MAX_OBJECTS * UN_SYNTH_RELATIONS);
        t->other = at / UN_SYNTH_RELATIONS;
        t->relation = at % UN_SYNTH_RELATIONS;
    } else if (other) {
        t->other = un_synth_pick(t->draw, any, UN_SYNTH_MAX_OBJECTS);
    }
}

/* Captions of retrieval have the style of coco. */
static enum un_synth_set style_of(const struct un_synth_scene *s) {
    return s->place.set < UN_SYNTH_SETS ? (enum un_synth_set)s->place.set : UN_SYNTH_COCO;
}

static void say_clause(struct talk *t) {
    const struct template *style = templates[style_of(t->scene)];
    float weight[MAX_TEMPLATES] = {0};
    for (int i = 0; i < MAX_TEMPLATES && style[i].text != NULL; ++i)
        weight[i] = fits(t, &style[i]) ? style[i].weight : 0;
    for (const char *at = style[un_synth_pick(t->draw, weight, MAX_TEMPLATES)].text; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (at[0] == '%')
            say_mark(t, at[1]);
        else
            say(t, at, n, -1);
        at += n + (at[n] == ' ');
    }
}

/* A thing no clause of this caption was about yet, while there is one. */
static int choose_subject(struct talk *t, bool *spoken) {
    float weight[UN_SYNTH_MAX_OBJECTS] = {0};
    bool left = false;
    for (int o = UN_SYNTH_FIRST_THING; o < t->scene->n_objects; ++o) {
        weight[o] = spoken[o] ? 0 : 1;
        left |= !spoken[o];
    }
    for (int o = UN_SYNTH_FIRST_THING; o < t->scene->n_objects && !left; ++o) weight[o] = 1;
    return un_synth_pick(t->draw, weight, UN_SYNTH_MAX_OBJECTS);
}

void un_synth_caption(struct un_synth_caption *caption, const struct un_synth_scene *scene, int number,
                      double scale) {
    enum { LONGEST_CLAUSE = 24 };
    struct un_synth_draw draw = un_synth_draw(&scene->place, UN_SYNTH_CAPTION, (uint32_t)number);
    struct talk t = {.out = caption, .scene = scene, .draw = &draw, .manner = &manners[style_of(scene)]};
    bool spoken[UN_SYNTH_MAX_OBJECTS] = {false};
    int clauses = (int)scale + un_synth_chance(&draw, (float)(scale - (int)scale));
    caption->n = 0;
    for (int i = 0; i < clauses && caption->n + LONGEST_CLAUSE < UN_SYNTH_MAX_WORDS; ++i) {
        if (i > 0) say_word(&t, t.manner->joiner, -1);
        t.subject = choose_subject(&t, spoken);
        choose_other(&t);
        spoken[t.subject] = true;
        if (scene->object[t.subject].twin >= 0) spoken[scene->object[t.subject].twin] = true;
        say_clause(&t);
    }
    if (t.manner->end != NULL) say_word(&t, t.manner->end, -1);
}

size_t un_synth_sentence(const struct un_synth_caption *caption, char *text) {
    size_t at = 0;
    for (int i = 0; i < caption->n; ++i) {
        const char *word = caption->word[i].text;
        bool glued = strchr(",.!", word[0]) != NULL;
        if (i > 0 && !glued) {
            if (text != NULL) text[at] = ' ';
            ++at;
        }
        size_t n = strlen(word);
        if (text != NULL) memcpy(text + at, word, n);
        at += n;
    }
    return at;
}

static void each_of(const char *text, void (*put)(void *, const char *, size_t), void *context) {
    while (text != NULL && *text != '\0') {
        size_t n = strcspn(text, " ");
        if (text[0] != '%') put(context, text, n);
        text += n + (text[n] == ' ');
    }
}

/* A plural that is its singular and an ending is left to the word pieces. */
static void each_noun(const char *one, const char *many, void (*put)(void *, const char *, size_t),
                      void *context) {
    each_of(one, put, context);
    if (one == NULL || many == NULL || strncmp(one, many, strlen(one)) != 0) each_of(many, put, context);
}

void un_synth_each_word(void (*put)(void *context, const char *word, size_t length), void *context) {
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c)
        each_noun(un_synth_classes[c].name, un_synth_classes[c].plural, put, context);
    for (int k = 0; k < UN_SYNTH_KINDS; ++k)
        each_noun(un_synth_hypernyms[k], un_synth_hypernym_plurals[k], put, context);
    for (int i = 0; i < UN_SYNTH_COLOURS; ++i) each_of(un_synth_colours[i], put, context);
    for (int i = 0; i < UN_SYNTH_STATES; ++i) each_of(un_synth_states[i], put, context);
    for (int r = 0; r < UN_SYNTH_RELATIONS; ++r)
        for (int i = 0; i < MAX_PHRASES; ++i) each_of(phrases[r][i], put, context);
    for (size_t i = 0; i < sizeof small_words / sizeof *small_words; ++i)
        each_of(small_words[i], put, context);
    for (int s = 0; s < UN_SYNTH_SETS; ++s) {
        const struct manner *m = &manners[s];
        const char *own[] = {m->little, m->large, m->joiner, m->end};
        for (int i = 0; i < 4; ++i) each_of(own[i], put, context);
        for (int i = 0; i < MAX_TEMPLATES; ++i) each_of(templates[s][i].text, put, context);
    }
}
