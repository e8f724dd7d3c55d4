/* Captions in text files, one a line: Conceptual Captions, SBU's two files, image id TAB caption
 * (source.h).
 *
 * What breaks the form of the file (a field missing, files of different length) is an error with file and
 * line; a line whose text cannot be used (not UTF-8, an id too long) is handed on as such. */
#include "io/convert/format/lines.h"
#include "io/convert/text/private.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum line_form { CAPTION_URL, PARALLEL, ID_CAPTION, CAPTION };

struct source_lines {
    struct un_text_source source; /* first */
    enum line_form form;
    struct un_caption_lines lines, urls; /* urls: of PARALLEL */
    char id[UN_ID_MAX + 1];
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
}

/* The front of the line up to a TAB, cut there, is the image's id or "name#0". */
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

static enum un_status no_tab(const struct un_caption_lines *l, const char *form) {
    return un_fail(UN_DATA, "%s: line %lld has no TAB: %s is wanted", l->path, (long long)l->number, form);
}

static enum un_status next_plain(struct source_lines *s, struct un_caption *caption, bool *more) {
    char *text;
    size_t bytes;
    UN_TRY(un_caption_lines_next(&s->lines, &text, &bytes, more));
    if (!*more) return UN_OK;
    caption->line = s->lines.number;
    char *tab = memchr(text, '\t', bytes);
    size_t front = tab ? (size_t)(tab - text) : bytes;
    if (s->form == CAPTION) {
        if (tab)
            return un_fail(UN_DATA, "%s: line %lld has a TAB and line 1 has none: image ids or no image ids?",
                           s->lines.path, (long long)caption->line);
        number_id(s, caption);
        set_sentence(caption, text, bytes);
    } else if (s->form == ID_CAPTION) {
        if (!tab) return no_tab(&s->lines, "image id TAB caption");
        set_sentence(caption, tab + 1, bytes - front - 1);
        set_id(s, caption, text, front);
    } else {
        if (!tab) return no_tab(&s->lines, "caption TAB url");
        number_id(s, caption);
        set_sentence(caption, text, front);
        caption->url = tab + 1;
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
    UN_TRY(s->form == PARALLEL ? next_parallel(s, caption, more) : next_plain(s, caption, more));
    source->bytes_done = s->lines.taken + s->urls.taken;
    return UN_OK;
}

static void close_lines(struct un_text_source *source) {
    struct source_lines *s = (struct source_lines *)source;
    un_caption_lines_close(&s->lines);
    un_caption_lines_close(&s->urls);
    un_free(s);
}

/* The first line of a file. */
static enum un_status look(const char *path, bool *has_tab, bool *is_url) {
    struct un_caption_lines lines;
    char *text = NULL;
    size_t bytes = 0;
    bool more;
    UN_TRY(un_caption_lines_open(&lines, path));
    enum un_status status = un_caption_lines_next(&lines, &text, &bytes, &more);
    *has_tab = status == UN_OK && more && memchr(text, '\t', bytes);
    *is_url =
        status == UN_OK && more && (strncmp(text, "http://", 7) == 0 || strncmp(text, "https://", 8) == 0);
    un_caption_lines_close(&lines);
    return status;
}

static enum un_status open_lines(struct un_text_source **source, const char *kind, const char *path,
                                 const char *urls, enum line_form form) {
    static const struct un_text_source_ops ops = {next_line, close_lines};
    struct source_lines *s = un_alloc(1, sizeof *s, "a source of captions");
    *source = NULL;
    if (!s) return UN_MEMORY;
    s->source.ops = &ops;
    s->source.sentences = true;
    s->form = form;
    un_text_source_name(&s->source, kind, path);
    enum un_status status = un_caption_lines_open(&s->lines, path);
    if (status == UN_OK && urls) status = un_caption_lines_open(&s->urls, urls);
    if (status != UN_OK) {
        close_lines(&s->source);
        return status;
    }
    s->source.bytes_total = s->lines.size + s->urls.size;
    *source = &s->source;
    return UN_OK;
}

enum un_status un_text_source_cc(struct un_text_source **source, const char *path) {
    return open_lines(source, "cc", path, NULL, CAPTION_URL);
}

enum un_status un_text_source_lines(struct un_text_source **source, const char *path) {
    bool tab, url;
    *source = NULL;
    UN_TRY(look(path, &tab, &url));
    return open_lines(source, "text", path, NULL, tab ? ID_CAPTION : CAPTION);
}

enum un_status un_text_source_parallel(struct un_text_source **source, const char *path, const char *second) {
    bool tab, first_is, second_is;
    *source = NULL;
    UN_TRY(look(path, &tab, &first_is));
    UN_TRY(look(second, &tab, &second_is));
    if (first_is == second_is)
        return un_fail(
            UN_DATA, "%s, %s: %s of them begins with a URL; one file of URLs and one of captions are wanted",
            path, second, first_is ? "each" : "neither");
    return open_lines(source, "sbu", first_is ? second : path, first_is ? path : second, PARALLEL);
}
