/* uniter data extract: photos through the detector into a feature file, on any number of ranks, gone on with after any stop. */
#ifndef UN_LAUNCH_EXTRACT_EXTRACT_H
#define UN_LAUNCH_EXTRACT_EXTRACT_H

#include "comm/comm.h"
#include "launch/extract/keys.h"

/* names [n]: photos, folders and lists, then OUT (a name that ends in .h5; with keys->json it may be missing). All ranks call it alike;
 * where the status is not agreed on (comm.h), this rank failed alone. UN_STOPPED: a signal; the same call goes on. */
enum un_status un_extract_run(const struct un_extract_keys *keys, const char *const *names, int n,
                              struct un_comm *comm);

#endif
