/* The table of answers: read from JSON, or made from annotations (answers.h). */
#include "io/convert/task/answers.h"
#include "io/convert/task/private.h"
#include "io/disk/files.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- read ---- */

static enum un_status put_name(struct un_answer_table *t, const char *path, const char *name, int64_t label) {
    if (label < 0 || label >= t->n)
        return un_fail(UN_DATA, "%s: label %lld of \"%.80s\" is outside 0 .. %lld", path, (long long)label,
                       name, (long long)t->n - 1);
    if (t->name[label])
        return un_fail(UN_DATA, "%s: label %lld is that of \"%.80s\" and of \"%.80s\"", path,
                       (long long)label, t->name[label], name);
    if (strlen(name) > UN_ANSWER_MAX)
        return un_fail(UN_DATA, "%s: label %lld: an answer longer than 255 bytes", path, (long long)label);
    t->name[label] = name;
    return UN_OK;
}

/* Names point into the JSON. */
static enum un_status put_names(struct un_answer_table *t, const char *path, json_t *root) {
    const char *key;
    json_t *value;
    size_t i;
    if (json_is_array(root)) {
        json_array_foreach(root, i, value) {
            if (!json_is_string(value)) return un_fail(UN_DATA, "%s: element %zu: a text is wanted", path, i);
            UN_TRY(put_name(t, path, json_string_value(value), (int64_t)i));
        }
        return UN_OK;
    }
    json_object_foreach(root, key, value) {
        if (!json_is_integer(value))
            return un_fail(UN_DATA, "%s: \"%.80s\": its label, a whole number, is wanted", path, key);
        UN_TRY(put_name(t, path, key, (int64_t)json_integer_value(value)));
    }
    return UN_OK;
}

/* The names, which are the JSON's, into memory of the table. */
static enum un_status keep_names(struct un_answer_table *t) {
    size_t bytes = 0;
    for (int64_t i = 0; i < t->n; ++i) bytes += strlen(t->name[i]) + 1;
    char *at = t->pool = un_alloc(bytes, 1, "names of answers");
    if (!at) return UN_MEMORY;
    for (int64_t i = 0; i < t->n; ++i) {
        size_t n = strlen(t->name[i]) + 1;
        memcpy(at, t->name[i], n);
        t->name[i] = at;
        at += n;
    }
    return UN_OK;
}

static enum un_status read_table(struct un_answer_table *t, const char *path, json_t *root) {
    int64_t first = -1, second = -1;
    if (!json_is_array(root) && !json_is_object(root))
        return un_fail(UN_DATA, "%s: {\"answer\": label, ...} or a list of answers is wanted", path);
    t->n = (int64_t)(json_is_array(root) ? json_array_size(root) : json_object_size(root));
    if (t->n < 1 || t->n > UN_ANSWERS_MAX)
        return un_fail(UN_DATA, "%s: %lld answers; 1 to %d are wanted", path, (long long)t->n,
                       UN_ANSWERS_MAX);
    t->name = un_alloc((size_t)t->n, sizeof *t->name, "a table of answers");
    if (!t->name) return UN_MEMORY;
    UN_TRY(put_names(t, path, root));
    UN_TRY(keep_names(t));
    UN_TRY(un_idmap_open(&t->map, t->name, t->n, &first, &second));
    return first < 0 ? UN_OK
                     : un_fail(UN_DATA, "%s: \"%.80s\" stands twice: labels %lld and %lld", path,
                               t->name[first], (long long)first, (long long)second);
}

enum un_status un_answer_table_open(struct un_answer_table *table, const char *path) {
    json_t *root;
    *table = (struct un_answer_table){0};
    UN_TRY(un_task_whole_file(path, &root));
    enum un_status status = read_table(table, path, root);
    json_decref(root);
    if (status != UN_OK) un_answer_table_close(table);
    return status;
}

void un_answer_table_close(struct un_answer_table *t) {
    un_idmap_close(&t->map);
    un_free(t->name);
    un_free(t->pool);
    *t = (struct un_answer_table){0};
}

int64_t un_answer_table_find(const struct un_answer_table *t, const char *normal) {
    return un_idmap_find(&t->map, normal);
}

/* ---- made ---- */

struct counts {
    char **name; /* [n], each by itself */
    int64_t *times;
    int64_t n, room, read, too_long;
    struct un_idmap map;
};

