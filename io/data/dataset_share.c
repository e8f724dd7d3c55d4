/* One index for all ranks of a host: the first joins it and moves it into shared memory, the others map it. What they map is bound
 * to the files: a rank that has opened others than the first, in number, length or time of change, reads its own. */
#include "comm/comm.h"
#include "io/data/private.h"
#include "runtime/memory.h"
#include <stdio.h>
#include <string.h>

/* The arrays of an index, in the order in which they lie there. */
enum array {
    IMAGE,
    IMAGE_TEXT,
    IMAGE_IDS,
    TEXT,
    TEXT_IDS,
    ALIGN,
    ANSWERS,
    KIND,
    LABEL,
    RATIONALE,
    SECOND,
    PARTS,
    BOX,
    SIZE,
    ARRAYS
};

struct cells {
    const void *data; /* NULL: there is none */
    size_t size;      /* of an element */
    int64_t count;
};

/* First in the memory; versions of all files follow, those of images first, then the arrays. */
struct index_head {
    struct un_dataset_info info;
    int64_t image_files, text_files, image_stride, text_stride;
    int64_t size[ARRAYS]; /* of an element, 0: there is no such array */
};

/* What the first rank of a host tells the others. Plain bytes. */
struct offer {
    int64_t status;
    struct un_shared_name name; /* bytes 0: it could not share it */
    char why[UN_SHARED_WHY];
};

static void list_cells(const struct un_dataset *d, struct cells all[ARRAYS]) {
    const struct un_target_index *x = &d->targets;
    int64_t images = d->kept_images, texts = d->kept_texts;
    const struct cells cells[ARRAYS] = {
        [IMAGE] = {d->image, sizeof *d->image, images},
        [IMAGE_TEXT] = {d->image_text, sizeof *d->image_text, images + 1},
        [IMAGE_IDS] = {d->image_ids, (size_t)d->image_stride, images},
        [TEXT] = {d->text, sizeof *d->text, texts},
        [TEXT_IDS] = {d->text_ids, (size_t)d->text_stride, texts},
        [ALIGN] = {d->align, sizeof *d->align, texts},
        [ANSWERS] = {x->answers, sizeof *x->answers, texts},
        [KIND] = {x->kind, sizeof *x->kind, texts},
        [LABEL] = {x->label, sizeof *x->label, texts},
        [RATIONALE] = {x->rationale, sizeof *x->rationale, texts},
        [SECOND] = {x->second, sizeof *x->second, texts},
        [PARTS] = {x->parts, sizeof *x->parts, texts},
        [BOX] = {x->box, sizeof *x->box, texts},
        [SIZE] = {x->size, sizeof *x->size, texts},
    };
    memcpy(all, cells, sizeof cells);
}

/* The arrays are what lies at these places. Nobody writes to an index that is shared. */
static void point_to(struct un_dataset *d, void *const at[ARRAYS]) {
    struct un_target_index *x = &d->targets;
    d->image = at[IMAGE];
    d->image_text = at[IMAGE_TEXT];
    d->image_ids = at[IMAGE_IDS];
    d->text = at[TEXT];
    d->text_ids = at[TEXT_IDS];
    d->align = at[ALIGN];
    x->answers = at[ANSWERS];
    x->kind = at[KIND];
    x->label = at[LABEL];
    x->rationale = at[RATIONALE];
    x->second = at[SECOND];
    x->parts = at[PARTS];
    x->box = at[BOX];
    x->size = at[SIZE];
}

/* Of file i, those of images first. */
static const struct un_version *version_of(const struct un_dataset *d, int64_t i) {
    return i < d->n_image_files ? &d->image_files[i].version : &d->text_files[i - d->n_image_files].version;
}

static int64_t file_count(const struct un_dataset *d) {
    return d->n_image_files + d->n_text_files;
}

/* ---- how large it is ---- */

static size_t answer_name_bytes(const struct un_dataset *d) {
    size_t bytes = 0;
    for (int64_t i = 0; i < d->n_text_files; ++i) {
        const struct un_target_columns *c = &d->text_files[i].targets;
        if (c->answer_names) bytes += (size_t)(c->num_answers * c->name_stride);
    }
    return bytes;
}

size_t un_dataset_bytes(const struct un_dataset *d) {
    struct cells all[ARRAYS];
    size_t own = sizeof *d + answer_name_bytes(d), shared = 0;
    own +=
        (size_t)d->n_image_files * sizeof *d->image_files + (size_t)d->n_text_files * sizeof *d->text_files;
    if (d->targets.own) own += (size_t)d->info.images * sizeof *d->targets.own;
    list_cells(d, all);
    for (int i = 0; i < ARRAYS; ++i)
        if (all[i].data)
            *(un_shared_holds(&d->shared, all[i].data) ? &shared : &own) +=
                all[i].size * (size_t)all[i].count;
    return d->sharers > 0 ? own + shared / (size_t)d->sharers : own;
}

/* ---- out of it ---- */

/* The next piece of the memory; NULL: it ends before. */
static void *next(const struct un_shared *s, size_t *at, size_t bytes) {
    size_t begin = (*at + UN_ALIGN - 1) / UN_ALIGN * UN_ALIGN;
    if (begin > s->bytes || bytes > s->bytes - begin) return NULL;
    *at = begin + bytes;
    return (void *)((uintptr_t)s->data + begin);
}

