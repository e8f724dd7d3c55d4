/* Rows of images into their places by many threads (sink.h).
 *
 * Two laws: the journal never says more than is on the disk (fdatasync comes first), and an image counts
 * there only when all before it do, so a later run needs one number. OUT.partial and its journal are removed
 * together, journal last, as the journal carries the lock. */
#include "io/convert/image/private.h"
#include "io/disk/calls.h"
#include "io/h5/h5.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { VECTORS = 512, DIM_MOST = 1 << 20 };
static const double sync_seconds = 3.0;

struct un_image_sink {
    const struct un_image_source *source; /* borrowed, like the list */
    struct un_image_list *list;
    char *out, *partial;
    int fd; /* of OUT.partial */
    struct un_image_journal journal;
    struct un_image_place places[UN_IMAGE_COLUMNS];
    int64_t *row;                 /* [n] first row of every image */
    pthread_mutex_t lock;         /* of what follows */
    uint8_t *state;               /* [n] PUT, and SORTED */
    struct un_image_done done;    /* in order, not all durable */
    struct un_image_done durable; /* what the journal says */
    int64_t bytes;
    double synced; /* time of the last sync */
    bool syncing;
    bool spare; /* what stands there is not ours to remove */
};
enum { PUT = 1, SORTED = 2 };

static enum un_status check_shape(const struct un_image_source *source, const struct un_image_list *list,
                                  const struct un_image_place *places) {
    const struct un_image_shape *s = &list->shape;
    int64_t bytes;
    if (list->n < 1) return un_fail(UN_DATA, "%s: no images in it", source->name);
    if (s->img_dim < 1 || s->img_dim > DIM_MOST || s->classes < 0 || s->classes == 1 || s->classes > DIM_MOST)
        return un_fail(UN_DATA, "%s: features of %lld numbers and soft labels of %lld classes", source->name,
                       (long long)s->img_dim, (long long)s->classes);
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) {
        if (places[c].width && places[c].type != UN_F16 && places[c].type != UN_F32)
            return un_fail(UN_INTERNAL, "%s: %s of type %d", source->name, places[c].name,
                           (int)places[c].type);
        if (__builtin_mul_overflow(places[c].row_bytes, list->regions, &bytes) || bytes > INT64_MAX / 8)
            return un_fail(UN_DATA, "%s: %lld regions of %lld bytes are too many", source->name,
                           (long long)list->regions, (long long)places[c].row_bytes);
    }
    return UN_OK;
}

static enum un_status prepare(struct un_image_sink *k, const char *out) {
    k->out = un_strdup(out);
    k->partial = un_format("%s.partial", out);
    k->row = un_alloc((size_t)k->list->n, sizeof *k->row, "first rows of images");
    k->state = un_alloc((size_t)k->list->n, 1, "states of images");
    return k->out && k->partial && k->row && k->state ? UN_OK : UN_MEMORY;
}

/* Those of no regions count as put. */
static void count_done(struct un_image_sink *k) {
    for (; k->done.images < k->list->n && k->state[k->done.images]; ++k->done.images)
        k->done.sorted += (k->state[k->done.images] & SORTED) != 0;
}

/* Where every image's rows begin. */
static void place_rows(struct un_image_sink *k) {
    const struct un_image_list *list = k->list;
    for (int64_t i = 0; i < list->n; ++i) {
        k->row[i] = i ? k->row[i - 1] + list->list[i - 1].regions : 0;
        k->state[i] = list->list[i].regions == 0 ? PUT : 0;
    }
}

/* Goes on with what stands there, or begins. The journal is emptied before the rows it speaks of are. */
static enum un_status go_on_or_begin(struct un_image_sink *k, const struct un_digest *digest) {
    if (k->done.images > 0 && un_image_layout_find(k->out, k->list, k->places) != UN_OK) {
        un_log(UN_LOG_WARN, "%s cannot be gone on with, begun anew: %s", k->partial, un_error_get()->text);
        un_error_clear();
        k->done = (struct un_image_done){0};
    }
    if (k->done.images == 0) {
        UN_TRY(un_image_journal_begin(&k->journal, digest));
        UN_TRY(un_image_layout(k->out, k->source, k->list, k->places));
    }
    memset(k->state, PUT, (size_t)k->done.images);
    k->durable = k->done;
    count_done(k);
    k->synced = un_clock();
    k->fd = un_calls_open(k->partial, O_WRONLY | O_CLOEXEC);
    return k->fd >= 0 ? UN_OK : un_fail(UN_IO, "%s: cannot open: %s", k->partial, strerror(errno));
}

/* What is known to be bad loses its regions. *digest: of what is left, so that a journal and the bad ones of its time go
 * together. */
static enum un_status take_known(struct un_image_sink *k, struct un_digest *digest) {
    struct un_image_bad *bad = k->source->bad;
    UN_TRY(un_image_digest(k->source, k->list, digest));
    if (!bad) {
        un_image_bad_forget(k->out);
        return UN_OK;
    }
    UN_TRY(un_image_bad_load(bad, k->out, digest, k->list->n));
    un_image_bad_apply(bad, k->list);
    UN_TRY(un_image_bad_few(bad, k->list, k->source->name));
    return un_image_digest(k->source, k->list, digest);
}

