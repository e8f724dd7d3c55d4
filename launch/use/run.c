/* A run's config.yaml, or the defaults (run.h). */
#include "launch/use/run.h"

#include "io/disk/files.h"

#include <unistd.h>

static enum un_status bind(struct un_use_run *run, struct un_config *document) {
    struct un_model_keys model;
    UN_TRY(un_config_bind(document, &un_model_key_table, &model));
    UN_TRY(un_dims_resolve(&model.dims, model.preset));
    UN_TRY(un_config_bind(document, &un_wra_key_table, &run->wra));
    UN_TRY(un_config_bind(document, &un_data_key_table, &run->data));
    run->dims = model.dims;
    run->data.train = run->data.valid = (struct un_list){0};
    return UN_OK;
}

static enum un_status read_file(struct un_use_run *run, const char *path) {
    struct un_config *document = NULL;
    enum un_status status = un_config_read(&document, path, NULL, 0);
    if (status == UN_OK) status = bind(run, document);
    un_config_free(document);
    return status;
}

static enum un_status defaults(struct un_use_run *run) {
    struct un_config *document = NULL;
    *run = (struct un_use_run){0};
    enum un_status status = un_config_parse(&document, "defaults", "{data: {train: []}}", NULL, 0);
    if (status == UN_OK) status = bind(run, document);
    un_config_free(document);
    return status;
}

enum un_status un_use_run_read(struct un_use_run *run, const char *run_dir) {
    char path[UN_PATH_MAX];
    *run = (struct un_use_run){0};
    if (!run_dir[0]) return defaults(run);
    UN_TRY(un_files_join(path, run_dir, "config.yaml"));
    if (access(path, F_OK) == 0 && read_file(run, path) == UN_OK) {
        run->found = true;
        return UN_OK;
    }
    un_log(UN_LOG_WARN, "%s is not there or not a configuration: defaults are taken", path);
    un_error_clear();
    return defaults(run);
}
