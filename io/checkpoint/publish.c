/* The last part of a save, on rank 0: the records of all ranks become the manifest, and the rename makes it
 * count.
 *
 * Law: records come over the file system, not over the network, so this may run beside the training's
 * collectives; the wait for them is bounded, and a rank that died or cannot write leaves none, so its
 * checkpoint never appears. Memory is taken before the first save. */
#include "io/checkpoint/folder.h"
#include "io/checkpoint/private.h"
#include "runtime/clock.h"
#include "runtime/memory.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum un_status un_checkpoint_publisher_open(struct un_checkpoint_publisher *p,
                                            const struct un_checkpoint *c) {
    size_t ranks = (size_t)c->shard.size;
    *p = (struct un_checkpoint_publisher){0};
    for (int r = 0; r < c->shard.size; ++r) {
        size_t bytes = un_checkpoint_record_bytes(c, r);
        if (bytes > p->record_room) p->record_room = bytes;
    }
    p->record = un_alloc(p->record_room, 1, "records of a checkpoint");
    p->digests = un_alloc(UN_CKPT_ARRAYS * (size_t)un_param_blocks(c->shard.total), sizeof *p->digests,
                          "digests of a checkpoint");
    p->shards = un_alloc(ranks, sizeof *p->shards, "shards of a checkpoint");
    p->runs = un_alloc(ranks * (size_t)c->shard.buckets, sizeof *p->runs, "runs of a checkpoint");
    p->states = un_alloc((size_t)c->lanes, sizeof *p->states, "states of lanes");
    if (p->record && p->digests && p->shards && p->runs && p->states) return UN_OK;
    un_checkpoint_publisher_close(p);
    return UN_MEMORY;
}

void un_checkpoint_publisher_close(struct un_checkpoint_publisher *p) {
    un_free(p->record);
    un_free(p->digests);
    un_free(p->shards);
    un_free(p->runs);
    un_free(p->states);
    *p = (struct un_checkpoint_publisher){0};
}

/* Is the record there, whole and of this very save? Anything else counts as not yet: they appear at once. */
static bool fetch_record(struct un_checkpoint_publisher *p, const struct un_checkpoint_part *part,
                         const char *path, int rank) {
    char *text = NULL;
    size_t got = 0, bytes = un_checkpoint_record_bytes(part->c, rank),
           body = bytes - sizeof(struct un_digest);
    if (access(path, F_OK) != 0) return false;
    if (un_files_read(path, p->record_room, &text, &got) != UN_OK) {
        un_error_clear();
        return false;
    }
    struct un_record_head head;
    bool right = got == bytes;
    if (right) {
        struct un_digest found = un_digest_of(text, body);
        memcpy(&head, text, sizeof head);
        right = memcmp(&found, text + body, sizeof found) == 0 && memcmp(head.magic, "UNPART2", 8) == 0 &&
                head.nonce == part->nonce && head.step == part->c->step && head.rank == rank &&
                head.ranks == part->c->shard.size;
    }
    if (right) memcpy(p->record, text, bytes);
    un_free(text);
    return right;
}

/* Network file systems remember that a name was absent until the folder is looked at again. */
static void look_again(const char *folder) {
    DIR *dir = opendir(folder);
    if (dir) closedir(dir);
}

static enum un_status check_cancel(const struct un_checkpoint_part *part, const char *folder) {
    return atomic_load(part->cancel) ? un_fail(UN_STOPPED, "%s: cancelled", folder) : UN_OK;
}

static enum un_status await_record(struct un_checkpoint_publisher *p, const struct un_checkpoint_part *part,
                                   int rank, double deadline) {
    char path[UN_PATH_MAX], folder[UN_PATH_MAX];
    long pause_ns = 1000000;
    UN_TRY(un_checkpoint_folder_path(folder, part->run_dir, part->c->step, true));
    UN_TRY(un_checkpoint_record_path(path, part->run_dir, part->c->step, rank));
    while (!fetch_record(p, part, path, rank)) {
        UN_TRY(check_cancel(part, folder));
        if (un_clock() > deadline)
            return un_fail(UN_IO,
                           "%s: the part of rank %d did not come in time (checkpoint.timeout): %s is missing",
                           folder, rank, path);
        nanosleep(&(struct timespec){.tv_nsec = pause_ns}, NULL);
        if (pause_ns < 100000000) pause_ns *= 2;
        look_again(folder);
    }
    return UN_OK;
}

void un_checkpoint_place(const struct un_shard *shard, int rank, const struct un_digest *from,
                         struct un_digest *to) {
    for (int64_t b = 0; b < shard->buckets; ++b) {
        struct un_span part = un_shard_part(shard, b, rank);
        if (un_span_count(part) == 0) continue;
        memcpy(to + part.begin / UN_PARAM_BLOCK, from + un_shard_local(shard, b) / UN_PARAM_BLOCK,
               (size_t)un_param_blocks(un_span_count(part)) * sizeof *to);
    }
}

