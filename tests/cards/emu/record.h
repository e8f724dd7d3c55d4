/* Graphs of the emulated card: between begin and end launches, copies and products that the thread gives to the queue, or to
 * those forked from it, are kept with their arguments instead of run; those of other queues are run, and are in no graph. A
 * replay runs what was kept, on what memory holds then. UN_EMU_GRAPH in the environment says in which order:
 *
 *   captured   as it was queued; without the word too
 *   main       only edges keep an order, of queues, forks and joins: the queue where the graph began runs ahead as far as they
 *              allow, then the first that was forked, and so on
 *   sides      likewise, the queue that was forked last first
 *
 * Of any two queues beside each other one is ahead in main, the other in sides. */
#ifndef UN_TESTS_CARDS_EMU_RECORD_H
#define UN_TESTS_CARDS_EMU_RECORD_H

#include <stdbool.h>
#include <stddef.h>

struct un_graph;

#ifdef __cplusplus
#include <functional>
/* Keeps the call for a graph or a late queue (late.h); false: neither is the case, and it is to be made now. */
bool un_emu_keep(const void *queue, std::function<void()> call);
extern "C" {
#endif

void un_emu_record_begin(const void *queue);
/* NULL: something was forked and not joined. Owner: caller, un_emu_record_free. */
struct un_graph *un_emu_record_end(void);
/* What `later` gets from here on comes after what `first` has now, and is recorded if that is. false: none of the two is. */
bool un_emu_record_edge(const void *later, const void *first);
void un_emu_record_replay(const struct un_graph *graph);
void un_emu_record_free(struct un_graph *graph);
/* Work of a queue: run(data) now, or what is kept is run(a copy of data[0..bytes)); bytes at most 256. */
void un_emu_do(const void *queue, void (*run)(const void *data), const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
