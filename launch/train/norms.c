/* Norms by layer (norms.h). */
#include "launch/train/norms.h"

#include "io/disk/text.h"

#include <math.h>
#include <string.h>

enum { KINDS = 2, NAME = 64 };
static const char *const kind_names[KINDS] = {"grad_norm", "param_norm"};

struct un_norms {
    struct un_job *job;     /* borrowed */
    int64_t pieces, layers; /* of all ranks */
    int64_t *first;         /* [tensors + 1]: a tensor's pieces are first[t] .. first[t + 1] */
    int64_t *layer;         /* [tensors] */
    char (*name)[NAME];     /* [layers] */
    double *partial;        /* device [KINDS * pieces]: 0 where another rank's */
    int64_t *bits;          /* [KINDS * pieces]: the same as integers, then of all ranks */
    double *square;         /* [tensors] */
    double *norm;           /* [tensors]: of those of a layer */
};

static int64_t block_of(int64_t element) {
    return element / UN_PARAM_BLOCK;
}

/* "uniter.encoder.layer.3.output.dense.bias" is of layer_03, "cls.predictions.bias" of cls. */
static void name_layer(const char *param, char name[NAME]) {
    static const char network[] = "uniter.", layer[] = "encoder.layer.";
    if (un_begins(param, network)) param += sizeof network - 1;
    if (un_begins(param, layer)) {
        const char *number = param + sizeof layer - 1;
        int digits = (int)strspn(number, "0123456789");
        snprintf(name, NAME, "layer_%s%.*s", digits < 2 ? "0" : "", digits, number);
        return;
    }
    snprintf(name, NAME, "%.*s", (int)strcspn(param, "."), param);
}

static int64_t find_layer(struct un_norms *n, const char *param) {
    char name[NAME];
    name_layer(param, name);
    for (int64_t i = 0; i < n->layers; ++i)
        if (strcmp(n->name[i], name) == 0) return i;
    strcpy(n->name[n->layers], name);
    return n->layers++;
}

static enum un_status take_memory(struct un_norms *n) {
    struct un_device *d = n->job->device;
    const struct un_params *table = n->job->table;
    n->first = un_alloc((size_t)table->n + 1, sizeof *n->first, "norms by layer");
    n->layer = un_alloc((size_t)table->n, sizeof *n->layer, "norms by layer");
    n->name = un_alloc((size_t)table->n, sizeof *n->name, "norms by layer");
    n->square = un_alloc((size_t)table->n, sizeof *n->square, "norms by layer");
    n->norm = un_alloc((size_t)table->n, sizeof *n->norm, "norms by layer");
    if (!n->first || !n->layer || !n->name || !n->square || !n->norm) return UN_MEMORY;
    for (int64_t t = 0; t < table->n; ++t) {
        const struct un_param *p = &table->list[t];
        n->first[t] = n->pieces;
        n->pieces += p->count > 0 ? block_of(p->offset + p->count - 1) - block_of(p->offset) + 1 : 0;
        n->layer[t] = find_layer(n, p->name);
    }
    n->first[table->n] = n->pieces;
    size_t values = (size_t)(KINDS * n->pieces);
    n->partial = d->mem->alloc(d, values * sizeof *n->partial, "norms by layer");
    n->bits = un_alloc(values, sizeof *n->bits, "norms by layer");
    return n->partial && n->bits ? UN_OK : UN_MEMORY;
}

enum un_status un_norms_open(struct un_norms **norms, struct un_job *job) {
    *norms = NULL;
    if (job->config.log.histograms == 0) return UN_OK;
    struct un_norms *n = un_alloc(1, sizeof *n, "norms by layer");
    if (!n) return UN_MEMORY;
    n->job = job;
    enum un_status status = take_memory(n);
    if (status == UN_OK)
        *norms = n;
    else
        un_norms_close(n);
    return status;
}