static enum un_status open_all(struct un_image_sink *k, const char *out) {
    struct un_digest digest;
    bool same;
    un_image_places(k->places, &k->list->shape);
    UN_TRY(check_shape(k->source, k->list, k->places));
    UN_TRY(prepare(k, out));
    if (faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    UN_TRY(un_image_journal_open(&k->journal, out));
    if (faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0) /* finished by another meanwhile */
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    UN_TRY(take_known(k, &digest));
    k->spare = true;
    UN_TRY(un_image_journal_read(&k->journal, &digest, k->list->n, &k->done, &same));
    if (k->source->bad && !same &&
        un_image_bad_listed(out)) /* by another import: ours may have been killed behind it */
        return un_fail(UN_USAGE, "%s.skipped.tsv exists; it is not overwritten", out);
    k->spare = false;
    place_rows(k);
    return go_on_or_begin(k, &digest);
}

enum un_status un_image_sink_again(struct un_image_sink *k) {
    struct un_digest digest;
    close(k->fd);
    k->fd = -1;
    UN_TRY(un_image_digest(k->source, k->list, &digest));
    k->done = (struct un_image_done){0};
    k->bytes = 0;
    place_rows(k);
    return go_on_or_begin(k, &digest);
}

enum un_status un_image_sink_open(struct un_image_sink **sink, const char *out,
                                  const struct un_image_source *source, struct un_image_list *list,
                                  int64_t *first) {
    struct un_image_sink *k = un_alloc(1, sizeof *k, "an image file in work");
    *sink = NULL;
    if (!k) return UN_MEMORY;
    k->source = source;
    k->list = list;
    k->fd = k->journal.fd = -1;
    pthread_mutex_init(&k->lock, NULL);
    enum un_status status = open_all(k, out);
    if (status != UN_OK) {
        un_image_sink_close(k, k->spare);
        return status;
    }
    *first = k->done.images;
    *sink = k;
    return UN_OK;
}

static enum un_status write_error(const struct un_image_sink *k, ssize_t wrote) {
    return un_fail(UN_IO, "%s: cannot write: %s", k->partial, strerror(wrote < 0 ? errno : ENOSPC));
}

static enum un_status write_at(const struct un_image_sink *k, const char *rows, int64_t bytes, int64_t at) {
    while (bytes > 0) {
        ssize_t wrote = pwrite(k->fd, rows, (size_t)bytes, (off_t)at);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return write_error(k, wrote);
        rows += wrote;
        bytes -= wrote;
        at += wrote;
    }
    return UN_OK;
}

/* Rows in another order, without a copy of them: gathered by the system. A short write, which only a signal
 * or a full disk makes, is mended row by row. */
static enum un_status write_ordered(const struct un_image_sink *k, const char *rows, int64_t row_bytes,
                                    const int32_t *order, int64_t n, int64_t at) {
    struct iovec vector[VECTORS];
    for (int64_t done = 0; done < n;) {
        int count = n - done < VECTORS ? (int)(n - done) : VECTORS;
        for (int i = 0; i < count; ++i)
            vector[i] =
                (struct iovec){(void *)(uintptr_t)(rows + order[done + i] * row_bytes), (size_t)row_bytes};
        ssize_t wrote = pwritev(k->fd, vector, count, (off_t)(at + done * row_bytes));
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return write_error(k, wrote);
        done += wrote / row_bytes;
        int64_t part = wrote % row_bytes;
        if (part > 0) {
            UN_TRY(write_at(k, rows + order[done] * row_bytes + part, row_bytes - part,
                            at + done * row_bytes + part));
            ++done;
        }
    }
    return UN_OK;
}

/* The stand-in for confidences that the source does not have. */
static enum un_status write_ones(const struct un_image_sink *k, int64_t n, enum un_type type, int64_t at) {
    static const float one = 1.0f;
    static const uint16_t half_one = 0x3C00;
    int64_t width = un_type_bytes(type);
    char *ones = un_alloc((size_t)n, (size_t)width, "confidences");
    if (!ones) return UN_MEMORY;
    for (int64_t i = 0; i < n; ++i)
        memcpy(ones + i * width, type == UN_F16 ? (const void *)&half_one : (const void *)&one,
               (size_t)width);
    enum un_status status = write_at(k, ones, n * width, at);
    un_free(ones);
    return status;
}

static enum un_status write_column(const struct un_image_sink *k, int64_t index, const void *rows, int column,
                                   const int32_t *order) {
    const struct un_image_place *p = k->places + column;
    int64_t n = k->list->list[index].regions, at = p->at + k->row[index] * p->row_bytes;
    if (p->width == 0) return UN_OK;
    if (column == UN_IMAGE_CONFIDENCE && !k->list->shape.has_confidence) return write_ones(k, n, p->type, at);
    return order ? write_ordered(k, rows, p->row_bytes, order, n, at)
                 : write_at(k, rows, n * p->row_bytes, at);
}

static enum un_status write_image(struct un_image_sink *k, int64_t index,
                                  const struct un_image_record *record, const int32_t *order) {
    const void *rows[UN_IMAGE_COLUMNS] = {record->feature, record->box, record->confidence, record->soft};
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) UN_TRY(write_column(k, index, rows[c], c, order));
    return UN_OK;
}

