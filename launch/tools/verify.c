/* uniter data verify: every rule of a file's format. */
#include "io/inspect/inspect.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"

#include <stdio.h>
#include <sys/stat.h>

struct verify_keys {
    bool digest;
};
static const struct un_key keys[] = {
    UN_KEY_BOOL(verify_keys, digest, "true", "compare FILE.xxh3 if it is there, else write it"),
};
static const struct un_key_table table = UN_KEY_TABLE("", verify_keys, keys);

/* A digest that is there is compared before the file is parsed; a new one is written when all else is good. */
static enum un_status verify_one(const char *path, bool digest, struct un_progress *progress) {
    bool there = false;
    if (digest) UN_TRY(un_verify_digest_compare(path, stdout, &there, progress));
    UN_TRY(un_verify(path, stdout, progress));
    return digest && !there ? un_verify_digest_write(path, stdout, progress) : UN_OK;
}

/* What will be read, about: the rows, and the file for its digest. */
static int64_t bytes_of(const struct un_arguments *a, bool digest) {
    struct stat facts;
    int64_t bytes = 0;
    for (int i = 0; i < a->n; ++i)
        if (stat(a->names[i], &facts) == 0) bytes += (digest ? 2 : 1) * (int64_t)facts.st_size;
    return bytes;
}

static enum un_status run_verify(const struct un_tool *tool, int n, char **words) {
    struct verify_keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    enum un_status status = UN_OK;
    struct un_progress progress;
    un_progress_open_work(&progress, bytes_of(&a, k.digest), 1000000, "MB", true);
    for (int i = 0; i < a.n && status == UN_OK; ++i) status = verify_one(a.names[i], k.digest, &progress);
    un_progress_clear(&progress);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "verify", NULL, "FILE ... [key=value ...]",
     "every rule of the format, every row; FILE.xxh3 keeps the digest", &table, run_verify},
};
const struct un_tools un_tools_verify = {list, sizeof list / sizeof *list};
