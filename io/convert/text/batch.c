/* Batches of captions (text_batch.h): one pool of bytes and one of tokens, used again and again. */
#include "io/convert/text/batch.h"
#include "io/convert/workers.h"
#include "runtime/memory.h"

#include <stddef.h>
#include <string.h>

enum { CHUNK = 64 };

enum un_status un_text_batch_open(struct un_text_batch *b) {
    *b = (struct un_text_batch){.text = un_alloc(UN_BATCH_TEXTS, sizeof *b->text, "a batch of texts")};
    return b->text ? UN_OK : UN_MEMORY;
}

void un_text_batch_close(struct un_text_batch *b) {
    un_free(b->text);
    un_free(b->pool);
    un_free(b->token);
    *b = (struct un_text_batch){0};
}

void un_text_batch_clear(struct un_text_batch *b) {
    b->n = 0;
    b->bytes = 0;
    b->tokens = 0;
}

bool un_text_batch_is_full(const struct un_text_batch *b) {
    return b->n == UN_BATCH_TEXTS || b->bytes >= UN_BATCH_BYTES || b->tokens >= UN_BATCH_BYTES;
}

static enum un_status put(struct un_text_batch *b, const char *bytes, size_t n, size_t *at) {
    size_t room = b->room ? b->room : UN_BATCH_BYTES / 8;
    while (room < b->bytes + n + 1) room *= 2;
    if (room > b->room) {
        UN_TRY(un_grow((void **)&b->pool, b->room, room, 1, "a batch of texts"));
        b->room = room;
    }
    *at = b->bytes;
    if (n > 0) memcpy(b->pool + b->bytes, bytes, n);
    b->pool[b->bytes + n] = '\0';
    b->bytes += n + 1;
    return UN_OK;
}

/* One after the other: the targets, their answers, scores and parts, the second image; the first at a place fit
 * for all. */
static enum un_status put_targets(struct un_text_batch *b, const struct un_targets *t, size_t *at) {
    static const char zeros[_Alignof(max_align_t)];
    size_t over = (b->bytes + 1) % sizeof zeros, place, n = (size_t)t->answers;
    UN_TRY(put(b, zeros, (sizeof zeros - over) % sizeof zeros, &place)); /* put ends with a zero byte */
    UN_TRY(put(b, (const char *)t, sizeof *t, at));
    --b->bytes; /* numbers follow without that byte */
    UN_TRY(put(b, (const char *)t->answer, n * sizeof *t->answer, &place));
    --b->bytes;
    UN_TRY(put(b, (const char *)t->score, n * sizeof *t->score, &place));
    for (int k = 0; k < UN_TEXT_PARTS; ++k) {
        --b->bytes;
        UN_TRY(put(b, (const char *)t->part[k], (size_t)t->part_tokens[k] * sizeof *t->part[k], &place));
    }
    --b->bytes;
    return put(b, t->second_image ? t->second_image : "", t->second_image ? strlen(t->second_image) : 0,
               &place);
}

const struct un_targets *un_text_batch_targets(const struct un_text_batch *b,
                                               const struct un_batch_text *text, struct un_targets *t) {
    if (!text->has_targets) return NULL;
    const char *at = b->pool + text->targets;
    memcpy(t, at, sizeof *t);
    at += sizeof *t;
    t->answer = (const int32_t *)(const void *)at;
    at += (size_t)t->answers * sizeof *t->answer;
    t->score = (const float *)(const void *)at;
    at += (size_t)t->answers * sizeof *t->score;
    for (int k = 0; k < UN_TEXT_PARTS; ++k) {
        t->part[k] = (const int32_t *)(const void *)at;
        at += (size_t)t->part_tokens[k] * sizeof *t->part[k];
    }
    if (t->second_image) t->second_image = at;
    return t;
}

static enum un_status reserve_tokens(struct un_text_batch *b, int64_t n) {
    int64_t room = b->token_room ? b->token_room : UN_BATCH_BYTES / 8;
    while (room < b->tokens + n) room *= 2;
    if (room == b->token_room) return UN_OK;
    UN_TRY(un_grow((void **)&b->token, (size_t)b->token_room, (size_t)room, sizeof *b->token, "tokens"));
    b->token_room = room;
    return UN_OK;
}

enum un_status un_text_batch_add(struct un_text_batch *b, const struct un_caption *caption,
                                 const char *text_id, const char *image_id, const struct un_targets *targets,
                                 const char *why) {
    struct un_batch_text *t = &b->text[b->n];
    /* a token takes at least a byte of its text */
    int64_t tokens = why ? 0 : caption->token ? caption->tokens : (int64_t)caption->sentence_bytes;
    *t = (struct un_batch_text){.line = caption->line, .why = why};
    UN_TRY(put(b, text_id ? text_id : "", text_id ? strlen(text_id) : 0, &t->text_id));
    UN_TRY(put(b, image_id ? image_id : "", image_id ? strlen(image_id) : 0, &t->image_id));
    UN_TRY(reserve_tokens(b, tokens));
    t->token = b->tokens;
    b->tokens += tokens;
    if (!why && caption->sentence) {
        t->has_sentence = true;
        t->sentence_bytes = caption->sentence_bytes;
        UN_TRY(put(b, caption->sentence, caption->sentence_bytes, &t->sentence));
    }
    if (!why && caption->token) {
        t->tokens = tokens;
        if (tokens > 0) memcpy(b->token + t->token, caption->token, (size_t)tokens * sizeof *b->token);
    }
    t->has_targets = !why && targets;
    if (t->has_targets) UN_TRY(put_targets(b, targets, &t->targets));
    ++b->n;
    return UN_OK;
}

struct encoding {
    struct un_text_batch *batch;
    const struct un_wordpiece *wordpiece;
    int64_t longest;
};

static enum un_status encode_chunk(void *context, int thread, int64_t chunk) {
    const struct encoding *e = context;
    struct un_text_batch *b = e->batch;
    (void)thread;
    for (int64_t i = chunk * CHUNK; i < b->n && i < (chunk + 1) * CHUNK; ++i) {
        struct un_batch_text *t = &b->text[i];
        if (t->why) continue;
        if (e->wordpiece) {
            int64_t capacity = (int64_t)t->sentence_bytes;
            t->tokens = un_wordpiece_encode(e->wordpiece, b->pool + t->sentence, t->sentence_bytes,
                                            b->token + t->token, capacity);
            if (t->tokens > capacity)
                return un_fail(UN_INTERNAL, "%lld tokens of %zu bytes", (long long)t->tokens,
                               t->sentence_bytes);
        }
        if (t->tokens == 0)
            t->why = "empty";
        else if (e->longest > 0 && t->tokens > e->longest)
            t->why = "longer than max_txt_len";
    }
    return UN_OK;
}

enum un_status un_text_batch_encode(struct un_text_batch *b, const struct un_wordpiece *wordpiece,
                                    int threads, int64_t longest) {
    struct encoding e = {b, wordpiece, longest};
    return un_workers_run(threads, 0, (b->n + CHUNK - 1) / CHUNK, encode_chunk, &e);
}
