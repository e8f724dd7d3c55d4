/* The watchdog: ends this process when a phase or a collective lasts longer than run.timeout, whatever state
 * the message-passing library is in, and says in which collective, step and phase, and which ranks did not
 * arrive.
 *
 * Two threads. One only looks at the clock and never touches a file; the other keeps this rank's line in
 * RUN/log/beats and reads those of the others when asked: should the file system hang, the first one still
 * ends the process. Rank r of n waits (1 + 0.3 r/n) run.timeout, so that one message is written and not n;
 * the launcher ends the others when the first is gone, and where it cannot, each ends by itself, all within
 * twice run.timeout. Time during which the whole process was stopped does not count. */
#ifndef UN_LAUNCH_PROCESS_WATCHDOG_H
#define UN_LAUNCH_PROCESS_WATCHDOG_H

#include "comm/comm.h"
#include "io/run/owner.h"

struct un_watchdog;

/* timeout: seconds, 0: never ends anything. Starts the clock in phase "start"; call before the communicator
 * is opened. */
enum un_status un_watchdog_open(struct un_watchdog **watchdog, double timeout);
/* Learns rank and size, and listens to the communicator's collectives. */
void un_watchdog_attach(struct un_watchdog *watchdog, struct un_comm *comm);
/* Starts to keep this rank's line in RUN/log/beats; owner is borrowed until un_watchdog_close. Rank 0 also
 * ends the process when another run takes the folder. */
enum un_status un_watchdog_publish(struct un_watchdog *watchdog, const struct un_owner *owner);
/* A new phase begins: the clock starts anew. phase: a literal. step: of the update under way or to come. Two
 * stores. NULL: nobody watches. */
void un_watchdog_phase(struct un_watchdog *watchdog, const char *phase, int64_t step);
/* From here on at most so many seconds, in phase `phase`: for calls that should be short and may hang. */
void un_watchdog_hurry(struct un_watchdog *watchdog, const char *phase, int64_t step, double seconds);
/* The line in RUN/log/beats is kept no longer; after this the folder may change hands. */
void un_watchdog_silence(struct un_watchdog *watchdog);
void un_watchdog_close(struct un_watchdog *watchdog);

#endif
