/* Graphs of the emulated card: between begin and end launches, copies and products are kept with their
 * arguments instead of run; a replay runs them in order, on what memory holds then. One thread at a time. */
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

bool un_emu_recording(void);
void un_emu_record_begin(void);
struct un_graph *un_emu_record_end(void); /* owner: caller, un_emu_record_free */
void un_emu_record_replay(const struct un_graph *graph);
void un_emu_record_free(struct un_graph *graph);
/* Work of a queue: run(data) now, or what is kept is run(a copy of data[0..bytes)); bytes at most 256. */
void un_emu_do(const void *queue, void (*run)(const void *data), const void *data, size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
