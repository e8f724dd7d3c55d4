/* The command: keys, their checks, the files (all of them or none), the summary. */
#include "io/convert/world/world.h"
#include "io/convert/image/sink.h"
#include "io/convert/world/private.h"
#include "io/disk/files.h"
#include "runtime/clock.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

static const struct un_key keys_of_captions[] = {
    UN_KEY_PATH(un_captions_keys, captions, UN_REQUIRED, "",
                "captions: one a line, or image id, tab, caption; or a *.txt.h5 with sentences"),
    UN_KEY_PATH(un_captions_keys, classes, UN_REQUIRED, "",
                "names of the detector's classes: line n is class n, synonyms by commas"),
    UN_KEY_PATH(un_captions_keys, attributes, "\"\"", "",
                "names of attributes, in the same form; none: no attributes"),
    UN_KEY_PATH(un_captions_keys, vocab, UN_REQUIRED, "", "WordPiece vocabulary file"),
    UN_KEY_BOOL(un_captions_keys, own_scenes, "false",
                "a scene for every caption, even where captions share an image"),
    UN_KEY_FLOAT(un_captions_keys, valid, "0.05", 0, 0.9, "",
                 "share of the scenes that are for validation; 0: no such files"),
    UN_KEY_INT(un_captions_keys, seed, "1", 0, 9007199254740992.0, "",
               "another seed: other features, boxes, distractors, split"),
    UN_KEY_INT(un_captions_keys, img_dim, "256", 4, 65536, "", "width of a region's feature"),
    UN_KEY_INT(un_captions_keys, img_label_dim, "0", 0, 65536, "",
               "classes of a soft label with the background; 0: the classes and one"),
    UN_KEY_INT(un_captions_keys, most_alike, "4", 1, 16, "objects",
               "most objects that one mention (\"ten dogs\") stands for"),
    UN_KEY_INT(un_captions_keys, max_txt_len, "60", 0, 4096, "pieces",
               "longer captions are left out and counted; 0: none are"),
    UN_KEY_INT(un_captions_keys, min_distractors, "2", 0, UN_SCENE_DISTRACTORS, "objects",
               "fewest objects that no caption names"),
    UN_KEY_INT(un_captions_keys, max_distractors, "5", 0, UN_SCENE_DISTRACTORS, "objects",
               "most objects that no caption names"),
    UN_KEY_FLOAT(un_captions_keys, duplicates, "0.25", 0, 1, "",
                 "probability that an object is detected twice"),
    UN_KEY_INT(un_captions_keys, min_background, "0", 0, UN_SCENE_CLUTTER, "regions",
               "fewest regions that show no object"),
    UN_KEY_INT(un_captions_keys, max_background, "2", 0, UN_SCENE_CLUTTER, "regions",
               "most regions that show no object"),
    UN_KEY_FLOAT(un_captions_keys, faint, "0.25", 0, 1, "",
                 "share of the background regions with confidence under 0.2"),
    UN_KEY_FLOAT(un_captions_keys, noise, "0.5", 0, 10, "",
                 "standard deviation of the feature noise (prototypes: 1); also how alike classes may look"),
    UN_KEY_INT(un_captions_keys, threads, "0", 0, 1024, "threads", "0: as many as the process may use"),
    UN_KEY_BOOL(un_captions_keys, quiet, "false", "neither progress nor summary"),
};
const struct un_key_table un_captions_key_table = UN_KEY_TABLE("", un_captions_keys, keys_of_captions);

/* Every file of a run, so that it can refuse before it starts and clean up after a failure. */
enum target { TRAIN_IMAGES, TRAIN_TEXTS, VOCAB, CLASSES, VALID_IMAGES, VALID_TEXTS, TARGETS };
static const char *const names[TARGETS] = {[TRAIN_IMAGES] = "captions_train.img.h5",
                                           [TRAIN_TEXTS] = "captions_train.txt.h5",
                                           [VOCAB] = "vocab.txt",
                                           [CLASSES] = "classes.txt",
                                           [VALID_IMAGES] = "captions_valid.img.h5",
                                           [VALID_TEXTS] = "captions_valid.txt.h5"};
struct run {
    const struct un_captions_keys *keys;
    struct un_captions_world world;
    char path[TARGETS][UN_PATH_MAX];
    int targets; /* without validation the last two are not made */
    int64_t texts[2], tokens[2];
};

