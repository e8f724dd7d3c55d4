/* uniter weights show: names, shapes, statistics. */
#include "io/weights/tools.h"
#include "launch/tools/tools.h"

static enum un_status run_show(const struct un_tool *tool, int n, char **words) {
    struct un_arguments a;
    UN_TRY(un_arguments_read(&a, tool, n, words, 1, -1, NULL));
    enum un_status status = UN_OK;
    for (int i = 0; i < a.n && status == UN_OK; ++i) {
        struct un_weights_view view;
        status = un_weights_view_open(&view, a.names[i]);
        if (status == UN_OK) status = un_weights_show(&view, stdout);
        un_weights_view_close(&view);
    }
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"weights", "show", NULL, "FILE|RUN|CHECKPOINT ...", "names, shapes, statistics, metadata", NULL,
     run_show},
};
const struct un_tools un_tools_weights_show = {list, sizeof list / sizeof *list};
