/* The command: keys, their checks, the list of files, all of them or none. */
#include "io/synth/synth.h"
#include "io/disk/files.h"
#include "io/synth/write.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(UN_SYNTH_CLASSES == 46, "the default of img_label_dim is the number of classes");
static const struct un_key keys_of_synth[] = {
    UN_KEY_INT(un_synth_keys, seed, "1", 0, 9007199254740992.0, "",
               "another seed is another world: other prototypes, other scenes"),
    UN_KEY_INT(un_synth_keys, train_images, "4000", 1, 1e8, "images",
               "scenes of each data set's train split"),
    UN_KEY_INT(un_synth_keys, valid_images, "200", 1, 1e8, "images", "scenes of each data set's valid split"),
    UN_KEY_INT(un_synth_keys, texts, "2", 1, 1000, "texts",
               "captions an image; vg has twice as many phrases"),
    UN_KEY_FLOAT(un_synth_keys, caption_scale, "1", 1, 8, "clauses", "clauses a caption in the mean"),
    UN_KEY_INT(un_synth_keys, img_dim, "128", 4, 65536, "", "width of a region's feature"),
    UN_KEY_INT(un_synth_keys, img_label_dim, "46", UN_SYNTH_CLASSES, 65536, "",
               "classes of a soft label with the background; the world has 46"),
    UN_KEY_INT(un_synth_keys, min_objects, "2", 1, UN_SYNTH_MAX_THINGS, "things",
               "fewest things in a scene, beside ground and backdrop"),
    UN_KEY_INT(un_synth_keys, max_objects, "5", 1, UN_SYNTH_MAX_THINGS, "things", "most things in a scene"),
    UN_KEY_FLOAT(un_synth_keys, duplicates, "0.25", 0, 1, "", "probability that an object is detected twice"),
    UN_KEY_INT(un_synth_keys, min_background, "0", 0, UN_SYNTH_MAX_CLUTTER, "regions",
               "fewest regions that show no object"),
    UN_KEY_INT(un_synth_keys, max_background, "2", 0, UN_SYNTH_MAX_CLUTTER, "regions",
               "most regions that show no object"),
    UN_KEY_FLOAT(un_synth_keys, faint, "0.25", 0, 1, "",
                 "share of the background regions with confidence under 0.2"),
    UN_KEY_FLOAT(
        un_synth_keys, noise, "0.5", 0, 10, "",
        "standard deviation of the feature noise (prototypes: 1); also how far classes are confused"),
    UN_KEY_STRING(un_synth_keys, sets, "coco,vg,cc,sbu", "", "data sets to make, separated by commas"),
    UN_KEY_PATH(un_synth_keys, vocab, "\"\"", "", "WordPiece vocabulary file instead of the world's own"),
    UN_KEY_INT(un_synth_keys, vocab_size, "0", 0, 1e6, "pieces",
               "fill the own vocabulary up to this size with unused entries; 0: as it is"),
    UN_KEY_STRING(un_synth_keys, tasks, "\"\"", "",
                  "tasks to make too, separated by commas: vqa,ve,nlvr2,vcr,re,re+,retrieval or all"),
    UN_KEY_INT(un_synth_keys, test_images, "200", 1, 1e8, "images",
               "scenes of retrieval's test split, with one caption each"),
};
const struct un_key_table un_synth_key_table = UN_KEY_TABLE("", un_synth_keys, keys_of_synth);

/* The table's ranges again, for callers that filled the struct by hand. */
static enum un_status check_ranges(const struct un_synth_keys *keys) {
    for (int64_t i = 0; i < un_synth_key_table.n; ++i) {
        const struct un_key *key = &keys_of_synth[i];
        const char *at = (const char *)keys + key->offset;
        double value = 0;
        int64_t whole;
        if (key->type == UN_KEY_INT) {
            memcpy(&whole, at, sizeof whole);
            value = (double)whole;
        } else if (key->type == UN_KEY_FLOAT) {
            memcpy(&value, at, sizeof value);
        }
        if (key->min < key->max && !(value >= key->min && value <= key->max))
            return un_fail(UN_USAGE, "%s=%.15g is outside %.15g .. %.15g", key->name, value, key->min,
                           key->max);
    }
    return UN_OK;
}

