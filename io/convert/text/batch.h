/* Some thousand captions at a time: copied from the source, tokenised by several threads, then written in
 * their order. */
#ifndef UN_IO_CONVERT_TEXT_BATCH_H
#define UN_IO_CONVERT_TEXT_BATCH_H

#include "io/convert/text/source.h"
#include "io/convert/token/wordpiece.h"

enum { UN_BATCH_TEXTS = 4096, UN_BATCH_BYTES = 4 << 20 };

struct un_batch_text {
    int64_t line;
    size_t text_id, image_id, sentence; /* offsets in the pool */
    size_t sentence_bytes;
    int64_t token, tokens; /* place and number */
    bool has_sentence, has_targets;
    size_t targets;  /* offset in the pool */
    const char *why; /* NULL: to be written */
};
struct un_text_batch {
    struct un_batch_text *text; /* [UN_BATCH_TEXTS] */
    int n;
    char *pool;
    size_t bytes, room;
    int32_t *token;
    int64_t tokens, token_room;
};
enum un_status un_text_batch_open(struct un_text_batch *batch);
void un_text_batch_close(struct un_text_batch *batch);
void un_text_batch_clear(struct un_text_batch *batch);
bool un_text_batch_is_full(const struct un_text_batch *batch);
/* A copy of the caption under these ids (NULL: ""), with these targets (NULL: none). why: it is only to be
 * listed. */
enum un_status un_text_batch_add(struct un_text_batch *batch, const struct un_caption *caption,
                                 const char *text_id, const char *image_id, const struct un_targets *targets,
                                 const char *why);
/* Targets of a text, their pointers into the batch; NULL: none. */
const struct un_targets *un_text_batch_targets(const struct un_text_batch *batch,
                                               const struct un_batch_text *text, struct un_targets *targets);
/* Tokens of all that have a sentence and no why; wordpiece NULL: they have their tokens. Sets why of empty
 * and too long ones (longest 0: none are). */
enum un_status un_text_batch_encode(struct un_text_batch *batch, const struct un_wordpiece *wordpiece,
                                    int threads, int64_t longest);

#endif
