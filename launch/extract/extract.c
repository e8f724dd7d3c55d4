/* Prepares an extraction and deals its photos (extract.h). */
#include "launch/extract/extract.h"
#include "launch/extract/file.h"
#include "launch/extract/private.h"
#include "runtime/memory.h"

#include <string.h>

static bool is_feature_file(const char *name) {
    size_t length = strlen(name);
    return length > 3 && strcmp(name + length - 3, ".h5") == 0;
}

static enum un_status take_names(struct un_extraction *x, const char *const *names, int n) {
    bool out = n > 0 && is_feature_file(names[n - 1]);
    if (!out && !x->keys->json)
        return un_fail(UN_USAGE, "the last name is that of the feature file, OUT.img.h5%s%s",
                       n > 0 ? ", which this one is not: " : "", n > 0 ? names[n - 1] : "");
    if (!out && x->comm->size > 1) return un_fail(UN_USAGE, "--json without OUT is for one process");
    x->names = names;
    x->n_names = out ? n - 1 : n;
    x->out = out ? names[n - 1] : NULL;
    if (x->n_names == 0) return un_fail(UN_USAGE, "no photos are named");
    return x->out ? un_extract_folder_name(&x->folder, x->out) : UN_OK;
}

static enum un_status open_detector(struct un_extraction *x, struct un_detector_sizes *sizes) {
    UN_TRY(un_weights_view_open(&x->view, x->keys->weights));
    const struct un_detector_file file = un_extract_file(&x->view);
    return un_detector_sizes_of(sizes, &file);
}

/* All that is this rank's own affair. */
static enum un_status prepare(struct un_extraction *x, const char *const *names, int n) {
    struct un_detector_sizes sizes;
    UN_TRY(take_names(x, names, n));
    UN_TRY(un_extract_how(&x->how, x->keys));
    UN_TRY(un_extract_list_open(&x->photos, x->names, x->n_names));
    if (x->keys->boxes[0]) UN_TRY(un_extract_given_open(&x->given, x->keys->boxes));
    UN_TRY(open_detector(x, &sizes));
    UN_TRY(un_extract_names_read(&x->class_names, x->keys->classes, "classes", sizes.classes));
    UN_TRY(un_extract_names_read(&x->attribute_names, x->keys->attributes, "attributes", sizes.attributes));
    return un_extract_terms(x->terms, x->keys, &x->how, &x->photos, x->cuda);
}

/* auto: cards where every rank sees one, so that all compute alike. */
static enum un_status choose_device(struct un_extraction *x) {
    const char *device = un_extract_devices[x->keys->device];
    int64_t none = strcmp(device, "auto") == 0 && un_device_count(UN_DEVICE_CUDA) < 1;
    UN_TRY(x->comm->ops->max_i64(x->comm, &none, 1));
    x->cuda = strcmp(device, "cpu") != 0 && !none;
    return UN_OK;
}

/* Ranks that see other files would write a mixture. */
static enum un_status compare_terms(struct un_extraction *x) {
    int size = x->comm->size;
    struct un_digest mine = un_digest_of(x->terms, strlen(x->terms));
    struct un_digest *all = un_alloc((size_t)size, sizeof *all, "digests of the ranks");
    if (!all) return UN_MEMORY;
    enum un_status status = x->comm->ops->all_gather(x->comm, all, &mine, sizeof mine);
    for (int r = 0; r < size && status == UN_OK; ++r)
        if (!un_digest_equal(&all[0], &all[r]))
            status =
                un_fail(UN_DATA, "rank %d sees other files than rank 0: photos, weights or boxes differ", r);
    un_free(all);
    return status;
}

