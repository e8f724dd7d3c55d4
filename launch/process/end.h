/* How a program ends: one place says what went wrong, one place turns a status into an exit code. */
#ifndef UN_LAUNCH_PROCESS_END_H
#define UN_LAUNCH_PROCESS_END_H

#include "runtime/status.h"

/* Prints the recorded error of a status that is not UN_OK. Under MPI to be called before the communicator is
 * closed: the launcher may end the other ranks as soon as one has left. */
void un_say(enum un_status status);
/* Exits with the status' code, within bounded time whatever libraries do at the end. */
_Noreturn void un_end(enum un_status status);
_Noreturn void un_end_within(enum un_status status, unsigned seconds);
/* Ends the process at once from any thread: writes the line to stderr if that takes it within a second, runs
 * no clean-up, which might hang. The launcher then ends the other ranks. */
_Noreturn void un_end_now(enum un_status status, int rank, const char *text);

#endif
