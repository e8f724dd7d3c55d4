/* SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 ask for a stop at the next step boundary; a second SIGINT leaves at
 * once. */
#ifndef UN_LAUNCH_PROCESS_SIGNALS_H
#define UN_LAUNCH_PROCESS_SIGNALS_H

#include <stdbool.h>

void un_signals_install(void);
bool un_signals_stop_wanted(void);

#endif
