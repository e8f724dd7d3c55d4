/* The texts of one split with their alignment: a word goes with every region that shows what it names. */
#include "io/convert/text/sink.h"
#include "io/convert/world/private.h"
#include "io/run/progress.h"
#include "runtime/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- from bytes to word pieces ---- */

/* The text is cut at both ends of every span and encoded part by part. Where that gives the ids of the whole,
 * the spans are cut where word pieces end. */
struct parts {
    const struct un_wordpiece *wordpiece;
    const char *sentence;
    const int32_t *whole;
    int64_t tokens, at; /* word pieces so far */
    int32_t byte;
    int32_t part[UN_CAPTION_PIECES];
};

static bool advance(struct parts *p, int32_t to) {
    int64_t n = un_wordpiece_encode(p->wordpiece, p->sentence + p->byte, (size_t)(to - p->byte), p->part,
                                    UN_CAPTION_PIECES);
    bool same = n <= p->tokens - p->at && memcmp(p->part, p->whole + p->at, (size_t)n * sizeof *p->part) == 0;
    p->at += n;
    p->byte = to;
    return same;
}

static bool range_of(struct parts *p, const struct un_match_span *span, struct un_piece_range *range) {
    if (span->begin < p->byte || !advance(p, span->begin)) return false;
    range->first = (int32_t)p->at;
    if (!advance(p, span->end)) return false;
    range->after = (int32_t)p->at;
    return true;
}

bool un_captions_pieces(const struct un_wordpiece *wordpiece, const char *sentence, int32_t bytes,
                        const struct un_said *said, int64_t saids, int32_t *token, int64_t *tokens,
                        struct un_piece_ranges *ranges) {
    struct parts p;
    *tokens = un_wordpiece_encode(wordpiece, sentence, (size_t)bytes, token, UN_CAPTION_PIECES);
    if (*tokens > UN_CAPTION_PIECES) return false; /* a piece a byte at most: cannot be */
    p.wordpiece = wordpiece;
    p.sentence = sentence;
    p.whole = token;
    p.tokens = *tokens;
    p.at = 0;
    p.byte = 0;
    for (int64_t i = 0; i < saids; ++i) {
        const struct un_mention *m = &said[i].mention;
        for (int a = m->attributes - 1; a >= 0; --a) /* the nearest is the first */
            if (!range_of(&p, &m->said[a], &ranges[i].said[a])) return false;
        if (!range_of(&p, &m->name, &ranges[i].name)) return false;
    }
    return advance(&p, bytes) && p.at == p.tokens;
}

/* ---- writing ---- */

struct writer {
    const struct un_captions_world *w;
    struct un_text_sink *sink;
    struct un_scene_view view;
    int32_t token[UN_CAPTION_PIECES];
    struct un_piece_ranges ranges[UN_CAPTION_MENTIONS];
    int32_t *pair_token, *pair_region; /* [pair_room] */
    int64_t pairs, pair_room;
};

static enum un_status more_pairs(struct writer *t, int64_t n) {
    if (t->pairs + n <= t->pair_room) return UN_OK;
    int64_t room = 2 * t->pair_room + n;
    void *token = t->pair_token, *region = t->pair_region;
    UN_TRY(un_grow(&token, (size_t)t->pair_room, (size_t)room, sizeof(int32_t), "alignment"));
    t->pair_token = token;
    UN_TRY(un_grow(&region, (size_t)t->pair_room, (size_t)room, sizeof(int32_t), "alignment"));
    t->pair_region = region;
    t->pair_room = room;
    return UN_OK;
}

static bool is_meant(const struct writer *t, const struct un_said *said, int object) {
    if (object < 0 || object >= t->view.named) return false;
    return said->objects ? said->objects >> object & 1
                         : t->view.object[object].class_ == said->mention.class_;
}

static enum un_status align(struct writer *t, const struct un_said *said, struct un_piece_range range) {
    UN_TRY(more_pairs(t, (int64_t)(range.after - range.first) * t->view.regions));
    for (int32_t at = range.first; at < range.after; ++at)
        for (int r = 0; r < t->view.regions; ++r)
            if (is_meant(t, said, t->view.region[r].object)) {
                t->pair_token[t->pairs] = at;
                t->pair_region[t->pairs++] = r;
            }
    return UN_OK;
}

static enum un_status write_text(struct writer *t, const struct un_captions_text *text) {
    int64_t tokens;
    const struct un_said *said = t->w->said + text->said;
    un_captions_pieces(t->w->wordpiece, text->sentence, text->bytes, said, text->saids, t->token, &tokens,
                       t->ranges);
    t->pairs = 0;
    for (int64_t i = 0; i < text->saids; ++i) {
        for (int a = said[i].mention.attributes - 1; a >= 0; --a)
            UN_TRY(align(t, &said[i], t->ranges[i].said[a]));
        UN_TRY(align(t, &said[i], t->ranges[i].name));
    }
    const struct un_text_record record = {.text_id = text->text_id,
                                          .image_id = text->image_id,
                                          .token = t->token,
                                          .tokens = tokens,
                                          .sentence = text->sentence,
                                          .sentence_bytes = text->bytes,
                                          .align_token = t->pair_token,
                                          .align_region = t->pair_region,
                                          .aligned = t->pairs};
    return un_text_sink_add(t->sink, &record);
}

static enum un_status write_scenes(struct writer *t, bool valid, struct un_progress *progress) {
    const struct un_captions_world *w = t->w;
    for (int64_t s = 0; s < w->scenes; ++s) {
        un_progress_add(progress, 1);
        const struct un_captions_scene *scene = &w->scene[s];
        if (scene->objects == 0 || scene->valid != valid) continue;
        un_captions_view(w, s, &t->view);
        for (int64_t i = 0; i < scene->texts; ++i)
            UN_TRY(write_text(t, &w->text[w->by_scene[scene->text + i]]));
    }
    return un_text_sink_commit(t->sink);
}

enum un_status un_captions_write_texts(const struct un_captions_world *w, bool valid, const char *path,
                                       int64_t *texts, int64_t *tokens) {
    char source[320];
    snprintf(source, sizeof source, "uniter data synth captions=%.200s seed=%lld", w->keys->captions,
             (long long)w->keys->seed);
    const struct un_text_sink_setup setup = {
        .vocab = un_wordpiece_vocab(w->wordpiece), .source = source, .sentences = true, .aligned = true};
    struct writer *t = un_alloc(1, sizeof *t, "texts of scenes");
    if (!t) return UN_MEMORY;
    t->w = w;
    enum un_status status = more_pairs(t, 1024);
    if (status == UN_OK) status = un_text_sink_open(&t->sink, path, &setup);
    struct un_progress progress;
    un_progress_open_work(&progress, w->scenes, 1, "scene", !w->keys->quiet);
    if (status == UN_OK) status = write_scenes(t, valid, &progress);
    un_progress_clear(&progress);
    if (t->sink) {
        *texts = un_text_sink_texts(t->sink);
        *tokens = un_text_sink_tokens(t->sink);
        un_text_sink_close(t->sink);
    }
    un_free(t->pair_token);
    un_free(t->pair_region);
    un_free(t);
    return status;
}
