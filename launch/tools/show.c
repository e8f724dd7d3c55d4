/* uniter show: what a trained network sees in a text and an image. */
#include "io/convert/pixels/pixels.h"
#include "launch/tools/tools.h"
#include "launch/use/look.h"
#include "launch/use/texts.h"
#include "runtime/config/keys.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct show_keys {
    struct un_use_keys use;
    struct un_use_look_keys look;
    char out[256], id[256], photo[256], classes[256];
};
static const struct un_key look_keys[] = {
    UN_KEY_STRINGS(un_use_look_keys, layer, "[last]", "whose attention is shown: numbers from 0, last, all"),
    UN_KEY_STRINGS(un_use_look_keys, head, "[all]", "the same of heads"),
    UN_KEY_STRINGS(un_use_look_keys, word, "[]",
                   "words that are masked and get a picture: pieces, or places from 1; none given: all"),
    UN_KEY_INT(un_use_look_keys, top, "4", 1, UN_PICTURE_GUESSES, "guesses",
               "of each masked word and region"),
    UN_KEY_BOOL(un_use_look_keys, guess, "true", "masks each word and each region in turn, a pass for each"),
};
static const struct un_key_table look_table = UN_KEY_TABLE("", un_use_look_keys, look_keys);
static const struct un_key keys[] = {
    UN_KEY_PATH(show_keys, out, "", "file",
                "picture (.svg, .png, .pdf) or numbers (.json); also as -o FILE; none given: a table on the "
                "terminal"),
    UN_KEY_STRING(show_keys, id, "", "", "id of a text of `text`, with its own image"),
    UN_KEY_PATH(show_keys, photo, "", "file", "JPEG or PNG to be drawn beneath the regions"),
    UN_KEY_PATH(show_keys, classes, "", "file",
                "names of the detector's classes, a line each; none given: classes.txt beside the features, "
                "if there is one. "
                "So is `vocab`, vocab.txt beside the texts"),
    UN_KEY_PART(show_keys, look, look_table),
    UN_KEY_PART(show_keys, use, un_use_key_table),
};
static const struct un_key_table table = UN_KEY_TABLE("", show_keys, keys);

/* All that is open for one picture. */
struct show {
    struct show_keys keys;
    struct un_arguments arguments;
    struct un_use_texts texts;
    struct un_use_session session;
    struct un_use_names names;
    struct un_use_look look;
    struct un_pixels photo;
};

/* names [2]: image and text. */
static enum un_status find_pair(struct show *s, const char *names[2], int *n) {
    const struct show_keys *k = &s->keys;
    *n = s->arguments.n - 1;
    for (int i = 0; i < *n; ++i) names[i] = s->arguments.names[i + 1];
    if (k->id[0] && *n) return un_fail(UN_USAGE, "the pair is named by `id` or by IMAGE and TEXT, not both");
    if (!k->id[0] && *n == 0 && !k->use.pairs[0])
        return un_fail(UN_USAGE, "which pair? `id` of a text, or IMAGE and TEXT, are needed");
    if (!k->id[0]) return UN_OK;
    if (k->use.text.n == 0) return un_fail(UN_USAGE, "id: `text`, the files that it is in, is needed");
    UN_TRY(un_use_texts_open(&s->texts, &k->use.text));
    int64_t text = un_use_texts_find(&s->texts, k->id);
    if (text < 0) return un_fail(UN_DATA, "id: text %s is in none of the text files", k->id);
    names[0] = un_use_texts_image(&s->texts, text);
    names[1] = k->id;
    *n = 2;
    return UN_OK;
}

/* As given, else what lies beside the data, if it fits them. */
static enum un_status open_names(struct show *s) {
    const struct show_keys *k = &s->keys;
    char vocab[UN_PATH_MAX] = "", classes[UN_PATH_MAX] = "";
    int64_t words = un_dataset_info(s->session.pairs.set)->vocab.vocab_size;
    int64_t n = s->session.weights.dims.img_label_dim;
    if (k->use.vocab[0]) UN_TRY(un_use_names_vocab(&s->names, k->use.vocab, words));
    if (k->classes[0]) UN_TRY(un_use_names_classes(&s->names, k->classes, n));
    if (!k->use.vocab[0] && k->use.text.n) un_use_names_beside(vocab, k->use.text.list[0], "vocab.txt");
    if (!k->classes[0]) un_use_names_beside(classes, k->use.images.list[0], "classes.txt");
    if (vocab[0] && un_use_names_vocab(&s->names, vocab, words) != UN_OK) un_error_clear();
    if (classes[0] && un_use_names_classes(&s->names, classes, n) != UN_OK) un_error_clear();
    return UN_OK;
}

