/* What a program may rely on before its first line, whoever started it and with what. */
#ifndef UN_LAUNCH_PROCESS_BEGIN_H
#define UN_LAUNCH_PROCESS_BEGIN_H

/* Call first in main. Opens standard input, output and error on /dev/null where they are missing, because the
 * first files to be opened would take their places, and messages would land in them. Unblocks the signals by which
 * a program is stopped, which the starter may have left blocked. Where addresses are limited (ulimit -v), a program whose
 * libraries take three seconds of the processor before this call ends with UN_MEMORY and says the limit. */
void un_begin(void);

/* The same for a program that will listen to those signals: it keeps them (un_signals_hold) until it calls
 * un_signals_unblock, through its own restart (runtime/restart.h), too. */
void un_begin_held(void);

#endif
