/* Tasks of the micro-world: who reads the scene, and the text as it stands in the file, is always right. The scene is
 * read here on its own: boxes, classes, colours. */
#include "runtime/memory.h"
#include "tests/unit/io/synth/small_tasks.h"

#include <string.h>

/* A text file of a task as it was written. */
struct asked_file {
    struct un_h5 *file;
    int64_t texts, stride;
    char *id;
    int64_t *token_offset, *part_offset;
    int32_t *token, *part, *answer, *label, *rationale;
    char *names;
    int64_t name_stride;
};

static void *column(struct un_h5 *file, const char *name, enum un_type type) {
    struct un_h5_shape shape;
    void *out = NULL;
    if (un_h5_exists(file, name)) expect_ok(un_h5_read_all(file, name, type, &shape, &out));
    return out;
}

static struct asked_file open_asked(const char *task) {
    struct asked_file f = {0};
    char path[1024], form[32];
    int64_t n;
    snprintf(path, sizeof path, "%s/%s_train.txt.h5", made.out, task);
    expect_ok(un_h5_open(&f.file, path, true));
    expect_ok(un_h5_attr_text(f.file, "", "task", form, sizeof form));
    assert_int_equal(strncmp(form, task, strlen(form)), 0); /* re+ has the form of re */
    expect_ok(un_h5_read_texts(f.file, "text_id", &f.texts, &f.stride, &f.id));
    f.token_offset = column(f.file, "token_offset", UN_I64);
    f.part_offset = column(f.file, "part_offset", UN_I64);
    f.token = column(f.file, "token", UN_I32);
    f.part = column(f.file, "part", UN_I32);
    f.answer = column(f.file, "answer_id", UN_I32);
    f.label = column(f.file, "label", UN_I32);
    f.rationale = column(f.file, "rationale", UN_I32);
    if (f.answer) expect_ok(un_h5_read_texts(f.file, "answer_name", &n, &f.name_stride, &f.names));
    return f;
}
static void close_asked(struct asked_file *f) {
    void *all[] = {f->id,     f->token_offset, f->part_offset, f->token, f->part,
                   f->answer, f->label,        f->rationale,   f->names};
    for (size_t i = 0; i < sizeof all / sizeof *all; ++i) un_free(all[i]);
    un_h5_close(f->file);
}

/* Word pieces joined; every word of a task is one piece, plurals apart. */
static void spell(const int32_t *token, int64_t n, char text[256]) {
    size_t at = 0;
    for (int64_t i = 0; i < n; ++i) {
        char person[16];
        snprintf(person, sizeof person, "person_%d", (int)(token[i] - words));
        const char *piece = token[i] < words ? word[token[i]] : person;
        bool inside = strncmp(piece, "##", 2) == 0;
        assert_true(piece[0] != '[');
        if (inside) assert_true(strcmp(piece, "##s") == 0 || strcmp(piece, "##es") == 0);
        at += (size_t)snprintf(text + at, 256 - at, "%s%s", at > 0 && !inside ? " " : "",
                               inside ? piece + 2 : piece);
    }
}

static int class_named(const char *name) {
    for (int c = 1; c < UN_SYNTH_CLASSES; ++c)
        if (strcmp(un_synth_classes[c].name, name) == 0 ||
            (un_synth_classes[c].plural && strcmp(un_synth_classes[c].plural, name) == 0))
            return c;
    return 0;
}
static bool is_of(const struct un_synth_object *o, const char *name) {
    const struct un_synth_class *c = &un_synth_classes[o->class_];
    const char *one = un_synth_hypernyms[c->kind], *many = un_synth_hypernym_plurals[c->kind];
    return o->class_ == class_named(name) || (one && strcmp(one, name) == 0) ||
           (many && strcmp(many, name) == 0);
}
static int count(const struct un_synth_scene *s, const char *name, int *last) {
    int n = 0;
    *last = UN_SYNTH_THE_GROUND;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o)
        if (is_of(&s->object[o], name)) {
            *last = o;
            ++n;
        }
    return n;
}
static const struct un_synth_object *only(const struct un_synth_scene *s, const char *name) {
    int o = 0;
    return count(s, name, &o) == 1 ? &s->object[o] : NULL;
}
static bool has_colour(const struct un_synth_object *o, const char *colour) {
    return o->colour >= 0 && strcmp(un_synth_colours[o->colour], colour) == 0;
}
/* "left", "right", "on" */
static bool stands(const struct un_synth_scene *s, const struct un_synth_object *a, const char *where,
                   const struct un_synth_object *b) {
    enum un_synth_relation r = where[0] == 'l'   ? UN_SYNTH_LEFT_OF
                               : where[0] == 'r' ? UN_SYNTH_RIGHT_OF
                                                 : UN_SYNTH_ON;
    return un_synth_holds(s, r, (int)(a - s->object), (int)(b - s->object));
}

