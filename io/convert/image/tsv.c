/* TSV files of features, base64 (tsv_line.h), an image a line. The survey reads a file once from front to
 * back and keeps where each line is; readers fetch lines by pread. A first line may name the columns. NAME.lineidx beside
 * NAME.tsv, where there is one, must say where the lines begin. */
#include "io/convert/image/tsv_index.h"
#include "io/convert/image/tsv_line.h"
#include "io/disk/files.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20, LINE_MOST = 1 << 30 };

struct file {
    char *path;
    int fd;
    int64_t bytes;
    int64_t first, head;     /* number of its first image; lines before it */
    int64_t gap;             /* number of its first gap */
    struct un_tsv_form form; /* of its head */
};
struct source_tsv {
    struct un_image_source source; /* first */
    struct file *file;
    int n;
    struct un_tsv_how how;
    int64_t *gap; /* [gaps] rising: numbers of images before which a line was left out */
    int64_t gaps, gap_room;
};
struct un_image_reader {
    const struct source_tsv *source;
    struct un_base64 base64;
    struct un_image_room room;
    char *line;
    size_t line_bytes;
};
/* A survey's window into a file. */
struct window {
    char *text;
    size_t start, end, capacity; /* [start, end) is not used yet */
    int64_t at;                  /* of text[start] in the file */
    int64_t line;                /* number of the line that starts there, from 1 */
};

/* More bytes behind those that are there. *got 0: the end. */
static enum un_status fill(const struct file *f, struct window *w, size_t *got) {
    if (w->start > 0) {
        memmove(w->text, w->text + w->start, w->end - w->start);
        w->end -= w->start;
        w->start = 0;
    }
    int64_t left = f->bytes - w->at - (int64_t)w->end + 1; /* one more, to meet the end */
    size_t block = left > BLOCK ? BLOCK : left > 0 ? (size_t)left : 1;
    if (w->capacity - w->end < block) {
        void *text = w->text;
        size_t more = 2 * w->capacity + 2 * block;
        if (w->end > LINE_MOST)
            return un_fail(UN_DATA, "%s: line %lld is longer than %d bytes", f->path, (long long)w->line,
                           LINE_MOST);
        UN_TRY(un_grow(&text, w->end, more, 1, "a line"));
        w->text = text;
        w->capacity = more;
    }
    ssize_t n;
    do n = pread(f->fd, w->text + w->end, block, (off_t)(w->at + (int64_t)w->end));
    while (n < 0 && errno == EINTR);
    if (n < 0) return un_fail(UN_IO, "%s: cannot read: %s", f->path, strerror(errno));
    *got = (size_t)n;
    w->end += (size_t)n;
    return UN_OK;
}

/* The next line, without its end; *text NULL: there is none. It stays until the next call. */
static enum un_status next_line(const struct file *f, struct window *w, const char **text, size_t *bytes) {
    size_t seen = 0, got = 1;
    char *end = NULL;
    for (;;) {
        if (w->end - w->start > seen) end = memchr(w->text + w->start + seen, '\n', w->end - w->start - seen);
        if (end || got == 0) break;
        seen = w->end - w->start;
        UN_TRY(fill(f, w, &got));
    }
    *text = w->end > w->start ? w->text + w->start : NULL;
    *bytes = end ? (size_t)(end - *text) : w->end - w->start;
    return UN_OK;
}

static void pass(struct window *w, size_t bytes) {
    size_t with_end = bytes + (w->start + bytes < w->end);
    w->start += with_end;
    w->at += (int64_t)with_end;
    ++w->line;
}

static size_t without_return(const char *text, size_t bytes) {
    return bytes > 0 && text[bytes - 1] == '\r' ? bytes - 1 : bytes;
}

