/* Unknown columns, found, compared and copied (columns.h). */
#include "io/convert/select/columns.h"
#include "io/h5/row_sink.h"
#include "runtime/memory.h"

#include <string.h>

enum form { LEFT_OUT, ROWS, RANGES, TEXTS };
struct column {
    char *name, *offset; /* RANGES: NAME_offset */
    enum form form;
    enum un_type type;
    int64_t cols; /* 0: rows are single numbers */
};
struct un_select_columns {
    const struct un_text_file *files;
    int n;
    uint8_t *const *kept;
    struct column *list;
    int64_t columns;
};

static struct un_column_source source_of(const struct un_text_file *f) {
    return (struct un_column_source){f->h5, f->path, f->fd};
}

/* ---- what there is ---- */

static enum un_type whole_type(struct un_h5_data *data, const struct un_h5_shape *shape) {
    if (un_h5_raw_offset(data, UN_U8) >= 0) return UN_U8;
    if (un_h5_raw_offset(data, UN_I32) >= 0 || shape->element_bytes < 4) return UN_I32;
    return UN_I64; /* u32 too */
}

/* Of the dataset `name` in a file: LEFT_OUT when it is of no form that is kept. */
static enum un_status describe(const struct un_text_file *f, struct column *c) {
    struct un_h5_data *data;
    struct un_h5_shape shape;
    c->form = LEFT_OUT;
    enum un_status status = un_h5_data_open(f->h5, c->name, &data, &shape);
    if (status != UN_OK) { /* a group, a link elsewhere, a type or rank that is not read */
        if (status != UN_DATA) return status;
        un_error_clear();
        return UN_OK;
    }
    bool offsets = un_h5_exists(f->h5, c->offset);
    bool rows = shape.rank >= 1 && shape.dims[0] == f->texts;
    c->cols = shape.rank == 2 ? shape.dims[1] : 0;
    c->type = shape.class_ == UN_H5_INT  ? whole_type(data, &shape)
              : shape.element_bytes == 2 ? UN_F16
                                         : UN_F32;
    un_h5_data_close(data);
    if (shape.class_ == UN_H5_TEXT)
        c->form = rows && shape.rank == 1 ? TEXTS : LEFT_OUT;
    else if (shape.class_ == UN_H5_INT || shape.element_bytes <= 4)
        c->form = offsets && shape.rank >= 1 ? RANGES : rows ? ROWS : LEFT_OUT;
    if (shape.rank == 2 && c->cols == 0) c->form = LEFT_OUT; /* nothing in it */
    return UN_OK;
}

/* Is it the NAME_offset of another? */
static enum un_status is_offset(const struct un_text_file *f, const char *name, bool *is) {
    size_t length = strlen(name), tail = strlen("_offset");
    *is = false;
    if (length <= tail || strcmp(name + length - tail, "_offset") != 0) return UN_OK;
    char *base = un_format("%.*s", (int)(length - tail), name);
    if (!base) return UN_MEMORY;
    *is = un_h5_exists(f->h5, base);
    un_free(base);
    return UN_OK;
}

static enum un_status add_column(struct un_select_columns *s, const char *name) {
    struct column *c = &s->list[s->columns++];
    c->name = un_strdup(name);
    c->offset = un_format("%s_offset", name);
    if (!c->name || !c->offset) return UN_MEMORY;
    UN_TRY(describe(s->files, c));
    if (c->form == LEFT_OUT)
        un_log(UN_LOG_WARN,
               "%s: %s is left out: neither a row nor a range a text, or of a type that is not kept",
               s->files->path, name);
    return UN_OK;
}

/* The same column in another file must be of the same form. */
static enum un_status compare(const struct un_select_columns *s, const struct un_text_file *f,
                              const struct column *want) {
    struct column c = *want;
    UN_TRY(describe(f, &c));
    if (c.form == want->form && (c.form == LEFT_OUT || c.form == TEXTS || c.cols == want->cols)) {
        bool whole = c.type == UN_U8 || c.type == UN_I32 || c.type == UN_I64;
        bool other = want->type == UN_U8 || want->type == UN_I32 || want->type == UN_I64;
        if (c.form == LEFT_OUT || c.form == TEXTS || whole == other) return UN_OK;
    }
    return un_fail(UN_DATA, "%s: %s is missing or of another form than in %s", f->path, want->name,
                   s->files->path);
}

