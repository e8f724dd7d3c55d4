/* Records appended and found again (parts.h). Law: the first record of a file that is not what was written ends it. */
#include "launch/extract/parts.h"
#include "io/disk/calls.h"
#include "launch/extract/record_private.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const double sync_seconds = 3.0;

/* ---- appending ---- */

enum un_status un_extract_part_open(struct un_extract_part *part, const char *folder, int session, int rank) {
    *part = (struct un_extract_part){.fd = -1, .synced = un_clock()};
    if (!(part->path = un_format("%s/part-%06d-%06d", folder, session, rank))) return UN_MEMORY;
    part->fd = un_calls_open(part->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    if (part->fd < 0) return un_fail(UN_IO, "%s: cannot create: %s", part->path, strerror(errno));
    return un_files_sync_folder(folder);
}

enum un_status un_extract_part_sync(struct un_extract_part *part) {
    if (part->durable == part->at) return UN_OK;
    if (un_calls_fdatasync(part->fd) != 0)
        return un_fail(UN_IO, "%s: fsync: %s", part->path, strerror(errno));
    part->durable = part->at;
    part->synced = un_clock();
    return UN_OK;
}

enum un_status un_extract_part_add(struct un_extract_part *part, const struct un_extract_result *result) {
    size_t bytes;
    UN_TRY(un_extract_record_pack(&part->record, result, part->durable, &bytes));
    UN_TRY(un_files_write_all(part->fd, part->path, part->record.bytes, bytes));
    /* begins now what the wait below would else begin; where it cannot, the wait is longer */
    (void)sync_file_range(part->fd, part->at, (off_t)bytes, SYNC_FILE_RANGE_WRITE);
    part->at += (int64_t)bytes;
    return un_clock() - part->synced < sync_seconds ? UN_OK : un_extract_part_sync(part);
}

void un_extract_part_close(struct un_extract_part *part) {
    if (part->path && part->fd >= 0) close(part->fd);
    if (part->path && part->fd >= 0 && part->at == 0) unlink(part->path);
    un_free(part->path);
    un_extract_record_free(&part->record);
    *part = (struct un_extract_part){.fd = -1};
}

/* ---- finding ---- */

/* Where a file of records is being read. */
struct walk {
    const char *path;
    int fd;
    int64_t size, at, photos;
    struct un_extract_head head;
};

/* The next head; *more false: none, or a torn one. */
static enum un_status next_head(struct walk *w, bool *more) {
    *more = w->size - w->at >= (int64_t)sizeof w->head;
    if (!*more) return UN_OK;
    UN_TRY(un_files_read_at(w->fd, w->path, &w->head, sizeof w->head, w->at));
    *more = un_extract_head_good(&w->head, w->photos) &&
            w->head.bytes <= w->size - w->at - (int64_t)sizeof w->head;
    return UN_OK;
}

static void pass(struct walk *w) {
    w->at += (int64_t)sizeof w->head + w->head.bytes;
}

/* What the last head says of the disk. */
static enum un_status find_durable(struct walk w, int64_t *durable) {
    bool more = true;
    *durable = 0;
    for (;; pass(&w)) {
        UN_TRY(next_head(&w, &more));
        if (!more) return UN_OK;
        *durable = w.head.durable;
    }
}

/* Regions are kept where a photo has both, and a later reason takes the place of an earlier one. */
static enum un_status note(struct un_extract_parts *parts, int32_t part, const struct walk *w) {
    struct un_extract_place *place = parts->place + w->head.index;
    if (place->part >= 0 && place->status == UN_OK) return UN_OK;
    *place = (struct un_extract_place){part, (enum un_status)w->head.status, w->at, w->head.regions};
    if (place->status != UN_OK) return UN_OK;
    if (parts->done > 0 && (w->head.features != parts->features || w->head.classes != parts->classes))
        return un_fail(UN_DATA, "%s: regions of another network at byte %lld", w->path, (long long)w->at);
    parts->features = w->head.features;
    parts->classes = w->head.classes;
    parts->regions += w->head.regions;
    ++parts->done;
    return UN_OK;
}

static enum un_status walk_part(struct un_extract_parts *parts, int32_t part, struct walk *w,
                                struct un_extract_record *record) {
    int64_t durable;
    bool more = true;
    UN_TRY(find_durable(*w, &durable));
    for (;; pass(w)) {
        UN_TRY(next_head(w, &more));
        if (!more) return UN_OK;
        if (w->at >= durable) {
            enum un_status status = un_extract_record_read(record, w->fd, w->path, w->at, &w->head);
            if (status == UN_DATA) {
                un_error_clear(); /* torn by what stopped the machine */
                return UN_OK;
            }
            UN_TRY(status);
        }
        UN_TRY(note(parts, part, w));
    }
}

static enum un_status read_part(struct un_extract_parts *parts, int32_t part) {
    struct walk w = {.path = parts->path[part], .photos = parts->photos};
    struct un_extract_record record = {0};
    struct stat st;
    w.fd = un_calls_open(w.path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (w.fd < 0 || fstat(w.fd, &st) != 0) {
        enum un_status status = un_fail(UN_IO, "%s: cannot open: %s", w.path, strerror(errno));
        if (w.fd >= 0) close(w.fd);
        return status;
    }
    w.size = (int64_t)st.st_size;
    enum un_status status = walk_part(parts, part, &w, &record);
    if (status == UN_OK && w.at < w.size) {
        un_log(UN_LOG_INFO, "%s: %lld bytes of a record that was not finished are cut off", w.path,
               (long long)(w.size - w.at));
        if (ftruncate(w.fd, (off_t)w.at) != 0)
            status = un_fail(UN_IO, "%s: cannot cut: %s", w.path, strerror(errno));
    }
    un_extract_record_free(&record);
    close(w.fd);
    return status;
}

static enum un_status add_path(struct un_extract_parts *parts, const char *folder, const char *name,
                               int64_t *capacity) {
    int session, rank;
    if (sscanf(name, "part-%d-%d", &session, &rank) != 2) return UN_OK;
    if (parts->parts == *capacity) {
        void *paths = parts->path;
        int64_t more = 2 * *capacity + 16;
        UN_TRY(un_grow(&paths, (size_t)*capacity, (size_t)more, sizeof *parts->path, "names of parts"));
        parts->path = paths;
        *capacity = more;
    }
    if (!(parts->path[parts->parts] = un_format("%s/%s", folder, name))) return UN_MEMORY;
    ++parts->parts;
    if (session >= parts->session) parts->session = session + 1;
    return UN_OK;
}

static int compare(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum un_status find_paths(struct un_extract_parts *parts, const char *folder) {
    int64_t capacity = 0;
    enum un_status status = UN_OK;
    DIR *dir = opendir(folder);
    if (!dir) return un_fail(UN_IO, "%s: cannot open: %s", folder, strerror(errno));
    for (struct dirent *entry; status == UN_OK && (errno = 0, entry = readdir(dir));)
        status = add_path(parts, folder, entry->d_name, &capacity);
    if (status == UN_OK && errno != 0)
        status = un_fail(UN_IO, "%s: cannot read: %s", folder, strerror(errno));
    closedir(dir);
    if (parts->parts > 0) qsort(parts->path, (size_t)parts->parts, sizeof *parts->path, compare);
    return status;
}

enum un_status un_extract_parts_read(struct un_extract_parts *parts, const char *folder, int64_t photos) {
    *parts = (struct un_extract_parts){.photos = photos};
    parts->place = un_alloc((size_t)photos, sizeof *parts->place, "places of photos");
    if (!parts->place) return UN_MEMORY;
    for (int64_t i = 0; i < photos; ++i) parts->place[i].part = -1;
    UN_TRY(find_paths(parts, folder));
    for (int32_t p = 0; p < parts->parts; ++p) UN_TRY(read_part(parts, p));
    return UN_OK;
}

void un_extract_parts_free(struct un_extract_parts *parts) {
    for (int64_t p = 0; p < parts->parts; ++p) un_free(parts->path[p]);
    un_free(parts->path);
    un_free(parts->place);
    *parts = (struct un_extract_parts){0};
}

enum un_status un_extract_parts_result(const struct un_extract_parts *parts, int64_t photo,
                                       struct un_extract_record *record, struct un_extract_result *result) {
    const struct un_extract_place *place = parts->place + photo;
    const char *path = parts->path[place->part];
    struct un_extract_head head;
    int fd = un_calls_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return un_fail(UN_IO, "%s: cannot open: %s", path, strerror(errno));
    enum un_status status = un_files_read_at(fd, path, &head, sizeof head, place->at);
    if (status == UN_OK && (!un_extract_head_good(&head, parts->photos) || head.index != photo))
        status = un_fail(UN_DATA, "%s: the record at byte %lld is damaged", path, (long long)place->at);
    if (status == UN_OK) status = un_extract_record_read(record, fd, path, place->at, &head);
    if (status == UN_OK) un_extract_record_unpack(record, &head, result);
    close(fd);
    return status;
}
