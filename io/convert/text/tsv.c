/* Captions in text files, one a line: Conceptual Captions, SBU's two files, image id TAB caption, tables with a head
 * (source.h).
 *
 * What breaks the form of the file (a column missing, files of different length) is an error with file and
 * line; a line whose text cannot be used (not UTF-8, an id too long) is handed on as such. */
#include "io/convert/format/lines.h"
#include "io/convert/text/columns.h"
#include "io/convert/text/private.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

struct source_lines {
    struct un_text_source source;        /* first */
    struct un_columns columns;           /* n 0: the two files of SBU */
    struct un_caption_lines lines, urls; /* urls: of SBU */
    char id[UN_ID_MAX + 1], text_id[UN_ID_MAX + 32];
};

static void set_sentence(struct un_caption *caption, const char *text, size_t bytes) {
    const char *fault = un_caption_text_fault(text, bytes);
    caption->sentence = text;
    caption->sentence_bytes = bytes;
    if (fault) un_caption_reject(caption, fault);
}

static void number_id(struct source_lines *s, struct un_caption *caption) {
    snprintf(s->id, sizeof s->id, "%lld", (long long)caption->line);
    caption->image_id = s->id;
    caption->invented = true;
}

/* The image's id or "name#0". */
static void set_id(struct source_lines *s, struct un_caption *caption, char *id, size_t bytes) {
    if (bytes == 0 || bytes > UN_ID_MAX || un_caption_text_fault(id, bytes)) {
        un_caption_reject(caption, bytes == 0          ? "no image id"
                                   : bytes > UN_ID_MAX ? "an id longer than 255 bytes"
                                                       : "an id that is not UTF-8");
        return;
    }
    id[bytes] = '\0';
    caption->image_id = id;
    char *mark = strrchr(id, '#');
    if (!mark || mark == id || mark[1] == '\0' || strspn(mark + 1, "0123456789") != strlen(mark + 1)) return;
    memcpy(s->id, id, (size_t)(mark - id));
    s->id[mark - id] = '\0';
    caption->text_id = id;
    caption->image_id = s->id;
}

static enum un_status next_plain(struct source_lines *s, struct un_caption *caption, bool *more) {
    struct un_text_field field[UN_COLUMNS_MAX];
    const int *at = s->columns.at;
    char *text;
    size_t bytes;
    UN_TRY(un_caption_lines_next(&s->lines, &text, &bytes, more));
    if (!*more) return UN_OK;
    caption->line = s->lines.number;
    if (s->columns.n == 1 && memchr(text, '\t', bytes))
        return un_fail(UN_DATA, "%s: line %lld has a TAB and line 1 has none: image ids or no image ids?",
                       s->lines.path, (long long)caption->line);
    UN_TRY(un_columns_split(&s->columns, s->lines.path, s->lines.number, text, bytes, field));
    set_sentence(caption, field[at[UN_COLUMN_CAPTION]].text, field[at[UN_COLUMN_CAPTION]].bytes);
    if (at[UN_COLUMN_URL] >= 0) caption->url = field[at[UN_COLUMN_URL]].text;
    if (at[UN_COLUMN_IMAGE] >= 0)
        set_id(s, caption, field[at[UN_COLUMN_IMAGE]].text, field[at[UN_COLUMN_IMAGE]].bytes);
    else
        number_id(s, caption);
    if (at[UN_COLUMN_TEXT_ID] >= 0 && field[at[UN_COLUMN_TEXT_ID]].bytes > 0)
        caption->text_id = field[at[UN_COLUMN_TEXT_ID]].text;
    else if (at[UN_COLUMN_NUMBER] >= 0 && caption->image_id && at[UN_COLUMN_IMAGE] >= 0) {
        snprintf(s->text_id, sizeof s->text_id, "%s#%.20s", caption->image_id,
                 field[at[UN_COLUMN_NUMBER]].text);
        caption->text_id = s->text_id;
    }
    if (caption->text_id && (strlen(caption->text_id) > UN_ID_MAX ||
                             un_caption_text_fault(caption->text_id, strlen(caption->text_id)))) {
        caption->text_id = NULL;
        un_caption_reject(caption, "a text id longer than 255 bytes, or not UTF-8");
    }
    return UN_OK;
}

