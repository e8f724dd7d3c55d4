/* SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP (the terminal is gone) and SIGXCPU (the time limit of a shell or a batch
 * system) ask for a stop at the next step boundary; a second SIGINT leaves at once. SIGHUP and SIGXCPU that the
 * starter ignores, as nohup does, stay ignored. */
#ifndef UN_LAUNCH_PROCESS_SIGNALS_H
#define UN_LAUNCH_PROCESS_SIGNALS_H

#include <stdbool.h>

/* Keeps those signals until they are let through: one that comes before the program listens would end it, with a code
 * that says nothing. Kept through exec, too. Threads that are there already would take them. */
void un_signals_hold(void);
/* Lets those signals through to this thread: a mask outlives exec, and a blocked one is never seen. */
void un_signals_unblock(void);
void un_signals_install(void);
bool un_signals_stop_wanted(void);

#endif
