/* Photos of this rank, one after the other (private.h). */
#include "io/run/progress.h"
#include "launch/extract/file.h"
#include "launch/extract/private.h"
#include "launch/process/signals.h"
#include "runtime/clock.h"
#include "runtime/cores.h"

#include <stdio.h>
#include <string.h>

enum { WARNINGS_MOST = 10, UNREADABLE_MOST = 64, DECODERS_BESIDE_A_CARD = 4 };

static enum un_status open_engine(struct un_extraction *x) {
    const struct un_detector_file file = un_extract_file(&x->view);
    int share = un_cores_count() / x->comm->twins;
    const struct un_extract_engine_setup setup = {.device = x->cuda ? "cuda" : "cpu",
                                                  .threads = x->keys->threads > 0 ? (int)x->keys->threads
                                                             : x->comm->size == 1 ? 0
                                                             : share > 0          ? share
                                                                                  : 1,
                                                  .ordinal = x->comm->local_rank,
                                                  .tf32 = x->keys->tf32,
                                                  .factor = un_extract_factor(x->keys),
                                                  .regions = x->given.ids ? x->given.most : x->how.post_nms,
                                                  .how = x->how};
    return un_extract_engine_open(&x->engine, &file, &setup);
}

static enum un_status open_ahead(struct un_extraction *x, struct un_extract_ahead **ahead) {
    int64_t threads = x->keys->decoders > 0 ? x->keys->decoders : x->cuda ? DECODERS_BESIDE_A_CARD : 1;
    const struct un_extract_ahead_setup setup = {.photos = x->photos.list,
                                                 .take = x->take,
                                                 .n = x->n_take,
                                                 .how = &x->how,
                                                 .orient = x->keys->orient,
                                                 .threads = (int)(threads > x->n_take ? x->n_take : threads),
                                                 .most = un_extract_pixels(&x->how)};
    return un_extract_ahead_open(ahead, &setup);
}

/* Why a photo has no regions, without its path: what un_fail has recorded. */
static void take_reason(struct un_extract_result *r, const char *path) {
    const char *text = un_error_get()->text;
    size_t length = strlen(path);
    if (strncmp(text, path, length) == 0 && strncmp(text + length, ": ", 2) == 0) text += length + 2;
    snprintf(r->why, sizeof r->why, "%s", text);
    un_error_clear();
}

/* *unreadable: photos in a row that could not even be read. Many are no bad photos but a disk that is gone. */
static enum un_status skip(struct un_extraction *x, struct un_extract_result *r, const char *path,
                           int *unreadable) {
    *unreadable = r->status == UN_IO ? *unreadable + 1 : 0;
    if (x->skipped++ < WARNINGS_MOST)
        un_log(UN_LOG_WARN, "%s: left out: %s%s", path, r->why,
               x->skipped == WARNINGS_MOST ? " (others are not said here)" : "");
    if (*unreadable < UNREADABLE_MOST) return UN_OK;
    return un_fail(UN_IO, "%s: %s; %d photos in a row could not be read: is their disk there?", path, r->why,
                   *unreadable);
}

static enum un_status put(struct un_extraction *x, const struct un_extract_result *r) {
    if (x->out) return un_extract_part_add(&x->part, r);
    if (r->status == UN_OK)
        un_extract_print(stdout, x->photos.ids[r->index], r, &x->class_names, &x->attribute_names);
    return fflush(stdout) == 0 ? UN_OK : un_fail(UN_IO, "standard output: %m");
}

static enum un_status one_photo(struct un_extraction *x, const struct un_extract_ready *ready,
                                int *unreadable) {
    struct un_extract_result result = {0};
    const struct un_extract_photo *photo = x->photos.list + ready->photo;
    enum un_status status = un_error_adopt(&ready->error);
    if (status == UN_OK)
        status =
            un_extract_engine_run(&x->engine, ready, x->given.ids ? &x->given : NULL, photo->id, &result);
    if (status != UN_OK && status != UN_DATA && status != UN_IO) return status;
    result.index = ready->photo;
    result.status = status;
    if (status != UN_OK) {
        take_reason(&result, photo->path);
        UN_TRY(skip(x, &result, photo->path, unreadable));
    } else {
        *unreadable = 0;
    }
    ++x->tried;
    return put(x, &result);
}

static bool stop_wanted(const struct un_extraction *x) {
    if (un_signals_stop_wanted()) {
        un_extract_folder_ask_stop(&x->folder);
        return true;
    }
    return un_extract_folder_stop_asked(&x->folder);
}

static enum un_status all_photos(struct un_extraction *x, struct un_extract_ahead *ahead,
                                 struct un_progress *progress, bool *stopped) {
    char text[64];
    int unreadable = 0;
    int64_t before = x->photos.n - x->n_left;
    const struct un_extract_ready *ready;
    while (!(*stopped = stop_wanted(x)) && (ready = un_extract_ahead_next(ahead))) {
        UN_TRY(one_photo(x, ready, &unreadable));
        int64_t all = x->tried * x->comm->size; /* the others are about as far */
        snprintf(text, sizeof text, "%.3g s a photo", (un_clock() - x->start) / (double)x->tried);
        un_progress_step(progress, before + (all < x->n_left ? all : x->n_left), text, false);
    }
    return x->out ? un_extract_part_sync(&x->part) : UN_OK;
}

enum un_status un_extraction_work(struct un_extraction *x, bool *stopped) {
    struct un_extract_ahead *ahead = NULL;
    struct un_progress progress;
    *stopped = false;
    if (x->n_take == 0) return UN_OK;
    UN_TRY(open_engine(x));
    if (x->out) UN_TRY(un_extract_part_open(&x->part, x->folder.path, x->session, x->comm->rank));
    UN_TRY(open_ahead(x, &ahead));
    un_progress_open(&progress, x->photos.n - x->n_left, x->photos.n, x->comm->rank == 0 && !x->keys->quiet);
    progress.unit = "photo";
    x->start = un_clock();
    enum un_status status = all_photos(x, ahead, &progress, stopped);
    *stopped = *stopped || stop_wanted(x); /* one that came with the last photo */
    x->seconds = un_clock() - x->start;
    un_progress_close(&progress);
    un_extract_ahead_close(ahead);
    un_extract_part_close(&x->part);
    return status;
}
