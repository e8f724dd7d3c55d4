/* The run's folder (folder.h). */
#include "launch/job/folder.h"

#include "io/run/starts.h"

#include "runtime/memory.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum un_status un_folder_open(struct un_job *job) {
    struct un_comm *comm = job->comm;
    const struct un_run_keys *run = &job->config.run;
    enum un_status status = UN_OK;
    if (comm->rank == 0 && run->timeout > 0 && run->patience >= run->timeout)
        un_log(UN_LOG_WARN,
               "run.patience (%g s) is not below run.timeout (%g s): should the folder be held, the watchdog "
               "ends this start before its wait is over",
               run->patience, run->timeout);
    if (comm->rank == 0) status = un_owner_take(&job->owner, run->dir, run->patience, comm->size);
    UN_TRY(un_comm_agree(comm, status));
    int lock = job->owner.lock;
    UN_TRY(comm->ops->broadcast(comm, &job->owner, sizeof job->owner, 0));
    job->owner.leads = comm->rank == 0;
    job->owner.lock = lock;
    return un_comm_agree(comm, un_watchdog_publish(job->watchdog, &job->owner));
}

void un_folder_close(struct un_job *job) {
    un_watchdog_silence(job->watchdog);
    un_owner_release(&job->owner);
}

static enum un_status print_config(const struct un_job *job, char *text, size_t size, size_t *bytes) {
    FILE *f = fmemopen(text, size, "w");
    if (!f) return un_fail(UN_MEMORY, "config.yaml: %s", strerror(errno));
    fprintf(f, "# The configuration in force, with the origin of every value. A run can be repeated from "
               "this file.\n");
    enum un_status status = un_config_write(job->config.document, f);
    long end = ftell(f);
    if (fclose(f) != 0 && status == UN_OK) status = un_fail(UN_INTERNAL, "config.yaml: %s", strerror(errno));
    *bytes = end > 0 ? (size_t)end : 0;
    return status;
}

/* Durable before it gets its name. */
static enum un_status write_config(const struct un_job *job, const char *path) {
    enum { MOST = 1 << 22 };
    size_t bytes = 0;
    char *text = un_alloc(MOST, 1, "config.yaml");
    if (!text) return UN_MEMORY;
    enum un_status status = print_config(job, text, MOST, &bytes);
    if (status == UN_OK) status = un_files_replace(path, text, bytes);
    un_free(text);
    return status;
}

enum un_status un_folder_open_events(const struct un_job *job, struct un_events **events) {
    char folder[UN_PATH_MAX], path[UN_PATH_MAX], *text = NULL;
    size_t bytes;
    UN_TRY(un_files_join(folder, job->config.run.dir, "log"));
    UN_TRY(un_files_join(path, job->config.run.dir, "config.yaml"));
    UN_TRY(un_events_open(events, folder, job->step));
    un_events_guard(*events, &job->owner);
    UN_TRY(un_files_read(path, SIZE_MAX, &text, &bytes));
    enum un_status status = un_events_text(*events, "configuration", text);
    un_free(text);
    return status;
}

enum un_status un_folder_add_start(const struct un_job *job) {
    const struct un_start start = {.start = job->owner.start,
                                   .step = job->step,
                                   .ranks = job->comm->size,
                                   .lanes = job->config.train.lanes,
                                   .parameters = job->table->trained,
                                   .device = job->device->name,
                                   .version = UN_VERSION};
    return un_starts_add(&job->owner, &start);
}

enum { CONFIG_MAX = 16 << 20 };

/* What an earlier start was told, unless this one is told the very same. Whatever it is, it is copied as bytes. */
static enum un_status keep_earlier(const struct un_job *job, const char *path, const char *fresh) {
    char name[64], kept[UN_PATH_MAX], *old = NULL, *now = NULL;
    size_t old_bytes = 0, now_bytes = 0;
    if (access(path, F_OK) != 0) return UN_OK;
    snprintf(name, sizeof name, "config_before_start_%lld.yaml", (long long)job->owner.start);
    UN_TRY(un_files_join(kept, job->config.run.dir, name));
    enum un_status status = un_files_read(path, CONFIG_MAX, &old, &old_bytes);
    if (status == UN_OK) status = un_files_read(fresh, CONFIG_MAX, &now, &now_bytes);
    bool same = status == UN_OK && old_bytes == now_bytes && memcmp(old, now, now_bytes) == 0;
    if (status == UN_OK && !same) status = un_files_replace(kept, old, old_bytes);
    un_free(old);
    un_free(now);
    return status;
}

enum un_status un_folder_write_config(const struct un_job *job) {
    char path[UN_PATH_MAX], temporary[UN_PATH_MAX];
    UN_TRY(un_files_join(path, job->config.run.dir, "config.yaml"));
    UN_TRY(un_files_join(temporary, job->config.run.dir, "config.yaml.tmp"));
    UN_TRY(un_owner_check(&job->owner));
    UN_TRY(write_config(job, temporary));
    UN_TRY(keep_earlier(job, path, temporary));
    if (rename(temporary, path) == 0) return UN_OK;
    return un_fail(UN_IO, "%s: cannot rename to %s: %s", temporary, path, strerror(errno));
}
