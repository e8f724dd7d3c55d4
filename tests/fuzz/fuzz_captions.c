/* Classes, attributes, a sentence, parted by zero bytes: the matcher and the word pieces of what it finds.
 * What it must keep: spans lie in the sentence, in order, and every span has its own word pieces. */
#include "io/convert/world/private.h"
#include "runtime/memory.h"
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

static const char vocab[] =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\ndog\n##s\n##g\nd\n##o\nt\n-\nred\nand\n.\n";

static void must(bool holds) {
    if (!holds) abort();
}

struct scratch {
    struct un_words words;
    struct un_mention mention[UN_CAPTION_MENTIONS];
    struct un_said said[UN_CAPTION_MENTIONS];
    struct un_piece_ranges ranges[UN_CAPTION_MENTIONS];
    int32_t token[UN_CAPTION_PIECES];
};

static void look(struct scratch *s, const struct un_names *classes, const struct un_names *attributes,
                 const struct un_wordpiece *wordpiece, const char *sentence, size_t bytes) {
    int32_t at = 0;
    int64_t tokens, piece = 0;
    un_words_cut(&s->words, sentence, bytes);
    must(s->words.n <= UN_CAPTION_WORDS);
    int n = un_captions_match(classes, attributes, &s->words, 4, s->mention, UN_CAPTION_MENTIONS);
    for (int i = 0; i < n; ++i) {
        const struct un_mention *m = &s->mention[i];
        must(m->class_ >= 1 && m->class_ <= un_names_count(classes) && m->count >= 1 && m->count <= 4);
        for (int a = m->attributes - 1; a >= -1; --a) {
            const struct un_match_span *span = a >= 0 ? &m->said[a] : &m->name;
            must(span->begin >= at && span->end > span->begin && (size_t)span->end <= bytes);
            at = span->end;
        }
        s->said[i] = (struct un_said){.mention = *m};
    }
    if (!un_captions_pieces(wordpiece, sentence, (int32_t)bytes, s->said, n, s->token, &tokens, s->ranges))
        return;
    for (int i = 0; i < n; ++i) {
        must(s->ranges[i].name.first >= piece && s->ranges[i].name.after <= tokens);
        piece = s->ranges[i].name.after;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *text = (const char *)data;
    struct un_names *classes = NULL, *attributes = NULL;
    struct un_wordpiece *wordpiece = NULL;
    struct scratch *s = un_alloc(1, sizeof *s, "fuzz");
    size_t first = strnlen(text, size),
           second = first < size ? strnlen(text + first + 1, size - first - 1) : 0;
    size_t skip = first + second + 2;
    if (s && skip <= size && size - skip <= UN_CAPTION_BYTES &&
        un_wordpiece_parse(&wordpiece, "v", vocab, sizeof vocab - 1, UN_WORDPIECE_AUTO) == UN_OK &&
        un_names_parse(&classes, "classes", text, first, true) == UN_OK) {
        if (un_names_parse(&attributes, "attributes", text + first + 1, second, false) != UN_OK)
            un_error_clear(); /* none is fine */
        look(s, classes, attributes, wordpiece, text + skip, size - skip);
    }
    un_names_close(classes);
    un_names_close(attributes);
    un_wordpiece_close(wordpiece);
    un_free(s);
    un_error_clear();
    return 0;
}