static enum un_status check_order(const char *least, int64_t a, const char *most, int64_t b) {
    return a <= b
               ? UN_OK
               : un_fail(UN_USAGE, "%s=%lld is more than %s=%lld", least, (long long)a, most, (long long)b);
}

static enum un_status list_targets(struct run *r) {
    const struct un_captions_keys *k = r->keys;
    struct stat found;
    UN_TRY(check_order("min_distractors", k->min_distractors, "max_distractors", k->max_distractors));
    UN_TRY(check_order("min_background", k->min_background, "max_background", k->max_background));
    r->targets = k->valid > 0 ? TARGETS : VALID_IMAGES;
    for (int i = 0; i < r->targets; ++i) {
        UN_TRY(un_files_join(r->path[i], k->out, names[i]));
        if (lstat(r->path[i], &found) == 0)
            return un_fail(UN_USAGE, "%s exists: nothing is overwritten; remove it or name another folder",
                           r->path[i]);
    }
    return UN_OK;
}

/* Everything that shapes the data goes into the digest: a half-written file is gone on with only by the same
 * command. */
static enum un_status open_world(struct run *r) {
    struct un_captions_world *w = &r->world;
    const struct un_captions_keys *k = w->keys = r->keys;
    UN_TRY(un_names_open(&w->classes, k->classes, true));
    if (k->attributes[0]) UN_TRY(un_names_open(&w->attributes, k->attributes, false));
    UN_TRY(un_wordpiece_open(&w->wordpiece, k->vocab, UN_WORDPIECE_AUTO));
    int classes = un_names_count(w->classes);
    w->img_label_dim = k->img_label_dim ? k->img_label_dim : classes + 1;
    if (w->img_label_dim <= classes)
        return un_fail(UN_USAGE,
                       "img_label_dim=%lld is too few: %s has %d classes, and the background is one",
                       (long long)w->img_label_dim, k->classes, classes);
    const double numbers[] = {(double)k->own_scenes,
                              k->valid,
                              (double)k->seed,
                              (double)k->img_dim,
                              (double)w->img_label_dim,
                              (double)k->most_alike,
                              (double)k->max_txt_len,
                              (double)k->min_distractors,
                              (double)k->max_distractors,
                              k->duplicates,
                              (double)k->min_background,
                              (double)k->max_background,
                              k->faint,
                              k->noise};
    w->digest = XXH3_64bits(numbers, sizeof numbers);
    for (int id = 1; id <= classes; ++id)
        w->digest = XXH3_64bits_withSeed(un_names_line(w->classes, id), strlen(un_names_line(w->classes, id)),
                                         w->digest);
    for (int id = 1; w->attributes && id <= un_names_count(w->attributes); ++id)
        w->digest = XXH3_64bits_withSeed(un_names_line(w->attributes, id),
                                         strlen(un_names_line(w->attributes, id)), w->digest);
    UN_TRY(un_captions_read(w));
    UN_TRY(un_captions_build(w));
    UN_TRY(un_captions_split(w));
    w->digest = XXH3_64bits_withSeed(w->object, (size_t)w->objects * sizeof *w->object, w->digest);
    return UN_OK;
}

static enum un_status write_classes(const struct un_captions_world *w, const char *path) {
    int n = un_names_count(w->classes);
    size_t bytes = sizeof "background", used;
    for (int id = 1; id <= n; ++id) bytes += strlen(un_names_line(w->classes, id)) + 1;
    char *text = un_alloc(bytes + 1, 1, "names of classes");
    if (!text) return UN_MEMORY;
    used = (size_t)snprintf(text, bytes + 1, "background\n");
    for (int id = 1; id <= n; ++id)
        used += (size_t)snprintf(text + used, bytes + 1 - used, "%s\n", un_names_line(w->classes, id));
    enum un_status status = un_files_replace(path, text, used);
    un_free(text);
    return status;
}

static enum un_status copy_vocab(const struct run *r) {
    char *text;
    size_t bytes;
    UN_TRY(un_files_read(r->keys->vocab, 1 << 26, &text, &bytes));
    enum un_status status = un_files_replace(r->path[VOCAB], text, bytes);
    un_free(text);
    return status;
}

static enum un_status write_images(const struct run *r, bool valid, const char *path) {
    struct un_image_source *source;
    const struct un_image_import how = {.threads = r->keys->threads, .quiet = r->keys->quiet};
    UN_TRY(un_captions_source(&source, &r->world, valid));
    enum un_status status = un_image_import(source, path, &how);
    un_image_source_close(source);
    return status;
}

