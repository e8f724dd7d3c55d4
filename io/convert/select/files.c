/* Merged and split files of either kind (select.h).
 *
 * A split makes several files: all are planned and checked (names, empty parts) before the first is written,
 * and what was finished is removed again when a later one fails. */
#include "io/disk/files.h"
#include "io/convert/select/select.h"
#include "io/data/file.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool stands(const char *path) {
    return faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum un_status write_one(const char *const *paths, int n, bool text, const char *out,
                                struct un_select *select, const char *what,
                                const struct un_image_import *how) {
    struct un_image_source *source;
    if (text) return un_select_texts(paths, n, out, select, what, how);
    UN_TRY(un_image_source_uniter(&source, paths, n, select, what));
    enum un_status status = un_image_import(source, out, how);
    un_image_source_close(source);
    return status;
}

enum un_status un_select_merge(const char *const *paths, int n, const char *out, struct un_select *select,
                               const char *what, const struct un_image_import *how) {
    bool text = false, other;
    if (stands(out)) return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    for (int i = 0; i < n; ++i) {
        UN_TRY(un_data_kind(paths[i], &other));
        if (i > 0 && other != text)
            return un_fail(UN_USAGE, "%s is a %s file, %s a %s file: one kind at a time", paths[i],
                           other ? "text" : "feature", paths[0], text ? "text" : "feature");
        text = other;
    }
    UN_TRY(write_one(paths, n, text, out, select, what, how));
    un_select_tell_missing(select, out);
    return UN_OK;
}

/* One file of a split. */
struct part {
    const char *in;
    char *out, *what;
    bool text, valid, there, made;
};
struct split {
    struct part *parts; /* [n] */
    int n, there;
    struct un_select *select;
};

static enum un_status count_images(const struct part *p, struct un_select *select, int64_t *all,
                                   int64_t *valid) {
    struct un_image_file f;
    UN_TRY(un_image_file_open(&f, p->in));
    *all = f.images;
    for (int64_t i = 0; i < f.images; ++i) *valid += un_select_has(select, f.ids + i * f.id_stride);
    un_image_file_close(&f);
    return UN_OK;
}
static enum un_status count_texts(const struct part *p, struct un_select *select, int64_t *all,
                                  int64_t *valid) {
    struct un_text_file f;
    UN_TRY(un_text_file_open(&f, p->in));
    *all = f.texts;
    for (int64_t i = 0; i < f.texts; ++i) *valid += un_select_has(select, f.image_ids + i * f.image_stride);
    un_text_file_close(&f);
    return UN_OK;
}

/* Neither part may be empty. */
static enum un_status check_parts(const struct part *p, struct un_select *select) {
    int64_t all = 0, valid = 0;
    UN_TRY(p->text ? count_texts(p, select, &all, &valid) : count_images(p, select, &all, &valid));
    if (valid > 0 && valid < all) return UN_OK;
    return un_fail(UN_DATA, "%s: %s of its %lld %s fall into the validation part", p->in,
                   valid ? "all" : "none", (long long)all, p->text ? "texts" : "images");
}

/* Does OUT stand there as the same command would make it? */
static enum un_status look(struct part *p) {
    struct un_h5 *h5;
    char found[256];
    if (!un_image_sink_stands(p->out)) return UN_OK;
    enum un_status status = un_h5_open(&h5, p->out, true);
    if (status == UN_OK) {
        status = un_h5_attr_text(h5, "", "source", found, sizeof found);
        un_h5_close(h5);
    }
    p->there = status == UN_OK && strcmp(found, p->what) == 0;
    if (status == UN_MEMORY) return status;
    un_error_clear();
    return p->there ? UN_OK : un_fail(UN_USAGE, "%s exists; it is not overwritten", p->out);
}

static enum un_status plan_part(struct part *p, const char *folder, uint64_t stamp, const char *what) {
    const char *slash = strrchr(p->in, '/'), *base = slash ? slash + 1 : p->in;
    const char *tail = p->text ? ".txt.h5" : ".img.h5", *part = p->valid ? "valid" : "train";
    size_t length = strlen(base), cut = strlen(tail);
    if (length <= cut || strcmp(base + length - cut, tail) != 0)
        return un_fail(UN_USAGE, "%s: the name does not end in %s", p->in, tail);
    UN_TRY(un_image_stamp(&stamp, p->in));
    p->out = un_format("%s/%.*s_%s%s", folder, (int)(length - cut), base, part, tail);
    p->what = un_format("%s: %s of %.80s #%016llx", what, part, base, (unsigned long long)stamp);
    if (!p->out || !p->what) return UN_MEMORY;
    return UN_OK;
}

static enum un_status plan(struct split *s, const char *const *paths, const char *folder, const char *what) {
    for (int i = 0; i < s->n; ++i) {
        struct part *p = s->parts + i;
        p->in = paths[i / 2];
        p->valid = i % 2;
        UN_TRY(un_data_kind(p->in, &p->text));
        UN_TRY(plan_part(p, folder, s->select->stamp, what));
        for (int k = 0; k < i; ++k)
            if (strcmp(s->parts[k].out, p->out) == 0)
                return un_fail(UN_USAGE, "%s and %s would both become %s", s->parts[k].in, p->in, p->out);
        UN_TRY(look(p));
        s->there += p->there;
    }
    if (s->there == s->n) return un_fail(UN_USAGE, "%s exists; it is not overwritten", s->parts[0].out);
    for (int i = 0; i < s->n; i += 2) UN_TRY(check_parts(s->parts + i, s->select));
    return UN_OK;
}

static enum un_status write_parts(struct split *s, const struct un_image_import *how) {
    for (int i = 0; i < s->n; ++i) {
        struct part *p = s->parts + i;
        if (p->there) {
            if (!how->quiet) un_log(UN_LOG_INFO, "%s is there already, from this command", p->out);
            continue;
        }
        s->select->invert = !p->valid;
        UN_TRY(write_one(&p->in, 1, p->text, p->out, s->select, p->what, how));
        p->made = true;
    }
    return UN_OK;
}

enum un_status un_select_split(const char *const *paths, int n, const char *folder, struct un_select *valid,
                               const char *what, const struct un_image_import *how) {
    struct split s = {.n = 2 * n, .select = valid};
    enum un_status status;
    s.parts = un_alloc((size_t)s.n, sizeof *s.parts, "parts of a split");
    UN_TRY_GOTO(s.parts ? UN_OK : UN_MEMORY, out);
    UN_TRY_GOTO(plan(&s, paths, folder, what), out);
    UN_TRY_GOTO(un_files_make_folder(folder), out);
    UN_TRY_GOTO(write_parts(&s, how), out);
    un_select_tell_missing(valid, folder);
out:
    for (int i = 0; s.parts && i < s.n; ++i) {
        if (s.parts[i].made && status != UN_OK && status != UN_STOPPED) unlink(s.parts[i].out);
        un_free(s.parts[i].out);
        un_free(s.parts[i].what);
    }
    un_free(s.parts);
    return status;
}
