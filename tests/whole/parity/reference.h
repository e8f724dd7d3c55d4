/* Reads a reference file: the network it was made with, its samples, the rule of its parameters. The form of
 * the file is described beside it, in ../shared/reference/README.md; that of files of tasks, which share names and
 * samples, in downstream/README.md there. */
#ifndef UN_TESTS_WHOLE_PARITY_REFERENCE_H
#define UN_TESTS_WHOLE_PARITY_REFERENCE_H

#include "io/h5/h5.h"
#include "model/dims.h"
#include "runtime/params.h"
#include "tests/support/samples.h"

/* The objectives of pretraining stand first: those of a file of pretraining. */
enum { REFERENCE_OBJECTIVES = UN_ITM + 1 };

struct reference {
    struct un_h5 *file;
    const char *name; /* of the file, without folders */
    bool of_tasks;    /* then dims are what all tasks share: no types, and words without the special ones */
    struct un_dims dims;
    double param_scale, ot_lambda;
    struct un_transport ipot, sinkhorn;
};

/* The samples of one task; `list` points into the arrays. */
struct reference_samples {
    struct sample *list;
    int64_t n;
    void *arrays[12];
    int arrays_count;
};

enum un_status reference_open(struct reference *ref, const char *path);
void reference_close(struct reference *ref);
/* values [P]: every parameter by the rule of the file. */
void reference_values(const struct reference *ref, const struct un_params *table, float *values);
/* Those of tasks/TASK/samples, to be asked for objective t. */
enum un_status reference_samples_read(struct reference *ref, struct reference_samples *out, const char *task,
                                      enum un_objective t);
void reference_samples_free(struct reference_samples *samples);
/* Data set `format`ted, as f32, freshly allocated; *count elements. */
enum un_status reference_floats(struct reference *ref, float **out, int64_t *count, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
