/* Threads beside the main one. */
#ifndef UN_RUNTIME_THREAD_H
#define UN_RUNTIME_THREAD_H

#include <pthread.h>

/* pthread_create with signals left to the main thread: the new one blocks all but those that a thread gives itself by a fault
 * (SEGV, BUS, FPE, ILL, ABRT). attributes NULL: the system's. 0, or pthread_create's error. */
int un_thread_start(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context);

#endif
