/* Captions beside what their images show. */
#include "io/data/file.h"
#include "io/disk/ids.h"
#include "io/disk/name_list.h"
#include "io/disk/text.h"
#include "io/inspect/inspect.h"
#include "runtime/half.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

enum { COLUMNS = 78, SENTENCE = 1024, WORDS_SHOWN = 6 };

struct pairs {
    struct un_text_file texts;
    struct un_image_file images;
    struct un_idmap map;
    const char **ids;
    struct un_name_list lines; /* of the file of classes */
    const char **name;         /* [classes]; NULL: none are known */
    uint16_t *soft;            /* [classes] */
    const struct un_inspect_pairs *how;
    FILE *out;
};

/* No control of the terminal. */
static void put_text(FILE *out, const char *text) {
    for (; *text; ++text) fputc((unsigned char)*text < 0x20 || *text == 0x7F ? '?' : *text, out);
}

/* In lines of COLUMNS bytes, broken at spaces, as far as they let themselves be broken. */
static void put_wrapped(FILE *out, const char *text) {
    int column = 0;
    fputs("  ", out);
    while (*text) {
        size_t word = strcspn(text, " ");
        char piece[SENTENCE];
        if (column > 0 && column + (int)word + 3 > COLUMNS) {
            fputs("\n  ", out);
            column = 0;
        } else if (column > 0) {
            fputc(' ', out);
            ++column;
        }
        snprintf(piece, sizeof piece, "%.*s", (int)word, text);
        put_text(out, piece);
        column += (int)word;
        text += word + (text[word] == ' ');
    }
    fputc('\n', out);
}

/* Lines of the file of classes. The background is column 0; a list that lacks only it may leave it out. */
static enum un_status read_classes(struct pairs *p) {
    const int64_t classes = p->images.classes;
    if (!p->how->classes || classes == 0) return UN_OK;
    UN_TRY(un_name_list_read(&p->lines, p->how->classes));
    const int64_t n = p->lines.n;
    if (n < 1 || n > classes)
        return un_fail(UN_DATA, "%s: %lld lines for %lld classes of which column 0 is the background",
                       p->how->classes, (long long)n, (long long)classes);
    p->name = un_alloc((size_t)classes, sizeof *p->name, "names of classes");
    if (!p->name) return UN_MEMORY;
    const bool without = n == classes - 1 && !un_begins(p->lines.name[0], "background");
    if (without) p->name[0] = "background";
    for (int64_t i = 0; i < n; ++i) p->name[i + without] = p->lines.name[i];
    return UN_OK;
}

static enum un_status print_class(struct pairs *p, int64_t region) {
    int64_t best = 0, classes = p->images.classes;
    if (!p->images.soft.present) return UN_OK;
    UN_TRY(un_column_read(&p->images.soft, region, 1, p->soft));
    for (int64_t c = 1; c < classes; ++c)
        if (un_half_to(p->soft[c]) > un_half_to(p->soft[best])) best = c;
    fprintf(p->out, "  %.2f ", (double)un_half_to(p->soft[best]));
    if (p->name && p->name[best]) {
        char name[24];
        snprintf(name, sizeof name, "%s", p->name[best]);
        put_text(p->out, name);
        for (size_t i = strlen(name); i < 14 && p->texts.aligned; ++i) fputc(' ', p->out);
    } else {
        fprintf(p->out, p->texts.aligned ? "class %-8lld" : "class %lld", (long long)best);
    }
    return UN_OK;
}

/* The words (counted from 1) that are known to speak of region k. */
static enum un_status print_words(struct pairs *p, int64_t row, int64_t k) {
    const struct un_text_file *t = &p->texts;
    int32_t pair[2];
    int shown = 0;
    for (int64_t at = t->align_offset[row]; at < t->align_offset[row + 1]; ++at) {
        UN_TRY(un_column_read(&t->align_region, at, 1, &pair[1]));
        if (pair[1] != k || shown > WORDS_SHOWN) continue;
        UN_TRY(un_column_read(&t->align_token, at, 1, &pair[0]));
        if (shown == WORDS_SHOWN)
            fputs(" ...", p->out);
        else
            fprintf(p->out, "%s%d", shown ? "," : "  word ", (int)pair[0] + 1);
        ++shown;
    }
    return UN_OK;
}

