/* uniter_dist: pretraining. Reads the command line, opens the job, runs what was asked. */
#include "comm/launcher.h"
#include "launch/job/agree.h"
#include "launch/job/folder.h"
#include "launch/job/part.h"
#include "launch/process/begin.h"
#include "launch/process/end.h"
#include "launch/process/signals.h"
#include "launch/settings/options.h"
#include "launch/train/bench.h"
#include "launch/train/check.h"
#include "launch/train/evaluate.h"
#include "launch/train/train.h"
#include "runtime/config/path.h"
#include "runtime/restart.h"

#include <stdlib.h>
#include <string.h>

#ifndef UN_VERSION
#define UN_VERSION "unknown"
#endif

struct command {
    char config[UN_PATH_MAX], resume[UN_PATH_MAX];
    const char *set; /* of --eval; NULL: all */
    const char **overrides;
    int n_overrides;
    int64_t bench;
    bool check, eval, quiet, help, help_config, version;
};

static enum un_status parse_steps(const char *text, int64_t *steps) {
    char *end;
    long long value = strtoll(text, &end, 10);
    if (*end || end == text || value < 1 || value > 1000000)
        return un_fail(UN_USAGE, "--bench: \"%s\" is not a number of steps (1 .. 1000000)", text);
    *steps = value;
    return UN_OK;
}

static enum un_status unknown_option(const char *word) {
    const char *known[32];
    int64_t n = 0;
    for (const struct un_run_option *o = un_run_options; o->name && n < 32; ++o) known[n++] = o->name;
    const char *near = un_config_nearest(word, known, n);
    if (near) return un_fail(UN_USAGE, "unknown option %s; did you mean %s?", word, near);
    return un_fail(UN_USAGE, "unknown argument %s (see --help)", word);
}

/* Options without a value. Returns false when `word` is none of them. */
static bool parse_flag(const char *word, struct command *c) {
    const struct {
        const char *name;
        bool *flag;
    } flags[] = {{"--check", &c->check},
                 {"--quiet", &c->quiet},
                 {"--help", &c->help},
                 {"-h", &c->help},
                 {"--help-config", &c->help_config},
                 {"--version", &c->version}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; ++i) {
        if (strcmp(word, flags[i].name) != 0) continue;
        *flags[i].flag = true;
        return true;
    }
    return false;
}

/* --eval, and behind it perhaps the name of a set: a word that is no option and no override. */
static bool parse_eval(int argc, char **argv, int *i, struct command *c) {
    const char *set = strncmp(argv[*i], "--eval=", 7) == 0 ? argv[*i] + 7 : NULL;
    if (!set && strcmp(argv[*i], "--eval") != 0) return false;
    c->eval = true;
    if (set)
        c->set = set;
    else if (*i + 1 < argc && argv[*i + 1][0] != '-' && !strchr(argv[*i + 1], '='))
        c->set = argv[++*i];
    return true;
}

/* --NAME VALUE or --NAME=VALUE; *value NULL: the word is another one. */
static enum un_status parse_valued(int argc, char **argv, int *i, const char *name, const char **value) {
    size_t length = strlen(name);
    const char *word = argv[*i];
    *value = NULL;
    if (strncmp(word, name, length) != 0 || (word[length] && word[length] != '=')) return UN_OK;
    if (word[length])
        *value = word + length + 1;
    else if (*i + 1 < argc)
        *value = argv[++*i];
    if (*value && **value) return UN_OK;
    return un_fail(UN_USAGE, "%s needs a value", name);
}

static enum un_status parse_options(int argc, char **argv, int *i, struct command *c, bool *taken) {
    const char *config, *resume, *bench;
    UN_TRY(parse_valued(argc, argv, i, "--cfg", &config));
    UN_TRY(parse_valued(argc, argv, i, "--resume", &resume));
    UN_TRY(parse_valued(argc, argv, i, "--bench", &bench));
    if (config) UN_TRY(un_path_expand(c->config, sizeof c->config, config, "--cfg"));
    if (resume) UN_TRY(un_path_expand(c->resume, sizeof c->resume, resume, "--resume"));
    if (bench) UN_TRY(parse_steps(bench, &c->bench));
    *taken = config || resume || bench;
    return UN_OK;
}

static enum un_status parse(int argc, char **argv, struct command *c) {
    *c = (struct command){.resume = "auto"};
    c->overrides = un_alloc((size_t)argc + 1, sizeof *c->overrides, "command line");
    if (!c->overrides) return un_error_get()->status;
    for (int i = 1; i < argc; ++i) {
        const char *word = argv[i];
        bool taken;
        if (parse_flag(word, c) || parse_eval(argc, argv, &i, c)) continue;
        UN_TRY(parse_options(argc, argv, &i, c, &taken));
        if (taken) continue;
        if (word[0] == '-' || !strchr(word, '=')) return unknown_option(word);
        c->overrides[c->n_overrides++] = word;
    }
    if (!c->config[0] && !c->help && !c->help_config && !c->version)
        return un_fail(UN_USAGE, "--cfg FILE is needed (see --help)");
    if (c->check + c->eval + (c->bench > 0) > 1)
        return un_fail(UN_USAGE, "--check, --bench and --eval go one at a time");
    return UN_OK;
}

