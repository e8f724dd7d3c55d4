/* A page of ours as a man page: as much of Markdown as manual.h names. */
#include "launch/manual/manual.h"
#include "launch/manual/roff.h"

#include <string.h>

enum block { NONE, TEXT, CODE };

/* `code` and **strong** are bold; a mark without its other end is text. */
static void write_line(FILE *out, const char *text, size_t n) {
    static const char *const marks[] = {"`", "**"};
    if (n && text[0] == '.') fputs("\\&", out);
    for (size_t i = 0; i < n;) {
        bool marked = false;
        for (int m = 0; m < 2 && !marked; ++m) {
            size_t width = strlen(marks[m]);
            if (i + width > n || strncmp(text + i, marks[m], width) != 0) continue;
            size_t end = i + width;
            while (end + width <= n && strncmp(text + end, marks[m], width) != 0) ++end;
            if (end + width > n) continue;
            fputs("\\fB", out);
            un_roff_words(out, text + i + width, end - i - width);
            fputs("\\fR", out);
            i = end + width;
            marked = true;
        }
        if (!marked) un_roff_words(out, text + i++, 1);
    }
    fputc('\n', out);
}

/* "| term | meaning |"; rows of dashes and the one above them only say that this is a table. */
static void write_row(FILE *out, const char *line, size_t n, const char *next) {
    const char *second = memchr(line + 1, '|', n - 1), *end = line + n;
    if (!second || strncmp(line, "| ---", 5) == 0 || strncmp(next, "| ---", 5) == 0) return;
    const char *from = second + 1;
    while (end > from && (end[-1] == '|' || end[-1] == ' ')) --end;
    while (from < end && *from == ' ') ++from;
    fputs(".TP\n", out);
    size_t begin = 1, length = (size_t)(second - line);
    while (begin < length && line[begin] == ' ') ++begin;
    while (length > begin && line[length - 1] == ' ') --length;
    write_line(out, line + begin, length - begin);
    write_line(out, from, (size_t)(end - from));
}

static void write_heading(FILE *out, const char *line, size_t n) {
    char title[128];
    size_t level = strspn(line, "#");
    if (level == 1) return; /* the page's own */
    snprintf(title, sizeof title, "%.*s", (int)(n - level), line + level + (n > level));
    title[strcspn(title, "\n")] = '\0';
    if (level == 2)
        un_roff_section(out, title);
    else
        un_roff_part(out, title);
}

/* One line; `next` is the line below. */
static enum block write_block(FILE *out, enum block in, const char *line, size_t n, const char *next) {
    bool code = n > 4 && strncmp(line, "    ", 4) == 0;
    if (in == CODE && !code && n > 0) fputs(".fi\n.RE\n", out);
    if (n == 0) return in == CODE ? CODE : NONE;
    if (code) {
        if (in != CODE) fputs(".PP\n.RS 4\n.nf\n", out);
        un_roff_text(out, line + 4);
        return CODE;
    }
    if (line[0] == '#') {
        write_heading(out, line, n);
    } else if (line[0] == '|') {
        write_row(out, line, n, next);
    } else if (strncmp(line, "- ", 2) == 0) {
        fputs(".IP \\(bu 2\n", out);
        write_line(out, line + 2, n - 2);
    } else {
        size_t indent = strspn(line, " ");
        if (in != TEXT) un_roff_paragraph(out);
        write_line(out, line + indent, n - indent);
    }
    return line[0] == '#' || line[0] == '|' ? NONE : TEXT;
}

void un_manual_page(FILE *out, const char *name, int section, const char *meaning, const char *markdown) {
    char line[1024];
    enum block in = NONE;
    un_roff_begin(out, name, section, meaning);
    while (*markdown) {
        size_t n = strcspn(markdown, "\n");
        const char *next = markdown + n + (markdown[n] == '\n');
        snprintf(line, sizeof line, "%.*s", (int)n, markdown);
        in = write_block(out, in, line, strlen(line), next);
        markdown = next;
    }
    if (in == CODE) fputs(".fi\n.RE\n", out);
}
