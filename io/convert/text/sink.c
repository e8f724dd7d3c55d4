/* A text file as a stream (sink.h).
 *
 * Every column, the offsets and ids too, goes to a spool of its own while texts are added; the HDF5 file,
 * whose datasets must know their lengths, is made from the spools at the end. So memory does not grow until
 * then; the search for text ids that stand twice takes 14 bytes a text, once. */
#include "io/convert/text/sink.h"
#include "io/convert/format/spool.h"
#include "io/h5/row_sink.h"
#include "runtime/memory.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

enum { ID_MAX = 255, ID_BLOCK = 4096, EVERY = 64 };

enum spool {
    TEXT_ID,
    IMAGE_ID,
    TOKEN_OFFSET,
    TOKEN,
    SENTENCE_OFFSET,
    SENTENCE,
    ALIGN_OFFSET,
    ALIGN_TOKEN,
    ALIGN_REGION,
    SPOOLS
};
enum need { ALWAYS, WITH_SENTENCES, WITH_ALIGNMENT };
static const struct {
    const char *name;
    enum un_type type; /* of the columns that are numbers */
    enum need need;
} columns[SPOOLS] = {
    [TEXT_ID] = {"text_id", UN_U8, ALWAYS},
    [IMAGE_ID] = {"image_id", UN_U8, ALWAYS},
    [TOKEN_OFFSET] = {"token_offset", UN_I64, ALWAYS},
    [TOKEN] = {"token", UN_I32, ALWAYS},
    [SENTENCE_OFFSET] = {"sentence_offset", UN_I64, WITH_SENTENCES},
    [SENTENCE] = {"sentence", UN_U8, WITH_SENTENCES},
    [ALIGN_OFFSET] = {"align_offset", UN_I64, WITH_ALIGNMENT},
    [ALIGN_TOKEN] = {"align_token", UN_I32, WITH_ALIGNMENT},
    [ALIGN_REGION] = {"align_region", UN_I32, WITH_ALIGNMENT},
};

struct un_text_sink {
    char *out, *source;
    struct un_text_sink_setup setup;
    struct un_spool spool[SPOOLS]; /* ids with their zero byte */
    int64_t texts, tokens;
    int64_t stride[2]; /* longest text_id and image_id */
};

static bool wanted(const struct un_text_sink *k, int column) {
    if (columns[column].need == WITH_SENTENCES) return k->setup.sentences;
    return columns[column].need == ALWAYS || k->setup.aligned;
}

static enum un_status check_absent(const char *out) {
    return faccessat(AT_FDCWD, out, F_OK, AT_SYMLINK_NOFOLLOW) == 0
               ? un_fail(UN_USAGE, "%s exists; it is not overwritten", out)
               : UN_OK;
}

static enum un_status put_offset(struct un_text_sink *k, enum spool column, int64_t offset) {
    return wanted(k, (int)column) ? un_spool_put(&k->spool[column], &offset, (int64_t)sizeof offset) : UN_OK;
}

