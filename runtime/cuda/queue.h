/* The card's part of the table of struct un_device_ops (meanings: runtime/device.h) between its two files:
 * device.c fills it, queue.c has most of it. */
#ifndef UN_RUNTIME_CUDA_QUEUE_H
#define UN_RUNTIME_CUDA_QUEUE_H

#include "runtime/cuda/cuda.h"

enum un_status un_cuda_queue_open(struct un_device *d, const struct un_limits *limits,
                                  struct un_queue **queue);
void un_cuda_queue_close(struct un_queue *q);
enum un_status un_cuda_queue_wait(struct un_queue *q);
enum un_status un_cuda_queue_status(struct un_queue *q);
enum un_status un_cuda_event_open(struct un_device *d, struct un_event **event);
void un_cuda_event_close(struct un_event *e);
void un_cuda_event_record(struct un_event *e, struct un_queue *q);
void un_cuda_queue_wait_event(struct un_queue *q, struct un_event *e);
enum un_status un_cuda_event_wait(struct un_event *e);
void un_cuda_fork(struct un_queue *side, struct un_queue *q, struct un_event *e);
void un_cuda_join(struct un_queue *q, struct un_queue *side, struct un_event *e);
void *un_cuda_stream(struct un_queue *q);
void un_cuda_copy_in(struct un_queue *q, void *device_dst, const void *host_src, size_t bytes);
void un_cuda_copy_out(struct un_queue *q, void *host_dst, const void *device_src, size_t bytes);
void un_cuda_copy(struct un_queue *q, void *device_dst, const void *device_src, size_t bytes);
size_t un_cuda_scratch_bytes(struct un_device *d, const struct un_limits *limits);
enum un_status un_cuda_event_open_timed(struct un_device *d, struct un_event **event);
double un_cuda_event_seconds(struct un_event *from, struct un_event *to);
void un_cuda_range_push(const char *name);
void un_cuda_range_pop(void);
void un_cuda_graph_begin(struct un_queue *q);
enum un_status un_cuda_graph_end(struct un_queue *q, struct un_graph **graph);
void un_cuda_graph_launch(struct un_queue *q, struct un_graph *graph);
void un_cuda_graph_close(struct un_graph *graph);

#endif
