/* A file of names: what is read, put together again, is the text but for its line ends and a byte order mark. */
#include "io/disk/name_list.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Where the next line begins, after `name` at `at`; 0: it does not stand there. */
static size_t after_name(const char *text, size_t bytes, size_t at, const char *name) {
    size_t n = strlen(name);
    if (n > bytes - at || (n && memcmp(text + at, name, n) != 0)) return 0;
    at += n;
    if (at < bytes && text[at] == '\r') ++at;
    if (at == bytes) return at;
    return text[at] == '\n' ? at + 1 : 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct un_name_list names;
    const uint64_t live = un_memory_counts().live_blocks;
    enum un_status status = un_name_list_parse(&names, "fuzz.txt", text, size);
    if (status != UN_OK && !(size && memchr(text, 0, size))) abort();
    size_t at = size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    for (int64_t i = 0; status == UN_OK && i < names.n; ++i)
        if ((at = after_name(text, size, at, names.name[i])) == 0) abort();
    if (status == UN_OK && at != size) abort();
    un_name_list_free(&names);
    un_error_clear();
    if (un_memory_counts().live_blocks != live) abort();
    return 0;
}
