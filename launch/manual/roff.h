/* Text as groff and mandoc read it (man(7)). All texts are ASCII. */
#ifndef UN_LAUNCH_MANUAL_ROFF_H
#define UN_LAUNCH_MANUAL_ROFF_H

#include <stdio.h>

/* ".TH NAME SECTION", then NAME: "uniter - what it is". */
void un_roff_begin(FILE *out, const char *name, int section, const char *meaning);
/* A heading of a section, of a part of one. */
void un_roff_section(FILE *out, const char *title);
void un_roff_part(FILE *out, const char *title);
/* What comes next is a paragraph of its own. */
void un_roff_paragraph(FILE *out);
/* An entry of a list: the term in bold, which ends its line; its explanation follows. */
void un_roff_term(FILE *out, const char *term);
/* n bytes of text as they are read, inside a line; `un_roff_text`: a whole line of them. */
void un_roff_words(FILE *out, const char *text, size_t n);
void un_roff_text(FILE *out, const char *text);

#endif
