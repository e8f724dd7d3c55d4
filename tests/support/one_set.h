/* Opens one data set from a few files, with settings a test may change before. */
#ifndef UN_TESTS_SUPPORT_ONE_SET_H
#define UN_TESTS_SUPPORT_ONE_SET_H

#include "io/data/dataset.h"

struct one_set {
    struct un_dataset_keys keys;
    struct un_data_keys data;  /* max_txt_len 60, conf_th -1 and num_bb 1000: everything */
    char *images[8], *text[8]; /* borrowed paths */
    int64_t lanes;
    bool soft_labels, empty_lanes;
    struct un_dataset_host *host; /* borrowed; NULL: alone */
};

/* images, text: paths or patterns, NULL-terminated. */
void one_set_init(struct one_set *set, const char *const *images, const char *const *text);
#define ONE_SET(set, image, text_)                                                                           \
    one_set_init(set, (const char *const[]){image, NULL}, (const char *const[]){text_, NULL})
enum un_status one_set_open(struct un_dataset **dataset, struct one_set *set);

#endif
