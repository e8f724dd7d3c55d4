/* The end of a program (end.h). */
#include "launch/end.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void un_end(enum un_status status, bool speaks) {
    const struct un_error *error = un_error_get();
    if (status != UN_OK && speaks) {
        const char *text = error->text[0] ? error->text : un_status_text(status);
        un_log(status == UN_STOPPED ? UN_LOG_WARN : UN_LOG_ERROR, "%s", text);
    }
    if (fflush(NULL) != 0 && status == UN_OK) status = UN_IO;
    exit(status);
}
