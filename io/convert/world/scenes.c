/* Captions into scenes: which objects a scene has, and which of them each word speaks of.
 *
 * Mentions of one caption with different attributes are different objects; in another caption of the scene
 * they are sought again among its objects of the class, the one with most attributes in common first. */
#include "io/convert/world/private.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct of_image {
    const char *id;
    int64_t text;
};

static int by_image(const void *a, const void *b) {
    const struct of_image *p = a, *q = b;
    int c = strcmp(p->id, q->id);
    return c ? c : (p->text > q->text) - (p->text < q->text);
}

/* Gives every text the number of its scene, scenes numbered by their first text. */
static enum un_status number_scenes(struct un_captions_world *w) {
    struct of_image *list = un_alloc((size_t)w->texts, sizeof *list, "captions by image");
    if (!list) return UN_MEMORY;
    for (int64_t t = 0; t < w->texts; ++t) list[t] = (struct of_image){w->text[t].image_id, t};
    qsort(list, (size_t)w->texts, sizeof *list, by_image);
    for (int64_t i = 0, first = 0; i < w->texts; ++i) { /* for now the number of the scene's first text */
        if (i > 0 && strcmp(list[i].id, list[i - 1].id) != 0) first = i;
        w->text[list[i].text].scene = list[first].text;
    }
    un_free(list);
    for (int64_t t = 0; t < w->texts; ++t)
        w->text[t].scene = w->text[t].scene == t ? w->scenes++ : w->text[w->text[t].scene].scene;
    return UN_OK;
}

static enum un_status list_by_scene(struct un_captions_world *w) {
    w->scene = un_alloc((size_t)w->scenes, sizeof *w->scene, "scenes of captions");
    w->by_scene = un_alloc((size_t)w->texts, sizeof *w->by_scene, "captions by scene");
    if (!w->scene || !w->by_scene) return UN_MEMORY;
    for (int64_t t = 0; t < w->texts; ++t) ++w->scene[w->text[t].scene].texts;
    for (int64_t s = 1; s < w->scenes; ++s) w->scene[s].text = w->scene[s - 1].text + w->scene[s - 1].texts;
    for (int64_t s = 0; s < w->scenes; ++s) w->scene[s].texts = 0;
    for (int64_t t = 0; t < w->texts; ++t) {
        struct un_captions_scene *s = &w->scene[w->text[t].scene];
        w->by_scene[s->text + s->texts++] = t;
    }
    return UN_OK;
}

/* ---- objects ---- */

static bool has_attribute(const struct un_scene_object *o, int attribute) {
    for (int i = 0; i < o->attributes; ++i)
        if (o->attribute[i] == attribute) return true;
    return false;
}

static int shared(const struct un_scene_object *o, const struct un_mention *m) {
    int n = 0;
    for (int i = 0; i < m->attributes; ++i) n += has_attribute(o, m->attribute[i]);
    return n;
}

static bool same_words(const struct un_mention *a, const struct un_mention *b) {
    if (a->class_ != b->class_ || a->attributes != b->attributes) return false;
    for (int i = 0; i < a->attributes; ++i)
        if (a->attribute[i] != b->attribute[i]) return false;
    return true;
}

/* The free object of the class that fits best, or a new one; -1: the scene is full. */
static int take_object(struct un_scene_object *object, int *n, const struct un_mention *m, uint64_t taken) {
    int best = -1;
    for (int o = 0; o < *n; ++o)
        if (object[o].class_ == m->class_ && !(taken >> o & 1) &&
            (best < 0 || shared(&object[o], m) > shared(&object[best], m)))
            best = o;
    if (best < 0 && *n < UN_SCENE_OBJECTS) {
        best = (*n)++;
        object[best] = (struct un_scene_object){.class_ = m->class_};
    }
    for (int i = 0; i < m->attributes && best >= 0; ++i)
        if (!has_attribute(&object[best], m->attribute[i]) && object[best].attributes < UN_MENTION_ATTRIBUTES)
            object[best].attribute[object[best].attributes++] = m->attribute[i];
    return best;
}

/* The objects of one caption's mentions: those with attributes first, each kind its own objects. */
static void place(struct un_captions_world *w, struct un_said *said, int n, struct un_scene_object *object,
                  int *objects) {
    uint64_t taken = 0;
    for (int i = 0; i < n; ++i) {
        const struct un_mention *m = &said[i].mention;
        if (m->attributes == 0) continue;
        for (int j = 0; j < i && said[i].objects == 0; ++j)
            if (same_words(&said[j].mention, m)) said[i].objects = said[j].objects;
        for (int k = __builtin_popcountll(said[i].objects); k < m->count; ++k) {
            int o = take_object(object, objects, m, taken);
            w->counts.crowded += o < 0;
            if (o < 0) break;
            said[i].objects |= (uint64_t)1 << o;
            taken |= (uint64_t)1 << o;
        }
    }
    for (int i = 0; i < n; ++i) {
        const struct un_mention *m = &said[i].mention;
        if (m->attributes > 0) continue;
        uint64_t mine = 0;
        for (int k = 0; k < m->count; ++k) {
            int o = take_object(object, objects, m, mine);
            w->counts.crowded += o < 0;
            if (o < 0) break;
            mine |= (uint64_t)1 << o;
        }
    }
}

