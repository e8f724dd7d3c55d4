/* A *.txt.h5 written as a stream: texts are spooled to unnamed temporary files beside it, so memory grows by
 * two offsets a text only; the HDF5 file is made from them at the end, complete or not at all. */
#ifndef UN_IO_CONVERT_TEXT_SINK_H
#define UN_IO_CONVERT_TEXT_SINK_H

#include "io/data/targets.h"
#include "io/data/vocab.h"
#include "io/h5/h5.h"

struct un_text_sink;

/* One text; everything is copied. */
struct un_text_record {
    const char *text_id, *image_id; /* NUL-terminated, 1..255 bytes */
    const int32_t *token;           /* [tokens], without special tokens */
    int64_t tokens;                 /* 0 is an error: callers count empty texts themselves */
    const char *sentence;           /* UTF-8, NULL: none; all texts of a file have one or none has */
    int64_t sentence_bytes;
    const int32_t *align_token, *align_region; /* [aligned] known word-region pairs, or NULL */
    int64_t aligned;
    /* Of a file with a task; what that does not use is not looked at. All texts have a second image or none has;
     * answer_kind is written when some text tells its kind. */
    const struct un_targets *targets;
};

struct un_text_sink_setup {
    struct un_vocab vocab;
    const char *source;              /* attribute: how it was made */
    bool sentences, aligned;         /* which optional columns there are */
    enum un_task task;               /* decides the columns of targets */
    int64_t num_answers;             /* vqa, ve */
    const char *const *answer_names; /* [num_answers] or NULL; copied */
    /* Further columns, written behind the others before the file stands; NULL: none. */
    enum un_status (*more)(void *context, struct un_h5 *file);
    void *context;
};
/* Is it a column of such a file? */
bool un_text_sink_knows(const struct un_text_sink_setup *setup, const char *column);

/* UN_USAGE: OUT exists. Writes to OUT.partial. */
enum un_status un_text_sink_open(struct un_text_sink **sink, const char *out,
                                 const struct un_text_sink_setup *setup);
/* UN_DATA: an id out of the vocabulary's range, an empty id, a target that io/data/targets.h does not allow. */
enum un_status un_text_sink_add(struct un_text_sink *sink, const struct un_text_record *record);
int64_t un_text_sink_texts(const struct un_text_sink *sink);
int64_t un_text_sink_tokens(const struct un_text_sink *sink);
/* UN_DATA naming both rows when a text_id stands twice; UN_IO. */
enum un_status un_text_sink_commit(struct un_text_sink *sink);
/* Uncommitted: nothing is left. */
void un_text_sink_close(struct un_text_sink *sink);

#endif
