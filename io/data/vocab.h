/* What tokenised a text: the vocabulary's size and special ids, and the tokenizer's name. */
#ifndef UN_IO_DATA_VOCAB_H
#define UN_IO_DATA_VOCAB_H

#include "runtime/status.h"

/* Attributes all text files of a run must agree on. */
struct un_vocab {
    int64_t vocab_size, unk_id, cls_id, sep_id, mask_id, random_lo, random_hi;
    char tokenizer[64];
    char
        letters[8]; /* "cased", "uncased"; "": not told, as in files of earlier versions and of the authors */
};

/* Are two files or data sets tokenised alike? UN_DATA names both and the first attribute that differs. */
enum un_status un_vocab_agree(const struct un_vocab *a, const char *name, const struct un_vocab *b,
                              const char *first_name);

#endif
