/* The comparison of ranks (agree.h). */
#include "launch/job/agree.h"

#include "io/disk/digest.h"
#include "launch/job/machine.h"
#include "launch/job/sizes.h"
#include "runtime/memory.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* What rank 0 tells first. Plain bytes without gaps. */
struct first_word {
    char host[72];
    struct un_digest digest;
    int64_t bytes;
};

/* Where differences of this rank are written down. */
struct story {
    char text[700];
    const char *host; /* of rank 0 */
    size_t used;
    int64_t left_out;
};

static const char *shown(const char *value, int bytes, char text[256]) {
    snprintf(text, 256, "%.*s", value ? bytes : 7, value ? value : "not set");
    return text;
}

static void tell(void *context, const struct un_fact_pair *pair) {
    struct story *s = context;
    char one[sizeof s->text], mine[256], theirs[256];
    int length = snprintf(one, sizeof one, "%s%.*s is %s, %s has %s", s->used ? "; " : "", pair->key_bytes,
                          pair->key, shown(pair->mine, pair->mine_bytes, mine), s->used ? "rank 0" : s->host,
                          shown(pair->theirs, pair->theirs_bytes, theirs));
    if (length < 0 || s->used + (size_t)length >= sizeof s->text) {
        ++s->left_out;
        return;
    }
    memcpy(s->text + s->used, one, (size_t)length + 1);
    s->used += (size_t)length;
}

/* Rank 0's text to all; un_free by the caller, also on failure. */
static enum un_status share(struct un_comm *comm, const struct un_facts *facts, int64_t bytes, char **text) {
    *text = un_alloc((size_t)bytes + 1, 1, "facts of rank 0");
    UN_TRY(un_comm_agree(comm, *text ? UN_OK : UN_MEMORY));
    if (comm->rank == 0 && bytes > 0) memcpy(*text, facts->text.text, (size_t)bytes);
    return comm->ops->broadcast(comm, *text, (size_t)bytes, 0);
}

/* The lowest rank that differs speaks for all. */
static void write_story(struct story *s, const struct un_facts *facts, const char *theirs, int64_t bytes,
                        int64_t ranks) {
    char rest[128] = "";
    un_facts_compare(facts->text.text, facts->text.used, theirs, (size_t)bytes, tell, s);
    if (s->left_out) snprintf(rest, sizeof rest, "; %" PRId64 " more", s->left_out);
    snprintf(s->text + s->used, sizeof s->text - s->used, "%s", rest);
    s->used = strlen(s->text);
    if (ranks > 1)
        snprintf(s->text + s->used, sizeof s->text - s->used, " (so %" PRId64 " ranks differ from rank 0)",
                 ranks);
}

static enum un_status explain(struct un_comm *comm, const struct un_facts *facts,
                              const struct first_word *head, bool differs, int64_t ranks, int64_t lowest,
                              bool strict) {
    char *theirs = NULL, host[65], zero[96];
    struct story s = {.host = zero};
    enum un_status status = share(comm, facts, head->bytes, &theirs);
    un_machine_host(host);
    snprintf(zero, sizeof zero, "rank 0 on host %s", head->host);
    if (status == UN_OK && differs) {
        write_story(&s, facts, theirs, head->bytes, ranks);
        if (strict)
            status = un_fail(UN_USAGE, "host %s: not as rank 0: %s", host, s.text);
        else if (comm->rank == lowest)
            un_log(UN_LOG_WARN, "host %s: not as rank 0: %s", host, s.text);
    }
    un_free(theirs);
    return un_comm_agree(comm, status);
}

enum un_status un_agree_on(struct un_comm *comm, const struct un_facts *facts, bool strict) {
    if (comm->size == 1) return UN_OK;
    UN_TRY(un_comm_agree(comm, facts->text.failed ? UN_MEMORY : UN_OK));
    struct first_word mine = {.bytes = (int64_t)facts->text.used}, head;
    mine.digest = un_digest_of(facts->text.used ? facts->text.text : "", facts->text.used);
    un_machine_host(mine.host);
    head = mine;
    UN_TRY(comm->ops->broadcast(comm, &head, sizeof head, 0));
    bool differs = head.bytes != mine.bytes || !un_digest_equal(&head.digest, &mine.digest);
    int64_t ranks = differs, lowest = differs ? comm->size - comm->rank : 0;
    UN_TRY(comm->ops->sum_i64(comm, &ranks, 1));
    if (ranks == 0) return UN_OK;
    UN_TRY(comm->ops->max_i64(comm, &lowest, 1));
    return explain(comm, facts, &head, differs, ranks, comm->size - lowest, strict);
}

static enum un_status agree_and_free(struct un_comm *comm, struct un_facts *facts, bool strict) {
    enum un_status status = un_agree_on(comm, facts, strict);
    un_facts_free(facts);
    return status;
}

/* ---- what was asked ---- */