static enum un_status print_regions(struct pairs *p, int64_t row, int64_t image) {
    const struct un_image_file *f = &p->images;
    int64_t first = f->region_offset[image], n = f->region_offset[image + 1] - first;
    float box[6], confidence;
    fprintf(p->out, "  region  conf    x1   y1   x2   y2%s%s\n", f->soft.present ? "  likeliest class" : "",
            p->texts.aligned ? "     told by" : "");
    for (int64_t k = 0; k < n && k < p->how->regions; ++k) {
        UN_TRY(un_column_read(&f->box, first + k, 1, box));
        UN_TRY(un_column_read(&f->confidence, first + k, 1, &confidence));
        fprintf(p->out, "  %6lld  %.2f  %.2f %.2f %.2f %.2f", (long long)k, (double)confidence,
                (double)box[0], (double)box[1], (double)box[2], (double)box[3]);
        UN_TRY(print_class(p, first + k));
        if (p->texts.aligned) UN_TRY(print_words(p, row, k));
        fputc('\n', p->out);
    }
    if (n > p->how->regions) fprintf(p->out, "          and %lld more\n", (long long)(n - p->how->regions));
    return UN_OK;
}

static enum un_status print_sample(struct pairs *p, int64_t row) {
    const struct un_text_file *t = &p->texts;
    const char *image_id = t->image_ids + row * t->image_stride;
    char sentence[SENTENCE];
    int64_t image = un_idmap_find(&p->map, image_id);
    fputc('\n', p->out);
    put_text(p->out, t->text_ids + row * t->text_stride);
    fputs("  of image ", p->out);
    put_text(p->out, image_id);
    fputc('\n', p->out);
    UN_TRY(un_text_file_sentence(t, row, sentence, sizeof sentence));
    if (t->has_sentence)
        put_wrapped(p->out, sentence);
    else
        fprintf(p->out, "  %lld words (the file holds no sentences)\n",
                (long long)(t->token_offset[row + 1] - t->token_offset[row]));
    if (image >= 0) return print_regions(p, row, image);
    fprintf(p->out, "  the image is not in %s\n", p->images.path);
    return UN_OK;
}

static enum un_status open_pairs(struct pairs *p, const char *path) {
    int64_t first, second;
    UN_TRY(un_text_file_open(&p->texts, path));
    UN_TRY(un_image_file_open(&p->images, p->how->images));
    const struct un_image_file *f = &p->images;
    p->soft = un_alloc((size_t)f->classes + 1, sizeof *p->soft, "a soft label");
    p->ids = un_alloc((size_t)f->images + 1, sizeof *p->ids, "image ids");
    if (!p->soft || !p->ids) return UN_MEMORY;
    for (int64_t i = 0; i < f->images; ++i) p->ids[i] = f->ids + i * f->id_stride;
    UN_TRY(un_idmap_open(&p->map, p->ids, f->images, &first, &second));
    if (first >= 0)
        return un_fail(UN_DATA, "%s: image id %s stands twice: rows %lld and %lld", f->path, p->ids[first],
                       (long long)first, (long long)second);
    return read_classes(p);
}

enum un_status un_inspect_pairs(const char *path, const struct un_inspect_pairs *how, FILE *out) {
    struct pairs p = {.how = how, .out = out};
    p.texts.fd = p.images.fd = -1;
    enum un_status status = open_pairs(&p, path);
    int64_t texts = p.texts.texts, n = texts < how->samples ? texts : how->samples;
    for (int64_t i = 0; i < n && status == UN_OK; ++i)
        status = print_sample(&p, (int64_t)((double)i * (double)texts / (double)n));
    un_idmap_close(&p.map);
    un_free(p.ids);
    un_free(p.soft);
    un_free(p.name);
    un_name_list_free(&p.lines);
    un_image_file_close(&p.images);
    un_text_file_close(&p.texts);
    return status;
}