static enum un_status open_all(struct un_text_sink *k, const char *out,
                               const struct un_text_sink_setup *setup) {
    UN_TRY(check_absent(out));
    k->setup = *setup;
    k->out = un_strdup(out);
    k->source = un_strdup(setup->source);
    if (!k->out || !k->source) return UN_MEMORY;
    k->setup.source = k->source;
    for (int c = 0; c < SPOOLS; ++c)
        if (wanted(k, c)) UN_TRY(un_spool_open(&k->spool[c], k->out));
    UN_TRY(put_offset(k, TOKEN_OFFSET, 0));
    UN_TRY(put_offset(k, SENTENCE_OFFSET, 0));
    return put_offset(k, ALIGN_OFFSET, 0);
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

static enum un_status check_id(const struct un_text_sink *k, const char *what, const char *id) {
    size_t length = id ? strnlen(id, ID_MAX + 1) : 0;
    if (length >= 1 && length <= ID_MAX) return UN_OK;
    return un_fail(UN_DATA, "%s: text %lld: %s %s", k->out, (long long)k->texts, what,
                   length == 0 ? "is empty" : "is longer than 255 bytes");
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
    UN_TRY(check_id(k, "text_id", r->text_id));
    UN_TRY(check_id(k, "image_id", r->image_id));
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
    return check_pairs(k, r);
}

static int64_t rows_of(const struct un_text_sink *k, enum spool column) {
    return k->spool[column].bytes / un_type_bytes(columns[column].type);
}

static enum un_status put_id(struct un_text_sink *k, enum spool column, const char *id) {
    int64_t length = (int64_t)strlen(id);
    if (length > k->stride[column]) k->stride[column] = length;
    return un_spool_put(&k->spool[column], id, length + 1);
}

enum un_status un_text_sink_add(struct un_text_sink *k, const struct un_text_record *r) {
    UN_TRY(check_record(k, r));
    UN_TRY(put_id(k, TEXT_ID, r->text_id));
    UN_TRY(put_id(k, IMAGE_ID, r->image_id));
    UN_TRY(un_spool_put(&k->spool[TOKEN], r->token, r->tokens * (int64_t)sizeof *r->token));
    UN_TRY(put_offset(k, TOKEN_OFFSET, rows_of(k, TOKEN)));
    if (k->setup.sentences) UN_TRY(un_spool_put(&k->spool[SENTENCE], r->sentence, r->sentence_bytes));
    UN_TRY(put_offset(k, SENTENCE_OFFSET, rows_of(k, SENTENCE)));
    int64_t bytes = r->aligned * (int64_t)sizeof *r->align_token;
    UN_TRY(un_spool_put(&k->spool[ALIGN_TOKEN], r->align_token, bytes));
    UN_TRY(un_spool_put(&k->spool[ALIGN_REGION], r->align_region, bytes));
    UN_TRY(put_offset(k, ALIGN_OFFSET, rows_of(k, ALIGN_TOKEN)));
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

/* Ids one after the other out of a spool. */
struct id_reader {
    struct un_spool *spool;
    char buffer[1 << 15];
    int64_t at, filled, next; /* file offset of the buffer, bytes in it, next id in it */
};
/* The next id, valid until the next call. There must be one. */
static enum un_status next_id(struct id_reader *r, const char **id) {
    if (r->filled - r->next <= ID_MAX && r->at + r->filled < r->spool->bytes) {
        int64_t left = r->spool->bytes - (r->at + r->next);
        r->at += r->next;
        r->filled = left < (int64_t)sizeof r->buffer ? left : (int64_t)sizeof r->buffer;
        r->next = 0;
        UN_TRY(un_spool_read(r->spool, r->at, r->filled, r->buffer));
    }
    *id = r->buffer + r->next;
    r->next += (int64_t)strlen(*id) + 1;
    return UN_OK;
}

static enum un_status write_ids(struct un_text_sink *k, struct un_h5 *file, enum spool column) {
    int64_t stride = k->stride[column];
    struct un_h5_data *data = NULL;
    char *cells = un_alloc(ID_BLOCK, (size_t)stride, columns[column].name);
    struct id_reader *reader = un_alloc(1, sizeof *reader, "ids of a spool");
    const char *id = "";
    enum un_status status = cells && reader ? UN_OK : UN_MEMORY;
    if (status == UN_OK) {
        reader->spool = &k->spool[column];
        status = un_h5_texts_create(file, columns[column].name, k->texts, stride, &data);
    }
    for (int64_t at = 0; at < k->texts && status == UN_OK; at += ID_BLOCK) {
        int64_t n = k->texts - at < ID_BLOCK ? k->texts - at : ID_BLOCK;
        memset(cells, 0, (size_t)(n * stride));
        for (int64_t i = 0; i < n && status == UN_OK; ++i) {
            status = next_id(reader, &id);
            memcpy(cells + i * stride, id, strlen(id));
        }
        if (status == UN_OK) status = un_h5_texts_write(data, at, n, cells);
    }
    un_h5_data_close(data);
    un_free(reader);
    un_free(cells);
    return status;
}

static enum un_status write_numbers(struct un_text_sink *k, struct un_h5 *file, enum spool column) {
    struct un_row_sink sink;
    enum un_type type = columns[column].type;
    int64_t rows = rows_of(k, column), width = un_type_bytes(type), n;
    enum un_status status = un_row_sink_open(&sink, file, columns[column].name, type, rows, 0, 1);
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

/* Text ids by their hashes; equal hashes are looked up in the spool, where every EVERY-th id's place is
 * known. */
struct id_table {
    struct un_text_sink *sink;
    uint64_t *hash;  /* [texts] */
    int64_t *place;  /* [texts / EVERY + 1] */
    uint32_t *slots; /* [n] row + 1; 0: free */
    uint64_t n;
    struct id_reader reader;
};

static enum un_status id_of_row(struct id_table *t, int64_t row, char id[ID_MAX + 1]) {
    const char *found = "";
    t->reader = (struct id_reader){.spool = &t->sink->spool[TEXT_ID], .at = t->place[row / EVERY]};
    for (int64_t i = row / EVERY * EVERY; i <= row; ++i) UN_TRY(next_id(&t->reader, &found));
    memcpy(id, found, strlen(found) + 1);
    return UN_OK;
}

static enum un_status check_pair(struct id_table *t, int64_t first, int64_t second) {
    char a[ID_MAX + 1], b[ID_MAX + 1];
    UN_TRY(id_of_row(t, first, a));
    UN_TRY(id_of_row(t, second, b));
    return strcmp(a, b) != 0 ? UN_OK
                             : un_fail(UN_DATA, "%s: text_id %s stands twice: rows %lld and %lld",
                                       t->sink->out, a, (long long)first, (long long)second);
}

static enum un_status insert(struct id_table *t, int64_t row) {
    uint64_t at = (t->hash[row] >> 32) * t->n >> 32;
    for (; t->slots[at]; at = at + 1 < t->n ? at + 1 : 0) {
        int64_t other = (int64_t)t->slots[at] - 1;
        if (t->hash[other] == t->hash[row]) UN_TRY(check_pair(t, other, row));
    }
    t->slots[at] = (uint32_t)row + 1;
    return UN_OK;
}

static enum un_status hash_all(struct id_table *t) {
    const char *id = "";
    t->reader = (struct id_reader){.spool = &t->sink->spool[TEXT_ID]};
    for (int64_t i = 0; i < t->sink->texts; ++i) {
        if (i % EVERY == 0) t->place[i / EVERY] = t->reader.at + t->reader.next;
        UN_TRY(next_id(&t->reader, &id));
        t->hash[i] = XXH3_64bits(id, strlen(id));
    }
    return UN_OK;
}

static enum un_status check_unique(struct un_text_sink *k) {
    size_t texts = (size_t)k->texts;
    if (texts >= UINT32_MAX) return un_fail(UN_DATA, "%s: %zu texts are too many", k->out, texts);
    struct id_table *t = un_alloc(1, sizeof *t, "text ids");
    if (!t) return UN_MEMORY;
    t->sink = k;
    t->n = texts + texts / 2 + 1;
    t->hash = un_alloc(texts, sizeof *t->hash, "hashes of text ids");
    t->place = un_alloc(texts / EVERY + 1, sizeof *t->place, "places of text ids");
    t->slots = un_alloc(t->n, sizeof *t->slots, "a table of text ids");
    enum un_status status = t->hash && t->place && t->slots ? hash_all(t) : UN_MEMORY;
    for (int64_t i = 0; i < k->texts && status == UN_OK; ++i) status = insert(t, i);
    un_free(t->hash);
    un_free(t->place);
    un_free(t->slots);
    un_free(t);
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
    return un_h5_put_attr_text(file, "", "source", k->setup.source);
}

static enum un_status write_file(struct un_text_sink *k, struct un_h5 *file) {
    UN_TRY(write_head(k, file));
    for (int c = 0; c < SPOOLS; ++c) {
        if (!wanted(k, c)) continue;
        bool ids = c == TEXT_ID || c == IMAGE_ID;
        UN_TRY(ids ? write_ids(k, file, (enum spool)c) : write_numbers(k, file, (enum spool)c));
    }
    UN_TRY(check_absent(k->out));
    return un_h5_commit(file);
}

enum un_status un_text_sink_commit(struct un_text_sink *k) {
    struct un_h5 *file;
    if (k->texts == 0) return un_fail(UN_DATA, "%s: no texts for it", k->out);
    UN_TRY(check_unique(k));
    UN_TRY(un_h5_create(&file, k->out));
    enum un_status status = write_file(k, file);
    un_h5_close(file);
    return status;
}

void un_text_sink_close(struct un_text_sink *k) {
    if (!k) return;
    for (int c = 0; c < SPOOLS; ++c) un_spool_close(&k->spool[c]);
    un_free(k->out);
    un_free(k->source);
    un_free(k);
}
