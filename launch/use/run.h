/* What the configuration of a run says beyond its weights. */
#ifndef UN_LAUNCH_USE_RUN_H
#define UN_LAUNCH_USE_RUN_H

#include "io/data/dataset.h"
#include "model/dims.h"
#include "model/wra.h"

struct un_use_run {
    bool found;
    struct un_dims dims;
    struct un_wra_keys wra;   /* what is below has the program's defaults when there is no run */
    struct un_data_keys data; /* without its lists */
};
/* run_dir "": no run. A configuration that is not there or cannot be read is warned of. UN_MEMORY. */
enum un_status un_use_run_read(struct un_use_run *run, const char *run_dir);

#endif
