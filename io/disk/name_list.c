#include "io/disk/name_list.h"

#include "io/disk/files.h"
#include "runtime/memory.h"

#include <string.h>

enum { LIMIT = 1 << 24 };

static int64_t count_lines(const char *text) {
    int64_t n = 0;
    for (const char *c = text; *c; ++c) n += *c == '\n' || c[1] == '\0';
    return n;
}

enum un_status un_name_list_read(struct un_name_list *names, const char *path) {
    size_t bytes;
    *names = (struct un_name_list){0};
    UN_TRY(un_files_read(path, LIMIT, &names->text, &bytes));
    if (strlen(names->text) != bytes) return un_fail(UN_DATA, "%s: a zero byte in it", path);
    const int64_t lines = count_lines(names->text);
    names->name = un_alloc((size_t)lines + 1, sizeof *names->name, "names");
    if (!names->name) return UN_MEMORY;
    for (char *line = names->text, *next; names->n < lines; line = next) {
        char *end = next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        if (end > line && end[-1] == '\r') end[-1] = '\0';
        names->name[names->n++] = line;
    }
    return UN_OK;
}

void un_name_list_free(struct un_name_list *names) {
    un_free(names->text);
    un_free(names->name);
    *names = (struct un_name_list){0};
}
