/* See path.h. */
#include "runtime/config/path.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_BYTES = 128 };

struct writer {
    char *out;
    size_t used, size;
    const char *path, *where;
};

static enum un_status put(struct writer *w, const char *text, size_t bytes) {
    if (bytes >= w->size - w->used)
        return un_fail(UN_USAGE, "%s: %s: a path of more than %zu bytes", w->where, w->path, w->size - 1);
    memcpy(w->out + w->used, text, bytes);
    w->used += bytes;
    w->out[w->used] = '\0';
    return UN_OK;
}

static enum un_status put_variable(struct writer *w, const char *name) {
    const char *value = getenv(name);
    if (!value || !value[0])
        return un_fail(UN_USAGE, "%s: %s: $%s is %s", w->where, w->path, name, value ? "empty" : "not set");
    return put(w, value, strlen(value));
}

static bool is_name(char c, bool first) {
    return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

/* Length of what begins with the "$" at `c` and names a variable; 0: nothing does. */
static size_t variable(const char *c, char name[NAME_BYTES]) {
    bool braced = c[1] == '{';
    const char *begin = c + 1 + braced;
    size_t n = 0;
    while (is_name(begin[n], n == 0)) ++n;
    if (n == 0 || n >= NAME_BYTES || (braced && begin[n] != '}')) return 0;
    memcpy(name, begin, n);
    name[n] = '\0';
    return 1 + n + 2 * (size_t)braced;
}

enum un_status un_path_expand(char *out, size_t size, const char *path, const char *where) {
    struct writer w = {out, 0, size, path, where};
    char name[NAME_BYTES];
    out[0] = '\0';
    const char *c = path;
    if (*c == '~') {
        if (c[1] && c[1] != '/')
            return un_fail(
                UN_USAGE,
                "%s: %s: the home folder of somebody else is not looked up; write it out, or ./%s for a file",
                where, path, path);
        UN_TRY(put_variable(&w, "HOME"));
        ++c;
    }
    while (*c) {
        size_t length = *c == '$' ? variable(c, name) : 0;
        if (length)
            UN_TRY(put_variable(&w, name));
        else
            UN_TRY(put(&w, c, 1));
        c += length ? length : 1;
    }
    return UN_OK;
}
