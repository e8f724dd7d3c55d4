/* uniter data extract: photos into *.img.h5 by the region detector. One process, or the ranks of a launcher. */
#include "launch/extract/extract.h"
#include "launch/extract/bench.h"
#include "launch/process/end.h"
#include "launch/process/signals.h"
#include "launch/tools/tools.h"

#include <string.h>

static enum un_status with_ranks(const struct un_extract_keys *k, const struct un_arguments *a) {
    struct un_comm *comm = NULL;
    UN_TRY(un_comm_open(NULL, NULL, &comm));
    un_log_set(comm->rank, UN_LOG_INFO);
    un_signals_install();
    enum un_status status = un_extract_run(k, a->names, a->n, comm);
    if (comm->size == 1) {
        un_comm_close(comm);
        return status; /* said by the program */
    }
    bool alone = status != UN_OK && !un_comm_agreed(comm); /* what all ranks know is said once */
    if (alone || comm->rank == 0) un_say(status);
    if (alone) comm->ops->abort(comm, status);
    un_comm_close(comm);
    un_end(status);
}

static enum un_status run_extract(const struct un_tool *tool, int n, char **words) {
    struct un_extract_keys k = {0};
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 0, -1, &k));
    enum un_status status = k.bench ? un_extract_bench(&k, a.names, a.n, stdout) : with_ranks(&k, &a);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"data", "extract", NULL, "PHOTO|FOLDER|LIST ... OUT.img.h5 weights=FILE [key=value ...]",
     "features from photos, by the detector of bottom-up attention; also under mpirun", &un_extract_key_table,
     run_extract},
};
const struct un_tools un_tools_extract = {list, sizeof list / sizeof *list};
