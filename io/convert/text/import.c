/* Captions into a text file (import.h): a batch is read and matched, tokenised, written; and again. */
#include "io/convert/text/import.h"
#include "io/convert/format/lines.h"
#include "io/convert/text/batch.h"
#include "io/convert/text/image_names.h"
#include "io/convert/text/private.h"
#include "io/convert/text/sink.h"
#include "io/convert/text/skipped.h"
#include "io/convert/text/summary.h"
#include "io/convert/workers.h"
#include "io/run/progress.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MOST = 1024 };

struct import {
    const struct un_text_import *how;
    struct un_text_source *source;
    const struct un_wordpiece *wordpiece;
    const char *out;
    struct un_text_sink *sink;
    struct un_skipped skipped;
    struct un_text_batch batch;
    struct un_image_names *images; /* NULL: image ids are written as they are */
    struct un_caption_lines ids;   /* with path: of how->ids */
    int64_t read, other_split;     /* texts of the source; of them, of other splits */
    int64_t matches[UN_MATCHES];   /* how images were found */
    char id[UN_ID_MAX + 1];        /* made for a text without one, or out of a URL */
    char a_split[64];              /* one that is there */
    int threads;
    bool ended;
    double start;
    struct un_progress progress;
};

/* "https://host/a/b.jpg?w=3" -> "b.jpg" */
static const char *last_part(struct import *m, const char *url, const char **why) {
    size_t n = strcspn(url, "?#"), first;
    while (n > 0 && url[n - 1] == '/') --n;
    for (first = n; first > 0 && url[first - 1] != '/'; --first) continue;
    if (n == first || n - first > UN_ID_MAX || un_caption_text_fault(url + first, n - first)) {
        *why = n == first              ? "no image id"
               : n - first > UN_ID_MAX ? "an id longer than 255 bytes"
                                       : "an id that is not UTF-8";
        return NULL;
    }
    memcpy(m->id, url + first, n - first);
    m->id[n - first] = '\0';
    return m->id;
}

/* The id of the caption's image before it is matched; NULL with *why. */
static enum un_status name_image(struct import *m, const struct un_caption *caption, const char **id,
                                 const char **why) {
    char *line;
    size_t bytes;
    bool more;
    *id = caption->image_id;
    if (m->ids.path) {
        UN_TRY(un_caption_lines_next(&m->ids, &line, &bytes, &more));
        if (!more)
            return un_fail(UN_DATA, "%s: ends after %lld ids; %s has more texts", m->ids.path,
                           (long long)m->ids.number, m->source->name);
        *id = line;
        if (bytes == 0 || bytes > UN_ID_MAX || un_caption_text_fault(line, bytes)) {
            *id = NULL;
            *why = bytes == 0          ? "no image id"
                   : bytes > UN_ID_MAX ? "an id longer than 255 bytes"
                                       : "an id that is not UTF-8";
        }
    } else if (m->how->by_url) {
        if (!caption->url) return un_fail(UN_USAGE, "%s: its texts have no URL", m->source->name);
        *id = last_part(m, caption->url, why);
    }
    if (!*id && !*why) *why = "no image id";
    return UN_OK;
}

static bool is_other_split(struct import *m, const struct un_caption *caption) {
    if (!m->how->split || !m->how->split[0] || !caption->split) return false;
    if (!m->a_split[0]) snprintf(m->a_split, sizeof m->a_split, "%s", caption->split);
    return strcmp(caption->split, m->how->split) != 0;
}

/* The id of the feature files that is meant; the same again with *why where there is none. A made id fits only as written. */
static const char *match(struct import *m, const char *image, bool invented, const char **why) {
    enum un_image_match how;
    const char *found = un_image_names_find(m->images, image, &how);
    if (invented && how != UN_MATCH_WRITTEN) found = NULL, how = UN_MATCH_NONE;
    ++m->matches[how];
    if (!found) *why = how == UN_MATCH_SEVERAL ? "several images fit" : "no such image";
    return found ? found : image;
}

/* Of a caption whose image the source, a file of ids or a URL names: in this order from the last to the first. */
static const char *match_caption(struct import *m, const struct un_caption *caption, const char *image,
                                 const char **why) {
    bool own = !m->ids.path && !m->how->by_url;
    if (own && caption->image_name) image = caption->image_name;
    return match(m, image, own && caption->invented, why);
}

static enum un_status take(struct import *m, const struct un_caption *caption) {
    const char *image = NULL, *why = NULL, *text_id = caption->text_id;
    char made[32];
    ++m->read;
    if (m->how->split && m->how->split[0] && !caption->split)
        return un_fail(UN_USAGE, "split=%s: %s has no splits", m->how->split, m->source->name);
    UN_TRY(name_image(m, caption, &image, &why));
    if (is_other_split(m, caption)) {
        ++m->other_split;
        return UN_OK;
    }
    if (caption->why) why = caption->why;
    struct un_targets targets, *asked = NULL;
    if (!why && m->images) image = match_caption(m, caption, image, &why);
    if (!why && caption->targets) {
        targets = *caption->targets;
        asked = &targets;
        if (m->images && targets.second_image)
            targets.second_image = match(m, targets.second_image, false, &why);
    }
    if (!text_id) {
        snprintf(made, sizeof made, "%lld", (long long)m->read);
        text_id = made;
    }
    return un_text_batch_add(&m->batch, caption, text_id, image, asked, why);
}

static enum un_status read_batch(struct import *m) {
    un_text_batch_clear(&m->batch);
    while (!m->ended && !un_text_batch_is_full(&m->batch)) {
        struct un_caption caption;
        bool more;
        UN_TRY(m->source->ops->next(m->source, &caption, &more));
        m->ended = !more;
        if (more) UN_TRY(take(m, &caption));
    }
    return UN_OK;
}

