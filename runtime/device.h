/* A device is where tensors live and ops run: the CPU today, a card through the same two tables.
 *
 * Work is queued: every op takes a struct un_queue first and may return before it has run. A backend error (a
 * failed launch) sticks to the queue and is returned by the next queue_wait or queue_status, so the network's
 * code is not littered with checks. On the CPU a queue runs its work at once. */
#ifndef UN_RUNTIME_DEVICE_H
#define UN_RUNTIME_DEVICE_H

#include "runtime/status.h"
#include "runtime/tensor.h"

struct un_ops;
struct un_device;
struct un_queue; /* in-order stream of work; each has its own scratch */
struct un_event; /* a point in a queue */
struct un_graph; /* work of a queue, recorded once and launched as one */

enum un_device_kind { UN_DEVICE_CPU, UN_DEVICE_CUDA };

/* Upper bounds known before the run, from which a backend sizes its scratch once. */
struct un_limits {
    int64_t max_tokens;  /* T */
    int64_t max_samples; /* S */
    int64_t max_width;   /* widest row an op will see: max(3H, I, F, V, C) */
    int64_t max_heads;
    int64_t max_params; /* P */
    bool fp8;           /* products of fp8 will be asked for */
    bool urgent; /* where work of this queue and of others waits for the card, this one's begins first */
    bool beside; /* a side queue: gets its work by fork */
};

/* Products whose algorithm was sought by trying, so far, and the seconds of it. */
struct un_trials {
    int64_t count;
    double seconds;
};

/* Memory, queues and copies of a backend. */
struct un_device_ops {
    /* Device memory, zero-filled, UN_ALIGN-aligned; NULL (error UN_MEMORY recorded with `what`) when it does
     * not fit. */
    void *(*alloc)(struct un_device *d, size_t bytes, const char *what);
    void (*free)(struct un_device *d, void *ptr);
    /* Host memory from which copies are asynchronous (pinned on a card, plain on the CPU). */
    void *(*host_alloc)(struct un_device *d, size_t bytes, const char *what);
    void (*host_free)(struct un_device *d, void *ptr);
    enum un_status (*queue_open)(struct un_device *d, const struct un_limits *limits,
                                 struct un_queue **queue);
    void (*queue_close)(struct un_queue *q);
    /* Waits until all queued work is done; returns the first error that stuck to the queue. */
    enum un_status (*queue_wait)(struct un_queue *q);
    /* That error, of the work that was queued so far, without a wait. */
    enum un_status (*queue_status)(struct un_queue *q);
    enum un_status (*event_open)(struct un_device *d, struct un_event **event);
    void (*event_close)(struct un_event *e);
    void (*event_record)(struct un_event *e, struct un_queue *q);
    /* Later work of q runs after e; the host goes on. */
    void (*queue_wait_event)(struct un_queue *q, struct un_event *e);
    enum un_status (*event_wait)(struct un_event *e); /* host waits */
    /* Later work of the queue `side` (limits.beside) runs after what q has now, and beside what q gets from here on, until
     * join: later work of q runs after the side's. e: an event of that use alone. Where q is recorded for a graph, so is the
     * side's work between the two, and joined it must be before the end. */
    void (*fork)(struct un_queue *side, struct un_queue *q, struct un_event *e);
    void (*join)(struct un_queue *q, struct un_queue *side, struct un_event *e);
    /* The backend's own stream under q, for libraries that queue work by themselves: its card becomes that of the
     * calling thread. NULL on the CPU. */
    void *(*stream)(struct un_queue *q);
    void (*copy_in)(struct un_queue *q, void *device_dst, const void *host_src, size_t bytes);
    void (*copy_out)(struct un_queue *q, void *host_dst, const void *device_src, size_t bytes);
    /* Within the device's memory; the two do not overlap. */
    void (*copy)(struct un_queue *q, void *device_dst, const void *device_src, size_t bytes);
    /* Bytes a queue with these limits will take as scratch, for the plan printed by --check. Limits of zero
     * are a queue without scratch: for copies, and for ops that need none on any device (add). */
    size_t (*scratch_bytes)(struct un_device *d, const struct un_limits *limits);
    /* Free and all bytes of the device's memory; 0 and 0 where nobody counts them (CPU). */
    enum un_status (*memory_info)(struct un_device *d, size_t *free_bytes, size_t *total_bytes);
    /* Of this queue; zeros where nothing is tried. Steps in which the count grows are slower than later ones. */
    void (*trials)(struct un_queue *q, struct un_trials *trials);
    /* An event that keeps its time. */
    enum un_status (*event_open_timed)(struct un_device *d, struct un_event **event);
    /* Seconds between two recorded timed events; waits for the later one. Negative: they hold no time. */
    double (*event_seconds)(struct un_event *from, struct un_event *to);
    /* A phase of the run for a profiler's time line, begun and ended by one thread, nested. */
    void (*range_push)(const char *name);
    void (*range_pop)(void);
    /* The threads of the ops, one to a core; cores [d->threads]. NULL: the backend has none on the host. */
    void (*place_threads)(const struct un_device *d, const int *cores);
    /* Addresses that the backend's libraries want on the host for its threads, in bytes, and taking them: to be
     * called before the first op and where nothing else of OpenMP runs yet. UN_MEMORY says what was wanted; left
     * out, the libraries end the program or hang where a limit is met. NULL: they want nothing to speak of. */
    size_t (*library_bytes)(const struct un_device *d);
    enum un_status (*take_libraries)(struct un_device *d);
    /* Between begin and end, what is queued on q is recorded, not run; every shape in it must have been
     * seen by the queue before. Events recorded or waited for meanwhile are so at each launch. On failure
     * no graph is made and the error is that of graph_end, not of the queue: the work may be queued anew.
     * NULL members: the backend has no graphs. Owner of the graph: caller, graph_close. */
    void (*graph_begin)(struct un_queue *q);
    enum un_status (*graph_end)(struct un_queue *q, struct un_graph **graph);
    void (*graph_launch)(struct un_queue *q, struct un_graph *graph);
    void (*graph_close)(struct un_graph *graph);
    /* By which kernel the backend computes products of bf16: "auto" or a name, before a queue opens. UN_USAGE: there is
     * none of that name, or the processor lacks it. The device's name tells it. NULL: the backend has no choice. */
    enum un_status (*use_kernel)(struct un_device *d, const char *name);
    void (*close)(struct un_device *d);
};

