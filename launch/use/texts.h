/* Words of texts by id, out of text files alone. */
#ifndef UN_LAUNCH_USE_TEXTS_H
#define UN_LAUNCH_USE_TEXTS_H

#include "io/data/file.h"
#include "io/disk/ids.h"
#include "io/disk/paths.h"

struct un_use_texts {
    struct un_text_file *file; /* [files] */
    int64_t files, texts;
    const char **id; /* [texts] */
    int64_t *first;  /* [files + 1] texts before each file */
    struct un_idmap map;
};

/* UN_DATA: an id twice, vocabularies that differ. Closed by the call below, also on failure; zeros are nothing. */
enum un_status un_use_texts_open(struct un_use_texts *texts, const struct un_strings *patterns);
void un_use_texts_close(struct un_use_texts *texts);
const struct un_vocab *un_use_texts_vocab(const struct un_use_texts *texts);
/* Number of a text, or -1. */
int64_t un_use_texts_find(const struct un_use_texts *texts, const char *id);
int64_t un_use_texts_length(const struct un_use_texts *texts, int64_t text);
/* Id of its image. */
const char *un_use_texts_image(const struct un_use_texts *texts, int64_t text);
/* Checked: ids in the vocabulary. */
enum un_status un_use_texts_read(const struct un_use_texts *texts, int64_t text, int32_t *token);

#endif
