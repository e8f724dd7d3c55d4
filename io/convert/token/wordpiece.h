/* BERT's tokenizer: clean, split at spaces and punctuation (lower-cased and without accents for uncased
 * models), then the longest known pieces of each word. Ids equal those of pytorch_pretrained_bert's
 * BertTokenizer on any text. Source: Devlin et al. 2019, tokenization.py (BasicTokenizer,
 * WordpieceTokenizer); Wu et al. 2016. */
#ifndef UN_IO_CONVERT_TOKEN_WORDPIECE_H
#define UN_IO_CONVERT_TOKEN_WORDPIECE_H

#include "io/data/vocab.h"

struct un_wordpiece;

enum un_wordpiece_case { UN_WORDPIECE_AUTO, UN_WORDPIECE_CASED, UN_WORDPIECE_UNCASED };

/* vocab.txt, one piece a line, id = line number; or tokenizer.json, or {piece: id}. A byte order mark is dropped.
 * AUTO: as tokenizer.json's normalizer says; without one, cased when at least one in fifty of the pieces with
 * letters has a capital, those in brackets aside. The decision is logged by open. UN_IO; UN_DATA: [UNK] [CLS] [SEP]
 * [MASK] missing, a piece twice, not UTF-8, another kind of tokenizer. */
enum un_status un_wordpiece_open(struct un_wordpiece **wordpiece, const char *path,
                                 enum un_wordpiece_case how);
/* The same from memory; `name` stands for the file. */
enum un_status un_wordpiece_parse(struct un_wordpiece **wordpiece, const char *name, const char *text,
                                  size_t bytes, enum un_wordpiece_case how);
void un_wordpiece_close(struct un_wordpiece *wordpiece);

/* Ids of `text` [bytes], any bytes (broken UTF-8 counts as U+FFFD, which cleaning drops), no special tokens
 * added; [UNK] [SEP] [PAD] [CLS] [MASK] in the text stay as they are. Writes at most `capacity` ids and
 * returns how many there are. Thread-safe, takes no memory. ids may be NULL with capacity 0. */
int64_t un_wordpiece_encode(const struct un_wordpiece *wordpiece, const char *text, size_t bytes,
                            int32_t *ids, int64_t capacity);
/* The words that encode would cut into pieces, cleaned and split, not those of more than 100 characters. */
void un_wordpiece_words(bool cased, const char *text, size_t bytes,
                        void (*each)(void *context, const char *word, int bytes), void *context);
const char *un_wordpiece_piece(const struct un_wordpiece *wordpiece, int32_t id);
/* Attributes of a text file made with it: tokenizer = the vocabulary file's name without folder, ".txt", ".json" and
 * "-vocab" (bert-base-cased), or the folder's name of a tokenizer.json; letters = cased or uncased; [random_lo,
 * random_hi) = the longest range without a reserved piece ("[" letters or digits "]"), which may stand anywhere. That
 * gives the authors' v_range: 106..28996 cased, 999..30522 uncased. */
struct un_vocab un_wordpiece_vocab(const struct un_wordpiece *wordpiece);
bool un_wordpiece_cased(const struct un_wordpiece *wordpiece);

#endif
