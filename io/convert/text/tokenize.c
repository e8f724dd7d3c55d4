/* Lines to ids (tokenize.h), by batches as an import does it. */
#include "io/convert/text/tokenize.h"
#include "io/convert/format/lines.h"
#include "io/convert/text/batch.h"
#include "io/convert/workers.h"
#include "io/run/progress.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { THREADS_MOST = 1024 };

/* By hand: printf would take longer than the tokenizer. */
static void put_number(int32_t id, FILE *out) {
    char text[12];
    int at = (int)sizeof text;
    do text[--at] = (char)('0' + id % 10);
    while ((id /= 10) > 0);
    fwrite(text + at, 1, sizeof text - (size_t)at, out);
}

static void write_batch(const struct un_text_batch *b, const struct un_wordpiece *wordpiece, bool pieces,
                        FILE *out) {
    for (int i = 0; i < b->n; ++i) {
        const struct un_batch_text *t = &b->text[i];
        fwrite(b->pool + t->sentence, 1, t->sentence_bytes, out);
        putc('\t', out);
        for (int64_t k = 0; k < t->tokens; ++k) {
            int32_t id = b->token[t->token + k];
            if (k) putc(' ', out);
            if (pieces)
                fputs(un_wordpiece_piece(wordpiece, id), out);
            else
                put_number(id, out);
        }
        putc('\n', out);
    }
}

static enum un_status one_batch(struct un_caption_lines *lines, struct un_text_batch *b, bool *more) {
    un_text_batch_clear(b);
    while (*more && !un_text_batch_is_full(b)) {
        char *text;
        size_t bytes;
        UN_TRY(un_caption_lines_next(lines, &text, &bytes, more));
        if (!*more) break;
        const struct un_caption caption = {.sentence = text, .sentence_bytes = bytes, .line = lines->number};
        UN_TRY(un_text_batch_add(b, &caption, NULL, NULL, NULL, NULL));
    }
    return UN_OK;
}

static enum un_status one_file(const struct un_wordpiece *wordpiece, const char *path, bool pieces,
                               int threads, struct un_text_batch *b, FILE *out) {
    struct un_caption_lines lines;
    struct un_progress progress;
    bool more = true;
    UN_TRY(un_caption_lines_open(&lines, strcmp(path, "-") == 0 ? "/dev/stdin" : path));
    /* a pipe has no size: nothing is shown of it; nor where the lines themselves go by */
    un_progress_open_work(&progress, lines.size, 1000000, "MB", isatty(fileno(out)) != 1);
    enum un_status status = UN_OK;
    while (status == UN_OK && more) {
        status = one_batch(&lines, b, &more);
        un_progress_add(&progress, lines.taken - progress.done);
        if (status == UN_OK) status = un_text_batch_encode(b, wordpiece, threads, 0);
        if (status != UN_OK) break;
        errno = 0;
        write_batch(b, wordpiece, pieces, out);
        if (fflush(out) != 0 || ferror(out))
            status = un_fail(UN_IO, "standard output: %s", strerror(errno ? errno : EIO));
    }
    un_progress_clear(&progress);
    un_caption_lines_close(&lines);
    return status;
}

enum un_status un_tokenize(const struct un_wordpiece *wordpiece, const char *const *paths, int n, bool pieces,
                           int64_t threads, FILE *out) {
    struct un_text_batch batch;
    int64_t most = threads > 0 ? threads : un_workers_count();
    enum un_status status = un_text_batch_open(&batch);
    for (int i = 0; i < n && status == UN_OK; ++i)
        status = one_file(wordpiece, paths[i], pieces, most > THREADS_MOST ? THREADS_MOST : (int)most, &batch,
                          out);
    un_text_batch_close(&batch);
    return status;
}