struct scratch {
    struct un_words words;
    struct un_mention mention[UN_CAPTION_MENTIONS];
    int32_t token[UN_CAPTION_PIECES];
    struct un_piece_ranges ranges[UN_CAPTION_MENTIONS];
};

static enum un_status room(void **array, int64_t *room, int64_t used, int64_t more, size_t size,
                           const char *what) {
    if (used + more <= *room) return UN_OK;
    int64_t want = *room + *room / 2 + more + 1024;
    UN_TRY(un_grow(array, (size_t)*room, (size_t)want, size, what));
    *room = want;
    return UN_OK;
}

static enum un_status name_objects(struct un_captions_world *w, struct un_captions_text *text,
                                   struct scratch *s, struct un_scene_object *object, int *objects) {
    int64_t tokens;
    un_words_cut(&s->words, text->sentence, (size_t)text->bytes);
    int n = un_captions_match(w->classes, w->attributes, &s->words, (int)w->keys->most_alike, s->mention,
                              UN_CAPTION_MENTIONS);
    void *said = w->said;
    UN_TRY(room(&said, &w->said_room, w->saids, n, sizeof *w->said, "mentions"));
    w->said = said;
    struct un_said *mine = w->said + w->saids;
    for (int i = 0; i < n; ++i) mine[i] = (struct un_said){.mention = s->mention[i]};
    if (n > 0 && !un_captions_pieces(w->wordpiece, text->sentence, text->bytes, mine, n, s->token, &tokens,
                                     s->ranges)) {
        ++w->counts.torn;
        n = 0;
    }
    place(w, mine, n, object, objects);
    text->said = w->saids;
    text->saids = n;
    w->saids += n;
    for (int i = 0; i < n; ++i) ++w->seen[mine[i].mention.class_];
    return UN_OK;
}

static enum un_status name_scene(struct un_captions_world *w, struct un_captions_scene *scene,
                                 struct scratch *s) {
    struct un_scene_object object[UN_SCENE_OBJECTS];
    int objects = 0;
    for (int64_t i = 0; i < scene->texts; ++i)
        UN_TRY(name_objects(w, &w->text[w->by_scene[scene->text + i]], s, object, &objects));
    if (objects == 0) {
        w->counts.unnamed += scene->texts;
        return UN_OK;
    }
    void *all = w->object;
    UN_TRY(room(&all, &w->object_room, w->objects, objects, sizeof *w->object, "objects of scenes"));
    w->object = all;
    memcpy(w->object + w->objects, object, (size_t)objects * sizeof *object);
    scene->object = w->objects;
    scene->objects = objects;
    w->objects += objects;
    return UN_OK;
}

enum un_status un_captions_build(struct un_captions_world *w) {
    UN_TRY(number_scenes(w));
    UN_TRY(list_by_scene(w));
    w->seen = un_alloc((size_t)un_names_count(w->classes) + 1, sizeof *w->seen, "mentions of classes");
    struct scratch *s = un_alloc(1, sizeof *s, "one caption");
    enum un_status status = w->seen && s ? UN_OK : UN_MEMORY;
    for (int64_t i = 0; i < w->scenes && status == UN_OK; ++i) status = name_scene(w, &w->scene[i], s);
    un_free(s);
    if (status == UN_OK && w->objects == 0)
        return un_fail(UN_DATA, "%s: none of its %lld captions names a class of %s", w->keys->captions,
                       (long long)w->texts, w->keys->classes);
    return status;
}

/* ---- the split ---- */

struct of_hash {
    uint64_t hash;
    int64_t scene;
};
static int by_hash(const void *a, const void *b) {
    const struct of_hash *p = a, *q = b;
    int c = (p->hash > q->hash) - (p->hash < q->hash);
    return c ? c : (p->scene > q->scene) - (p->scene < q->scene);
}

enum un_status un_captions_split(struct un_captions_world *w) {
    if (w->keys->valid <= 0) return UN_OK;
    int64_t n = 0;
    struct of_hash *list = un_alloc((size_t)w->scenes, sizeof *list, "scenes to split");
    if (!list) return UN_MEMORY;
    for (int64_t s = 0; s < w->scenes; ++s) {
        if (w->scene[s].objects == 0) continue;
        const char *id = w->text[w->by_scene[w->scene[s].text]].image_id;
        list[n++] = (struct of_hash){XXH3_64bits_withSeed(id, strlen(id), (uint64_t)w->keys->seed), s};
    }
    qsort(list, (size_t)n, sizeof *list, by_hash);
    int64_t held = (int64_t)(w->keys->valid * (double)n + 0.5);
    if (held == 0) held = 1;
    enum un_status status = UN_OK;
    if (held >= n)
        status = un_fail(UN_USAGE, "valid=%.9g of %lld scenes leaves none to train on", w->keys->valid,
                         (long long)n);
    for (int64_t i = 0; i < held && status == UN_OK; ++i) w->scene[list[i].scene].valid = true;
    un_free(list);
    return status;
}

void un_captions_world_close(struct un_captions_world *w) {
    for (int64_t i = 0; i < w->pools; ++i) un_free(w->pool[i]);
    un_free(w->pool);
    un_free(w->text);
    un_free(w->said);
    un_free(w->scene);
    un_free(w->by_scene);
    un_free(w->object);
    un_free(w->seen);
    un_names_close(w->classes);
    un_names_close(w->attributes);
    un_wordpiece_close(w->wordpiece);
    *w = (struct un_captions_world){0};
}
