/* The content of RUN/log/owner.json. */
#ifndef UN_IO_RUN_OWNER_RECORD_H
#define UN_IO_RUN_OWNER_RECORD_H

#include "io/run/owner.h"

struct un_owner_record {
    bool present; /* a record that could be read */
    bool ended;
    int64_t start, pid;
    char host[65], boot[65], job[65];
};

/* The record of this process as JSON; false: it does not fit (cannot happen with the sizes above). */
bool un_owner_record_print(char text[UN_OWNER_TEXT], const struct un_owner_record *record, const char *token,
                           int ranks);
/* Of a text that anybody may have written; what cannot be read is absent. */
void un_owner_record_parse(struct un_owner_record *record, const char *text, size_t bytes);
/* This process: host, pid, boot of the machine, job and restarts of the scheduler. */
void un_owner_record_self(struct un_owner_record *record);
/* "host H, pid P, job J", for messages. */
void un_owner_record_name(const struct un_owner_record *record, char *text, size_t size);
/* Bytes of a small file, -1 with errno when there is none; what does not fit is cut. */
int64_t un_owner_record_read(const char *path, char *text, size_t size);

#endif
