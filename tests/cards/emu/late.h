/* Queues of the emulated card that run as late as a card may. UN_EMU_LATE in the environment says which:
 *
 *   all            every queue
 *   job            those with room for ops on tokens; those for copies run as early as they may
 *   copies         all but those, which run as early as they may
 *   main           all but side queues, which run as early as they may
 *   side0, side1   all but every other side queue: the first that is opened and every second one after it, or the rest
 *
 * What is queued is kept, and done when the host waits for it, for an event behind it or for another queue that waits for it,
 * when memory is freed, or a queue is closed. So a result that is read, an input that is overwritten or a queue that goes on
 * without a wait shows, and every time. Without the word all is done at once. A queue is named by its address. Any thread may
 * call; what it waits for runs in it. */
#ifndef UN_TESTS_CARDS_EMU_LATE_H
#define UN_TESTS_CARDS_EMU_LATE_H

#include <stdbool.h>

#ifdef __cplusplus
#include <functional>
void un_emu_late_put(const void *queue, std::function<void()> work);
extern "C" {
#endif

bool un_emu_late(void); /* of any kind */
void un_emu_late_open(const void *queue, bool for_job, bool beside);
void un_emu_late_drain(const void *queue);                         /* all that is queued there */
void un_emu_late_drain_all(void);                                  /* everywhere */
void un_emu_late_record(const void *event, const void *queue);     /* the event is where the queue is now */
void un_emu_late_wait_event(const void *queue, const void *event); /* the queue waits for it */
void un_emu_late_reach(const void *event);                         /* the host does */
void un_emu_late_forget(const void *queue_or_event);               /* it is closed */

#ifdef __cplusplus
}
#endif
#endif
