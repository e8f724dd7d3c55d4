/* Records of event files (events.h). */
#ifndef UN_IO_RUN_EVENTS_PRIVATE_H
#define UN_IO_RUN_EVENTS_PRIVATE_H

#include "runtime/status.h"

enum { UN_RECORD_HEAD = 12, UN_RECORD_TAIL = 4 };

/* Puts head and tail around the event of `bytes` bytes that stands at record + UN_RECORD_HEAD. */
void un_record_seal(uint8_t *record, size_t bytes);
/* Cuts the event files of a folder behind last_step; a folder that is not there is fine. */
enum un_status un_events_cut(const char *folder, int64_t last_step);

#endif
