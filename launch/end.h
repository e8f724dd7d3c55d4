/* How a program ends: the one place that turns a status into an exit code. */
#ifndef UN_END_H
#define UN_END_H

#include "runtime/status.h"

/* Exits with the status' code; prints the recorded error first when `speaks` (a rank whose error another one
 * prints is silent). */
_Noreturn void un_end(enum un_status status, bool speaks);

#endif
