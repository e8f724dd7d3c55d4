/* An extraction under way: extract.c prepares and deals, work.c detects, finish.c makes OUT. */
#ifndef UN_LAUNCH_EXTRACT_PRIVATE_H
#define UN_LAUNCH_EXTRACT_PRIVATE_H

#include "io/weights/view.h"
#include "launch/extract/engine.h"
#include "launch/extract/extract.h"
#include "launch/extract/folder.h"
#include "launch/extract/json.h"
#include "launch/extract/source.h"
#include "launch/extract/terms.h"

struct un_extraction {
    const struct un_extract_keys *keys;
    struct un_comm *comm;
    const char *const *names; /* of photos */
    int n_names;
    const char *out; /* NULL: lines of JSON alone */
    struct un_detector_how how;
    struct un_extract_list photos;
    struct un_extract_given given; /* ids NULL: none */
    struct un_weights_view view;
    struct un_name_list class_names, attribute_names;
    bool cuda;
    char terms[UN_EXTRACT_TERMS];
    struct un_extract_folder folder;
    int session;
    int64_t *take;          /* [n_take] photos of this rank that are ahead, in order */
    int64_t n_take, n_left; /* n_left: of all ranks */
    struct un_extract_engine engine;
    struct un_extract_part part;
    int64_t tried, skipped; /* by this rank, in this start */
    double start, seconds;  /* of the work of this rank */
};

/* All photos of this rank into its part, or onto standard output. *stopped: a signal came here, or to another rank. */
enum un_status un_extraction_work(struct un_extraction *x, bool *stopped);
/* By rank 0, when every rank has done its photos: the list of skipped ones, lines of JSON, OUT; the folder goes. */
enum un_status un_extraction_finish(struct un_extraction *x);

#endif
