/* RUN/log/starts.jsonl: a line for each start of the run, for people and for the report; nothing reads it to decide. */
#ifndef UN_IO_RUN_STARTS_H
#define UN_IO_RUN_STARTS_H

#include "io/run/owner.h"

struct un_start {
    int64_t start, step; /* the owner's number; updates done before */
    int64_t ranks, lanes, parameters;
    const char *device, *version;
};
/* Adds the line, with host and time (UTC). One rank only. */
enum un_status un_starts_add(const struct un_owner *owner, const struct un_start *start);

#endif