/* done [photos]: 1 where nothing is left to do. A photo that could not be read is tried again, a bad one is not. */
static enum un_status look_into_parts(struct un_extraction *x, uint8_t *done) {
    struct un_extract_parts parts;
    UN_TRY(un_extract_folder_open(&x->folder, x->out, x->terms, x->keys->restart));
    enum un_status status = un_extract_parts_read(&parts, x->folder.path, x->photos.n);
    for (int64_t i = 0; i < x->photos.n && status == UN_OK; ++i)
        done[i] = parts.place[i].part >= 0 && parts.place[i].status != UN_IO;
    x->session = parts.session;
    if (status == UN_OK && parts.parts > 0)
        un_log(UN_LOG_INFO, "%s: goes on, %lld of %lld photos are done", x->out, (long long)parts.done,
               (long long)x->photos.n);
    un_extract_parts_free(&parts);
    return status;
}

/* What is left goes round the ranks. */
static enum un_status deal(struct un_extraction *x, const uint8_t *done) {
    x->take = un_alloc((size_t)x->photos.n, sizeof *x->take, "numbers of photos");
    if (!x->take) return UN_MEMORY;
    for (int64_t i = 0; i < x->photos.n; ++i) {
        if (done[i]) continue;
        if (x->n_left++ % x->comm->size == x->comm->rank) x->take[x->n_take++] = i;
    }
    return UN_OK;
}

static enum un_status find_left(struct un_extraction *x) {
    struct un_comm *c = x->comm;
    int64_t session = 0;
    uint8_t *done = un_alloc((size_t)x->photos.n, 1, "photos that are done");
    enum un_status status = done ? UN_OK : UN_MEMORY;
    if (status == UN_OK && x->out && c->rank == 0) status = look_into_parts(x, done);
    UN_TRY_GOTO(un_comm_agree(c, status), out);
    session = x->session;
    UN_TRY_GOTO(c->ops->broadcast(c, &session, sizeof session, 0), out);
    UN_TRY_GOTO(c->ops->broadcast(c, done, (size_t)x->photos.n, 0), out);
    x->session = (int)session;
    UN_TRY_GOTO(un_comm_agree(c, deal(x, done)), out);
out:
    un_free(done);
    return status;
}

static enum un_status tell_stop(const struct un_extraction *x) {
    if (!x->out)
        return un_fail(UN_STOPPED, "stopped after %lld of %lld photos", (long long)x->tried,
                       (long long)x->photos.n);
    return un_fail(UN_STOPPED, "%s: stopped; the same command goes on, on any number of ranks", x->out);
}

static enum un_status run(struct un_extraction *x, const char *const *names, int n) {
    struct un_comm *c = x->comm;
    bool stopped = false;
    UN_TRY(un_comm_alike(c, choose_device(x)));
    UN_TRY(un_comm_agree(c, prepare(x, names, n)));
    UN_TRY(un_comm_alike(c, compare_terms(x)));
    UN_TRY(find_left(x));
    UN_TRY(un_extraction_work(x, &stopped)); /* alone, if it fails: the caller ends the others */
    int64_t any = stopped;
    UN_TRY(c->ops->max_i64(c, &any, 1));
    if (any) return un_comm_alike(c, tell_stop(x));
    if (!x->out) return UN_OK;
    return un_comm_agree(c, c->rank == 0 ? un_extraction_finish(x) : UN_OK);
}

static void close_all(struct un_extraction *x) {
    un_extract_engine_close(&x->engine);
    un_extract_folder_close(&x->folder);
    un_name_list_free(&x->class_names);
    un_name_list_free(&x->attribute_names);
    un_weights_view_close(&x->view);
    un_extract_given_close(&x->given);
    un_extract_list_close(&x->photos);
    un_free(x->take);
}

enum un_status un_extract_run(const struct un_extract_keys *keys, const char *const *names, int n,
                              struct un_comm *comm) {
    struct un_extraction *x = un_alloc(1, sizeof *x, "an extraction");
    if (!x) return UN_MEMORY;
    x->keys = keys;
    x->comm = comm;
    x->folder.lock = x->part.fd = -1;
    x->given.file.fd = -1;
    enum un_status status = run(x, names, n);
    close_all(x);
    un_free(x);
    return status;
}