struct un_device {
    const struct un_device_ops *mem;
    const struct un_ops *ops;
    enum un_device_kind kind;
    bool host_readable; /* host code may read device memory after queue_wait (CPU) */
    bool any_shape;  /* ops take a shape they have not met at no cost (CPU): micro-batches need no fillers */
    char id[64];     /* the same for two processes when they use the same card; "": no card */
    char name[128];  /* for people: "cpu, 2 threads, OpenBLAS 0.3.21 SkylakeX; bf16: avx512" */
    int threads;     /* host threads that ops use */
    bool tf32;       /* set before a queue opens: f32 products may round their factors to tf32 */
    bool untimed;    /* likewise: products take the first algorithm that repeats its bits; none is timed */
    bool fp8_units;  /* products of fp8 have units of their own; else they are products of bf16 */
    bool quick_bf16; /* products of bf16 have instructions of their own here, faster than those of f32 */
    void *state;     /* the backend's own */
};

/* Opens `name` = "auto" | "cpu" | "cuda". "auto" takes a card when one answers and this build knows it, else
 * the CPU. "cuda" without one is UN_USAGE and says which of the two is missing. threads: 0 = the cores this
 * process may use (affinity, cgroup). ordinal: which card, modulo those visible. Owner: caller,
 * un_device_close. */
enum un_status un_device_open(const char *name, int threads, int ordinal, struct un_device **device);
void un_device_close(struct un_device *device);
/* use_kernel of the backend; nothing where it has none. */
enum un_status un_device_use_kernel(struct un_device *device, const char *name);
/* library_bytes and take_libraries of the backend; 0 and UN_OK where it has none. */
size_t un_device_library_bytes(const struct un_device *device);
enum un_status un_device_take_libraries(struct un_device *device);
/* Devices of a kind that this process sees; cards: 0 when none answers, -1 when this build has no CUDA. */
int un_device_count(enum un_device_kind kind);

#endif
