#include "io/disk/name_list.h"

#include "io/disk/files.h"
#include "io/disk/text.h"
#include "runtime/memory.h"

#include <string.h>

enum { LIMIT = 1 << 24 };
static const char mark[] = "\xEF\xBB\xBF"; /* of byte order */

static int64_t count_lines(const char *text) {
    int64_t n = 0;
    for (const char *c = text; *c; ++c) n += *c == '\n' || c[1] == '\0';
    return n;
}

/* Of names->text, which a zero byte ends. */
static enum un_status cut(struct un_name_list *names, const char *path, size_t bytes) {
    if (strlen(names->text) != bytes) return un_fail(UN_DATA, "%s: a zero byte in it", path);
    char *line = names->text + (un_begins(names->text, mark) ? strlen(mark) : 0);
    const int64_t lines = count_lines(line);
    names->name = un_alloc((size_t)lines + 1, sizeof *names->name, "names");
    if (!names->name) return UN_MEMORY;
    for (char *next; names->n < lines; line = next) {
        char *end = next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        if (end > line && end[-1] == '\r') end[-1] = '\0';
        names->name[names->n++] = line;
    }
    return UN_OK;
}

enum un_status un_name_list_parse(struct un_name_list *names, const char *path, const char *text,
                                  size_t bytes) {
    *names = (struct un_name_list){.text = un_alloc(bytes + 1, 1, "names")};
    if (!names->text) return UN_MEMORY;
    if (bytes) memcpy(names->text, text, bytes);
    return cut(names, path, bytes);
}

enum un_status un_name_list_read(struct un_name_list *names, const char *path) {
    size_t bytes;
    *names = (struct un_name_list){0};
    UN_TRY(un_files_read(path, LIMIT, &names->text, &bytes));
    return cut(names, path, bytes);
}

void un_name_list_free(struct un_name_list *names) {
    un_free(names->text);
    un_free(names->name);
    *names = (struct un_name_list){0};
}
