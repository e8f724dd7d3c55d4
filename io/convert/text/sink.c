/* A text file as a stream (sink.h).
 *
 * Every column, the offsets and ids too, goes to a spool of its own while texts are added; the HDF5 file,
 * whose datasets must know their lengths, is made from the spools at the end. So memory does not grow until
 * then; the search for text ids that stand twice takes 14 bytes a text, once. */
#include "io/convert/text/sink_private.h"
#include "io/h5/row_sink.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* Of the wanted ones, those that some text has something for. */
static bool filled(const struct un_text_sink *k, int column) {
    return un_sink_wants(k, column) && (column != UN_SPOOL_SECOND_ID || k->seconds) &&
           (column != UN_SPOOL_ANSWER_KIND || k->kinds);
}

static enum un_status check_absent(const char *out) {
    return faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0
               ? un_fail(UN_USAGE, "%s exists; it is not overwritten", out)
               : UN_OK;
}

static enum un_status open_all(struct un_text_sink *k, const char *out,
                               const struct un_text_sink_setup *setup) {
    UN_TRY(check_absent(out));
    k->setup = *setup;
    k->out = un_strdup(out);
    k->source = un_strdup(setup->source);
    if (!k->out || !k->source) return UN_MEMORY;
    k->setup.source = k->source;
    UN_TRY(un_sink_open_targets(k));
    for (int c = 0; c < UN_SPOOLS; ++c)
        if (un_sink_wants(k, c)) UN_TRY(un_spool_open(&k->spool[c], k->out));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_TOKEN_OFFSET, UN_SPOOL_TOKEN));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_SENTENCE_OFFSET, UN_SPOOL_SENTENCE));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_ALIGN_OFFSET, UN_SPOOL_ALIGN_TOKEN));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_ANSWER_OFFSET, UN_SPOOL_ANSWER_ID));
    return un_sink_put_offset(k, UN_SPOOL_PART_OFFSET, UN_SPOOL_PART);
}

enum un_status un_text_sink_open(struct un_text_sink **sink, const char *out,
                                 const struct un_text_sink_setup *setup) {
    struct un_text_sink *k = un_alloc(1, sizeof *k, "a text file in work");
    *sink = NULL;
    if (!k) return UN_MEMORY;
    enum un_status status = open_all(k, out, setup);
    if (status != UN_OK) {
        un_text_sink_close(k);
        return status;
    }
    *sink = k;
    return UN_OK;
}

static enum un_status check_pairs(const struct un_text_sink *k, const struct un_text_record *r) {
    if (r->aligned > 0 && !k->setup.aligned)
        return un_fail(UN_INTERNAL, "%s: text %s: alignment in a file without", k->out, r->text_id);
    for (int64_t i = 0; i < r->aligned; ++i)
        if (r->align_token[i] < 0 || r->align_token[i] >= r->tokens || r->align_region[i] < 0)
            return un_fail(UN_DATA, "%s: text %s (row %lld): aligned word %d of %lld with region %d", k->out,
                           r->text_id, (long long)k->texts, (int)r->align_token[i], (long long)r->tokens,
                           (int)r->align_region[i]);
    return UN_OK;
}

static enum un_status check_record(const struct un_text_sink *k, const struct un_text_record *r) {
    UN_TRY(un_sink_check_id(k, "text_id", r->text_id));
    UN_TRY(un_sink_check_id(k, "image_id", r->image_id));
    if (r->tokens < 1)
        return un_fail(UN_DATA, "%s: text %s (row %lld) has no tokens", k->out, r->text_id,
                       (long long)k->texts);
    for (int64_t i = 0; i < r->tokens; ++i)
        if (r->token[i] < 0 || r->token[i] >= k->setup.vocab.vocab_size)
            return un_fail(UN_DATA, "%s: text %s (row %lld): token %lld is %d, outside [0, vocab_size %lld)",
                           k->out, r->text_id, (long long)k->texts, (long long)i, (int)r->token[i],
                           (long long)k->setup.vocab.vocab_size);
    if ((r->sentence != NULL) != k->setup.sentences)
        return un_fail(UN_DATA, "%s: text %s (row %lld) has %s sentence, other texts have %s", k->out,
                       r->text_id, (long long)k->texts, r->sentence ? "a" : "no",
                       r->sentence ? "none" : "one");
    UN_TRY(check_pairs(k, r));
    return un_sink_check_targets(k, r);
}