static enum un_status write_target(struct run *r, enum target t) {
    bool valid = t == VALID_IMAGES || t == VALID_TEXTS;
    switch (t) {
    case TRAIN_IMAGES:
    case VALID_IMAGES: return write_images(r, valid, r->path[t]);
    case VOCAB: return copy_vocab(r);
    case CLASSES: return write_classes(&r->world, r->path[t]);
    default:
        return un_captions_write_texts(&r->world, valid, r->path[t], &r->texts[valid], &r->tokens[valid]);
    }
}

/* After a failure the last one tried is removed too: it may have got its name just before. None was there at
 * the start. */
static enum un_status write_targets(struct run *r) {
    enum un_status status = UN_OK;
    int tried = 0;
    while (tried < r->targets && status == UN_OK) {
        status = write_target(r, (enum target)tried);
        ++tried;
    }
    for (int i = 0; i < tried && status != UN_OK; ++i) unlink(r->path[i]);
    return status;
}

static void print_classes(const struct un_captions_world *w) {
    enum { SHOWN = 10 };
    int n = un_names_count(w->classes), seen = 0, last = 0;
    for (int c = 1; c <= n; ++c) seen += w->seen[c] > 0;
    printf("classes named: %d of %d; most often:", seen, n);
    for (int i = 0; i < SHOWN && i < seen; ++i) {
        int best = 0; /* the next after `last` by falling number, then by rising class */
        for (int c = 1; c <= n; ++c) {
            bool after = last == 0 || w->seen[c] < w->seen[last] || (w->seen[c] == w->seen[last] && c > last);
            if (after && (best == 0 || w->seen[c] > w->seen[best])) best = c;
        }
        const char *line = un_names_line(w->classes, best);
        printf("%s %.*s %lld", i ? "," : "", (int)strcspn(line, ","), line, (long long)w->seen[best]);
        last = best;
    }
    putchar('\n');
}

static void summary(const struct run *r, double seconds) {
    const struct un_captions_world *w = &r->world;
    const struct un_captions_counts *c = &w->counts;
    int64_t naming = 0, scenes = 0, held = 0;
    for (int64_t t = 0; t < w->texts; ++t) naming += w->text[t].saids > 0;
    for (int64_t s = 0; s < w->scenes; ++s) {
        scenes += w->scene[s].objects > 0;
        held += w->scene[s].valid;
    }
    printf("captions: %lld read, %lld name an object (%.1f %%), %.2f mentions a caption\n",
           (long long)c->lines, (long long)naming, 100.0 * (double)naming / (double)w->texts,
           (double)w->saids / (double)w->texts);
    printf("left out: %lld whose scene shows nothing, %lld empty, %lld longer than %lld word pieces, %lld "
           "longer than %d bytes\n",
           (long long)c->unnamed, (long long)c->empty, (long long)c->long_tokens,
           (long long)r->keys->max_txt_len, (long long)c->long_bytes, UN_CAPTION_BYTES);
    if (c->torn) printf("without alignment: %lld whose words are no whole word pieces\n", (long long)c->torn);
    if (c->crowded)
        printf("objects left out of scenes with %d: %lld\n", UN_SCENE_OBJECTS, (long long)c->crowded);
    printf("scenes: %lld, %lld of them for validation; texts: %lld and %lld, word pieces: %lld and %lld\n",
           (long long)scenes, (long long)held, (long long)r->texts[0], (long long)r->texts[1],
           (long long)r->tokens[0], (long long)r->tokens[1]);
    print_classes(w);
    printf("%s: done in %.1f s\n", r->keys->out, seconds);
}

enum un_status un_captions(const struct un_captions_keys *keys) {
    enum un_status status;
    double start = un_clock();
    struct run *r = un_alloc(1, sizeof *r, "synth from captions");
    if (!r) return UN_MEMORY;
    r->keys = keys;
    UN_TRY_GOTO(list_targets(r), out);
    UN_TRY_GOTO(open_world(r), out);
    UN_TRY_GOTO(un_files_make_folder(keys->out), out);
    UN_TRY_GOTO(write_targets(r), out);
    if (!keys->quiet) summary(r, un_clock() - start);
out:
    un_captions_world_close(&r->world);
    un_free(r);
    return status;
}