static enum un_status write_batch(struct import *m) {
    const struct un_text_batch *b = &m->batch;
    for (int i = 0; i < b->n; ++i) {
        const struct un_batch_text *t = &b->text[i];
        const char *text_id = b->pool + t->text_id, *image_id = b->pool + t->image_id;
        if (t->why) {
            UN_TRY(un_skipped_add(&m->skipped, t->line, text_id, image_id, t->why));
            continue;
        }
        struct un_targets targets;
        const struct un_text_record record = {.text_id = text_id,
                                              .image_id = image_id,
                                              .token = b->token + t->token,
                                              .tokens = t->tokens,
                                              .sentence = t->has_sentence ? b->pool + t->sentence : NULL,
                                              .sentence_bytes = (int64_t)t->sentence_bytes,
                                              .targets = un_text_batch_targets(b, t, &targets)};
        UN_TRY(un_text_sink_add(m->sink, &record));
    }
    return UN_OK;
}

static enum un_status run_batches(struct import *m) {
    char text[64];
    while (!m->ended) {
        if (m->how->stop && m->how->stop())
            return un_fail(UN_STOPPED, "%s: stopped after %lld texts; nothing is left of it", m->out,
                           (long long)m->read);
        UN_TRY(read_batch(m));
        UN_TRY(un_text_batch_encode(&m->batch, m->wordpiece, m->threads, m->how->max_txt_len));
        UN_TRY(write_batch(m));
        snprintf(text, sizeof text, "%lld texts", (long long)m->read);
        un_progress_step(&m->progress, m->source->bytes_done / 1000, text, false);
    }
    return UN_OK;
}

/* After the last text: nothing may be left in the file of ids. */
static enum un_status check_ids(struct import *m) {
    char *line;
    size_t bytes;
    bool more;
    if (!m->ids.path) return UN_OK;
    UN_TRY(un_caption_lines_next(&m->ids, &line, &bytes, &more));
    return !more ? UN_OK
                 : un_fail(UN_DATA, "%s: has more ids than the %lld texts of %s", m->ids.path,
                           (long long)m->read, m->source->name);
}

static enum un_status check_texts(struct import *m) {
    char said[512];
    if (un_text_sink_texts(m->sink) > 0) return UN_OK;
    un_skipped_say(&m->skipped, said, sizeof said);
    if (m->read == 0) return un_fail(UN_DATA, "%s: no texts in it", m->source->name);
    if (m->other_split == m->read)
        return un_fail(UN_DATA, "%s: split=%s: none of its %lld texts; another split is %s", m->source->name,
                       m->how->split, (long long)m->read, m->a_split);
    return un_fail(UN_DATA, "%s: no text is left of %lld: %s", m->source->name, (long long)m->read, said);
}

static enum un_status open_all(struct import *m) {
    const struct un_text_import *how = m->how;
    if (!m->wordpiece && !m->source->vocab)
        return un_fail(UN_INTERNAL, "%s: no vocabulary for texts", m->source->name);
    const struct un_text_sink_setup setup = {.vocab = m->source->vocab ? *m->source->vocab
                                                                       : un_wordpiece_vocab(m->wordpiece),
                                             .source = m->source->name,
                                             .sentences = m->source->sentences,
                                             .task = m->source->task,
                                             .num_answers = m->source->num_answers,
                                             .answer_names = m->source->answer_names};
    int64_t threads = how->threads > 0 ? how->threads : un_workers_count();
    m->threads = threads > THREADS_MOST ? THREADS_MOST : (int)threads;
    UN_TRY(un_text_sink_open(&m->sink, m->out, &setup)); /* the first to say that OUT exists */
    UN_TRY(un_skipped_open(&m->skipped, m->out));
    if (how->ids && how->ids[0]) UN_TRY(un_caption_lines_open(&m->ids, how->ids));
    UN_TRY(un_image_names_expand(&m->images, &m->how->images));
    UN_TRY(un_text_batch_open(&m->batch));
    m->start = un_clock();
    un_progress_open(&m->progress, 0, m->source->bytes_total / 1000, !how->quiet);
    m->progress.unit = "kbyte";
    return UN_OK;
}

static enum un_status import_all(struct import *m) {
    UN_TRY(open_all(m));
    enum un_status status = run_batches(m);
    un_progress_close(&m->progress);
    UN_TRY(status);
    UN_TRY(check_ids(m));
    UN_TRY(check_texts(m));
    UN_TRY(un_skipped_flush(&m->skipped)); /* a full disk must show before OUT stands */
    UN_TRY(un_text_sink_commit(m->sink));
    UN_TRY(un_skipped_commit(&m->skipped));
    if (!m->how->quiet && m->images)
        printf("%s: images found as written %lld times, by name without folder, ending and case %lld, by "
               "number %lld\n",
               m->out, (long long)m->matches[UN_MATCH_WRITTEN], (long long)m->matches[UN_MATCH_STEM],
               (long long)m->matches[UN_MATCH_NUMBER]);
    if (!m->how->quiet)
        un_text_summary(m->out, m->source->name, m->sink, &m->skipped, m->read, m->other_split, m->start);
    return UN_OK;
}

enum un_status un_text_import(struct un_text_source *source, const struct un_wordpiece *wordpiece,
                              const char *out, const struct un_text_import *how) {
    struct import m = {
        .how = how, .source = source, .wordpiece = source->vocab ? NULL : wordpiece, .out = out};
    enum un_status status = import_all(&m);
    un_text_sink_close(m.sink);
    un_skipped_close(&m.skipped);
    un_text_batch_close(&m.batch);
    un_image_names_close(m.images);
    un_caption_lines_close(&m.ids);
    return status;
}