static const char *yes_no(bool yes) {
    return yes ? "yes" : "no";
}

static const char *what_is(const struct un_synth_scene *s, const char *where, const char *name) {
    const char *found = "nothing";
    int n = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o)
        if (stands(s, &s->object[o], where, only(s, name))) {
            found = un_synth_classes[s->object[o].class_].name;
            ++n;
        }
    return n == 1 ? found : "several";
}

static const char *answer_of(const struct un_synth_scene *s, const char *text) {
    static const char *const number[] = {"0", "1", "2", "3"};
    char a[32], b[32], r[32];
    const struct un_synth_object *o;
    int last, n;
    if (sscanf(text, "what colour is the %31s ?", a) == 1) return un_synth_colours[only(s, a)->colour];
    if (sscanf(text, "how many %31s are", a) == 1) return number[count(s, a, &last)];
    if (sscanf(text, "where is the %31s", a) == 1) {
        o = only(s, a);
        return un_synth_classes[s->object[o->on >= 0 ? o->on : UN_SYNTH_THE_GROUND].class_].name;
    }
    if (sscanf(text, "what is on the %31s", b) == 1) return what_is(s, "on", b);
    if (sscanf(text, "what is %31s of the %31s", r, b) == 2) return what_is(s, r, b);
    if (sscanf(text, "what %31s is in the picture", a) == 1) {
        assert_int_equal(count(s, a, &last), 1);
        return un_synth_classes[s->object[last].class_].name;
    }
    if (sscanf(text, "is there %*s %31s", a) == 1) return yes_no(count(s, a, &last) > 0);
    if (sscanf(text, "is the %31s %31s of the %31s%n", a, r, b, &n) == 3)
        return yes_no(stands(s, only(s, a), r, only(s, b)));
    if (sscanf(text, "is the %31s on the %31s", a, b) == 2)
        return yes_no(stands(s, only(s, a), "on", only(s, b)));
    if (sscanf(text, "is the %31s in %31s", a, b) == 2) return yes_no(has_colour(only(s, a), b));
    assert_int_equal(sscanf(text, "is the %31s %31s ?", a, b), 2);
    return yes_no(has_colour(only(s, a), b));
}

static const char *label_of(const struct un_synth_scene *s, const char *text) {
    char a[32], b[32], r[32];
    const struct un_synth_object *p, *q;
    if (sscanf(text, "the %31s is %31s of the %31s", a, r, b) == 3) {
        p = only(s, a);
        q = only(s, b);
        return !p || !q ? "neutral" : stands(s, p, r, q) ? "entailment" : "contradiction";
    }
    if (sscanf(text, "the %31s is in %31s", a, b) != 2)
        assert_int_equal(sscanf(text, "the %31s is %31s", a, b), 2);
    p = only(s, a);
    return !p ? "neutral" : has_colour(p, b) ? "entailment" : "contradiction";
}

static bool is_true(const struct un_synth_scene *left, const struct un_synth_scene *right, const char *text) {
    char a[32], b[32];
    int last;
    if (strstr(text, " has the same ")) {
        sscanf(text, "the %31s", a);
        return only(left, a)->colour == only(right, a)->colour;
    }
    bool there = strncmp(text, "there ", 6) == 0;
    if (!there &&
        (sscanf(text, "the %31s is in %31s in", a, b) == 2 || sscanf(text, "the %31s is %31s in", a, b) == 2))
        return has_colour(only(left, a), b) && has_colour(only(right, a), b);
    if (sscanf(text, "exactly one image shows %*s %31s", a) == 1)
        return (count(left, a, &last) > 0) != (count(right, a, &last) > 0);
    assert_int_equal(sscanf(text, "there is %*s %31s in %*[a-z] %31s", a, b), 2);
    bool in_left = count(left, a, &last) > 0, in_right = count(right, a, &last) > 0;
    return strstr(text, "both") ? in_left && in_right : strstr(text, "left") ? in_left : in_right;
}

/* person_0 is the left one of the people. */
static const struct un_synth_object *person(const struct un_synth_scene *s, const char *text) {
    const struct un_synth_object *p[2];
    int n = 0;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o)
        if (is_of(&s->object[o], "person")) p[n++] = &s->object[o];
    assert_int_equal(n, 2);
    int left = p[0]->box.x1 + p[0]->box.x2 < p[1]->box.x1 + p[1]->box.x2 ? 0 : 1;
    return p[strstr(text, "person_0") ? left : 1 - left];
}