static enum un_status check_keys(const struct un_synth_keys *keys) {
    UN_TRY(check_ranges(keys));
    if (keys->min_objects > keys->max_objects)
        return un_fail(UN_USAGE, "min_objects=%lld is more than max_objects=%lld",
                       (long long)keys->min_objects, (long long)keys->max_objects);
    if (keys->min_background > keys->max_background)
        return un_fail(UN_USAGE, "min_background=%lld is more than max_background=%lld",
                       (long long)keys->min_background, (long long)keys->max_background);
    if (keys->vocab[0] != '\0' && keys->vocab_size != 0)
        return un_fail(UN_USAGE, "vocab=%s has its own size: vocab_size=%lld cannot be asked for",
                       keys->vocab, (long long)keys->vocab_size);
    return UN_OK;
}

/* Marks the names of a list; returns what is no name, NULL: all are. */
static const char *mark_names(const char *text, const char *const *name, int names, bool *wanted) {
    for (int s = 0; s < names; ++s) wanted[s] = false;
    while (*text != '\0') {
        size_t n = strcspn(text, ",");
        int s = 0;
        while (s < names && (strlen(name[s]) != n || memcmp(name[s], text, n) != 0)) ++s;
        if (s == names) return text;
        wanted[s] = true;
        text += n + (text[n] == ',');
    }
    return NULL;
}

static enum un_status parse_sets(const char *text, bool wanted[UN_SYNTH_SETS]) {
    const char *bad = mark_names(text, un_synth_set_names, UN_SYNTH_SETS, wanted);
    if (bad != NULL)
        return un_fail(UN_USAGE, "sets: no data set \"%.*s\"; there are coco, vg, cc, sbu",
                       (int)strcspn(bad, ","), bad);
    return text[0] != '\0' ? UN_OK : un_fail(UN_USAGE, "sets: name at least one of coco, vg, cc, sbu");
}

static enum un_status parse_tasks(const struct un_synth_keys *keys, bool wanted[UN_SYNTH_TASKS]) {
    bool all = strcmp(keys->tasks, "all") == 0;
    const char *bad = mark_names(all ? "" : keys->tasks, un_synth_task_names, UN_SYNTH_TASKS, wanted);
    if (bad != NULL)
        return un_fail(UN_USAGE,
                       "tasks: no task \"%.*s\"; there are vqa, ve, nlvr2, vcr, re, re+, retrieval, all",
                       (int)strcspn(bad, ","), bad);
    for (int t = 0; t < UN_SYNTH_TASKS && all; ++t) wanted[t] = true;
    int64_t most = keys->train_images > keys->valid_images ? keys->train_images : keys->valid_images;
    if (keys->tasks[0] != '\0' && most > UN_SYNTH_MAX_POSED_IMAGES)
        return un_fail(UN_USAGE, "tasks: at most %d images a split, not %lld", UN_SYNTH_MAX_POSED_IMAGES,
                       (long long)most);
    return UN_OK;
}

/* Every file of a run, so that it can refuse before it starts and clean up after a failure. */
enum kind { IMAGES, TEXTS, ASKED, VOCAB, CLASSES };
struct target {
    enum kind kind;
    struct un_synth_part part;
    char path[UN_PATH_MAX];
};
enum { MAX_TARGETS = UN_SYNTH_SETS * 4 + UN_SYNTH_TASKS * 6 + 2 };
struct targets {
    int n;
    struct target list[MAX_TARGETS];
};

static enum un_status add_target(struct targets *t, const struct un_synth_keys *keys, enum kind kind,
                                 const struct un_synth_part *part) {
    struct target *target = &t->list[t->n++];
    char name[64];
    *target = (struct target){.kind = kind, .part = *part};
    if (kind == VOCAB || kind == CLASSES)
        snprintf(name, sizeof name, "%s", kind == VOCAB ? "vocab.txt" : "classes.txt");
    else
        snprintf(name, sizeof name, "%s_%s.%s.h5", un_synth_part_name(part),
                 un_synth_split_names[part->split], kind == IMAGES ? "img" : "txt");
    struct stat found;
    UN_TRY(un_files_join(target->path, keys->out, name));
    if (lstat(target->path, &found) == 0)
        return un_fail(UN_USAGE, "%s exists: nothing is overwritten; remove it or name another folder",
                       target->path);
    return UN_OK;
}

