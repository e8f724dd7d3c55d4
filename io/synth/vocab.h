/* The WordPiece vocabulary of the micro-world, or one read from a file, and the greedy cut of a word into
 * pieces.
 *
 * Own layout, as BERT's: [PAD] [UNK] [CLS] [SEP] [MASK], whole words, ## pieces, letters (so every word of
 * a-z can be spelt), then [unused<n>] up to a wanted size. Only for lower-case ASCII words; io/wordpiece is
 * for everything else. */
#ifndef UN_IO_SYNTH_VOCAB_H
#define UN_IO_SYNTH_VOCAB_H

#include "runtime/status.h"
#include <stdbool.h>

struct un_synth_vocab {
    char **piece;   /* [n], owned */
    int64_t *order; /* [n] ids sorted by piece */
    int64_t n, capacity;
    int64_t unk_id, cls_id, sep_id, mask_id;
    int64_t random_lo, random_hi; /* ids that replace a masked word at random */
    char tokenizer[64];
};
/* size: wanted number of entries, 0: as many as there are words. tasks: words of tasks stand behind the letters. */
enum un_status un_synth_vocab_make(struct un_synth_vocab *vocab, int64_t size, bool tasks);
/* A vocab.txt, one piece a line. UN_IO when it cannot be read, UN_DATA when [UNK] [CLS] [SEP] [MASK] are
 * missing. */
enum un_status un_synth_vocab_read(struct un_synth_vocab *vocab, const char *path);
void un_synth_vocab_close(struct un_synth_vocab *vocab);
/* Longest match first; piece ids of `word` into id [capacity], at most one a letter; returns their number.
 * [UNK] alone when the word cannot be spelt. */
int un_synth_vocab_cut(const struct un_synth_vocab *vocab, const char *word, int32_t *id, int capacity);

#endif
