/* Lines of the YAML that comes out (private.h). */
#include "io/convert/setup/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE = 4096, COLUMN = 34 };

/* What comes from the file may not end a comment. */
static void put_comment(struct un_text_out *out, char *text) {
    for (char *c = text; *c; ++c)
        if (*c < 0x20 || *c > 0x7E) *c = '?';
    un_text_put(out, "# %s\n", text);
}

void un_setup_line(struct un_setup *s, int indent, const char *why, const char *format, ...) {
    char comment[LINE];
    size_t before = s->out->used;
    un_text_put(s->out, "%*s", indent, "");
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    un_text_put(s->out, "%s", text);
    int used = (int)(s->out->used - before);
    if (!why) {
        un_text_put(s->out, "\n");
        return;
    }
    snprintf(comment, sizeof comment, "%s", why);
    un_text_put(s->out, "%*s", used < COLUMN ? COLUMN - used : 2, "");
    put_comment(s->out, comment);
}

void un_setup_comment(struct un_setup *s, int indent, const char *format, ...) {
    char text[LINE];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    un_text_put(s->out, "%*s", indent, "");
    put_comment(s->out, text);
}

const char *un_setup_float(char text[32], double value) {
    snprintf(text, 32, "%.15g", value);
    if (strtod(text, NULL) != value) snprintf(text, 32, "%.17g", value);
    return text;
}

const char *un_setup_from(const struct un_setup *s, char text[160], const char *key, bool given) {
    if (given)
        snprintf(text, 160, "%s", key);
    else
        snprintf(text, 160, "%s: not given, the default of %s.py", key, s->script->name);
    return text;
}