/* The wider of the types of all files. */
static enum un_status widen(const struct un_select_columns *s, struct column *want) {
    static const int wide[] = {[UN_U8] = 1, [UN_I32] = 2, [UN_I64] = 3, [UN_F16] = 1, [UN_F32] = 2};
    for (int i = 1; i < s->n; ++i) {
        struct column c = *want;
        UN_TRY(describe(s->files + i, &c));
        if (c.form != LEFT_OUT && wide[c.type] > wide[want->type]) want->type = c.type;
    }
    return UN_OK;
}

/* Names of file i that nobody else writes: into the list for the first file, else only counted. */
static enum un_status list_names(struct un_select_columns *s, int i, const struct un_text_sink_setup *setup,
                                 char *const *names, int64_t n) {
    int64_t found = 0;
    bool offset;
    if (i == 0 && !(s->list = un_alloc((size_t)n + 1, sizeof *s->list, "columns"))) return UN_MEMORY;
    for (int64_t k = 0; k < n; ++k) {
        if (un_text_sink_knows(setup, names[k])) continue;
        UN_TRY(is_offset(s->files + i, names[k], &offset));
        if (offset) continue;
        ++found;
        if (i == 0) UN_TRY(add_column(s, names[k]));
    }
    for (int64_t k = 0; i > 0 && k < s->columns; ++k) UN_TRY(compare(s, s->files + i, &s->list[k]));
    if (found == s->columns) return UN_OK;
    return un_fail(UN_DATA, "%s has %lld columns that are not known, %s %lld", s->files[i].path,
                   (long long)found, s->files->path, (long long)s->columns);
}

static enum un_status list_columns(struct un_select_columns *s, const struct un_text_sink_setup *setup) {
    for (int i = 0; i < s->n; ++i) {
        char **names;
        int64_t n;
        UN_TRY(un_h5_names(s->files[i].h5, "/", &names, &n));
        enum un_status status = list_names(s, i, setup, names, n);
        un_h5_names_free(names, n);
        UN_TRY(status);
    }
    for (int64_t k = 0; k < s->columns; ++k) UN_TRY(widen(s, &s->list[k]));
    return UN_OK;
}

enum un_status un_select_columns_open(struct un_select_columns **columns, const struct un_text_file *files,
                                      int n, uint8_t *const *kept, const struct un_text_sink_setup *setup) {
    struct un_select_columns *s = *columns = un_alloc(1, sizeof *s, "columns");
    if (!s) return UN_MEMORY;
    *s = (struct un_select_columns){.files = files, .n = n, .kept = kept};
    enum un_status status = list_columns(s, setup);
    if (status == UN_OK) return UN_OK;
    un_select_columns_close(s);
    *columns = NULL;
    return status;
}

void un_select_columns_close(struct un_select_columns *s) {
    if (!s) return;
    for (int64_t k = 0; k < s->columns; ++k) {
        un_free(s->list[k].name);
        un_free(s->list[k].offset);
    }
    un_free(s->list);
    un_free(s);
}

/* ---- copying ---- */

/* The next rows [*begin, *end) of file i that are kept one after the other, from *end on; false: no more. */
static bool next_run(const struct un_select_columns *s, int i, int64_t *begin, int64_t *end) {
    int64_t texts = s->files[i].texts;
    for (*begin = *end; *begin < texts && !s->kept[i][*begin]; ++*begin) continue;
    for (*end = *begin; *end < texts && s->kept[i][*end]; ++*end) continue;
    return *begin < texts;
}

static enum un_status copy_rows(struct un_row_sink *sink, struct un_h5_data *data, int64_t first,
                                int64_t end) {
    for (int64_t n; first < end; first += n) {
        n = end - first < sink->capacity ? end - first : sink->capacity;
        UN_TRY(un_row_sink_room(sink, n));
        UN_TRY(un_h5_read_rows(data, first, n, sink->type, un_row_sink_take(sink, n)));
    }
    return UN_OK;
}

/* offset NULL: rows of texts themselves. */
static enum un_status copy_file(const struct un_select_columns *s, int i, const struct column *c,
                                const int64_t *offset, struct un_row_sink *sink) {
    struct un_h5_data *data;
    struct un_h5_shape shape;
    int64_t begin, end = 0;
    UN_TRY(un_h5_data_open(s->files[i].h5, c->name, &data, &shape));
    enum un_status status = UN_OK;
    while (status == UN_OK && next_run(s, i, &begin, &end))
        status = copy_rows(sink, data, offset ? offset[begin] : begin, offset ? offset[end] : end);
    un_h5_data_close(data);
    return status;
}