static enum un_status next_parallel(struct source_lines *s, struct un_caption *caption, bool *more) {
    char *text, *url;
    size_t bytes, url_bytes;
    bool url_more;
    UN_TRY(un_caption_lines_next(&s->lines, &text, &bytes, more));
    UN_TRY(un_caption_lines_next(&s->urls, &url, &url_bytes, &url_more));
    if (*more != url_more) {
        const struct un_caption_lines *shorter = *more ? &s->urls : &s->lines;
        return un_fail(UN_DATA, "%s ends after line %lld, %s goes on: they are not parallel", shorter->path,
                       (long long)shorter->number, *more ? s->lines.path : s->urls.path);
    }
    if (!*more) return UN_OK;
    caption->line = s->lines.number;
    caption->url = url;
    number_id(s, caption);
    set_sentence(caption, text, bytes);
    return UN_OK;
}

static enum un_status next_line(struct un_text_source *source, struct un_caption *caption, bool *more) {
    struct source_lines *s = (struct source_lines *)source;
    *caption = (struct un_caption){0};
    UN_TRY(s->columns.n == 0 ? next_parallel(s, caption, more) : next_plain(s, caption, more));
    source->bytes_done = s->lines.taken + s->urls.taken;
    return UN_OK;
}

static void close_lines(struct un_text_source *source) {
    struct source_lines *s = (struct source_lines *)source;
    un_caption_lines_close(&s->lines);
    un_caption_lines_close(&s->urls);
    un_free(s);
}

/* "(lp0" and nothing else: a pickle of the first protocol is text. */
static bool is_text_pickle(const char *line) {
    return line[0] == '(' && line[1] && strchr("dlt", line[1]) && line[2] == 'p' && line[3] &&
           line[3 + strspn(line + 3, "0123456789")] == '\0';
}

/* A declaration, one tag, or an element that is the whole line. */
static bool is_markup(const char *line) {
    char end[40];
    const size_t n = strlen(line);
    if (un_begins(line, "<?xml") || un_begins(line, "<!DOCTYPE") || un_begins(line, "<!doctype")) return true;
    if (n < 3 || line[0] != '<' || line[n - 1] != '>') return false;
    snprintf(end, sizeof end, "</%.*s>", (int)(strcspn(line, "> \t") - 1), line + 1);
    return strchr(line, '>') == line + n - 1 || un_ends(line, end);
}

/* What holds no captions in lines, by its first line; NULL: perhaps it does. */
static const char *other_kind(const char *line) {
    static const char *const binary[] = {"\x80\x02", "\x80\x03",   "\x80\x04", "\x80\x05",  "\x89HDF",
                                         "\x89PNG",  "PK\x03\x04", "\x1f\x8b", "\x93NUMPY", "\xff\xd8\xff"};
    for (size_t i = 0; i < sizeof binary / sizeof *binary; ++i)
        if (un_begins(line, binary[i])) return "a pickle, an archive, a picture or another binary file";
    if (is_text_pickle(line)) return "a pickle of Python";
    if (is_markup(line)) return "XML or HTML";
    if (un_begins(line, "version https://git-lfs"))
        return "a pointer of Git LFS (`git lfs pull` gets the file)";
    if (un_begins(line, "[/EN#") || strstr(line, " [/EN#"))
        return "sentences of Flickr30k Entities with their marks (the captions are in "
               "results_20130124.token)";
    return NULL;
}

