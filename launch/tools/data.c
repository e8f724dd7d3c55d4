/* uniter data synth | inspect | verify. */
#include "io/convert/world/world.h"
#include "io/data/file.h"
#include "io/inspect/inspect.h"
#include "io/synth/synth.h"
#include "launch/tools/tools.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CAPTIONS_ARGUMENTS "FILE FOLDER --classes FILE --vocab FILE [key=value ...]"
static const struct un_tool captions = {
    "data", "synth", "--captions", CAPTIONS_ARGUMENTS, NULL, &un_captions_key_table, NULL};

static enum un_status run_captions(int n, char **words) {
    struct un_captions_keys keys = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, &captions, n, words, 1, 1, &keys));
    enum un_status status = UN_OK;
    if (snprintf(keys.out, sizeof keys.out, "%s", a.names[0]) >= (int)sizeof keys.out)
        status = un_fail(UN_USAGE, "%s: the name is too long", a.names[0]);
    else
        status = un_captions(&keys);
    un_arguments_free(&a);
    return status;
}
/* "--captions" was taken as the command's form: it is a key. */
static enum un_status run_captions_form(const struct un_tool *tool, int n, char **words) {
    (void)tool;
    return run_captions(n + 1, words - 1);
}

/* The key `captions` anywhere makes it the other kind of world, with keys of its own. */
static bool has_captions(int n, char **words) {
    for (int i = 0; i < n; ++i) {
        const char *word = words[i] + (strncmp(words[i], "--", 2) == 0 ? 2 : 0);
        if (strncmp(word, "captions=", 9) == 0 || strcmp(words[i], "--captions") == 0) return true;
    }
    return false;
}

static enum un_status run_synth(const struct un_tool *tool, int n, char **words) {
    if (has_captions(n, words)) return run_captions(n, words);
    struct un_synth_keys keys = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, 1, &keys));
    enum un_status status = UN_OK;
    if (snprintf(keys.out, sizeof keys.out, "%s", a.names[0]) >= (int)sizeof keys.out)
        status = un_fail(UN_USAGE, "%s: the name is too long", a.names[0]);
    else
        status = un_synth(&keys);
    un_arguments_free(&a);
    return status;
}

struct inspect_keys {
    char images[256], classes[256];
    int64_t samples, regions;
};
struct verify_keys {
    bool digest;
};
#define KEY(keys, type, field, fallback, min, max, unit, meaning)                                            \
    { #field, type, offsetof(struct keys, field), fallback, min, max, unit, meaning, NULL, NULL, 0 }
static const struct un_key inspect_keys[] = {
    KEY(inspect_keys, UN_KEY_STRING, images, "", 0, 0, "",
        "the feature file of a text file: shows some captions with their regions"),
    KEY(inspect_keys, UN_KEY_STRING, classes, "", 0, 0, "",
        "file with a class name a line, with the background or without"),
    KEY(inspect_keys, UN_KEY_INT, samples, "3", 0, 1e6, "texts", "captions shown with their regions"),
    KEY(inspect_keys, UN_KEY_INT, regions, "8", 0, 65536, "regions", "shown of an image"),
};
static const struct un_key verify_keys[] = {
    KEY(verify_keys, UN_KEY_BOOL, digest, "true", 0, 0, "",
        "compare FILE.xxh3 if it is there, else write it"),
};
static const struct un_key_table inspect_table = {"", inspect_keys,
                                                  sizeof inspect_keys / sizeof *inspect_keys,
                                                  sizeof(struct inspect_keys)},
                                 verify_table = {"", verify_keys, sizeof verify_keys / sizeof *verify_keys,
                                                 sizeof(struct verify_keys)};

static enum un_status inspect_one(const char *path, const struct inspect_keys *k) {
    const struct un_inspect_pairs how = {.images = k->images,
                                         .classes = k->classes[0] ? k->classes : NULL,
                                         .samples = k->samples,
                                         .regions = k->regions};
    bool text;
    UN_TRY(un_inspect(path, stdout));
    if (!k->images[0]) return UN_OK;
    UN_TRY(un_data_kind(path, &text));
    return text ? un_inspect_pairs(path, &how, stdout) : UN_OK;
}
static enum un_status run_inspect(const struct un_tool *tool, int n, char **words) {
    struct inspect_keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) status = inspect_one(a.names[i], &k);
    un_arguments_free(&a);
    return status;
}

/* A digest that is there is compared before the file is parsed; a new one is written when all else is good. */
static enum un_status verify_one(const char *path, bool digest) {
    bool there = false;
    if (digest) UN_TRY(un_verify_digest_compare(path, stdout, &there));
    UN_TRY(un_verify(path, stdout));
    return digest && !there ? un_verify_digest_write(path, stdout) : UN_OK;
}
static enum un_status run_verify(const struct un_tool *tool, int n, char **words) {
    struct verify_keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, &k));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) status = verify_one(a.names[i], k.digest);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "synth", "--captions", CAPTIONS_ARGUMENTS, "the micro-world around real captions",
     &un_captions_key_table, run_captions_form},
    {"data", "synth", NULL, "FOLDER [key=value ...]", "make the micro-world", &un_synth_key_table, run_synth},
    {"data", "inspect", NULL, "FILE ... [key=value ...]", "what is in a file, for people", &inspect_table,
     run_inspect},
    {"data", "verify", NULL, "FILE ... [key=value ...]",
     "every rule of the format, every row; FILE.xxh3 keeps the digest", &verify_table, run_verify},
};
const struct un_tools un_tools_data = {list, sizeof list / sizeof *list};