static bool asks(const struct command *c) {
    return c->help || c->help_config || c->version;
}

static bool answer(const struct command *c) {
    if (c->help)
        un_run_options_help(stdout);
    else if (c->help_config)
        un_run_config_help(stdout);
    else if (c->version)
        printf("uniter_dist %s\n", UN_VERSION);
    else
        return false;
    return true;
}

/* What the command line asks for beyond the configuration is the same on all ranks, too. */
static enum un_status agree_on_start(struct un_job *job, const struct command *c) {
    struct un_facts facts = {0};
    const char *set = c->set ? c->set : "all sets";
    un_facts_add(&facts, "--check", "%s", c->check ? "given" : "not given");
    un_facts_add(&facts, "--resume", "%s", c->resume);
    un_facts_add(&facts, "--bench", "%lld", (long long)c->bench);
    un_facts_add(&facts, "--eval", "%s", c->eval ? set : "not given");
    enum un_status status = un_agree_start(job, &facts);
    un_facts_free(&facts);
    return status;
}

/* After a stage that has no collectives inside everybody learns whether anybody failed. The folder comes
 * before the data: a start that is refused, or a rank that hangs, shows at once. */
static enum un_status run(struct un_job *job, struct un_comm *comm, const struct command *c) {
    bool writes = !c->check && !c->bench;
    UN_TRY(agree_on_start(job, c));
    if (c->eval) UN_TRY(un_comm_alike(comm, un_evaluate_choose(job, c->set)));
    if (writes) UN_TRY(un_comm_alike(comm, un_folder_open(job)));
    if (c->eval) UN_TRY(un_evaluate_find(job, c->resume));
    un_watchdog_phase(job->watchdog, "data", 0);
    enum un_status status = un_job_open_data(job, comm);
    if (status == UN_OK) status = un_job_find_device(job);
    UN_TRY(un_comm_agree(comm, status));
    UN_TRY(un_agree_machines(job));
    if (!c->eval) UN_TRY(un_job_choose_route(job));
    UN_TRY(un_comm_agree(comm, un_job_place_cache(job)));
    if (c->check) UN_TRY(un_agree_data(job));
    if (c->check) return comm->rank == 0 ? un_plan_print(job, stdout) : UN_OK;
    bool tells = comm->rank == 0 && !job->quiet && !c->eval && !c->bench;
    if (tells) status = un_plan_print(job, stderr);
    UN_TRY(un_comm_agree(comm, status != UN_OK ? status : un_job_keep_part(job)));
    UN_TRY(un_agree_data(job));
    UN_TRY(un_comm_agree(comm, un_job_open_device(job)));
    if (c->eval) return un_evaluate_run(job);
    UN_TRY(un_exchange_start(&job->exchange));
    if (c->bench) return un_bench_run(job, c->bench, stdout);
    return un_train_run(job, c->resume);
}

/* Configuration, watchdog, communicator, in this order: a start of the communicator that hangs ends, too.
 * What is wrong with the configuration is said once, when the ranks know each other. */
static enum un_status open_all(struct un_job *job, int *argc, char ***argv, const struct command *c,
                               struct un_comm **comm, enum un_status *configured) {
    un_restart_prepare(*argv);
    if (strcmp(c->config, "-") == 0 && un_launcher_find().size > 1)
        return un_fail(UN_USAGE,
                       "--cfg -: of several ranks only the first has the standard input; write a file");
    if (!c->check && !c->bench && !c->eval) un_signals_install(); /* an early stop comes at the first step */
    un_signals_unblock();
    *configured = un_job_configure(job, c->config, c->overrides, c->n_overrides);
    job->quiet = c->quiet;
    if (*configured == UN_OK) UN_TRY(un_watchdog_open(&job->watchdog, job->config.run.timeout));
    UN_TRY(c->check ? un_comm_open_any(argc, argv, comm) : un_comm_open(argc, argv, comm));
    un_watchdog_attach(job->watchdog, *comm);
    job->comm = *comm;
    return UN_OK;
}

int main(int argc, char **argv) {
    static struct un_job job; /* large; one per process */
    struct command command;
    struct un_comm *comm = NULL;
    un_begin_held();
    enum un_status status = parse(argc, argv, &command);
    if (status != UN_OK || asks(&command)) un_signals_unblock();
    if (status == UN_OK && answer(&command)) un_end(UN_OK);
    enum un_status configured = UN_OK;
    if (status == UN_OK) status = open_all(&job, &argc, &argv, &command, &comm, &configured);
    if (status != UN_OK) {
        un_say(status);
        un_end(status);
    }
    un_log_set(comm->rank, UN_LOG_INFO);
    status = un_comm_agree(comm, configured);
    if (status == UN_OK) status = run(&job, comm, &command);
    bool alone = status != UN_OK && !un_comm_agreed(comm); /* what all ranks know is said once */
    if (alone || comm->rank == 0) un_say(status);
    un_watchdog_phase(job.watchdog, "end", job.step);
    if (alone && comm->size > 1) {
        un_watchdog_hurry(job.watchdog, "abort", job.step, 30);
        comm->ops->abort(comm, status);
    }
    un_folder_close(&job);
    un_job_close(&job);
    un_free(command.overrides);
    un_comm_close(comm);
    un_watchdog_close(job.watchdog);
    un_end(status);
}