/* Makes what was put so far durable, then says so in the journal. Called with the lock held, which is let go
 * while the disk works: images put meanwhile wait for the next time. */
static enum un_status sync_done(struct un_image_sink *k) {
    struct un_image_done done = k->done;
    k->syncing = true;
    pthread_mutex_unlock(&k->lock);
    enum un_status status =
        un_calls_fdatasync(k->fd) == 0 ? UN_OK : un_fail(UN_IO, "%s: fsync: %s", k->partial, strerror(errno));
    if (status == UN_OK && done.images > k->durable.images) status = un_image_journal_add(&k->journal, &done);
    pthread_mutex_lock(&k->lock);
    k->durable = done;
    k->synced = un_clock();
    k->syncing = false;
    return status;
}

static enum un_status note_put(struct un_image_sink *k, int64_t index, bool sorted) {
    enum un_status status = UN_OK;
    int64_t row_bytes = 0;
    for (int c = 0; c < UN_IMAGE_COLUMNS; ++c) row_bytes += k->places[c].row_bytes;
    pthread_mutex_lock(&k->lock);
    k->bytes += k->list->list[index].regions * row_bytes;
    k->state[index] = (uint8_t)(PUT | (sorted ? SORTED : 0));
    count_done(k);
    if (!k->syncing && un_clock() - k->synced >= sync_seconds) status = sync_done(k);
    pthread_mutex_unlock(&k->lock);
    return status;
}

enum un_status un_image_sink_put(struct un_image_sink *k, int64_t index,
                                 const struct un_image_record *record) {
    const struct un_image_shape *shape = &k->list->shape;
    UN_ASSERT(index >= 0 && index < k->list->n);
    UN_TRY(un_image_check(k->source, k->list, index, record));
    bool sorted = !shape->has_confidence || un_image_is_sorted(record, shape->confidence_type);
    int32_t *order = NULL;
    enum un_status status = UN_OK;
    if (!sorted) {
        order = un_alloc((size_t)record->regions, sizeof *order, "order of regions");
        status = order ? un_image_sort(record, shape->confidence_type, order) : UN_MEMORY;
    }
    if (status == UN_OK) status = write_image(k, index, record, order);
    un_free(order);
    return status == UN_OK ? note_put(k, index, !sorted) : status;
}

struct un_image_sink_counts un_image_sink_count(struct un_image_sink *k) {
    pthread_mutex_lock(&k->lock);
    struct un_image_sink_counts counts = {k->bytes, k->done.sorted};
    pthread_mutex_unlock(&k->lock);
    return counts;
}

enum un_status un_image_sink_commit(struct un_image_sink *k) {
    struct un_h5 *h5;
    if (k->done.images != k->list->n)
        return un_fail(UN_INTERNAL, "%s: %lld of %lld images were put", k->out, (long long)k->done.images,
                       (long long)k->list->n);
    if (un_calls_fdatasync(k->fd) != 0) return un_fail(UN_IO, "%s: fsync: %s", k->partial, strerror(errno));
    UN_TRY(un_image_layout_find(k->out, k->list, k->places));
    if (faccessat(AT_FDCWD, k->out, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
        return un_fail(UN_USAGE, "%s exists by now; it is not overwritten", k->out);
    if (k->source->bad) UN_TRY(un_image_bad_write(k->source->bad, k->out));
    UN_TRY(un_h5_take_up(&h5, k->out));
    enum un_status status = un_h5_commit(h5);
    un_h5_close(h5);
    if (status != UN_OK) return status;
    close(k->fd);
    k->fd = -1;
    if (k->source->bad) un_image_bad_forget(k->out);
    un_image_journal_close(&k->journal, false);
    return UN_OK;
}

void un_image_sink_close(struct un_image_sink *k, bool keep) {
    if (!k) return;
    if (k->fd >= 0 && keep) { /* an error here only means that a later run does a little more */
        pthread_mutex_lock(&k->lock);
        sync_done(k);
        pthread_mutex_unlock(&k->lock);
    }
    if (k->fd >= 0) close(k->fd);
    if (k->journal.fd >= 0 && !keep) {
        unlink(k->partial);
        if (k->source->bad) un_image_bad_forget(k->out);
    }
    if (k->journal.path) un_image_journal_close(&k->journal, keep);
    pthread_mutex_destroy(&k->lock);
    un_free(k->row);
    un_free(k->state);
    un_free(k->out);
    un_free(k->partial);
    un_free(k);
}