/* How many of the gaps are at images below `index`. */
static int64_t gaps_below(const struct source_tsv *s, int64_t index) {
    int64_t low = 0, high = s->gaps;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (s->gap[middle] < index)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int64_t line_of(const struct source_tsv *s, const struct file *f, int64_t index) {
    return index - f->first + f->head + 1 + gaps_below(s, index + 1) - f->gap;
}

/* What became of the line before which image `next` would stand. */
static enum un_status settle_line(struct source_tsv *s, const char *where, int64_t next,
                                  enum un_status status) {
    bool bad = status != UN_OK;
    UN_TRY(un_image_source_listed(&s->source, where, status));
    if (!bad) return UN_OK;
    if (s->gaps == s->gap_room) {
        void *gap = s->gap;
        int64_t more = 2 * s->gap_room + 16;
        UN_TRY(un_grow(&gap, (size_t)s->gap_room, (size_t)more, sizeof *s->gap, "lines left out"));
        s->gap = gap;
        s->gap_room = more;
    }
    s->gap[s->gaps++] = next;
    return UN_OK;
}

static enum un_status add_line(const struct source_tsv *s, const struct file *f, struct un_image_list *list,
                               const char *where, const char *text, size_t bytes, int64_t at) {
    struct un_tsv_line line;
    struct un_image_shape shape;
    UN_TRY(un_tsv_parse(&line, &f->form, &s->how, where, text, bytes));
    un_tsv_shape(&line, &shape);
    if (list->n == 0) un_tsv_say(line.form, s->how.onehot > 0, where);
    UN_TRY(un_image_arrays_agree(list, where, &shape));
    return un_image_list_add(list, where, line.id, line.regions, at, (int64_t)bytes);
}

static enum un_status survey_lines(struct source_tsv *s, struct file *f, struct window *w,
                                   struct un_tsv_index *index, struct un_image_list *list) {
    char where[UN_PATH_MAX + 32];
    const char *text;
    size_t bytes;
    int64_t empty = 0; /* an empty line may only be the last: lines are counted by images */
    for (;; pass(w, bytes)) {
        UN_TRY(next_line(f, w, &text, &bytes));
        if (!text) return un_tsv_index_end(index, w->line - 1);
        UN_TRY(un_tsv_index_check(index, w->line, w->at));
        UN_TRY(un_image_source_seen(&s->source, (int64_t)bytes + 1));
        size_t length = without_return(text, bytes);
        snprintf(where, sizeof where, "%s:%lld", f->path, (long long)w->line);
        if (w->line == 1) UN_TRY(un_tsv_head(&f->form, where, text, length));
        if (length == 0 && empty == 0) {
            empty = w->line;
        } else if (empty > 0) {
            return un_fail(UN_DATA, "%s:%lld: an empty line", f->path, (long long)empty);
        } else if (w->line == 1 && f->form.columns > 0) {
            f->head = 1;
        } else {
            UN_TRY(settle_line(s, where, list->n, add_line(s, f, list, where, text, length, w->at)));
        }
    }
}

static enum un_status survey(struct un_image_source *source, struct un_image_list *list) {
    struct source_tsv *s = (struct source_tsv *)source;
    int64_t all = 0;
    s->how.onehot = source->onehot;
    for (int i = 0; i < s->n; ++i) all += s->file[i].bytes;
    un_image_source_ahead(source, all, 1000000, "MB");
    for (int i = 0; i < s->n; ++i) {
        struct window w = {.line = 1};
        struct un_tsv_index index;
        s->file[i].first = list->n;
        s->file[i].gap = s->gaps;
        posix_fadvise(s->file[i].fd, 0, 0, POSIX_FADV_SEQUENTIAL);
        enum un_status status = un_tsv_index_open(&index, s->file[i].path);
        if (status == UN_OK) status = survey_lines(s, s->file + i, &w, &index, list);
        un_tsv_index_close(&index);
        un_free(w.text);
        UN_TRY(status);
        if (list->n == s->file[i].first) return un_fail(UN_DATA, "%s: no images in it", s->file[i].path);
    }
    return UN_OK;
}

static const struct file *file_of(const struct source_tsv *s, int64_t index) {
    const struct file *f = s->file;
    while (f + 1 < s->file + s->n && f[1].first <= index) ++f;
    return f;
}

static void where_is(const struct un_image_source *source, const struct un_image_list *list, int64_t index,
                     char *text, size_t size) {
    const struct source_tsv *s = (const struct source_tsv *)source;
    const struct file *f = file_of(s, index);
    (void)list;
    snprintf(text, size, "%s:%lld", f->path, (long long)line_of(s, f, index));
}

static enum un_status reader_open(struct un_image_source *source, struct un_image_reader **reader) {
    struct un_image_reader *r = *reader = un_alloc(1, sizeof *r, "a reader");
    if (!r) return UN_MEMORY;
    r->source = (struct source_tsv *)source;
    un_base64_init(&r->base64);
    return UN_OK;
}

static void reader_close(struct un_image_reader *r) {
    un_image_room_free(&r->room);
    un_free(r->line);
    un_free(r);
}

static enum un_status read_line(struct un_image_reader *r, const struct file *f, const char *where,
                                const struct un_image_entry *entry) {
    if ((size_t)entry->bytes > r->line_bytes) {
        un_free(r->line);
        r->line_bytes = 0;
        if (!(r->line = un_alloc((size_t)entry->bytes, 1, "a line"))) return UN_MEMORY;
        r->line_bytes = (size_t)entry->bytes;
    }
    for (int64_t done = 0; done < entry->bytes;) {
        ssize_t n = pread(f->fd, r->line + done, (size_t)(entry->bytes - done), (off_t)(entry->at + done));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return un_fail(UN_IO, "%s: cannot read: %s", where, strerror(errno));
        if (n == 0) return un_fail(UN_DATA, "%s: has become shorter since the survey", where);
        done += n;
    }
    return UN_OK;
}

static enum un_status read_image(struct un_image_reader *r, const struct un_image_list *list, int64_t index,
                                 struct un_image_record *record) {
    const struct un_image_entry *entry = list->list + index;
    const struct file *f = file_of(r->source, index);
    char where[UN_PATH_MAX + 32];
    struct un_tsv_line line;
    struct un_image_arrays arrays;
    where_is(&r->source->source, list, index, where, sizeof where);
    UN_TRY(read_line(r, f, where, entry));
    UN_TRY(un_tsv_parse(&line, &f->form, &r->source->how, where, r->line, (size_t)entry->bytes));
    UN_TRY(un_tsv_arrays(&line, where, &r->base64, &r->room, &arrays));
    return un_image_arrays_record(&arrays, where, list, index, &r->room, record);
}

static void close_source(struct un_image_source *source) {
    struct source_tsv *s = (struct source_tsv *)source;
    for (int i = 0; s->file && i < s->n; ++i) {
        if (s->file[i].path && s->file[i].fd >= 0) close(s->file[i].fd);
        un_free(s->file[i].path);
    }
    un_free(s->file);
    un_free(s->gap);
    un_free(s);
}

static enum un_status open_source(struct source_tsv *s, const char *const *paths, int n) {
    s->file = un_alloc((size_t)n, sizeof *s->file, "TSV files");
    if (!s->file) return UN_MEMORY;
    s->n = n;
    for (int i = 0; i < n; ++i) {
        struct file *f = s->file + i;
        f->fd = -1;
        if (!(f->path = un_strdup(paths[i]))) return UN_MEMORY;
        f->fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (f->fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", paths[i], strerror(errno));
        struct stat st;
        if (fstat(f->fd, &st) != 0) return un_fail(UN_IO, "%s: %s", paths[i], strerror(errno));
        f->bytes = (int64_t)st.st_size;
        UN_TRY(un_image_stamp(&s->source.stamp, paths[i]));
    }
    un_image_source_name(&s->source, "tsv", paths, n);
    return UN_OK;
}

enum un_status un_image_source_tsv(struct un_image_source **source, const char *const *paths, int n) {
    static const struct un_image_source_ops ops = {survey, reader_open, read_image, reader_close,
                                                   close_source};
    struct source_tsv *s = un_alloc(1, sizeof *s, "a source of TSV");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.where = where_is;
    s->how.type = UN_F32;
    return un_image_source_opened(&s->source, open_source(s, paths, n), source);
}

void un_image_source_tsv_type(struct un_image_source *source, enum un_type type) {
    ((struct source_tsv *)source)->how.type = type;
}
