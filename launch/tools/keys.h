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
/* Of which soft labels an import of features makes. */
struct un_tool_label_keys {
    int labels; /* 0: as they stand, 1: one-hot */
    int64_t classes;
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
extern const struct un_key_table un_tool_run_table, un_tool_bad_table, un_tool_label_table,
    un_tool_text_table, un_tool_wordpiece_table;
/* What a source is told of them: un_image_source.onehot. */
int64_t un_tool_onehot(const struct un_tool_label_keys *keys);

#endif