/* The first line of a file that is one of lines at all. Owner of *line: caller, un_free. */
static enum un_status look(const char *path, char **line) {
    struct un_caption_lines lines;
    char *text = NULL;
    size_t bytes = 0;
    bool more = false;
    *line = NULL;
    UN_TRY(un_caption_lines_open(&lines, path));
    enum un_status status = UN_OK;
    if (lines.size == 0)
        status = un_fail(UN_USAGE,
                         "%s: a pipe or a device, which is read only once: write it into a file first", path);
    if (status == UN_OK) status = un_caption_lines_next(&lines, &text, &bytes, &more);
    if (status == UN_OK && more && memchr(text, '\0', bytes))
        status = un_fail(
            UN_DATA, "%s: zero bytes in line 1: a binary file or UTF-16; lines of UTF-8 are wanted", path);
    if (status == UN_OK && more && memchr(text, '\r', bytes))
        status = un_fail(
            UN_DATA,
            "%s: line 1 holds carriage returns: lines end as on an old Mac; `tr '\\r' '\\n'` mends that",
            path);
    const char *other = status == UN_OK && more ? other_kind(text) : NULL;
    if (other) status = un_fail(UN_DATA, "%s: %s; lines of UTF-8 are wanted", path, other);
    if (status == UN_OK && !(*line = un_strdup(more ? text : ""))) status = UN_MEMORY;
    un_caption_lines_close(&lines);
    return status;
}

static bool is_url(const char *line) {
    return strncmp(line, "http://", 7) == 0 || strncmp(line, "https://", 8) == 0;
}

static enum un_status open_lines(struct un_text_source **source, const char *kind, const char *path,
                                 const char *urls, const struct un_columns *columns) {
    static const struct un_text_source_ops ops = {next_line, close_lines};
    struct source_lines *s = un_alloc(1, sizeof *s, "a source of captions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.sentences = true;
    if (columns) s->columns = *columns;
    un_text_source_name(&s->source, kind, path);
    enum un_status status = un_caption_lines_open(&s->lines, path);
    if (status == UN_OK && urls) status = un_caption_lines_open(&s->urls, urls);
    if (status == UN_OK && columns && columns->head) {
        char *head;
        size_t bytes;
        bool more;
        status = un_caption_lines_next(&s->lines, &head, &bytes, &more);
    }
    if (status != UN_OK) {
        close_lines(&s->source);
        return status;
    }
    s->source.bytes_total = s->lines.size + s->urls.size;
    *source = &s->source;
    return UN_OK;
}

static enum un_status open_columns(struct un_text_source **source, const char *kind, const char *path,
                                   const char *line, const struct un_text_names *names, bool urls) {
    struct un_columns columns;
    *source = NULL;
    UN_TRY(un_columns_find(&columns, path, line, names->caption, names->image, urls));
    return open_lines(source, kind, path, NULL, &columns);
}

enum un_status un_text_source_cc(struct un_text_source **source, const char *path) {
    static const struct un_text_names none = {"", ""};
    char *line;
    *source = NULL;
    UN_TRY(look(path, &line));
    enum un_status status = open_columns(source, "cc", path, line, &none, true);
    un_free(line);
    return status;
}

/* A list or an object of JSON by its first bytes; "[/EN#" and the like are neither. */
static bool is_document(const char *line) {
    if (strcmp(line, "{") == 0) return true;
    const char *next = line + 1 + (line[0] ? strspn(line + 1, " \t") : 0);
    return line[0] == '[' && (*next == '\0' || strchr("{[]\"-0123456789", *next));
}

enum un_status un_text_source_lines(struct un_text_source **source, const char *path,
                                    const struct un_text_names *names) {
    char *line;
    *source = NULL;
    UN_TRY(look(path, &line));
    enum un_status status = UN_OK;
    if (is_document(line))
        status = un_fail(UN_DATA,
                         "%s: a JSON document, not an object a line: `import coco` reads lists of captions, "
                         "`import vg` regions",
                         path);
    else
        status = line[0] == '{' ? un_text_source_jsonl(source, path, line, names)
                                : open_columns(source, "text", path, line, names, false);
    un_free(line);
    return status;
}

enum un_status un_text_source_parallel(struct un_text_source **source, const char *path, const char *second) {
    char *line, *other;
    *source = NULL;
    UN_TRY(look(path, &line));
    bool first_is = is_url(line);
    un_free(line);
    UN_TRY(look(second, &other));
    bool second_is = is_url(other);
    un_free(other);
    if (first_is == second_is)
        return un_fail(
            UN_DATA, "%s, %s: %s of them begins with a URL; one file of URLs and one of captions are wanted",
            path, second, first_is ? "each" : "neither");
    return open_lines(source, "sbu", first_is ? second : path, first_is ? path : second, NULL);
}