static bool choice_holds(const struct un_synth_scene *s, const char *question, const char *text) {
    char a[32], b[32];
    const struct un_synth_object *asked = person(s, question);
    if (sscanf(text, "person_%*d is in %31s", a) == 1) return has_colour(asked, a);
    if (sscanf(text, "because the %31s is person", a) == 1 && strstr(text, "person")) return is_of(asked, a);
    if (sscanf(text, "because the %31s that is there is %31s", a, b) == 2)
        return only(s, a) && has_colour(only(s, a), b);
    assert_int_equal(sscanf(text, "the %31s is %31s", a, b), 2);
    return only(s, a) && stands(s, only(s, a), b, asked);
}

/* Which thing is meant: of the only two of its class, the one that fits. */
static int meant(const struct un_synth_scene *s, const char *text) {
    char first[32], second[32], third[32] = "";
    int found = -1, two[2] = {0}, n = 0;
    sscanf(text, "the %31s %31s %31s", first, second, third);
    bool attribute = class_named(first) == 0;
    const char *noun = attribute ? second : first;
    for (int o = UN_SYNTH_FIRST_THING; o < s->n_objects; ++o)
        if (is_of(&s->object[o], noun)) {
            assert_true(n < 2);
            two[n++] = o;
        }
    assert_int_equal(n, 2);
    for (int i = 0; i < 2; ++i) {
        const struct un_synth_object *p = &s->object[two[i]], *q = &s->object[two[1 - i]];
        float dx = p->box.x1 + p->box.x2 - q->box.x1 - q->box.x2;
        bool fits = strstr(text, " left")    ? dx < 0
                    : strstr(text, " right") ? dx > 0
                    : strstr(text, " front") ? p->depth < q->depth
                    : strstr(text, " back")  ? p->depth > q->depth
                                             : has_colour(p, attribute ? first : third);
        if (!fits) continue;
        assert_int_equal(found, -1);
        found = two[i];
    }
    return found;
}

static void check_choices(const struct asked_file *f, int64_t row, const struct un_synth_scene *s,
                          const char *question) {
    for (int p = 0; p < UN_SYNTH_PARTS; ++p) {
        const int64_t *at = &f->part_offset[UN_SYNTH_PARTS * row + p];
        char text[256];
        spell(f->part + at[0], at[1] - at[0], text);
        int right = p < UN_SYNTH_CHOICES ? f->label[row] : f->rationale[row] + UN_SYNTH_CHOICES;
        assert_int_equal(choice_holds(s, question, text), p == right);
    }
}

static void check_text(enum un_synth_task task, const struct asked_file *f, int64_t row,
                       const struct un_synth_pose *pose, const struct un_synth_asked *a) {
    const struct un_synth_scene *s = &pose->scene[a->scene];
    const char *name = f->answer ? f->names + f->answer[row] * f->name_stride : "";
    char text[256];
    spell(f->token + f->token_offset[row], f->token_offset[row + 1] - f->token_offset[row], text);
    switch (task) {
    case UN_SYNTH_VQA: assert_string_equal(answer_of(s, text), name); break;
    case UN_SYNTH_VE: assert_string_equal(label_of(s, text), name); break;
    case UN_SYNTH_NLVR2: assert_int_equal(is_true(s, &pose->scene[a->second], text), f->label[row]); break;
    case UN_SYNTH_VCR: check_choices(f, row, s, text); break;
    default: assert_int_equal(s->region[f->label[row]].object, meant(s, text));
    }
}

static void who_reads_the_scene_is_right(void **state) {
    (void)state;
    const struct un_synth_law law = {
        (int)made.min_objects,  (int)made.max_objects, (int)made.min_background, (int)made.max_background,
        (float)made.duplicates, (float)made.faint,     (float)made.noise};
    struct un_synth_pose *pose = un_alloc(1, sizeof *pose, "a pose");
    for (int t = 0; t < UN_SYNTH_RETRIEVAL; ++t) {
        struct asked_file f = open_asked(un_synth_task_names[t]);
        int scenes, texts;
        un_synth_pose_size((enum un_synth_task)t, &scenes, &texts);
        assert_int_equal(f.texts, IMAGES / scenes * texts);
        for (int64_t row = 0; row < f.texts; ++row) {
            if (row % texts == 0)
                expect_ok(un_synth_pose(pose, (enum un_synth_task)t, &law, (uint64_t)made.seed, 0,
                                        (uint32_t)(row / texts)));
            check_text((enum un_synth_task)t, &f, row, pose, &pose->asked[row % texts]);
        }
        close_asked(&f);
    }
    un_free(pose);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_reads_the_scene_is_right)};
    return cmocka_run_group_tests(tests, make_tasks, remove_tasks);
}
