/* How a program ends: one place says what went wrong, one place turns a status into an exit code. */
#ifndef UN_END_H
#define UN_END_H

#include "runtime/status.h"

/* Prints the recorded error of a status that is not UN_OK. Under MPI to be called before the communicator is
 * closed: the launcher may end the other ranks as soon as one has left. */
void un_say(enum un_status status);
/* Exits with the status' code. */
_Noreturn void un_end(enum un_status status);

#endif
