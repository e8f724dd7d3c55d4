/* The clock that durations are measured with. */
#ifndef UN_RUNTIME_CLOCK_H
#define UN_RUNTIME_CLOCK_H

double un_clock(void); /* seconds, monotonic */

#endif
