#include "io/data/vocab.h"
#include <string.h>

static enum un_status agree(const char *what, const char *name, int64_t value, const char *first,
                            int64_t first_value) {
    if (value == first_value) return UN_OK;
    return un_fail(UN_DATA, "%s: %s is %lld, but %lld in %s", name, what, (long long)value,
                   (long long)first_value, first);
}

enum un_status un_vocab_agree(const struct un_vocab *a, const char *name, const struct un_vocab *b,
                              const char *first) {
    UN_TRY(agree("vocab_size", name, a->vocab_size, first, b->vocab_size));
    UN_TRY(agree("unk_id", name, a->unk_id, first, b->unk_id));
    UN_TRY(agree("cls_id", name, a->cls_id, first, b->cls_id));
    UN_TRY(agree("sep_id", name, a->sep_id, first, b->sep_id));
    UN_TRY(agree("mask_id", name, a->mask_id, first, b->mask_id));
    UN_TRY(agree("random_lo", name, a->random_lo, first, b->random_lo));
    UN_TRY(agree("random_hi", name, a->random_hi, first, b->random_hi));
    if (a->letters[0] && b->letters[0] && strcmp(a->letters, b->letters) != 0)
        return un_fail(UN_DATA, "%s: made %s, but %s is %s", name, a->letters, first, b->letters);
    if (strcmp(a->tokenizer, b->tokenizer) == 0) return UN_OK;
    return un_fail(UN_DATA, "%s: tokenizer is \"%s\", but \"%s\" in %s", name, a->tokenizer, b->tokenizer,
                   first);
}
