/* Image ids out of patterns (private.h). */
#include "io/convert/task/private.h"

#include <stdio.h>
#include <string.h>

const char *un_task_pattern(const char *given, const char *authors) {
    return given && given[0] ? given : authors;
}

/* The word of a pattern at `at`, and what stands for it; NULL: none begins there. */
static const char *word_at(const char *at, const char *const value[3], const char **found) {
    static const char *const words[] = {"NUMBER", "NAME", "SPLIT"};
    for (int i = 0; i < 3; ++i)
        if (strncmp(at, words[i], strlen(words[i])) == 0) {
            *found = value[i];
            return words[i];
        }
    return NULL;
}

enum un_status un_task_image_id(char id[UN_TASK_ID_MAX + 1], const char *pattern,
                                const struct un_task_row *row, const char *split, const char *name,
                                int64_t number) {
    char digits[32] = "";
    const char *const value[] = {digits, name, split};
    size_t used = 0;
    if (number >= 0) snprintf(digits, sizeof digits, "%012lld", (long long)number);
    if (!strstr(pattern, "NUMBER") && !strstr(pattern, "NAME"))
        return un_fail(UN_USAGE, "%.80s: a pattern of image ids must hold NUMBER or NAME", pattern);
    while (*pattern) {
        const char *put = pattern, *word = word_at(pattern, value, &put);
        size_t n = word ? (put ? strlen(put) : 0) : 1;
        if (n == 0)
            return un_fail(UN_DATA, "%s: row %lld: the image's id wants a %s, and none is known", row->file,
                           (long long)row->row, word);
        if (used + n > UN_TASK_ID_MAX) return un_task_wrong(row, "image", "an id longer than 255 bytes");
        memcpy(id + used, put, n);
        used += n;
        pattern += word ? strlen(word) : 1;
    }
    id[used] = '\0';
    return UN_OK;
}

void un_task_stem(const char *path, char stem[UN_TASK_ID_MAX + 1]) {
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *dot = strrchr(name, '.');
    size_t n = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    if (n > UN_TASK_ID_MAX) n = UN_TASK_ID_MAX;
    memcpy(stem, name, n);
    stem[n] = '\0';
}

int64_t un_task_number(const char *name) {
    char stem[UN_TASK_ID_MAX + 1];
    int64_t value = 0;
    un_task_stem(name, stem);
    size_t end = strlen(stem), first = end;
    while (first > 0 && stem[first - 1] >= '0' && stem[first - 1] <= '9') --first;
    if (first == end || end - first > 18) return -1;
    for (size_t i = first; i < end; ++i) value = 10 * value + (stem[i] - '0');
    return value;
}
