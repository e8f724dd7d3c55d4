#include "io/convert/image/tsv_index.h"
#include "runtime/memory.h"

#include <string.h>
#include <unistd.h>

static const char *const remedy = "it is the index of another file; without it the TSV is read as it is";

enum un_status un_tsv_index_open(struct un_tsv_index *index, const char *tsv) {
    *index = (struct un_tsv_index){.tsv = tsv};
    const char *name = strrchr(tsv, '/'), *dot = strrchr(name ? name : tsv, '.');
    if (!dot) return UN_OK;
    char *path = un_format("%.*s.lineidx", (int)(dot - tsv), tsv);
    if (!path) return UN_MEMORY;
    index->there = strcmp(path, tsv) != 0 && access(path, F_OK) == 0;
    enum un_status status = index->there ? un_caption_lines_open(&index->lines, path) : UN_OK;
    un_free(path);
    return status;
}

/* Digits only; -1: something else. */
static int64_t offset_of(const char *text, size_t bytes) {
    int64_t value = 0;
    while (bytes > 0 && text[bytes - 1] == ' ') --bytes;
    if (bytes == 0 || bytes > 18) return -1;
    for (size_t i = 0; i < bytes; ++i) {
        if (text[i] < '0' || text[i] > '9') return -1;
        value = 10 * value + (text[i] - '0');
    }
    return value;
}

enum un_status un_tsv_index_check(struct un_tsv_index *index, int64_t number, int64_t at) {
    char *text;
    size_t bytes;
    bool more;
    if (!index->there) return UN_OK;
    UN_TRY(un_caption_lines_next(&index->lines, &text, &bytes, &more));
    if (!more)
        return un_fail(UN_DATA, "%s: ends after %lld lines, but %s has more: %s", index->lines.path,
                       (long long)number - 1, index->tsv, remedy);
    int64_t says = offset_of(text, bytes);
    if (says < 0)
        return un_fail(UN_DATA, "%s:%lld: \"%.40s\" is no place in a file", index->lines.path,
                       (long long)number, text);
    if (says == at) return UN_OK;
    return un_fail(UN_DATA, "%s:%lld: byte %lld, but line %lld of %s begins at byte %lld: %s",
                   index->lines.path, (long long)number, (long long)says, (long long)number, index->tsv,
                   (long long)at, remedy);
}

enum un_status un_tsv_index_end(struct un_tsv_index *index, int64_t lines) {
    char *text;
    size_t bytes;
    bool more;
    if (!index->there) return UN_OK;
    UN_TRY(un_caption_lines_next(&index->lines, &text, &bytes, &more));
    if (!more) return UN_OK;
    return un_fail(UN_DATA, "%s:%lld: byte %.40s, but %s ends after %lld lines; cut short?",
                   index->lines.path, (long long)index->lines.number, text, index->tsv, (long long)lines);
}

void un_tsv_index_close(struct un_tsv_index *index) {
    un_caption_lines_close(&index->lines);
}