enum un_status un_text_sink_add(struct un_text_sink *k, const struct un_text_record *r) {
    UN_TRY(check_record(k, r));
    UN_TRY(un_sink_put_id(k, UN_SPOOL_TEXT_ID, r->text_id));
    UN_TRY(un_sink_put_id(k, UN_SPOOL_IMAGE_ID, r->image_id));
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_TOKEN], r->token, r->tokens * (int64_t)sizeof *r->token));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_TOKEN_OFFSET, UN_SPOOL_TOKEN));
    if (k->setup.sentences)
        UN_TRY(un_spool_put(&k->spool[UN_SPOOL_SENTENCE], r->sentence, r->sentence_bytes));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_SENTENCE_OFFSET, UN_SPOOL_SENTENCE));
    int64_t bytes = r->aligned * (int64_t)sizeof *r->align_token;
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_ALIGN_TOKEN], r->align_token, bytes));
    UN_TRY(un_spool_put(&k->spool[UN_SPOOL_ALIGN_REGION], r->align_region, bytes));
    UN_TRY(un_sink_put_offset(k, UN_SPOOL_ALIGN_OFFSET, UN_SPOOL_ALIGN_TOKEN));
    UN_TRY(un_sink_put_targets(k, r));
    ++k->texts;
    k->tokens += r->tokens;
    return UN_OK;
}

int64_t un_text_sink_texts(const struct un_text_sink *k) {
    return k->texts;
}
int64_t un_text_sink_tokens(const struct un_text_sink *k) {
    return k->tokens;
}

static enum un_status write_numbers(struct un_text_sink *k, struct un_h5 *file, enum un_text_spool column) {
    const struct un_text_column *c = &un_text_columns[column];
    struct un_row_sink sink;
    int64_t rows = un_sink_rows(k, column), width = un_sink_row_bytes(column), n;
    enum un_status status = un_row_sink_open(&sink, file, c->name, c->type, rows, c->cols, 1);
    for (int64_t at = 0; at < rows && status == UN_OK; at += n) {
        n = rows - at < sink.capacity ? rows - at : sink.capacity;
        status = un_row_sink_room(&sink, n);
        if (status == UN_OK)
            status = un_spool_read(&k->spool[column], at * width, n * width, un_row_sink_take(&sink, n));
    }
    if (status == UN_OK) status = un_row_sink_flush(&sink);
    un_row_sink_close(&sink);
    return status;
}

static enum un_status write_head(const struct un_text_sink *k, struct un_h5 *file) {
    const struct un_vocab *v = &k->setup.vocab;
    const struct {
        const char *name;
        int64_t value;
    } number[] = {{"version", 1},
                  {"vocab_size", v->vocab_size},
                  {"unk_id", v->unk_id},
                  {"cls_id", v->cls_id},
                  {"sep_id", v->sep_id},
                  {"mask_id", v->mask_id},
                  {"random_lo", v->random_lo},
                  {"random_hi", v->random_hi}};
    UN_TRY(un_h5_put_attr_text(file, "", "format", "uniter-text"));
    for (size_t i = 0; i < sizeof number / sizeof *number; ++i)
        UN_TRY(un_h5_put_attr_i64(file, "", number[i].name, number[i].value));
    UN_TRY(un_h5_put_attr_text(file, "", "tokenizer", v->tokenizer));
    if (v->letters[0]) UN_TRY(un_h5_put_attr_text(file, "", "letters", v->letters));
    return un_h5_put_attr_text(file, "", "source", k->setup.source);
}

static enum un_status write_file(struct un_text_sink *k, struct un_h5 *file) {
    UN_TRY(write_head(k, file));
    UN_TRY(un_sink_write_task(k, file));
    for (int c = 0; c < UN_SPOOLS; ++c) {
        if (!filled(k, c)) continue;
        UN_TRY(c < UN_SPOOL_IDS ? un_sink_write_ids(k, file, (enum un_text_spool)c)
                                : write_numbers(k, file, (enum un_text_spool)c));
    }
    if (k->setup.more) UN_TRY(k->setup.more(k->setup.context, file));
    UN_TRY(check_absent(k->out));
    return un_h5_commit(file);
}

enum un_status un_text_sink_commit(struct un_text_sink *k) {
    struct un_h5 *file;
    if (k->texts == 0) return un_fail(UN_DATA, "%s: no texts for it", k->out);
    UN_TRY(un_sink_check_unique(k));
    UN_TRY(un_h5_create(&file, k->out));
    enum un_status status = write_file(k, file);
    un_h5_close(file);
    return status;
}

void un_text_sink_close(struct un_text_sink *k) {
    if (!k) return;
    for (int c = 0; c < UN_SPOOLS; ++c) un_spool_close(&k->spool[c]);
    un_free(k->out);
    un_free(k->source);
    un_free(k->names);
    un_free(k);
}
