/* A task's texts into a text file (import.h), one after another. */
#include "io/convert/task/import.h"
#include "io/convert/task/encode.h"
#include "io/convert/text/image_names.h"
#include "io/convert/text/sink.h"
#include "io/convert/text/skipped.h"
#include "io/convert/text/summary.h"
#include "io/run/progress.h"
#include "runtime/clock.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <string.h>

enum { BETWEEN_LOOKS = 256 }; /* texts until the next question whether to stop, and the next progress */

struct import {
    const struct un_task_import *how;
    struct un_task_source *source;
    const struct un_wordpiece *wordpiece;
    const char *out;
    struct un_text_sink *sink;
    struct un_skipped skipped;
    struct un_image_names *images; /* NULL: image ids are written as they are */
    int32_t *token;                /* of the text and its parts */
    size_t room;
    int64_t read;
    double start;
    struct un_progress progress;
};

/* The ids as the feature files have them; *why when one is not there. */
static void match_images(const struct import *m, struct un_task_text *text) {
    const char **ids[] = {&text->image_id, &text->targets.second_image};
    for (int i = 0; i < 2 && m->images && !text->why; ++i) {
        enum un_image_match how;
        if (!*ids[i]) continue;
        const char *found = un_image_names_find(m->images, *ids[i], &how);
        if (found)
            *ids[i] = found;
        else
            text->why = how == UN_MATCH_SEVERAL ? "several images fit" : "no such image";
    }
}

static enum un_status make_room(struct import *m, const struct un_task_text *text) {
    size_t want = strlen(text->sentence), room = m->room ? m->room : 1024;
    for (int p = 0; p < UN_TEXT_PARTS; ++p) want += text->part[p] ? strlen(text->part[p]) : 0;
    while (room < want) room *= 2;
    if (room == m->room) return UN_OK;
    UN_TRY(un_grow((void **)&m->token, m->room, room, sizeof *m->token, "tokens of a text"));
    m->room = room;
    return UN_OK;
}

/* The text's tokens, and behind them those of its parts. */
static enum un_status encode(struct import *m, struct un_task_text *text, int64_t *tokens) {
    UN_TRY(make_room(m, text));
    *tokens = un_task_encode(m->wordpiece, m->source->persons, text->sentence, m->token);
    int32_t *at = m->token + *tokens;
    if (*tokens == 0 && !text->why) text->why = "empty";
    for (int p = 0; p < UN_TEXT_PARTS; ++p) {
        if (!text->part[p]) continue;
        int64_t n = un_task_encode(m->wordpiece, m->source->persons, text->part[p], at);
        if (n == 0 && !text->why) text->why = "an empty answer or rationale";
        text->targets.part[p] = at;
        text->targets.part_tokens[p] = n;
        at += n;
    }
    return UN_OK;
}

static enum un_status take(struct import *m, struct un_task_text *text) {
    int64_t tokens = 0;
    ++m->read;
    match_images(m, text);
    UN_TRY(encode(m, text, &tokens));
    if (text->why) return un_skipped_add(&m->skipped, text->row, text->text_id, text->image_id, text->why);
    const struct un_text_record record = {.text_id = text->text_id,
                                          .image_id = text->image_id,
                                          .token = m->token,
                                          .tokens = tokens,
                                          .sentence = text->sentence,
                                          .sentence_bytes = (int64_t)strlen(text->sentence),
                                          .targets = &text->targets};
    return un_text_sink_add(m->sink, &record);
}

static int64_t scale_of(const struct un_task_source *source) {
    return source->unit ? 1 : 1000;
}

static void show(struct import *m) {
    char said[64];
    snprintf(said, sizeof said, "%lld texts", (long long)m->read);
    un_progress_step(&m->progress, m->source->done / scale_of(m->source), said, false);
}

static enum un_status take_all(struct import *m) {
    for (bool more = true;;) {
        struct un_task_text text;
        if (m->read % BETWEEN_LOOKS == 0) {
            if (m->how->stop && m->how->stop())
                return un_fail(UN_STOPPED, "%s: stopped after %lld texts; nothing is left of it", m->out,
                               (long long)m->read);
            if (m->read > 0) show(m);
        }
        UN_TRY(m->source->ops->next(m->source, &text, &more));
        if (!more) break;
        UN_TRY(take(m, &text));
    }
    show(m);
    return UN_OK;
}

static enum un_status check_texts(const struct import *m) {
    char said[512];
    if (un_text_sink_texts(m->sink) > 0) return UN_OK;
    un_skipped_say(&m->skipped, said, sizeof said);
    if (m->read == 0 && m->source->other_split > 0)
        return un_fail(UN_DATA, "%s: all of its %lld texts are of other splits", m->source->name,
                       (long long)m->source->other_split);
    if (m->read == 0) return un_fail(UN_DATA, "%s: no texts in it", m->source->name);
    return un_fail(UN_DATA, "%s: no text is left of %lld: %s", m->source->name, (long long)m->read, said);
}

static enum un_status open_all(struct import *m) {
    struct un_text_sink_setup setup = {.vocab = un_wordpiece_vocab(m->wordpiece),
                                       .source = m->source->name,
                                       .sentences = true,
                                       .task = m->source->task,
                                       .num_answers = m->source->num_answers,
                                       .answer_names = m->source->answer_names};
    setup.vocab.vocab_size += m->source->persons; /* random words stay within the others */
    UN_TRY(un_text_sink_open(&m->sink, m->out, &setup));
    UN_TRY(un_skipped_open(&m->skipped, m->out));
    UN_TRY(un_image_names_expand(&m->images, &m->how->images));
    m->start = un_clock();
    un_progress_open(&m->progress, 0, m->source->total / scale_of(m->source), !m->how->quiet);
    m->progress.unit = m->source->unit ? m->source->unit : "kbyte";
    return UN_OK;
}

static enum un_status import_all(struct import *m) {
    UN_TRY(open_all(m));
    enum un_status status = take_all(m);
    un_progress_close(&m->progress);
    UN_TRY(status);
    UN_TRY(check_texts(m));
    UN_TRY(un_skipped_flush(&m->skipped)); /* a full disk must show before OUT stands */
    UN_TRY(un_text_sink_commit(m->sink));
    UN_TRY(un_skipped_commit(&m->skipped));
    if (!m->how->quiet)
        un_text_summary(m->out, m->source->name, m->sink, &m->skipped, m->read, m->source->other_split,
                        m->start);
    return UN_OK;
}

enum un_status un_task_import(struct un_task_source *source, const struct un_wordpiece *wordpiece,
                              const char *out, const struct un_task_import *how) {
    struct import m = {.how = how, .source = source, .wordpiece = wordpiece, .out = out};
    enum un_status status = import_all(&m);
    un_text_sink_close(m.sink);
    un_skipped_close(&m.skipped);
    un_image_names_close(m.images);
    un_free(m.token);
    return status;
}
