/* The one place of setjmp. The body is a function of its own: nothing that it changes lives in this frame, so no
 * local is lost by the jump. */
#include "io/convert/pixels/private.h"

enum un_status un_guard_run(struct un_guard *guard, const char *name, enum un_status (*body)(void *),
                            void *context) {
    guard->status = UN_DATA;
    if (setjmp(guard->back) != 0) return un_fail(guard->status, "%s: %s", name, guard->text);
    return body(context);
}

void un_guard_leave(struct un_guard *guard) {
    longjmp(guard->back, 1);
}