static int64_t images_of(const struct un_synth_keys *keys, uint32_t split) {
    return split == 0 ? keys->train_images : split == 1 ? keys->valid_images : keys->test_images;
}

/* Poses are whole: nlvr2 gets up to seven images more. */
static enum un_status list_task(struct targets *t, const struct un_synth_keys *keys,
                                enum un_synth_task task) {
    int scenes, texts;
    un_synth_pose_size(task, &scenes, &texts);
    for (uint32_t split = 0; split < (task == UN_SYNTH_RETRIEVAL ? 3 : 2); ++split) {
        int64_t images = (images_of(keys, split) + scenes - 1) / scenes * scenes;
        struct un_synth_part part = {UN_SYNTH_COCO, task, false, split, images}, annotated = part;
        annotated.annotated = true;
        UN_TRY(add_target(t, keys, IMAGES, &part));
        if (task == UN_SYNTH_VCR) UN_TRY(add_target(t, keys, IMAGES, &annotated));
        UN_TRY(add_target(t, keys, task == UN_SYNTH_RETRIEVAL ? TEXTS : ASKED, &part));
    }
    return UN_OK;
}

static enum un_status list_targets(struct targets *t, const struct un_synth_keys *keys) {
    const struct un_synth_part none = {.task = UN_SYNTH_NO_TASK};
    bool wanted[UN_SYNTH_SETS], task[UN_SYNTH_TASKS];
    UN_TRY(parse_sets(keys->sets, wanted));
    UN_TRY(parse_tasks(keys, task));
    for (int set = 0; set < UN_SYNTH_SETS; ++set)
        for (uint32_t split = 0; split < 2 && wanted[set]; ++split) {
            struct un_synth_part part = {(enum un_synth_set)set, UN_SYNTH_NO_TASK, false, split,
                                         images_of(keys, split)};
            UN_TRY(add_target(t, keys, IMAGES, &part));
            UN_TRY(add_target(t, keys, TEXTS, &part));
        }
    for (int i = 0; i < UN_SYNTH_TASKS; ++i)
        if (task[i]) UN_TRY(list_task(t, keys, (enum un_synth_task)i));
    UN_TRY(add_target(t, keys, VOCAB, &none));
    return add_target(t, keys, CLASSES, &none);
}

static enum un_status write_lines(const char *path, const char *const *line, int64_t n) {
    size_t bytes = 0, at = 0;
    for (int64_t i = 0; i < n; ++i) bytes += strlen(line[i]) + 1;
    char *text = un_alloc(bytes, 1, "lines of a text file");
    if (text == NULL) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) {
        size_t length = strlen(line[i]);
        memcpy(text + at, line[i], length);
        at += length;
        text[at++] = '\n';
    }
    enum un_status status = un_files_replace(path, text, bytes);
    un_free(text);
    return status;
}

static enum un_status write_classes(const char *path) {
    const char *name[UN_SYNTH_CLASSES];
    for (int c = 0; c < UN_SYNTH_CLASSES; ++c) name[c] = un_synth_classes[c].name;
    return write_lines(path, name, UN_SYNTH_CLASSES);
}

static enum un_status write_target(const struct un_synth_job *job, const struct target *t) {
    int64_t rows = 0, texts = t->part.images * job->texts;
    switch (t->kind) {
    case IMAGES: UN_TRY(un_synth_write_images(job, &t->part, t->path, &rows)); break;
    case TEXTS: UN_TRY(un_synth_write_texts(job, &t->part, t->path, &rows)); break;
    case ASKED: UN_TRY(un_synth_write_task(job, &t->part, t->path, &texts, &rows)); break;
    case VOCAB: UN_TRY(write_lines(t->path, (const char *const *)job->vocab.piece, job->vocab.n)); break;
    default: UN_TRY(write_classes(t->path));
    }
    if (t->kind == IMAGES)
        un_log(UN_LOG_INFO, "%s: %lld images, %lld regions", t->path, (long long)t->part.images,
               (long long)rows);
    if (t->kind == TEXTS || t->kind == ASKED)
        un_log(UN_LOG_INFO, "%s: %lld texts, %lld word pieces", t->path, (long long)texts, (long long)rows);
    return UN_OK;
}