static enum un_status count(struct counts *c, const char *answer) {
    char normal[UN_ANSWER_MAX + 1];
    int64_t found;
    ++c->read;
    if (!un_answer_normal(answer, normal)) {
        ++c->too_long;
        return UN_OK;
    }
    if (c->n == c->room) {
        size_t old = (size_t)c->room, room = old ? 2 * old : 1024;
        UN_TRY(un_grow((void **)&c->name, old, room, sizeof *c->name, "answers"));
        UN_TRY(un_grow((void **)&c->times, old, room, sizeof *c->times, "answers"));
        c->room = (int64_t)room;
    }
    if (!(c->name[c->n] = un_strdup(normal))) return UN_MEMORY;
    UN_TRY(un_idmap_add(&c->map, (const char *const *)c->name, c->n, &found));
    if (found >= 0)
        un_free(c->name[c->n]);
    else
        found = c->n++;
    ++c->times[found];
    return UN_OK;
}

static enum un_status count_file(struct counts *c, const char *path, const struct un_answers_make *how) {
    static const char *const key[] = {"annotations"};
    struct un_json_items *items;
    struct un_json_item item;
    struct un_progress progress;
    const char *answer;
    bool more = true;
    UN_TRY(un_json_items_open(&items, path, key, 1));
    un_progress_open(&progress, 0, un_json_items_size(items) / 1000, !how->quiet);
    progress.unit = "kbyte";
    enum un_status status = UN_OK;
    int64_t before = c->read;
    while (status == UN_OK) {
        status = un_json_items_next(items, &item, &more);
        if (status != UN_OK || !more) break;
        const struct un_task_row row = {path, item.number, item.value};
        status = un_task_is_object(&row);
        if (status == UN_OK) status = un_task_text(&row, "multiple_choice_answer", &answer);
        if (status == UN_OK) status = count(c, answer);
        if (status == UN_OK && how->stop && how->stop()) status = un_fail(UN_STOPPED, "%s: stopped", path);
        un_progress_step(&progress, un_json_items_taken(items) / 1000, path, false);
    }
    un_progress_close(&progress);
    un_json_items_close(items);
    if (status == UN_OK && c->read == before) return un_fail(UN_DATA, "%s: no \"annotations\" in it", path);
    return status;
}

static enum un_status write_table(const struct counts *c, const char *out, const struct un_answers_make *how,
                                  json_t *root, int64_t *kept) {
    *kept = 0;
    for (int64_t i = 0; i < c->n; ++i)
        if (c->times[i] >= how->min_count &&
            json_object_set_new(root, c->name[i], json_integer((*kept)++)) != 0)
            return un_fail(UN_MEMORY, "a table of answers");
    if (*kept == 0)
        return un_fail(UN_DATA, "%s: none of %lld answers occurs %lld times", out, (long long)c->n,
                       (long long)how->min_count);
    size_t bytes = json_dumpb(root, NULL, 0, JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
    char *text = bytes ? un_alloc(bytes + 1, 1, "a table of answers") : NULL;
    if (!text) return un_fail(UN_MEMORY, "a table of answers");
    json_dumpb(root, text, bytes, JSON_ENSURE_ASCII | JSON_PRESERVE_ORDER);
    text[bytes] = '\n';
    enum un_status status = un_files_replace(out, text, bytes + 1);
    un_free(text);
    return status;
}

static void say(const struct counts *c, const char *out, int64_t kept, int64_t least) {
    int64_t covered = 0;
    for (int64_t i = 0; i < c->n; ++i) covered += c->times[i] >= least ? c->times[i] : 0;
    printf(
        "%s: %lld answers of %lld, each at least %lld times; they are the answer of %lld of %lld questions\n",
        out, (long long)kept, (long long)c->n, (long long)least, (long long)covered, (long long)c->read);
    if (c->too_long) printf("%s: %lld answers are longer than 255 bytes\n", out, (long long)c->too_long);
}

enum un_status un_answers_make(const char *out, const char *const *annotations, int n,
                               const struct un_answers_make *how) {
    struct counts c = {0};
    int64_t kept = 0;
    if (faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    enum un_status status = UN_OK;
    for (int i = 0; i < n && status == UN_OK; ++i) status = count_file(&c, annotations[i], how);
    json_t *root = status == UN_OK ? json_object() : NULL;
    if (status == UN_OK) status = root ? write_table(&c, out, how, root, &kept) : un_fail(UN_MEMORY, "JSON");
    if (status == UN_OK && !how->quiet) say(&c, out, kept, how->min_count);
    json_decref(root);
    for (int64_t i = 0; i < c.n; ++i) un_free(c.name[i]);
    un_free(c.name);
    un_free(c.times);
    un_idmap_close(&c.map);
    return status;
}
