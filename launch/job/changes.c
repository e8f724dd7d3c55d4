/* What changed since the earlier start (changes.h). */
#include "launch/job/changes.h"

#include <string.h>
#include <unistd.h>

/* RUN of --resume auto, or of the checkpoint RUN/ckpt/step_X. */
static bool find_config(char path[UN_PATH_MAX], const struct un_job *job, const char *resume) {
    if (strcmp(resume, "none") == 0) return false;
    int length = strcmp(resume, "auto") == 0
                     ? snprintf(path, UN_PATH_MAX, "%s/config.yaml", job->config.run.dir)
                     : snprintf(path, UN_PATH_MAX, "%s/../../config.yaml", resume);
    return length > 0 && length < UN_PATH_MAX && access(path, R_OK) == 0;
}

/* Sizes that the data told stand in config.yaml or not, by the version that wrote it: not the user's change. */
static void take_sizes(struct un_dims *then, const struct un_dims *job) {
    int64_t *const sizes[] = {&then->vocab_size, &then->img_dim, &then->img_label_dim, &then->num_labels};
    const int64_t told[] = {job->vocab_size, job->img_dim, job->img_label_dim, job->num_labels};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; ++i)
        if (*sizes[i] == 0) *sizes[i] = told[i];
}

static enum un_status list(struct un_facts *facts, const struct un_run_config *config,
                           const struct un_dims *job) {
    struct un_run_config told = *config;
    take_sizes(&told.model.dims, job);
    return un_run_config_each(&told, un_facts_visit, facts);
}

static enum un_status read_both(struct un_changes *c, const struct un_job *job, struct un_run_config *then) {
    UN_TRY(un_run_config_read(then, c->path, NULL, 0));
    un_job_default_valid_mix(then);
    c->optim = then->optim;
    c->steps = then->train.steps;
    UN_TRY(list(&c->then, then, &job->dims));
    UN_TRY(list(&c->now, &job->config, &job->dims));
    return c->then.text.failed || c->now.text.failed ? UN_MEMORY : UN_OK;
}

void un_changes_find(struct un_changes *c, const struct un_job *job, const char *resume) {
    struct un_run_config then = {0};
    *c = (struct un_changes){0};
    if (!find_config(c->path, job, resume)) return;
    struct un_error before = *un_error_get();
    c->known = read_both(c, job, &then) == UN_OK;
    if (!c->known) {
        un_log(UN_LOG_WARN, "%s: cannot be compared with this start: %s", c->path, un_error_get()->text);
        un_error_clear();
        un_error_adopt(&before);
    }
    un_run_config_free(&then);
}

static void say_one(void *context, const struct un_fact_pair *p) {
    (void)context;
    un_log(UN_LOG_INFO, "changed since the earlier start: %.*s was %.*s, is %.*s", p->key_bytes, p->key,
           p->theirs ? p->theirs_bytes : 7, p->theirs ? p->theirs : "not set", p->mine ? p->mine_bytes : 7,
           p->mine ? p->mine : "not set");
}

void un_changes_say(const struct un_changes *c, const struct un_job *job, bool resumed) {
    if (!c->known) return;
    const struct un_facts *now = &c->now, *then = &c->then;
    un_facts_compare(now->text.text, now->text.used, then->text.text, then->text.used, say_one, NULL);
    int64_t next = job->step + 1;
    double was = un_optim_lr(&c->optim, next, c->steps);
    double is = un_optim_lr(&job->config.optim, next, job->config.train.steps);
    if (resumed && was != is && next <= job->config.train.steps)
        un_log(UN_LOG_INFO, "learning rate of update %lld: was to be %.6g, is %.6g", (long long)next, was,
               is);
}

void un_changes_free(struct un_changes *c) {
    un_facts_free(&c->then);
    un_facts_free(&c->now);
}
