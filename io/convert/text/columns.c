/* See columns.h. */
#include "io/convert/text/columns.h"
#include "runtime/memory.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Names in use, by what they name. */
static const char *const used[UN_COLUMN_KINDS][12] = {
    [UN_COLUMN_CAPTION] = {"caption", "captions", "sentence", "text", "comment", "title", "raw",
                           "description"},
    [UN_COLUMN_IMAGE] = {"image", "image_id", "image_name", "filename", "file_name", "img", "img_id",
                         "img_name", "id"},
    [UN_COLUMN_URL] = {"url", "image_url", "img_url", "link"},
    [UN_COLUMN_NUMBER] = {"comment_number", "caption_number", "number", "index"},
    [UN_COLUMN_TEXT_ID] = {"text_id", "caption_id", "sentid", "sent_id"},
};

static enum un_named_column kind_of(const char *name, const char *caption, const char *image) {
    if (caption[0] && strcmp(name, caption) == 0) return UN_COLUMN_CAPTION;
    if (image[0] && strcmp(name, image) == 0) return UN_COLUMN_IMAGE;
    for (int kind = 0; kind < UN_COLUMN_KINDS; ++kind)
        for (int i = 0; used[kind][i]; ++i)
            if (strcasecmp(name, used[kind][i]) == 0) return (enum un_named_column)kind;
    return UN_COLUMN_KINDS;
}

/* ---- a line into fields ---- */

static void trim(struct un_text_field *f) {
    while (f->bytes > 0 && (f->text[0] == ' ')) ++f->text, --f->bytes;
    while (f->bytes > 0 && f->text[f->bytes - 1] == ' ') --f->bytes;
    f->text[f->bytes] = '\0';
}

/* A field that begins with a quote, unquoted in place; NULL: the quote does not end. Returns what follows its end. */
static char *unquote(char *text, char *end, struct un_text_field *field) {
    char *to = text;
    *field = (struct un_text_field){.text = text};
    for (char *c = text + 1; c < end; ++c) {
        if (*c == '"' && c + 1 < end && c[1] == '"')
            ++c;
        else if (*c == '"') {
            field->bytes = (size_t)(to - text);
            *to = '\0';
            return c + 1;
        }
        *to++ = *c;
    }
    return NULL;
}

/* Returns the number of fields; -1: a quote does not end, or something stands behind one; most + 1: there are more. */
static int cut(const struct un_columns *c, char *line, size_t bytes, struct un_text_field *field, int most) {
    char *at = line, *end = line + bytes;
    bool keeps =
        c->delimiter == '|' && c->at[UN_COLUMN_CAPTION] == c->n - 1; /* what is left is the caption */
    int n = 0;
    for (;; ++n) {
        if (n == most) return most + 1;
        char *next = NULL;
        if (c->quoted && at < end && *at == '"') {
            next = unquote(at, end, &field[n]);
            if (!next || (next < end && *next != c->delimiter)) return -1;
        } else {
            bool last = keeps && n == most - 1;
            next = c->delimiter && !last ? memchr(at, c->delimiter, (size_t)(end - at)) : NULL;
            if (!next) next = end;
            field[n] = (struct un_text_field){at, (size_t)(next - at)};
        }
        bool more = next < end;
        *next = '\0';
        if (c->delimiter == '|') trim(&field[n]);
        if (!more) return n + 1;
        at = next + 1;
    }
}

enum un_status un_columns_split(const struct un_columns *c, const char *path, int64_t number, char *line,
                                size_t bytes, struct un_text_field *field) {
    int n = cut(c, line, bytes, field, c->n);
    if (n == c->n) return UN_OK;
    const char *name = c->delimiter == ',' ? "a comma" : c->delimiter == '|' ? "|" : "a TAB";
    if (n < 0)
        return un_fail(
            UN_DATA, "%s: line %lld: a quote that does not end in it (records of several lines are not read)",
            path, (long long)number);
    return un_fail(UN_DATA, "%s: line %lld has %s columns (between them %s) where line 1 has %d", path,
                   (long long)number, n > c->n ? "more" : "fewer", name, c->n);
}

/* ---- what the columns are ---- */

/* A word as columns are called. */
static bool is_name(const char *text) {
    size_t n = strlen(text);
    for (const char *t = text; *t; ++t)
        if (!isalnum((unsigned char)*t) && !strchr("_-. /", *t)) return false;
    return n > 0 && n <= 40;
}

/* Is column `kind` there, under the name that was asked for? */
static bool has(const struct un_columns *c, const struct un_text_field *field, enum un_named_column kind,
                const char *asked) {
    return c->at[kind] >= 0 && (!asked[0] || strcmp(field[c->at[kind]].text, asked) == 0);
}