static enum un_status offsets_of(const struct un_select_columns *s, int i, const struct column *c,
                                 int64_t **offset) {
    const struct un_column_source source = source_of(s->files + i);
    struct un_h5_data *data;
    struct un_h5_shape shape;
    UN_TRY(un_h5_data_open(source.h5, c->name, &data, &shape));
    un_h5_data_close(data);
    return un_column_offsets(&source, c->offset, s->files[i].texts, c->name, shape.dims[0], offset);
}

/* NAME_offset of the kept, and how many rows of NAME that makes. */
static enum un_status write_offsets(const struct un_select_columns *s, const struct column *c,
                                    struct un_h5 *out, int64_t texts, int64_t *const *offset, int64_t *rows) {
    int64_t at = 1;
    int64_t *all = un_alloc((size_t)texts + 1, sizeof *all, c->offset);
    if (!all) return UN_MEMORY;
    for (int i = 0; i < s->n; ++i)
        for (int64_t row = 0; row < s->files[i].texts; ++row) {
            if (!s->kept[i][row]) continue;
            all[at] = all[at - 1] + offset[i][row + 1] - offset[i][row];
            ++at;
        }
    *rows = all[texts];
    enum un_status status = un_h5_write_all(out, c->offset, UN_I64, texts + 1, 0, all);
    un_free(all);
    return status;
}

static enum un_status write_numbers(const struct un_select_columns *s, const struct column *c,
                                    struct un_h5 *out, int64_t texts) {
    struct un_row_sink sink = {0};
    int64_t rows = texts;
    enum un_status status = UN_OK;
    int64_t **offset = un_alloc((size_t)s->n, sizeof *offset, c->offset);
    if (!offset) return UN_MEMORY;
    for (int i = 0; i < s->n && c->form == RANGES && status == UN_OK; ++i)
        status = offsets_of(s, i, c, &offset[i]);
    if (status == UN_OK && c->form == RANGES) status = write_offsets(s, c, out, texts, offset, &rows);
    if (status == UN_OK) status = un_row_sink_open(&sink, out, c->name, c->type, rows, c->cols, 1);
    for (int i = 0; i < s->n && status == UN_OK; ++i) status = copy_file(s, i, c, offset[i], &sink);
    if (status == UN_OK) status = un_row_sink_flush(&sink);
    un_row_sink_close(&sink);
    for (int i = 0; i < s->n; ++i) un_free(offset[i]);
    un_free(offset);
    return status;
}

/* Texts of all files in memory at once, as the ids are. */
static enum un_status write_texts(const struct un_select_columns *s, const struct column *c,
                                  struct un_h5 *out, int64_t texts) {
    enum un_status status = UN_OK;
    int64_t n, widest = 1, at = 0;
    char **cells = un_alloc((size_t)s->n, sizeof *cells, c->name), *all = NULL;
    int64_t *stride = un_alloc((size_t)s->n, sizeof *stride, c->name);
    if (!cells || !stride) status = UN_MEMORY;
    for (int i = 0; i < s->n && status == UN_OK; ++i) {
        status = un_h5_read_texts(s->files[i].h5, c->name, &n, &stride[i], &cells[i]);
        if (stride[i] - 1 > widest) widest = stride[i] - 1;
    }
    if (status == UN_OK && !(all = un_alloc((size_t)texts, (size_t)widest, c->name))) status = UN_MEMORY;
    for (int i = 0; i < s->n && status == UN_OK; ++i)
        for (int64_t row = 0; row < s->files[i].texts; ++row) {
            const char *text = cells[i] + row * stride[i];
            if (s->kept[i][row]) memcpy(all + widest * at++, text, strlen(text));
        }
    if (status == UN_OK) status = un_h5_write_texts(out, c->name, texts, widest, all);
    for (int i = 0; cells && i < s->n; ++i) un_free(cells[i]);
    un_free(cells);
    un_free(stride);
    un_free(all);
    return status;
}

enum un_status un_select_columns_write(void *columns, struct un_h5 *out) {
    const struct un_select_columns *s = columns;
    int64_t texts = 0;
    for (int i = 0; i < s->n; ++i)
        for (int64_t row = 0; row < s->files[i].texts; ++row) texts += s->kept[i][row];
    for (int64_t k = 0; k < s->columns; ++k) {
        const struct column *c = &s->list[k];
        if (c->form == LEFT_OUT) continue;
        UN_TRY(c->form == TEXTS ? write_texts(s, c, out, texts) : write_numbers(s, c, out, texts));
    }
    return UN_OK;
}
