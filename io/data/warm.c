/* The sequential pass over a rank's rows; see the header. */
#include "io/data/warm.h"
#include "io/data/private.h"
#include "runtime/memory.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

enum { PIECE = 4 << 20 }; /* bytes of a read: large for a disk, soon over when the run ends */

/* Bytes of one column of one file. */
struct span {
    int fd; /* borrowed */
    int64_t file, at, bytes;
};
/* Rows [first, end) of a file; first < 0: none. */
struct rows {
    int64_t first, end;
};

struct un_warm {
    struct span *spans;
    int64_t n, span, done; /* done: bytes of spans[span] */
    int64_t bytes, left_out, files;
    char *piece; /* [PIECE] */
};

static void widen(struct rows *rows, int64_t first, int64_t count) {
    if (count == 0) return;
    if (rows->first < 0 || first < rows->first) rows->first = first;
    if (first + count > rows->end) rows->end = first + count;
}

static void add_span(struct un_warm *w, const struct un_column *c, struct rows rows) {
    int64_t row_bytes = c->width * un_type_bytes(c->type);
    if (!c->present || rows.first < 0) return;
    if (c->at < 0) {
        ++w->left_out;
        return;
    }
    struct span *s = &w->spans[w->n++];
    *s = (struct span){c->fd, w->files, c->at + rows.first * row_bytes, (rows.end - rows.first) * row_bytes};
    w->bytes += s->bytes;
}

/* ---- what is the part's ---- */

enum { IMAGE_COLUMNS = 3, TEXT_COLUMNS = 3 };

/* One pass over the index, whatever the number of files; rows [files], all at none. */
static void find_regions(struct rows *rows, const struct un_dataset *d, int64_t begin, int64_t end) {
    for (int64_t i = d->first_image; i < d->first_image + d->kept_images; ++i) {
        const struct un_image_ref *ref = un_dataset_image(d, i);
        bool lanes = (i >= begin && i < end) || i >= d->info.images_with_text;
        if (d->targets.own ? d->targets.own[i] : lanes)
            widen(rows + ref->file, ref->first_region, ref->regions);
    }
}

static void find_words(struct rows *words, struct rows *pairs, const struct un_dataset *d, int64_t begin,
                       int64_t end) {
    for (int64_t t = un_dataset_image_text(d, begin); t < un_dataset_image_text(d, end); ++t) {
        const struct un_text_ref *ref = un_dataset_text(d, t);
        const struct un_align_ref *align = d->align ? d->align + (t - d->first_text) : NULL;
        widen(words + ref->file, ref->first_word, ref->length);
        if (align) widen(pairs + ref->file, align->first, align->count);
    }
}

static void add_image_file(struct un_warm *w, const struct un_image_file *f, struct rows rows, bool soft) {
    add_span(w, &f->feature, rows);
    add_span(w, &f->box, rows);
    if (soft) add_span(w, &f->soft, rows);
    ++w->files;
}

static void add_text_file(struct un_warm *w, const struct un_text_file *f, struct rows words,
                          struct rows pairs) {
    add_span(w, &f->token, words);
    add_span(w, &f->align_token, pairs);
    add_span(w, &f->align_region, pairs);
    ++w->files;
}

static enum un_status add_dataset(struct un_warm *w, const struct un_dataset *d, bool soft, int64_t begin,
                                  int64_t end) {
    int64_t images = d->n_image_files, texts = d->n_text_files, n = images + 2 * texts;
    struct rows *rows = un_alloc((size_t)n + 1, sizeof *rows, "reading ahead");
    if (!rows) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i) rows[i] = (struct rows){-1, -1};
    struct rows *words = rows + images, *pairs = words + texts;
    find_regions(rows, d, begin, end);
    find_words(words, pairs, d, begin, end);
    for (int64_t f = 0; f < images; ++f) add_image_file(w, d->image_files + f, rows[f], soft);
    for (int64_t f = 0; f < texts; ++f) add_text_file(w, d->text_files + f, words[f], pairs[f]);
    un_free(rows);
    return UN_OK;
}

static int by_place(const void *a, const void *b) {
    const struct span *x = a, *y = b;
    if (x->file != y->file) return x->file < y->file ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

enum un_status un_warm_open(struct un_warm **out, struct un_dataset *const *datasets, int64_t n,
                            const bool *soft, int64_t lane_begin, int64_t lane_end) {
    int64_t most = 0;
    *out = NULL;
    for (int64_t i = 0; i < n; ++i)
        most += IMAGE_COLUMNS * datasets[i]->n_image_files + TEXT_COLUMNS * datasets[i]->n_text_files;
    struct un_warm *w = un_alloc(1, sizeof *w, "reading ahead");
    if (!w) return UN_MEMORY;
    w->spans = un_alloc((size_t)most + 1, sizeof *w->spans, "reading ahead");
    w->piece = un_alloc(PIECE, 1, "reading ahead");
    enum un_status status = w->spans && w->piece ? UN_OK : UN_MEMORY;
    for (int64_t i = 0; i < n && status == UN_OK; ++i)
        status = add_dataset(w, datasets[i], soft[i], un_dataset_lane_image(datasets[i], lane_begin),
                             un_dataset_lane_image(datasets[i], lane_end));
    if (status != UN_OK) {
        un_warm_close(w);
        return status;
    }
    qsort(w->spans, (size_t)w->n, sizeof *w->spans, by_place);
    *out = w;
    return UN_OK;
}

void un_warm_close(struct un_warm *w) {
    if (!w) return;
    un_free(w->spans);
    un_free(w->piece);
    un_free(w);
}

int64_t un_warm_bytes(const struct un_warm *w) {
    return w->bytes;
}

int64_t un_warm_left_out(const struct un_warm *w) {
    return w->left_out;
}

int64_t un_warm_next(struct un_warm *w) {
    while (w->span < w->n && w->done == w->spans[w->span].bytes) {
        ++w->span;
        w->done = 0;
    }
    if (w->span == w->n) return 0;
    const struct span *s = &w->spans[w->span];
    int64_t left = s->bytes - w->done, wanted = left < PIECE ? left : PIECE;
    ssize_t got;
    do got = pread(s->fd, w->piece, (size_t)wanted, (off_t)(s->at + w->done));
    while (got < 0 && errno == EINTR);
    int64_t nearer = got > 0 ? got : left; /* the rest of a column that cannot be read is passed over */
    w->done += nearer;
    return nearer;
}