/* Do the fields name columns: a caption and what it belongs to? */
static bool read_head(struct un_columns *c, const struct un_text_field *field, int n, const char *caption,
                      const char *image) {
    for (int kind = 0; kind < UN_COLUMN_KINDS; ++kind) c->at[kind] = -1;
    for (int i = 0; i < n; ++i) {
        enum un_named_column kind = kind_of(field[i].text, caption, image);
        bool asked = kind == UN_COLUMN_CAPTION ? strcmp(field[i].text, caption) == 0
                                               : strcmp(field[i].text, image) == 0;
        if (kind == UN_COLUMN_KINDS && !is_name(field[i].text)) return false;
        if (kind < UN_COLUMN_KINDS && (c->at[kind] < 0 || asked)) c->at[kind] = i;
    }
    bool owner = c->at[UN_COLUMN_IMAGE] >= 0 || c->at[UN_COLUMN_URL] >= 0;
    c->n = n;
    c->head = n > 1 && owner && has(c, field, UN_COLUMN_CAPTION, caption) &&
              (!image[0] || has(c, field, UN_COLUMN_IMAGE, image));
    return c->head;
}

/* "," and "|" separate columns only in files with a head. */
static bool try_delimiter(struct un_columns *c, char delimiter, const char *line, const char *caption,
                          const char *image, enum un_status *status) {
    struct un_text_field field[UN_COLUMNS_MAX];
    char *copy = un_strdup(line);
    *c = (struct un_columns){.delimiter = delimiter, .quoted = delimiter != '|'};
    *status = copy ? UN_OK : UN_MEMORY;
    int n = copy && strchr(line, delimiter) ? cut(c, copy, strlen(copy), field, UN_COLUMNS_MAX) : 0;
    for (int i = 0; i < n && n <= UN_COLUMNS_MAX; ++i) trim(&field[i]);
    bool head = n > 1 && n <= UN_COLUMNS_MAX && read_head(c, field, n, caption, image);
    un_free(copy);
    return head;
}

static bool is_url(const char *text) {
    return strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0;
}

static enum un_status unnamed(const char *path, int n, bool urls) {
    return un_fail(UN_DATA,
                   "%s: line 1 has %d columns, and what they are cannot be told: %s is wanted, or a first "
                   "line with the names of the "
                   "columns (image, caption, url, ...)",
                   path, n, urls ? "caption TAB url, or url TAB caption" : "image id TAB caption");
}

/* Without a head: TABs alone separate, and the first line shows what stands where. */
static enum un_status guess(struct un_columns *c, const char *path, char *copy, bool urls) {
    struct un_text_field field[UN_COLUMNS_MAX];
    *c = (struct un_columns){.delimiter = '\t', .at = {-1, -1, -1, -1, -1}};
    size_t bytes = strlen(copy);
    const char *tab = strchr(copy, '\t');
    c->quoted = tab && copy[0] == '"' && tab > copy + 1 && tab[-1] == '"';
    c->n = cut(c, copy, bytes, field, UN_COLUMNS_MAX);
    if (c->n < 2 || c->n > 3 || (urls && c->n != 2)) return unnamed(path, c->n, urls);
    if (c->n == 3) {
        if (field[1].bytes == 0 || strspn(field[1].text, "0123456789") != field[1].bytes)
            return unnamed(path, 3, urls);
        c->at[UN_COLUMN_IMAGE] = 0;
        c->at[UN_COLUMN_NUMBER] = 1;
        c->at[UN_COLUMN_CAPTION] = 2;
    } else if (urls) {
        bool first = is_url(field[0].text) && !is_url(field[1].text);
        c->at[UN_COLUMN_URL] = first ? 0 : 1;
        c->at[UN_COLUMN_CAPTION] = first ? 1 : 0;
    } else {
        c->at[UN_COLUMN_IMAGE] = 0;
        c->at[UN_COLUMN_CAPTION] = 1;
    }
    return UN_OK;
}

enum un_status un_columns_find(struct un_columns *c, const char *path, const char *line, const char *caption,
                               const char *image, bool urls) {
    static const char delimiters[] = "\t,|";
    enum un_status status = UN_OK;
    for (const char *d = delimiters; *d && status == UN_OK; ++d)
        if (try_delimiter(c, *d, line, caption, image, &status)) return UN_OK;
    UN_TRY(status);
    size_t n = strlen(path);
    bool csv = n > 4 && strcasecmp(path + n - 4, ".csv") == 0;
    if (csv || caption[0] || image[0])
        return un_fail(UN_DATA,
                       "%s: line 1 does not name the columns%s%s%s%s: a head such as image,caption is wanted",
                       path, caption[0] ? " " : "", caption, image[0] ? " " : "", image);
    if (!strchr(line, '\t') && !urls) {
        *c = (struct un_columns){.n = 1, .at = {0, -1, -1, -1, -1}};
        return UN_OK;
    }
    char *copy = un_strdup(line);
    if (!copy) return UN_MEMORY;
    if (strchr(line, '\t'))
        status = guess(c, path, copy, urls);
    else
        status = un_fail(UN_DATA, "%s: line 1 has no TAB: caption TAB url is wanted", path);
    un_free(copy);
    return status;
}
