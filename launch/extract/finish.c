/* From parts to OUT (private.h). Order: the list of skipped photos, OUT, then the parts go. */
#include "io/convert/image/sink.h"
#include "launch/extract/private.h"
#include "launch/process/signals.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A TAB or a line end would break the list. */
static void put_plain(FILE *file, const char *text) {
    for (; *text; ++text) putc((unsigned char)*text < 32 || *text == 127 ? '?' : *text, file);
}

/* *why: the first reason. */
static enum un_status write_skipped(const struct un_extraction *x, const struct un_extract_parts *parts,
                                    FILE *file, char why[UN_ERROR_MAX]) {
    struct un_extract_record record = {0};
    struct un_extract_result result;
    enum un_status status = UN_OK;
    why[0] = '\0';
    fputs("path\treason\n", file);
    for (int64_t i = 0; i < x->photos.n && status == UN_OK; ++i) {
        const char *path = x->photos.list[i].path;
        if (parts->place[i].part < 0) status = un_fail(UN_INTERNAL, "%s: no rank has taken this photo", path);
        if (status != UN_OK || parts->place[i].status == UN_OK) continue;
        status = un_extract_parts_result(parts, i, &record, &result);
        if (status != UN_OK) break;
        put_plain(file, path);
        putc('\t', file);
        put_plain(file, result.why);
        putc('\n', file);
        if (!why[0]) snprintf(why, UN_ERROR_MAX, "%.400s: %.500s", path, result.why);
    }
    un_extract_record_free(&record);
    return status;
}

static enum un_status make_list(const struct un_extraction *x, const struct un_extract_parts *parts,
                                const char *path, char why[UN_ERROR_MAX]) {
    errno = 0;
    FILE *file = fopen(path, "we");
    if (!file) return un_fail(UN_IO, "%s: cannot create: %s", path, strerror(errno));
    enum un_status status = write_skipped(x, parts, file, why);
    bool good = fflush(file) == 0 && !ferror(file) && fsync(fileno(file)) == 0;
    good = fclose(file) == 0 && good;
    return status != UN_OK || good
               ? status
               : un_fail(UN_IO, "%s: cannot write: %s", path, strerror(errno ? errno : EIO));
}

static enum un_status list_skipped(const struct un_extraction *x, const struct un_extract_parts *parts) {
    char path[UN_PATH_MAX], partial[UN_PATH_MAX + 16], why[UN_ERROR_MAX];
    int length = snprintf(path, sizeof path, "%s.skipped.tsv", x->out);
    if (length < 0 || length >= (int)sizeof path)
        return un_fail(UN_USAGE, "%s: the name is too long", x->out);
    snprintf(partial, sizeof partial, "%s.partial", path);
    enum un_status status = make_list(x, parts, partial, why);
    bool any = parts->done < x->photos.n;
    if (status == UN_OK && parts->done == 0)
        status = un_fail(UN_DATA, "%lld photos, and none could be used; the first: %s",
                         (long long)x->photos.n, why);
    if (status == UN_OK && any && rename(partial, path) != 0)
        status = un_fail(UN_IO, "%s: cannot rename: %s", partial, strerror(errno));
    if (status != UN_OK || !any) unlink(partial);
    if (status == UN_OK && !any) unlink(path); /* of a start in which one was skipped */
    return status == UN_OK ? un_files_sync_folder_of(path) : status;
}

static enum un_status print_all(const struct un_extraction *x, const struct un_extract_parts *parts) {
    struct un_extract_record record = {0};
    struct un_extract_result result;
    enum un_status status = UN_OK;
    for (int64_t i = 0; i < x->photos.n && status == UN_OK; ++i) {
        if (parts->place[i].status != UN_OK) continue;
        status = un_extract_parts_result(parts, i, &record, &result);
        if (status == UN_OK)
            un_extract_print(stdout, x->photos.ids[i], &result, &x->class_names, &x->attribute_names);
    }
    un_extract_record_free(&record);
    if (status == UN_OK && fflush(stdout) != 0) status = un_fail(UN_IO, "standard output: %m");
    return status;
}

static enum un_status make_out(const struct un_extraction *x, const struct un_extract_parts *parts) {
    const struct un_image_import how = {.quiet = x->keys->quiet || x->keys->json,
                                        .stop = un_signals_stop_wanted};
    struct un_image_source *source = NULL;
    UN_TRY(un_extract_source(&source, parts, &x->photos, x->names, x->n_names, x->terms));
    enum un_status status = un_image_import(source, x->out, &how);
    un_image_source_close(source);
    return status;
}

static void summary(const struct un_extraction *x, const struct un_extract_parts *parts) {
    int64_t bad = x->photos.n - parts->done;
    FILE *out = x->keys->json ? stderr : stdout;
    fprintf(out, "%s: %lld photos, %lld regions, ", x->out, (long long)parts->done,
            (long long)parts->regions);
    if (bad > 0)
        fprintf(out, "%lld skipped (%s.skipped.tsv)", (long long)bad, x->out);
    else
        fputs("none skipped", out);
    if (x->tried > 0) fprintf(out, ", %.3g s a photo and rank", x->seconds / (double)x->tried);
    putc('\n', out);
}

enum un_status un_extraction_finish(struct un_extraction *x) {
    struct un_extract_parts parts;
    enum un_status status;
    UN_TRY_GOTO(un_extract_parts_read(&parts, x->folder.path, x->photos.n), out);
    UN_TRY_GOTO(list_skipped(x, &parts), out);
    if (x->keys->json) UN_TRY_GOTO(print_all(x, &parts), out);
    UN_TRY_GOTO(make_out(x, &parts), out);
    UN_TRY_GOTO(un_extract_folder_remove(&x->folder), out);
    if (!x->keys->quiet) summary(x, &parts);
out:
    if (status == UN_DATA && parts.done == 0) un_extract_folder_remove(&x->folder); /* nothing of worth */
    un_extract_parts_free(&parts);
    return status;
}
