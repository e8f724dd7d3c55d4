/* Keys that several commands have, as tables to be taken in (UN_KEY_PART). */
#ifndef UN_LAUNCH_TOOLS_KEYS_H
#define UN_LAUNCH_TOOLS_KEYS_H

#include "runtime/config/keys.h"

/* How a command works. */
struct un_tool_run_keys {
    int64_t threads; /* 0: as many as the process may use */
    bool quiet;
};
/* What an import of features does with a bad image. */
struct un_tool_bad_keys {
    int bad; /* 0: it ends the import, 1: it is left out and listed */
};
/* Which texts are taken, tokenised or not. */
struct un_tool_text_keys {
    struct un_strings images;
    int64_t max_txt_len;
    struct un_tool_run_keys run;
};
/* How words become pieces. */
struct un_tool_wordpiece_keys {
    char vocab[256];
    int letter_case; /* enum un_wordpiece_case */
};
extern const struct un_key_table un_tool_run_table, un_tool_bad_table, un_tool_text_table,
    un_tool_wordpiece_table;

#endif
