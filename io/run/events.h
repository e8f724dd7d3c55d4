/* TensorBoard's event files: RUN/log/events.out.tfevents.SECONDS.HOST.PID, one a start. A record of them is
 *
 *   u64 bytes | u32 masked crc32c of that | event | u32 masked crc32c of the event     (little endian)
 *   masked(c) = rotate_right(c, 15) + 0xa282ead8
 *
 * and an event a protobuf message (events.proto). Source: TFRecord in TensorFlow's documentation, schema of TensorBoard. */
#ifndef UN_IO_RUN_EVENTS_H
#define UN_IO_RUN_EVENTS_H

#include "io/run/owner.h"

struct un_events; /* NULL is allowed everywhere and does nothing (ranks > 0) */

/* A new file in `folder`. Dropped first, of the files of earlier starts: events of steps > last_step, which will be written
 * again, and a torn end. last_step > 0: readers that watch are told that the run goes on behind it. */
enum un_status un_events_open(struct un_events **events, const char *folder, int64_t last_step);
/* From here on an event is written only while the folder is owner's (borrowed). */
void un_events_guard(struct un_events *e, const struct un_owner *owner);
void un_events_begin(struct un_events *e, int64_t step);
/* Both allocate nothing; beyond 512 values or 32 KiB of tags, un_events_end says UN_INTERNAL. */
void un_events_scalar(struct un_events *e, const char *tag, double value);
/* Values >= 0 in buckets whose limits are powers of 1.1, as TensorBoard's own writers have them; zeros in one that ends
 * at 1e-12. What is not finite is left out; nothing finite, nothing written. values [n], sorted here; beyond 8,192 buckets
 * of an event as above. */
void un_events_histogram(struct un_events *e, const char *tag, double *values, int n);
/* What was put since un_events_begin as one event, by one write(2). Nothing put, nothing written. */
enum un_status un_events_end(struct un_events *e);
/* An event of its own: a text for people, at step 0; shown as it stands. */
enum un_status un_events_text(struct un_events *e, const char *tag, const char *text);
void un_events_close(struct un_events *e);

#endif
