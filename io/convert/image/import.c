/* Images from any source into one file: survey, threads, progress, summary (sink.h). */
#include "io/convert/image/private.h"
#include "io/convert/workers.h"
#include "io/disk/files.h"
#include "io/disk/ids.h"
#include "io/run/progress.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS_MOST = 1024 };

struct import {
    const struct un_image_import *how;
    struct un_image_source *source;
    struct un_image_list list;
    struct un_image_sink *sink;
    struct un_image_reader **readers; /* [threads] opened by the thread that uses it */
    int threads;
    int64_t first;
    double start;
    _Atomic int64_t put;
    _Atomic bool stopped;
    _Atomic bool looking; /* a bad image was met: what follows is looked at, and written in the next round */
    struct un_image_bad bad;
    pthread_mutex_t lock; /* of progress */
    struct un_progress progress;
};

static void show(struct import *m, int64_t put) {
    char text[64];
    double seconds = un_clock() - m->start;
    if (pthread_mutex_trylock(&m->lock) != 0) return; /* another thread is at it */
    snprintf(text, sizeof text, "%.0f MB/s",
             seconds > 0 ? 1e-6 * (double)un_image_sink_count(m->sink).bytes / seconds : 0.0);
    un_progress_step(&m->progress, m->first + put, text, false);
    pthread_mutex_unlock(&m->lock);
}

/* An image's read, with what came of it. */
static enum un_status settle(struct import *m, int64_t i, enum un_status status) {
    char where[UN_PATH_MAX + UN_IMAGE_ID_MAX + 8];
    if (!m->source->bad) return status;
    if (status == UN_OK) {
        un_image_bad_none(&m->bad);
        return UN_OK;
    }
    un_image_source_where(m->source, &m->list, i, where, sizeof where);
    UN_TRY(un_image_bad_add(&m->bad, i, where, m->source->name, status));
    atomic_store(&m->looking, true);
    return UN_OK;
}

static enum un_status move_one(struct import *m, struct un_image_reader *reader, int64_t i) {
    struct un_image_record record;
    enum un_status status = m->source->ops->read(reader, &m->list, i, &record);
    if (status == UN_OK) {
        status = atomic_load(&m->looking) ? un_image_check(m->source, &m->list, i, &record)
                                          : un_image_sink_put(m->sink, i, &record);
        if (status != UN_DATA) UN_TRY(status); /* it is not the image */
    }
    return settle(m, i, status);
}

static enum un_status one_image(void *context, int thread, int64_t i) {
    struct import *m = context;
    if (m->how->stop && m->how->stop()) {
        atomic_store(&m->stopped, true);
        return un_fail(UN_STOPPED, "stopped");
    }
    if (!m->readers[thread]) UN_TRY(m->source->ops->reader_open(m->source, &m->readers[thread]));
    if (m->list.list[i].regions == 0) return UN_OK;
    UN_TRY(move_one(m, m->readers[thread], i));
    show(m, atomic_fetch_add(&m->put, 1) + 1);
    return UN_OK;
}

static enum un_status open_threads(struct import *m) {
    int64_t threads = m->how->threads > 0 ? m->how->threads : un_workers_count();
    m->threads = threads > THREADS_MOST ? THREADS_MOST : (int)threads;
    m->readers = un_alloc((size_t)m->threads, sizeof *m->readers, "readers of a source");
    return m->readers ? UN_OK : UN_MEMORY;
}

static enum un_status run_threads(struct import *m, const char *out) {
    m->start = un_clock();
    un_progress_open(&m->progress, m->first, m->list.n, !m->how->quiet);
    m->progress.unit = "image";
    if (m->first > 0 && !m->how->quiet)
        un_log(UN_LOG_INFO, "%s: goes on with image %lld of %lld", out, (long long)m->first,
               (long long)m->list.n);
    enum un_status status = un_workers_run(m->threads, m->first, m->list.n, one_image, m);
    un_progress_close(&m->progress);
    if (status == UN_STOPPED && atomic_load(&m->stopped)) {
        un_error_clear();
        return un_fail(UN_STOPPED, "%s: stopped after %lld of %lld images; the same command goes on there",
                       out, (long long)(m->first + atomic_load(&m->put)), (long long)m->list.n);
    }
    return status;
}

