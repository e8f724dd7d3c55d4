/* Facts: keys with their values as one text, "key TAB value" a line, so that they can be sent and compared. */
#ifndef UN_LAUNCH_JOB_FACTS_H
#define UN_LAUNCH_JOB_FACTS_H

#include "io/disk/text.h"

/* What does not fit into memory sticks to `text` (failed). Owner of text.text: un_facts_free. */
struct un_facts {
    struct un_text_out text;
};

/* Control characters in key and value are replaced: a file may have any name. */
void un_facts_add(struct un_facts *facts, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A un_config_visit whose context is the facts. */
enum un_status un_facts_visit(void *facts, const char *key, const char *value);
void un_facts_free(struct un_facts *facts);

/* A key that is not the same in two texts. Value NULL: not there. Pieces of the texts, without a final zero. */
struct un_fact_pair {
    const char *key, *mine, *theirs;
    int key_bytes, mine_bytes, theirs_bytes;
};
typedef void un_facts_differ(void *context, const struct un_fact_pair *pair);
/* Keys of `mine` in their order, then those that only `theirs` has. Returns how many differ. */
int64_t un_facts_compare(const char *mine, size_t mine_bytes, const char *theirs, size_t theirs_bytes,
                         un_facts_differ *differ, void *context);

#endif
