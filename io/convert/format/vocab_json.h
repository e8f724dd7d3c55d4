/* A WordPiece vocabulary out of JSON: Hugging Face's tokenizer.json (model.vocab and added_tokens), or a bare
 * {piece: id}. Source: the serialisation of the library `tokenizers`. */
#ifndef UN_IO_CONVERT_FORMAT_VOCAB_JSON_H
#define UN_IO_CONVERT_FORMAT_VOCAB_JSON_H

#include "runtime/status.h"

/* What its normalizer says of capital letters. */
enum un_vocab_json_case { UN_VOCAB_JSON_UNTOLD, UN_VOCAB_JSON_KEPT, UN_VOCAB_JSON_LOWERED };

/* Does a vocabulary begin as JSON does, with an object? White space may stand in front. */
bool un_vocab_json_begins(const char *text, size_t bytes);
/* One piece a line in the order of the ids (*lines, un_free). UN_DATA: not JSON, another model than WordPiece,
 * ids that are not 0, 1, ... each once, a piece that cannot stand in a line. `name` stands for the file. */
enum un_status un_vocab_json_lines(const char *name, const char *text, size_t bytes, char **lines,
                                   size_t *lines_bytes, enum un_vocab_json_case *letters);

#endif
