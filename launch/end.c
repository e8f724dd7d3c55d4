/* The end of a program (end.h). */
#include "launch/end.h"

#include <stdio.h>
#include <stdlib.h>

void un_say(enum un_status status) {
    if (status == UN_OK) return;
    const char *text = un_error_get()->text;
    un_log(status == UN_STOPPED ? UN_LOG_WARN : UN_LOG_ERROR, "%s", text[0] ? text : un_status_text(status));
}

_Noreturn void un_end(enum un_status status) {
    if (fflush(NULL) != 0 && status == UN_OK) {
        status = UN_IO;
        un_log(UN_LOG_ERROR, "output could not be written: %m");
    }
    exit(status);
}
