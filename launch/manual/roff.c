#include "launch/manual/roff.h"

#include <stdbool.h>
#include <string.h>

#ifndef UN_VERSION
#define UN_VERSION "unknown"
#endif

/* A minus that can be copied, and no word that troff takes as its own. */
void un_roff_words(FILE *out, const char *text, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        switch (text[i]) {
        case '\\': fputs("\\e", out); break;
        case '-': fputs("\\-", out); break;
        case '\'': fputs("\\(aq", out); break;
        case '`': fputs("\\(ga", out); break;
        case '^': fputs("\\(ha", out); break;
        case '~': fputs("\\(ti", out); break;
        default: fputc(text[i], out);
        }
    }
}

void un_roff_text(FILE *out, const char *text) {
    if (text[0] == '.') fputs("\\&", out);
    un_roff_words(out, text, strlen(text));
    fputc('\n', out);
}

void un_roff_begin(FILE *out, const char *name, int section, const char *meaning) {
    fputs(".\\\" made by uniter_manual of the programs' own tables\n.TH ", out);
    for (const char *c = name; *c; ++c) fputc(*c >= 'a' && *c <= 'z' ? *c - 'a' + 'A' : *c, out);
    fprintf(out, " %d \"\" \"uniter_dist " UN_VERSION "\" \"uniter_dist\"\n.SH NAME\n%s \\- ", section, name);
    un_roff_text(out, meaning);
}

static void heading(FILE *out, const char *macro, const char *title) {
    fprintf(out, ".%s \"", macro);
    for (; *title; ++title) /* in an argument a quote is said twice */
        if (*title == '"')
            fputs("\"\"", out);
        else
            un_roff_words(out, title, 1);
    fputs("\"\n", out);
}

void un_roff_section(FILE *out, const char *title) {
    heading(out, "SH", title);
}

void un_roff_part(FILE *out, const char *title) {
    heading(out, "SS", title);
}

void un_roff_paragraph(FILE *out) {
    fputs(".PP\n", out);
}

void un_roff_term(FILE *out, const char *term) {
    fputs(".TP\n\\fB", out);
    un_roff_words(out, term, strlen(term));
    fputs("\\fR\n", out);
}
