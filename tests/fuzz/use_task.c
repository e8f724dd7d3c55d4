/* A source read as an import reads it (use_task.h). */
#include "tests/fuzz/use_task.h"
#include "io/convert/task/encode.h"
#include "runtime/memory.h"

#include <string.h>

enum { TEXTS = 256 };

static const char vocabulary[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\nperson\n_\n1\ncup\n";

static void use_text(const struct un_wordpiece *w, int persons, const char *text) {
    size_t bytes = strlen(text);
    int64_t size = un_wordpiece_vocab(w).vocab_size + persons;
    int32_t *ids = un_alloc(bytes + 1, sizeof *ids, "fuzz");
    if (!ids) return;
    int64_t n = un_task_encode(w, persons, text, ids);
    if (n < 0 || n > (int64_t)bytes) __builtin_trap();
    for (int64_t i = 0; i < n; ++i)
        if (ids[i] < 0 || ids[i] >= size) __builtin_trap();
    un_free(ids);
}

static void use_targets(const struct un_task_source *s, const struct un_task_text *t) {
    const struct un_targets *x = &t->targets;
    for (int64_t i = 0; i < x->answers; ++i)
        if (x->answer[i] < 0 || x->answer[i] >= s->num_answers || !(x->score[i] > 0 && x->score[i] <= 1))
            __builtin_trap();
    if (x->label < -1 || (s->task == UN_TASK_VCR && (x->label > 3 || x->rationale > 3))) __builtin_trap();
    if (strlen(t->text_id) == 0 || strlen(t->image_id) == 0) __builtin_trap();
    if (x->second_image && strlen(x->second_image) == 0) __builtin_trap();
}

void use_task(struct un_task_source *source) {
    static struct un_wordpiece *w; /* made once */
    struct un_task_text text;
    bool more = source != NULL;
    if (!w && un_wordpiece_parse(&w, "v", vocabulary, sizeof vocabulary - 1, UN_WORDPIECE_AUTO) != UN_OK)
        __builtin_trap();
    for (int i = 0; i < TEXTS && more && source->ops->next(source, &text, &more) == UN_OK && more; ++i) {
        use_targets(source, &text);
        use_text(w, source->persons, text.sentence);
        for (int p = 0; p < UN_TEXT_PARTS; ++p)
            if (text.part[p]) use_text(w, source->persons, text.part[p]);
    }
    un_task_source_close(source);
    un_error_clear();
}

const unsigned char *cut_front(const unsigned char *data, size_t size, size_t *front, size_t *behind) {
    const unsigned char *zero = size ? memchr(data, 0, size) : NULL;
    *front = zero ? (size_t)(zero - data) : size;
    *behind = zero ? size - *front - 1 : 0;
    return zero ? zero + 1 : data + size;
}
