/* Cards that are not there: the CPU backend behind the face of a card, for the paths between ranks that a run
 * takes on cards. The host "cannot read" their memory; a queue opened for collectives (limits without tokens)
 * runs in a thread of its own, late, so that who does not wait for its events finds old data; other queues
 * run at once.
 *
 * Environment: UN_FAKE_CARDS=N, cards of a host (none: no card answers); UN_FAKE_LATE=MICROSECONDS, the most
 * that a piece of work of a queue with a thread waits before it runs. */
#ifndef UN_TESTS_CARDS_FAKE_FAKE_CARD_H
#define UN_TESTS_CARDS_FAKE_FAKE_CARD_H

#include "runtime/device.h"

enum { UN_FAKE_CONTEXT = 512 };

/* work(context) in the order of the queue; context [bytes <= UN_FAKE_CONTEXT] is copied. */
typedef enum un_status (*un_fake_work)(void *context);
void un_fake_post(struct un_queue *q, un_fake_work work, const void *context, size_t bytes);
/* Was it opened as urgent? */
bool un_fake_urgent(const struct un_queue *q);

#endif
