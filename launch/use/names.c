/* Names out of vocab.txt and classes.txt (names.h). */
#include "launch/use/names.h"

#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CLASSES_FILE_MAX = 1 << 24 };

enum un_status un_use_names_vocab(struct un_use_names *names, const char *path, int64_t pieces) {
    UN_TRY(un_wordpiece_open(&names->wordpiece, path, UN_WORDPIECE_AUTO));
    int64_t found = un_wordpiece_vocab(names->wordpiece).vocab_size;
    if (found == pieces) return UN_OK;
    un_wordpiece_close(names->wordpiece);
    names->wordpiece = NULL;
    return un_fail(UN_DATA, "%s: %lld pieces, the texts are of a vocabulary of %lld", path, (long long)found,
                   (long long)pieces);
}

static int64_t count_lines(const char *text) {
    int64_t n = 0;
    for (const char *c = text; *c; ++c) n += *c == '\n' || c[1] == '\0';
    return n;
}

/* Line i is class first + i. */
enum un_status un_use_names_classes(struct un_use_names *names, const char *path, int64_t n) {
    size_t bytes;
    UN_TRY(un_files_read(path, CLASSES_FILE_MAX, &names->text, &bytes));
    int64_t lines = count_lines(names->text), first = n - lines;
    if (first != 0 && first != 1)
        return un_fail(UN_DATA, "%s: %lld lines, the network has %lld classes (the first is the background)",
                       path, (long long)lines, (long long)n);
    names->class_name = un_alloc((size_t)n, sizeof *names->class_name, "names of classes");
    if (!names->class_name) return UN_MEMORY;
    names->classes = n;
    if (first) names->class_name[0] = "background";
    for (char *line = names->text, *next; first < n; line = next, ++first) {
        next = line + strcspn(line, "\n");
        if (*next) *next++ = '\0';
        line[strcspn(line, "\r,")] = '\0'; /* of several names for a class the first */
        names->class_name[first] = line;
    }
    return UN_OK;
}

void un_use_names_close(struct un_use_names *names) {
    un_wordpiece_close(names->wordpiece);
    un_free(names->class_name);
    un_free(names->text);
    *names = (struct un_use_names){0};
}

const char *un_use_names_word(const struct un_use_names *names, int64_t id) {
    bool known = names->wordpiece && id >= 0 && id < un_wordpiece_vocab(names->wordpiece).vocab_size;
    return known ? un_wordpiece_piece(names->wordpiece, (int32_t)id) : "";
}

const char *un_use_names_class(const struct un_use_names *names, int64_t id) {
    return id >= 0 && id < names->classes ? names->class_name[id] : "";
}

void un_use_names_beside(char path[UN_PATH_MAX], const char *file, const char *name) {
    const char *slash = strrchr(file, '/');
    int folder = slash ? (int)(slash - file) + 1 : 0;
    int length = snprintf(path, UN_PATH_MAX, "%.*s%s", folder, file, name);
    if (length >= UN_PATH_MAX || access(path, R_OK) != 0) path[0] = '\0';
}