/* What the record of `rank` says, into the manifest. */
static void add_part(struct un_checkpoint_publisher *p, const struct un_checkpoint *c, int rank,
                     struct un_manifest *m) {
    struct un_record_head head;
    memcpy(&head, p->record, sizeof head);
    int64_t lane = un_lane_begin(c->lanes, rank, c->shard.size);
    int64_t lanes = un_lane_begin(c->lanes, rank + 1, c->shard.size) - lane;
    if (lanes)
        memcpy(p->states + lane, un_checkpoint_record_states(c, rank, p->record),
               (size_t)lanes * sizeof *p->states);
    if (head.bytes == 0) return;
    struct un_shard_file *s = &p->shards[m->n_shards];
    *s = (struct un_shard_file){.bytes = head.bytes, .run = m->n_runs, .head = head.head};
    memcpy(s->at, head.at, sizeof s->at);
    snprintf(s->file, sizeof s->file, "shard_%05d.h5", rank);
    const struct un_digest *digests = un_checkpoint_record_digests(p->record);
    int64_t mine = un_shard_blocks(&c->shard, rank), all = un_param_blocks(c->shard.total);
    for (int i = 0; i < UN_CKPT_ARRAYS; ++i) {
        s->data[i] = un_digest_of(digests + i * mine, (size_t)mine * sizeof *digests);
        un_checkpoint_place(&c->shard, rank, digests + i * mine, p->digests + i * all);
    }
    for (int64_t b = c->shard.buckets - 1; b >= 0; --b) {
        struct un_span part = un_shard_part(&c->shard, b, rank);
        if (un_span_count(part) == 0) continue;
        p->runs[m->n_runs++] = (struct un_run){part.begin, part.end, m->n_shards, s->count};
        s->count += un_span_count(part);
    }
    s->n_runs = m->n_runs - s->run;
    ++m->n_shards;
}

/* Records, and whatever an earlier attempt at this step may have left: a checkpoint holds what its manifest
 * names and nothing else. Best effort: a stray file does no harm. */
static void remove_others(const char *folder, const struct un_manifest *m) {
    DIR *dir = opendir(folder);
    if (!dir) return;
    for (struct dirent *entry; (entry = readdir(dir));) {
        const char *name = entry->d_name;
        bool named = strcmp(name, UN_MANIFEST_NAME) == 0 || name[0] == '.';
        for (int64_t i = 0; i < m->n_shards && !named; ++i) named = strcmp(name, m->shards[i].file) == 0;
        if (!named) unlinkat(dirfd(dir), name, 0);
    }
    closedir(dir);
}

enum un_status un_checkpoint_publish(struct un_checkpoint_publisher *p, const struct un_checkpoint_part *part,
                                     double deadline, char param_digest[UN_DIGEST_TEXT],
                                     char state_digest[UN_DIGEST_TEXT]) {
    const struct un_checkpoint *c = part->c;
    char folder[UN_PATH_MAX];
    struct un_manifest m = {.step = c->step,
                            .lanes = c->lanes,
                            .n_streams = c->n_streams,
                            .total = c->params->total,
                            .seed = c->seed,
                            .plan_digest = c->plan_digest,
                            .states = p->states,
                            .params = c->params->list,
                            .n_params = c->params->n,
                            .shards = p->shards,
                            .runs = p->runs};
    if (c->fp8) m.fp8 = *c->fp8;
    snprintf(m.kind, sizeof m.kind, "%s", c->kind ? c->kind : "");
    for (int rank = 0; rank < c->shard.size; ++rank) {
        UN_TRY(await_record(p, part, rank, deadline));
        add_part(p, c, rank, &m);
    }
    size_t bytes = (size_t)un_param_blocks(c->shard.total) * sizeof *p->digests;
    m.param = un_digest_of(p->digests, bytes);
    m.state = un_digest_of(p->digests + un_param_blocks(c->shard.total), 2 * bytes);
    UN_TRY(un_checkpoint_folder_path(folder, part->run_dir, c->step, true));
    UN_TRY(check_cancel(part, folder));
    UN_TRY(un_owner_check(c->owner));
    UN_TRY(un_manifest_write(&m, folder));
    remove_others(folder, &m);
    UN_TRY(un_owner_check(c->owner));
    UN_TRY(check_cancel(part, folder)); /* cancelled from here on, a whole checkpoint appears all the same */
    UN_TRY(un_checkpoint_folder_publish(part->run_dir, c->step));
    un_digest_print(&m.param, param_digest);
    un_digest_print(&m.state, state_digest);
    return UN_OK;
}
