/* What decides the values of an extraction, as lines NAME TAB VALUE: two starts with equal terms write equal records. */
#ifndef UN_LAUNCH_EXTRACT_TERMS_H
#define UN_LAUNCH_EXTRACT_TERMS_H

#include "launch/extract/keys.h"
#include "launch/extract/list.h"

enum { UN_EXTRACT_TERMS = 4096 };

/* cuda: a card computes. Reads the files of weights and boxes for their digests. UN_DATA: one is no plain file. */
enum un_status un_extract_terms(char text[UN_EXTRACT_TERMS], const struct un_extract_keys *keys,
                                const struct un_detector_how *how, const struct un_extract_list *list,
                                bool cuda);
/* "profile: caffe, now port, photos: ...": the lines in which the two differ. */
void un_extract_terms_differ(const char *before, const char *now, char *said, size_t size);

#endif