static void summary(struct import *m, const char *out) {
    struct un_image_sink_counts counts = un_image_sink_count(m->sink);
    const struct un_image_shape *s = &m->list.shape;
    double seconds = un_clock() - m->start, megabytes = 1e-6 * (double)counts.bytes;
    printf("%s: %lld images, %lld regions, features %lld wide (%s), ", out,
           (long long)(m->list.n - m->list.left), (long long)m->list.regions, (long long)s->img_dim,
           s->feature_type == UN_F16 ? "f16" : "f32");
    if (s->classes)
        printf("soft labels of %lld classes (%s), ", (long long)s->classes,
               s->soft_type == UN_F16 ? "f16" : "f32");
    else
        printf("no soft labels, ");
    printf("%.1f MB in %.1f s (%.0f MB/s)\n", megabytes, seconds, seconds > 0 ? megabytes / seconds : 0.0);
    if (counts.sorted)
        printf("%s: the regions of %lld images were sorted by confidence\n", out, (long long)counts.sorted);
    if (!s->has_confidence) printf("%s: the source has no confidences: 1 for every region\n", out);
    if (m->bad.n) printf("%s: %lld skipped (%s.skipped.tsv)\n", out, (long long)m->bad.n, out);
}

/* An id that stands twice is one image too many: the first is taken. */
static enum un_status leave_out_twins(struct import *m) {
    struct un_idmap map = {0};
    enum un_status status = UN_OK;
    char where[UN_PATH_MAX + UN_IMAGE_ID_MAX + 8];
    const char **ids = un_alloc((size_t)m->list.n + 1, sizeof *ids, "image ids");
    if (!ids) return UN_MEMORY;
    for (int64_t i = 0, found; i < m->list.n && status == UN_OK; ++i) {
        ids[i] = m->list.list[i].id;
        status = un_idmap_add(&map, ids, i, &found);
        if (status != UN_OK || found < 0) continue;
        un_image_source_where(m->source, &m->list, i, where, sizeof where);
        un_fail(UN_DATA, "image id %s stands twice: image %lld (counted from 0) has it", ids[i],
                (long long)found);
        status = un_image_bad_add(&m->bad, i, where, m->source->name, UN_DATA);
    }
    un_idmap_close(&map);
    un_free(ids);
    un_image_bad_apply(&m->bad, &m->list);
    return status;
}

static enum un_status list_images(struct import *m) {
    struct un_progress progress = {0};
    enum un_status status =
        un_image_source_survey(m->source, &m->list, m->how->quiet ? NULL : &progress, m->how->stop);
    un_progress_clear(&progress);
    return status;
}

/* The list of what there is. */
static enum un_status survey(struct import *m, const char *out) {
    if (m->how->skip && un_image_bad_listed(out) && !un_image_sink_begun(out))
        return un_fail(UN_USAGE, "%s.skipped.tsv exists; it is not overwritten", out);
    if (m->how->skip) m->source->bad = &m->bad;
    UN_TRY(list_images(m));
    if (m->source->onehot && !m->how->quiet)
        un_log(UN_LOG_INFO,
               "%s: labels=onehot: class k is a 1 in column k + 1 of %lld, column 0 the background",
               m->source->name, (long long)m->source->onehot);
    if (!m->how->skip) return un_image_list_check(&m->list, m->source->name);
    UN_TRY(leave_out_twins(m));
    return un_image_bad_few(&m->bad, &m->list, m->source->name);
}

/* All images; where some are bad, once more without them: how many regions there are decides where everything stands. */
static enum un_status put_all(struct import *m, const char *out) {
    for (;;) {
        UN_TRY(run_threads(m, out));
        if (!atomic_load(&m->looking)) return UN_OK;
        un_image_bad_apply(&m->bad, &m->list);
        UN_TRY(un_image_bad_few(&m->bad, &m->list, m->source->name));
        UN_TRY(un_image_sink_again(m->sink));
        atomic_store(&m->looking, false);
        atomic_store(&m->put, 0);
        m->first = 0;
        if (!m->how->quiet)
            un_log(UN_LOG_INFO, "%s: begun again without %lld bad images", out, (long long)m->bad.n);
    }
}

static enum un_status import_all(struct import *m, const char *out) {
    if (un_image_sink_stands(out)) /* before a survey that may take long */
        return un_fail(UN_USAGE, "%s exists; it is not overwritten", out);
    UN_TRY(survey(m, out));
    UN_TRY(open_threads(m));
    UN_TRY(un_image_sink_open(&m->sink, out, m->source, &m->list, &m->first));
    UN_TRY(put_all(m, out));
    UN_TRY(un_image_sink_commit(m->sink));
    if (!m->how->quiet) summary(m, out);
    return UN_OK;
}

enum un_status un_image_import(struct un_image_source *source, const char *out,
                               const struct un_image_import *how) {
    struct import m = {.how = how, .source = source, .lock = PTHREAD_MUTEX_INITIALIZER};
    un_image_bad_open(&m.bad);
    enum un_status status = import_all(&m, out);
    for (int t = 0; m.readers && t < m.threads; ++t)
        if (m.readers[t]) source->ops->reader_close(m.readers[t]);
    un_free(m.readers);
    un_image_sink_close(m.sink, status == UN_STOPPED);
    un_image_list_free(&m.list);
    source->bad = NULL;
    un_image_bad_close(&m.bad);
    return status;
}
