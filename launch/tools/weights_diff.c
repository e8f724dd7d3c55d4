/* uniter weights diff: what two sets of weights differ in. */
#include "io/weights/tools.h"
#include "launch/tools/tools.h"
#include "runtime/config/keys.h"

struct diff_keys {
    double tol;
};
static const struct un_key diff_keys[] = {
    UN_KEY_FLOAT(diff_keys, tol, "0", 0, 1e30, "", "largest difference of two values that count as equal"),
};
static const struct un_key_table table = UN_KEY_TABLE("", diff_keys, diff_keys);

static enum un_status run_diff(const struct un_tool *tool, int n, char **words) {
    struct diff_keys keys = {0};
    struct un_arguments a;
    struct un_weights_view first, second = {0};
    bool equal = false;
    UN_TRY(un_arguments_read(&a, tool, n, words, 2, 2, &keys));
    enum un_status status = un_weights_view_open(&first, a.names[0]);
    if (status == UN_OK) status = un_weights_view_open(&second, a.names[1]);
    if (status == UN_OK) status = un_weights_diff(&first, &second, keys.tol, stdout, &equal);
    if (status == UN_OK && !equal) status = un_fail(UN_DATA, "%s and %s differ", a.names[0], a.names[1]);
    un_weights_view_close(&first);
    un_weights_view_close(&second);
    un_arguments_free(&a);
    return status;
}

static const struct un_tool list[] = {
    {"weights", "diff", NULL, "A B [tol=0]", "two files, runs or checkpoints; exit code 65 when they differ",
     &table, run_diff},
};
const struct un_tools un_tools_weights_diff = {list, sizeof list / sizeof *list};