struct keys {
    struct un_facts *facts;
    bool mixed; /* threads and loaders may be those of the machine */
};

static enum un_status add_key(void *context, const char *key, const char *value) {
    static const char *const of_machines[] = {"run.threads", "run.bind", "run.kernel", "loader."};
    const struct keys *k = context;
    for (size_t i = 0; k->mixed && i < sizeof of_machines / sizeof *of_machines; ++i)
        if (strncmp(key, of_machines[i], strlen(of_machines[i])) == 0) return UN_OK;
    un_facts_add(k->facts, key, "%s", value);
    return UN_OK;
}

enum un_status un_agree_start(const struct un_job *job, const struct un_facts *command) {
    struct un_facts asked = {0}, build = {0};
    struct keys keys = {&asked, job->config.run.mixed_machines};
    char text[UN_MACHINE_TEXT];
    if (job->comm->size == 1) return UN_OK;
    enum un_status status = un_comm_agree(job->comm, un_run_config_each(&job->config, add_key, &keys));
    un_text_put_bytes(&asked.text, command->text.text, command->text.used);
    asked.text.failed |= command->text.failed;
    un_machine_build(text);
    un_facts_add(&build, "the program's build", "%s", text);
    if (status == UN_OK) status = un_agree_on(job->comm, &asked, true);
    if (status == UN_OK) status = un_agree_on(job->comm, &build, !keys.mixed);
    un_facts_free(&asked);
    un_facts_free(&build);
    return status;
}

/* ---- machines ---- */

enum un_status un_agree_machines(const struct un_job *job) {
    const struct un_run_config *c = &job->config;
    struct un_facts facts = {0};
    char text[UN_MACHINE_TEXT];
    if (job->comm->size == 1) return UN_OK;
    enum un_type type = un_job_model_setup(job).act;
    un_machine_processor(text, job->device, type);
    un_facts_add(&facts, "the processor", "%s", text);
    un_machine_kernels(text, job->device, type);
    un_facts_add(&facts, "the device with its kernels", "%s", text);
    un_machine_library(text);
    un_facts_add(&facts, "the C library", "%s", text);
    return agree_and_free(job->comm, &facts, c->train.exact && !c->run.mixed_machines);
}

/* ---- data ---- */

static void add_sizes(struct un_facts *facts, const struct un_job *job) {
    const struct un_dims *d = &job->dims;
    const struct {
        const char *key;
        int64_t value;
    } sizes[] = {{"model.vocab_size", d->vocab_size},
                 {"model.img_dim", d->img_dim},
                 {"model.img_label_dim", d->img_label_dim},
                 {"model.num_labels", d->num_labels},
                 {"tokens of a micro-batch", job->caps.tokens},
                 {"samples of a micro-batch", job->caps.samples},
                 {"regions of a micro-batch", job->caps.regions}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        un_facts_add(facts, sizes[i].key, "%" PRId64, sizes[i].value);
}

static enum un_status add_files(struct un_facts *facts, const struct un_dataset *set, const char *list) {
    char key[UN_ERROR_MAX], hex[UN_DIGEST_TEXT];
    const char *path;
    for (int64_t i = 0; (path = un_dataset_file(set, i)); ++i) {
        struct un_digest digest;
        int64_t bytes;
        UN_TRY(un_digest_sample(path, &bytes, &digest));
        un_digest_print(&digest, hex);
        snprintf(key, sizeof key, "%s: file %s", list, path);
        un_facts_add(facts, key, "%" PRId64 " bytes, sample %.16s", bytes, hex);
    }
    return UN_OK;
}

static enum un_status add_split(struct un_facts *facts, const struct un_split *split, const char *list) {
    char key[64];
    for (int64_t i = 0; i < split->n; ++i) {
        const struct un_dataset_info *n = un_dataset_info(split->sets[i]);
        snprintf(key, sizeof key, "%s.%" PRId64 ": rows", list, i);
        un_facts_add(facts, key,
                     "%" PRId64 " images, %" PRId64 " texts, %" PRId64 " regions, %" PRId64 " words",
                     n->images, n->texts, n->regions, n->words);
        UN_TRY(add_files(facts, split->sets[i], list));
    }
    snprintf(key, sizeof key, "%s: ids and lengths of all rows", list);
    if (split->plan) un_facts_add(facts, key, "digest %016" PRIx64, un_plan_digest(split->plan));
    return UN_OK;
}

enum un_status un_agree_data(const struct un_job *job) {
    struct un_facts facts = {0};
    if (job->comm->size == 1) return UN_OK;
    add_sizes(&facts, job);
    enum un_status status = add_split(&facts, &job->train, "data.train");
    if (status == UN_OK) status = add_split(&facts, &job->valid, "data.valid");
    status = un_comm_agree(job->comm, status);
    if (status == UN_OK) return agree_and_free(job->comm, &facts, true);
    un_facts_free(&facts);
    return status;
}
