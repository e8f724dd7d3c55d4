/* Ids of a text file in work: out of their spools into the file, and the search for text ids that stand twice. */
#include "io/convert/text/sink_private.h"
#include "runtime/memory.h"

#include <string.h>
#include <xxhash.h>

enum { ID_BLOCK = 4096, EVERY = 64 };

/* Ids one after the other out of a spool. */
struct id_reader {
    struct un_spool *spool;
    char buffer[1 << 15];
    int64_t at, filled, next; /* file offset of the buffer, bytes in it, next id in it */
};
/* The next id, valid until the next call. There must be one. */
static enum un_status next_id(struct id_reader *r, const char **id) {
    if (r->filled - r->next <= UN_ID_MAX && r->at + r->filled < r->spool->bytes) {
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

enum un_status un_sink_write_ids(struct un_text_sink *k, struct un_h5 *file, enum un_text_spool column) {
    int64_t stride = k->stride[column];
    struct un_h5_data *data = NULL;
    char *cells = un_alloc(ID_BLOCK, (size_t)stride, un_text_columns[column].name);
    struct id_reader *reader = un_alloc(1, sizeof *reader, "ids of a spool");
    const char *id = "";
    enum un_status status = cells && reader ? UN_OK : UN_MEMORY;
    if (status == UN_OK) {
        reader->spool = &k->spool[column];
        status = un_h5_texts_create(file, un_text_columns[column].name, k->texts, stride, &data);
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

static enum un_status id_of_row(struct id_table *t, int64_t row, char id[UN_ID_MAX + 1]) {
    const char *found = "";
    t->reader = (struct id_reader){.spool = &t->sink->spool[UN_SPOOL_TEXT_ID], .at = t->place[row / EVERY]};
    for (int64_t i = row / EVERY * EVERY; i <= row; ++i) UN_TRY(next_id(&t->reader, &found));
    memcpy(id, found, strlen(found) + 1);
    return UN_OK;
}

static enum un_status check_pair(struct id_table *t, int64_t first, int64_t second) {
    char a[UN_ID_MAX + 1], b[UN_ID_MAX + 1];
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
    t->reader = (struct id_reader){.spool = &t->sink->spool[UN_SPOOL_TEXT_ID]};
    for (int64_t i = 0; i < t->sink->texts; ++i) {
        if (i % EVERY == 0) t->place[i / EVERY] = t->reader.at + t->reader.next;
        UN_TRY(next_id(&t->reader, &id));
        t->hash[i] = XXH3_64bits(id, strlen(id));
    }
    return UN_OK;
}

enum un_status un_sink_check_unique(struct un_text_sink *k) {
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