void un_norms_close(struct un_norms *n) {
    if (!n) return;
    if (n->partial) n->job->device->mem->free(n->job->device, n->partial);
    un_free(n->first);
    un_free(n->layer);
    un_free(n->name);
    un_free(n->bits);
    un_free(n->square);
    un_free(n->norm);
    un_free(n);
}

/* What [begin, end), this rank's, has of tensor t: the rest of a block that the tensor does not begin, then whole blocks.
 * So a piece has the same elements, and the same order inside, whoever owns it. */
static void queue_tensor(struct un_norms *n, double *partial, const float *x, int64_t t, int64_t begin,
                         int64_t end) {
    const struct un_param *p = &n->job->table->list[t];
    if (begin < p->offset) begin = p->offset;
    if (end > p->offset + p->count) end = p->offset + p->count;
    while (begin < end) {
        int64_t block_end = (block_of(begin) + 1) * UN_PARAM_BLOCK, to = end;
        if (begin % UN_PARAM_BLOCK != 0 && block_end < end) to = block_end;
        int64_t piece = n->first[t] + block_of(begin) - block_of(p->offset);
        n->job->device->ops->square_sums(n->job->queue, partial + piece, x + begin, to - begin);
        begin = to;
    }
}

/* The own parts of grads[0] are the sums over all ranks until the next backward; those of params are updated. */
static void queue_own(struct un_norms *n) {
    const struct un_job *job = n->job;
    for (int64_t b = 0; b < job->exchange.shard.buckets; ++b) {
        struct un_optim_part part = un_exchange_part(&job->exchange, b);
        for (int64_t t = 0; t < job->table->n; ++t) {
            queue_tensor(n, n->partial, job->grads[0], t, part.begin, part.begin + part.count);
            queue_tensor(n, n->partial + n->pieces, job->params, t, part.begin, part.begin + part.count);
        }
    }
}

enum un_status un_norms_take(struct un_norms *n) {
    if (!n) return UN_OK;
    const struct un_job *job = n->job;
    int64_t values = KINDS * n->pieces;
    size_t bytes = (size_t)values * sizeof *n->partial;
    job->device->ops->zero(job->queue, n->partial, bytes);
    queue_own(n);
    job->device->mem->copy_out(job->queue, n->bits, n->partial, bytes);
    UN_TRY(job->device->mem->queue_wait(job->queue));
    /* Of all ranks one has a number there and the others the bits of +0: their sum as integers is that number. */
    return job->comm->ops->sum_i64(job->comm, n->bits, values);
}

static void add_pieces(struct un_norms *n, int kind) {
    for (int64_t t = 0; t < n->job->table->n; ++t) {
        n->square[t] = 0;
        for (int64_t i = n->first[t]; i < n->first[t + 1]; ++i) {
            double piece;
            memcpy(&piece, &n->bits[kind * n->pieces + i], sizeof piece);
            n->square[t] += piece;
        }
    }
}

static void put_layer(struct un_norms *n, int kind, int64_t layer, struct un_metrics *m,
                      struct un_events *e) {
    char key[NAME + 32];
    double sum = 0;
    int tensors = 0;
    for (int64_t t = 0; t < n->job->table->n; ++t) {
        if (n->layer[t] != layer) continue;
        sum += n->square[t];
        n->norm[tensors++] = sqrt(n->square[t]);
    }
    snprintf(key, sizeof key, "%s/%s", kind_names[kind], n->name[layer]);
    un_metrics_put(m, key, sqrt(sum));
    snprintf(key, sizeof key, "%ss/%s", kind_names[kind], n->name[layer]);
    un_events_histogram(e, key, n->norm, tensors);
}

enum un_status un_norms_log(struct un_norms *n, struct un_metrics *m, struct un_events *e) {
    if (!n) return UN_OK;
    un_metrics_begin(m, n->job->step);
    for (int kind = 0; kind < KINDS; ++kind) {
        add_pieces(n, kind);
        for (int64_t layer = 0; layer < n->layers; ++layer) put_layer(n, kind, layer, m, e);
    }
    return un_metrics_end(m);
}
