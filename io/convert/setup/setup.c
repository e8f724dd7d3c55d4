/* A set-up as a whole (setup.h). */
#include "io/convert/setup/private.h"
#include "io/disk/files.h"
#include "io/disk/json.h"
#include "runtime/memory.h"

#include <stdlib.h>
#include <string.h>

/* "train-vqa-base-4gpu" of ".../train-vqa-base-4gpu.json". */
static void find_stem(struct un_setup *s) {
    const char *name = strrchr(s->path, '/') ? strrchr(s->path, '/') + 1 : s->path;
    size_t n = 0;
    for (; *name && n < sizeof s->stem - 1; ++name)
        s->stem[n++] =
            strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_+.", *name) ? *name : '_';
    if (un_ends(s->stem, ".json")) s->stem[n - 5] = '\0';
    if (!s->stem[0]) s->stem[0] = '_';
}

/* The number in front of "gpu" of the file's name. */
static enum un_status find_cards(struct un_setup *s, int64_t cards) {
    s->cards = cards;
    for (const char *at = s->stem; !s->cards && (at = strstr(at, "gpu")) != NULL; ++at) {
        const char *digits = at;
        while (digits > s->stem && digits[-1] >= '0' && digits[-1] <= '9') --digits;
        if (at - digits > 0 && at - digits < 6) s->cards = strtoll(digits, NULL, 10);
    }
    if (s->cards >= 1 && s->cards <= 65536) return UN_OK;
    return un_fail(UN_USAGE,
                   "%s: its name does not say for how many cards it is (\"...-8gpu.json\"), and a step "
                   "depends on it: cards=N",
                   s->path);
}

static enum un_status write_run(struct un_setup *s) {
    int64_t seed;
    bool given;
    const char *dir;
    char why[160], from[256];
    UN_TRY(un_setup_text(s, "output_dir", "", &dir));
    UN_TRY(un_setup_whole(s, "seed", 0, 9000000000000000, s->script->seed, &seed, &given));
    snprintf(from, sizeof from, "output_dir: %.200s", dir);
    un_text_put(s->out, "run:\n");
    un_setup_line(s, 2, dir[0] ? from : NULL, "dir: runs/%s", s->stem);
    un_setup_line(s, 2, un_setup_from(s, why, "seed", given), "seed: %lld", (long long)seed);
    return UN_OK;
}

static enum un_status convert(struct un_setup *s, const struct un_setup_options *options) {
    if (!s->seen) return un_fail(UN_MEMORY, "%s: no memory", s->path);
    find_stem(s);
    UN_TRY(un_setup_find_task(s, options->task));
    UN_TRY(find_cards(s, options->cards));
    un_setup_comment(s, 0,
                     "From %s, a set-up of %s.py on %lld %s. Behind each value stands the key it is from.",
                     s->path, s->script->name, (long long)s->cards, s->cards == 1 ? "card" : "cards");
    un_setup_comment(s, 0,
                     "Bring the data as the comments below say, then look: uniter_dist --cfg THIS --check");
    UN_TRY(write_run(s));
    UN_TRY(un_setup_write_model(s));
    UN_TRY(un_setup_write_data(s));
    UN_TRY(un_setup_write_train(s));
    un_setup_write_left(s);
    return s->out->failed ? UN_MEMORY : UN_OK;
}

enum un_status un_setup_convert(struct un_text_out *yaml, struct un_setup_counts *counts, const char *path,
                                const char *text, size_t bytes, const struct un_setup_options *options) {
    json_error_t error;
    struct un_setup s = {.path = path, .out = yaml, .counts = counts};
    size_t front = bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    *counts = (struct un_setup_counts){0};
    s.root = json_loadb(text + front, bytes - front, JSON_REJECT_DUPLICATES, &error);
    if (!s.root)
        return un_fail(UN_DATA, "%s:%d:%d: %s (jansson: %s)", path, error.line, error.column,
                       un_json_fault(&error), error.text);
    s.seen = json_object();
    enum un_status status =
        json_is_object(s.root) ? convert(&s, options) : un_fail(UN_DATA, "%s: no JSON object", path);
    json_decref(s.seen);
    json_decref(s.root);
    return status;
}

enum un_status un_setup_import(struct un_text_out *yaml, struct un_setup_counts *counts, const char *path,
                               const struct un_setup_options *options) {
    enum { MOST = 1 << 20 };
    char *text;
    size_t bytes;
    UN_TRY(un_files_read(path, MOST, &text, &bytes));
    enum un_status status = un_setup_convert(yaml, counts, path, text, bytes, options);
    un_free(text);
    return status;
}