/* After a failure the last one tried is removed too: it may have got its name just before. None was there at
 * the start. */
static enum un_status write_targets(struct un_synth_job *job, const struct targets *t, int64_t texts) {
    enum un_status status = UN_OK;
    struct un_progress progress;
    int64_t images = 0;
    int tried = 0;
    for (int i = 0; i < t->n; ++i)
        if (t->list[i].kind == IMAGES) images += t->list[i].part.images;
    un_progress_open_work(&progress, images, 1, "image", true);
    job->progress = &progress;
    while (tried < t->n && status == UN_OK) {
        const struct un_synth_part *part = &t->list[tried].part;
        job->texts = part->split == 2 ? 1 : part->set == UN_SYNTH_VG ? 2 * texts : texts;
        status = write_target(job, &t->list[tried++]);
    }
    un_progress_clear(&progress);
    for (int i = 0; i < tried && status != UN_OK; ++i) unlink(t->list[i].path);
    return status;
}

/* The keys that shape the data, so that a file says how it was made. */
static void describe(struct un_synth_job *job, const struct un_synth_keys *keys) {
    snprintf(job->source, sizeof job->source,
             "uniter data synth seed=%lld texts=%lld caption_scale=%.9g img_dim=%lld img_label_dim=%lld "
             "min_objects=%lld "
             "max_objects=%lld duplicates=%.9g min_background=%lld max_background=%lld faint=%.9g noise=%.9g",
             (long long)keys->seed, (long long)keys->texts, keys->caption_scale, (long long)keys->img_dim,
             (long long)keys->img_label_dim, (long long)keys->min_objects, (long long)keys->max_objects,
             keys->duplicates, (long long)keys->min_background, (long long)keys->max_background, keys->faint,
             keys->noise);
}

static enum un_status open_job(struct un_synth_job *job, const struct un_synth_keys *keys) {
    *job = (struct un_synth_job){.seed = (uint64_t)keys->seed,
                                 .img_dim = keys->img_dim,
                                 .img_label_dim = keys->img_label_dim,
                                 .caption_scale = keys->caption_scale};
    job->law = (struct un_synth_law){
        (int)keys->min_objects,  (int)keys->max_objects, (int)keys->min_background, (int)keys->max_background,
        (float)keys->duplicates, (float)keys->faint,     (float)keys->noise};
    describe(job, keys);
    UN_TRY(keys->vocab[0] != '\0'
               ? un_synth_vocab_read(&job->vocab, keys->vocab)
               : un_synth_vocab_make(&job->vocab, keys->vocab_size, keys->tasks[0] != '\0'));
    job->posed = un_alloc(1, sizeof *job->posed, "scenes of a task");
    if (job->posed == NULL) return UN_MEMORY;
    return un_synth_renderer_open(&job->renderer, job->seed, keys->img_dim, keys->img_label_dim, keys->noise);
}

enum un_status un_synth(const struct un_synth_keys *keys) {
    enum un_status status;
    struct un_synth_job job = {0};
    struct targets *targets = un_alloc(1, sizeof *targets, "list of files");
    if (targets == NULL) return UN_MEMORY;
    UN_TRY_GOTO(check_keys(keys), out);
    UN_TRY_GOTO(list_targets(targets, keys), out);
    UN_TRY_GOTO(open_job(&job, keys), out);
    UN_TRY_GOTO(un_files_make_folder(keys->out), out);
    UN_TRY_GOTO(write_targets(&job, targets, keys->texts), out);
out:
    un_synth_renderer_close(job.renderer);
    un_synth_vocab_close(&job.vocab);
    un_free(job.posed);
    un_free(targets);
    return status;
}