static bool same_files(const struct un_dataset *d, size_t *at) {
    bool same = true;
    for (int64_t i = 0; i < file_count(d); ++i) {
        const struct un_version *mine = version_of(d, i), *theirs = next(&d->shared, at, sizeof *theirs);
        same = same && theirs && theirs->bytes == mine->bytes && theirs->seconds == mine->seconds &&
               theirs->nanoseconds == mine->nanoseconds;
    }
    return same;
}

/* Takes everything from d->shared; NULL, or why not: then nothing is taken. */
static const char *adopt(struct un_dataset *d) {
    size_t at = 0;
    void *places[ARRAYS] = {0};
    struct cells all[ARRAYS];
    const struct index_head *head = next(&d->shared, &at, sizeof *head);
    if (!head || head->image_files != d->n_image_files || head->text_files != d->n_text_files ||
        !same_files(d, &at))
        return "that rank has opened other files, or they have changed since";
    struct un_dataset probe = {.kept_images = head->info.images,
                               .kept_texts = head->info.texts,
                               .image_stride = head->image_stride,
                               .text_stride = head->text_stride};
    list_cells(&probe, all);
    for (int i = 0; i < ARRAYS; ++i) {
        if (head->size[i] == 0) continue;
        if (head->size[i] == (int64_t)all[i].size)
            places[i] = next(&d->shared, &at, all[i].size * (size_t)all[i].count);
        if (!places[i]) return "that rank runs another build";
    }
    d->info = head->info;
    d->image_stride = head->image_stride;
    d->text_stride = head->text_stride;
    d->kept_images = d->info.images;
    d->kept_texts = d->info.texts;
    point_to(d, places);
    return NULL;
}

/* ---- into it ---- */

static bool put_all(struct un_dataset *d, const struct cells all[ARRAYS], char why[UN_SHARED_WHY]) {
    struct index_head head = {.info = d->info,
                              .image_files = d->n_image_files,
                              .text_files = d->n_text_files,
                              .image_stride = d->image_stride,
                              .text_stride = d->text_stride};
    for (int i = 0; i < ARRAYS; ++i) head.size[i] = all[i].data ? (int64_t)all[i].size : 0;
    if (!un_shared_put(&d->shared, &head, sizeof head, why)) return false;
    for (int64_t i = 0; i < file_count(d); ++i)
        if (!un_shared_put(&d->shared, version_of(d, i), sizeof *version_of(d, i), why)) return false;
    for (int i = 0; i < ARRAYS; ++i)
        if (all[i].data && !un_shared_put(&d->shared, all[i].data, all[i].size * (size_t)all[i].count, why))
            return false;
    return true;
}

/* Moves the arrays; false: they are where they were. */
static bool publish(struct un_dataset *d, struct un_shared_name *name, char why[UN_SHARED_WHY]) {
    struct cells all[ARRAYS];
    list_cells(d, all);
    if (!un_shared_make(&d->shared, why) || !put_all(d, all, why) || !un_shared_seal(&d->shared, name, why))
        return false;
    const char *foreign = adopt(d); /* its own */
    UN_ASSERT(!foreign);
    (void)foreign;
    for (int i = 0; i < ARRAYS; ++i) un_free((void *)(uintptr_t)all[i].data);
    return true;
}

/* ---- the ranks of a host ---- */

/* The first has the index until all have looked. Collective. */
static enum un_status meet(struct un_dataset_host *host, bool own) {
    int64_t count = own;
    return host->comm->ops->sum_i64(host->comm, &count, 1);
}

enum un_status un_dataset_offer(struct un_dataset *d, struct un_dataset_host *host, enum un_status status) {
    struct offer offer = {.status = status};
    if (status == UN_OK && host->comm->size > 1) (void)publish(d, &offer.name, offer.why);
    enum un_status told = host->comm->ops->broadcast(host->comm, &offer, sizeof offer, 0);
    if (told == UN_OK) told = meet(host, false);
    if (d) un_shared_hide(&d->shared);
    if (d) d->sharers = host->comm->size;
    return status != UN_OK ? status : told;
}

/* Why this rank cannot have it; NULL: it has it. */
static const char *look(struct un_dataset *d, struct offer *offer) {
    if (offer->name.bytes == 0) return offer->why;
    if (!un_shared_open(&d->shared, &offer->name, offer->why)) return offer->why;
    const char *why = adopt(d);
    if (why) un_shared_close(&d->shared);
    return why;
}

enum un_status un_dataset_take(struct un_dataset *d, struct un_dataset_host *host, enum un_status status,
                               bool *taken) {
    struct offer offer;
    *taken = false;
    UN_TRY(host->comm->ops->broadcast(host->comm, &offer, sizeof offer, 0));
    bool offered = status == UN_OK && offer.status == UN_OK;
    const char *why = offered ? look(d, &offer) : NULL;
    UN_TRY(meet(host, why != NULL));
    if (offer.status != UN_OK && status == UN_OK)
        return un_fail((enum un_status)offer.status,
                       "data set %s: the first rank of this host could not read it", d->name);
    UN_TRY(status);
    *taken = why == NULL;
    d->sharers = host->comm->size;
    if (!why) return UN_OK;
    if (host->own++ == 0) snprintf(host->why, sizeof host->why, "%s", why);
    return UN_OK;
}
