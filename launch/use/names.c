/* Names out of vocab.txt and classes.txt (names.h). */
#include "launch/use/names.h"

#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum un_status un_use_names_vocab(struct un_use_names *names, const char *path, int64_t pieces) {
    UN_TRY(un_wordpiece_open(&names->wordpiece, path, UN_WORDPIECE_AUTO));
    int64_t found = un_wordpiece_vocab(names->wordpiece).vocab_size;
    if (found == pieces) return UN_OK;
    un_wordpiece_close(names->wordpiece);
    names->wordpiece = NULL;
    return un_fail(UN_DATA, "%s: %lld pieces, the texts are of a vocabulary of %lld", path, (long long)found,
                   (long long)pieces);
}

enum un_status un_use_names_classes(struct un_use_names *names, const char *path, int64_t n) {
    struct un_name_list *lines = &names->classes;
    UN_TRY(un_name_list_read(lines, path));
    names->first = n - lines->n;
    if (names->first != 0 && names->first != 1) {
        enum un_status status =
            un_fail(UN_DATA, "%s: %lld lines, the network has %lld classes (the first is the background)",
                    path, (long long)lines->n, (long long)n);
        un_name_list_free(lines);
        return status;
    }
    for (int64_t i = 0; i < lines->n; ++i) /* of several names for a class the first */
        lines->name[i][strcspn(lines->name[i], "\r,")] = '\0';
    return UN_OK;
}

void un_use_names_close(struct un_use_names *names) {
    un_wordpiece_close(names->wordpiece);
    un_name_list_free(&names->classes);
    *names = (struct un_use_names){0};
}

const char *un_use_names_word(const struct un_use_names *names, int64_t id) {
    bool known = names->wordpiece && id >= 0 && id < un_wordpiece_vocab(names->wordpiece).vocab_size;
    return known ? un_wordpiece_piece(names->wordpiece, (int32_t)id) : "";
}

const char *un_use_names_class(const struct un_use_names *names, int64_t id) {
    if (id == 0 && names->first == 1) return "background";
    return id >= names->first && id < names->first + names->classes.n ? names->classes.name[id - names->first]
                                                                      : "";
}

void un_use_names_beside(char path[UN_PATH_MAX], const char *file, const char *name) {
    const char *slash = strrchr(file, '/');
    int folder = slash ? (int)(slash - file) + 1 : 0;
    int length = snprintf(path, UN_PATH_MAX, "%.*s%s", folder, file, name);
    if (length >= UN_PATH_MAX || access(path, R_OK) != 0) path[0] = '\0';
}
