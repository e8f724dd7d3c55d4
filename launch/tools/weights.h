/* What `weights import` and `weights export` share: their keys, and the metadata of the file they write. */
#ifndef UN_LAUNCH_TOOLS_WEIGHTS_H
#define UN_LAUNCH_TOOLS_WEIGHTS_H

#include "io/weights/tools.h"
#include "launch/tools/tools.h"

struct un_tool_weights_keys {
    int dtype; /* as enum un_st_type */
    bool tied;
};
extern const struct un_key_table un_tool_weights_table;

/* Of `weights import` alone. */
struct un_tool_import_keys {
    struct un_tool_weights_keys weights;
    char anchor_scales[256]; /* "": those of the original */
};
/* The region detector's weights under the public names. */
enum un_status un_tool_import_detector(struct un_weights_view *view, const char *path,
                                       const struct un_tool_import_keys *keys);

enum { UN_TOOL_NOTES = 64, UN_TOOL_NUMBER = 32 };
struct un_tool_notes {
    struct un_st_pair pairs[UN_TOOL_NOTES];
    char numbers[UN_TOOL_NOTES][UN_TOOL_NUMBER];
    int64_t n;
};
/* key and value are borrowed. */
void un_tool_note(struct un_tool_notes *notes, const char *key, const char *value);
/* Nothing for a value that is not above 0. */
void un_tool_note_size(struct un_tool_notes *notes, const char *key, int64_t value);
void un_tool_note_sizes(struct un_tool_notes *notes, const struct un_weights_sizes *sizes);

#endif
