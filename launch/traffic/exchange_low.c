/* Which parameters go as bf16, and the lists of those that do not (exchange_low.h). Law: everything is counted from the
 * table and the shard, so all ranks come to the same. */
#include "launch/traffic/exchange_low.h"

#include "runtime/memory.h"
#include "runtime/ops.h"

#include <string.h>

enum { ROW = UN_PARAM_ALIGN, MOST_F32 = 8 }; /* as bf16 goes what has at most one row in so many as f32 */

/* What is decided before anything is allocated on the device. */
struct count {
    uint8_t *f32;   /* [rows]: read as f32 */
    bool *bucket;   /* [buckets] */
    int64_t *lists; /* [ranks] rows */
    int64_t list;
};

static void count_close(struct count *c) {
    un_free(c->f32);
    un_free(c->bucket);
    un_free(c->lists);
}

static void mark(uint8_t *f32, const struct un_params *table) {
    for (int64_t i = 0; i < table->n; ++i) {
        const struct un_param *p = &table->list[i];
        int64_t first = p->offset / ROW, last = (p->offset + p->count - 1) / ROW;
        if (!p->low) memset(f32 + first, 1, (size_t)(last - first + 1));
    }
}

static int64_t marked(const struct count *c, struct un_span span) {
    int64_t n = 0;
    for (int64_t row = span.begin / ROW; row < span.end / ROW; ++row) n += c->f32[row];
    return n;
}

/* Chooses the buckets and counts the rows of every rank's list in them. Returns the bytes that bf16 saves. */
static int64_t choose(struct count *c, const struct un_shard *s) {
    int64_t saved = 0;
    for (int64_t b = 0; b < s->buckets; ++b) {
        struct un_span span = un_shard_bucket(s, b);
        c->bucket[b] = MOST_F32 * marked(c, span) * ROW <= un_span_count(span);
        if (!c->bucket[b]) continue;
        saved += un_span_count(span) * (int64_t)(sizeof(float) - sizeof(uint16_t));
        for (int r = 0; r < s->size; ++r) c->lists[r] += marked(c, un_shard_part(s, b, r));
    }
    return saved;
}

/* c->list 0: nothing goes as bf16. */
static enum un_status count_open(struct count *c, const struct un_shard *s, const struct un_params *table) {
    *c = (struct count){.f32 = un_alloc((size_t)(table->total / ROW) + 1, 1, "rows of parameters"),
                        .bucket = un_alloc((size_t)s->buckets, sizeof(bool), "types of buckets"),
                        .lists = un_alloc((size_t)s->size, sizeof(int64_t), "lists of parameters")};
    if (!c->f32 || !c->bucket || !c->lists) {
        count_close(c);
        return UN_MEMORY;
    }
    mark(c->f32, table);
    int64_t saved = choose(c, s);
    c->list = 1; /* also where no rank has any */
    for (int r = 0; r < s->size; ++r)
        if (c->lists[r] > c->list) c->list = c->lists[r];
    if (c->list * s->size * ROW * (int64_t)sizeof(float) >= saved) c->list = 0;
    return UN_OK;
}

static size_t row_bytes(int64_t rows) {
    return (size_t)rows * ROW * sizeof(float);
}

size_t un_exchange_low_bytes(const struct un_shard *s, const struct un_params *table, int beside) {
    struct count c;
    if (count_open(&c, s, table) != UN_OK) {
        un_error_clear(); /* the opening will say so */
        return 0;
    }
    size_t lists = row_bytes(c.list * (s->size + 1 + beside));
    size_t bytes = (size_t)s->buckets * sizeof(bool) + lists + (size_t)(c.list * s->size) * sizeof(int32_t);
    bool any = c.list > 0;
    count_close(&c);
    return any ? bytes : 0;
}

/* The rows of all lists, those of rank 0 first. */
static void list_rows(const struct count *c, const struct un_shard *s, int32_t *rows) {
    for (int r = 0; r < s->size; ++r) {
        int64_t k = 0;
        for (int64_t b = s->buckets - 1; b >= 0; --b) {
            struct un_span part = un_shard_part(s, b, r);
            for (int64_t row = part.begin / ROW; c->bucket[b] && row < part.end / ROW; ++row)
                if (c->f32[row]) rows[r * c->list + k++] = (int32_t)row;
        }
        while (k < c->list) rows[r * c->list + k++] = -1;
    }
}

static enum un_status fill(struct un_exchange_low *low, const struct count *c, const struct un_shard *s,
                           struct un_device *d, struct un_queue *q) {
    int32_t *rows = un_alloc((size_t)low->lists_rows, sizeof *rows, "lists of parameters");
    if (!rows) return UN_MEMORY;
    list_rows(c, s, rows);
    d->mem->copy_in(q, low->rows, rows, (size_t)low->lists_rows * sizeof *rows);
    enum un_status status = d->mem->queue_wait(q);
    un_free(rows);
    return status;
}

static enum un_status take(struct un_exchange_low *low, const struct count *c, const struct un_shard *s,
                           int rank, struct un_comm_memory *memory) {
    static const char what[] = "parameters in f32";
    struct un_device *d = memory->device;
    low->list = c->list;
    low->own = c->lists[rank];
    low->lists_rows = c->list * s->size;
    if (low->lists_rows > INT32_MAX || s->total / ROW > INT32_MAX)
        return un_fail(UN_USAGE, "%d ranks have more rows of parameters than an index of 2^31 entries",
                       s->size);
    low->rows = d->mem->alloc(d, (size_t)low->lists_rows * sizeof(int32_t), what);
    low->mine = un_comm_memory_take(memory, row_bytes(low->list), what);
    low->lists = un_comm_memory_take(memory, row_bytes(low->lists_rows), what);
    if (!low->rows || !low->mine || !low->lists) return UN_MEMORY;
    low->mine_rows = low->rows + rank * low->list;
    return fill(low, c, s, d, memory->queue);
}

enum un_status un_exchange_low_open(struct un_exchange_low *low, const struct un_shard *s,
                                    const struct un_params *table, int rank, struct un_comm_memory *memory) {
    struct count c;
    *low = (struct un_exchange_low){0};
    UN_TRY(count_open(&c, s, table));
    enum un_status status = UN_OK;
    if (c.list > 0) {
        low->bucket = c.bucket;
        status = take(low, &c, s, rank, memory);
        c.bucket = NULL; /* low's */
    }
    count_close(&c);
    return status;
}

void un_exchange_low_close(struct un_exchange_low *low, struct un_comm_memory *memory) {
    if (low->rows) memory->device->mem->free(memory->device, low->rows);
    un_comm_memory_give(memory, low->lists);
    un_comm_memory_give(memory, low->mine);
    un_free(low->bucket);
    *low = (struct un_exchange_low){0};
}

size_t un_exchange_low_list_bytes(const struct un_exchange_low *low) {
    return row_bytes(low->list);
}

static struct un_mat rows_of(const float *data, int64_t rows) {
    return un_mat32(data, rows, ROW);
}

void un_exchange_low_pack(const struct un_exchange_low *low, struct un_device *d, struct un_queue *q,
                          const float *params) {
    d->ops->gather_rows(q, rows_of(low->mine, low->own), rows_of(params, 0), low->mine_rows);
}

void un_exchange_low_unpack(const struct un_exchange_low *low, struct un_device *d, struct un_queue *q,
                            float *params) {
    d->ops->scatter_rows(q, rows_of(params, 0), rows_of(low->lists, low->lists_rows), low->rows);
}