static enum un_status look(struct show *s) {
    const struct un_pixels_how upright = {.orient = true};
    const char *names[2];
    int n;
    if (s->keys.out[0]) UN_TRY(un_picture_check_path(s->keys.out));
    UN_TRY(find_pair(s, names, &n));
    if (s->keys.photo[0]) UN_TRY(un_pixels_read(&s->photo, s->keys.photo, &upright));
    UN_TRY(un_use_session_open(&s->session, &s->keys.use, s->arguments.names[0]));
    UN_TRY(un_use_session_pairs(&s->session, names, n, UN_USE_NO_TASK));
    if (un_use_pairs_count(&s->session.pairs) != 1)
        return un_fail(UN_USAGE, "one pair can be shown, %lld are named",
                       (long long)un_use_pairs_count(&s->session.pairs));
    UN_TRY(open_names(s));
    UN_TRY(un_use_look_open(&s->look, &s->session, &s->names, &s->keys.look));
    struct un_picture *p = &s->look.picture;
    if (!s->keys.photo[0]) return UN_OK;
    p->bgr = s->photo.bgr;
    p->width = s->photo.width;
    p->height = s->photo.height;
    return UN_OK;
}

/* ---- the table ---- */

static void print_name(const char *name, int64_t id, int width) {
    if (name[0] && width == 0)
        printf("  %s", name);
    else if (name[0])
        printf("  %-*.*s", width, width, name);
    else if (id >= 0)
        printf("  #%-*lld", width > 1 ? width - 1 : 1, (long long)id);
    else
        printf("  %-*s", width, "-");
}

static void print_word(const struct un_picture *p, int64_t w) {
    int64_t best = un_picture_best(p, &p->solver, w), exact = un_picture_best(p, &p->exact, w);
    const struct un_picture_unit *unit = &p->word[w];
    print_name(unit->name, unit->id, 14);
    printf("  %3lld", (long long)best);
    print_name(p->region[best].name, p->region[best].id, 16);
    printf("  %5.1f %%  %3lld  %5.1f %%", 100 * p->solver.mass[w * p->regions + best] * (double)p->words,
           (long long)exact, 100 * p->exact.mass[w * p->regions + exact] * (double)p->words);
    if (unit->guesses) {
        printf("  %5.1f %%", 100 * unit->truth);
        print_name(unit->guess[0].name, unit->guess[0].id, 0);
        printf(" %.1f %%", 100 * unit->guess[0].probability);
    }
    putchar('\n');
}

static void print_regions(const struct un_picture *p) {
    int64_t asked = 0, right = 0;
    for (int64_t r = 0; r < p->regions; ++r) {
        if (p->region[r].guesses == 0 || p->region[r].id < 0) continue;
        ++asked;
        right += p->region[r].guess[0].id == p->region[r].id;
    }
    if (asked)
        printf("masked regions: the detector's class is the first guess of %lld of %lld\n", (long long)right,
               (long long)asked);
}

static void print_table(const struct un_picture *p) {
    printf("text %s, image %s: %lld words, %lld regions\n", p->text_id, p->image_id, (long long)p->words - 2,
           (long long)p->regions);
    printf(
        "match %.6f; distance by %s %.6f, exact %.6f, gap %.3g; exact plan: %lld entries of at most %lld\n",
        p->match, p->solver.solver, p->solver.distance, p->exact.distance,
        p->solver.distance - p->exact.distance, (long long)p->exact.entries,
        (long long)(p->words + p->regions - 1));
    printf("  %-14s  %-22s %-8s  %-13s  %s\n", "word", "best region", "its mass", "exact",
           "masked: itself, first guess");
    for (int64_t w = 1; w + 1 < p->words; ++w)
        if (p->word[w].shown) print_word(p, w);
    print_regions(p);
    for (int64_t h = 0; h < p->heads; ++h)
        printf("layer %2lld, head %2lld: %-19s special %.2f, near %.2f, inside %.2f\n",
               (long long)p->head[h].layer, (long long)p->head[h].head, p->head[h].pattern,
               p->head[h].special, p->head[h].near, p->head[h].inside);
}

static enum un_status run(const struct un_tool *tool, int n, char **words) {
    struct show s = {0};
    static char out[] = "--out";
    for (int i = 0; i < n; ++i)
        if (strcmp(words[i], "-o") == 0) words[i] = out;
    UN_TRY(un_arguments_read(&s.arguments, tool, n, words, 1, 3, &s.keys));
    enum un_status status = look(&s);
    if (status == UN_OK && s.keys.out[0]) status = un_picture_write(&s.look.picture, s.keys.out);
    if (status == UN_OK && !s.keys.out[0]) print_table(&s.look.picture);
    if (s.look.session) un_use_look_close(&s.look);
    un_use_names_close(&s.names);
    un_use_session_close(&s.session);
    un_use_texts_close(&s.texts);
    un_pixels_free(&s.photo);
    un_arguments_free(&s.arguments);
    return status;
}

static const struct un_tool list[] = {
    {"show", NULL, NULL,
     "RUN|CHECKPOINT|FILE.safetensors images=FILES text=FILES id=ID | IMAGE TEXT [-o x.svg|png|pdf|json] "
     "[key=value ...]",
     "a text and an image as a network sees them: plans of transport, attention, guesses", &table, run},
};
const struct un_tools un_tools_show = {list, sizeof list / sizeof *list};
