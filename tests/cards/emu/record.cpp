/* Graphs of the emulated card, see record.h. */
#include "tests/cards/emu/record.h"
#include "tests/cards/emu/late.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

struct un_graph {
    std::vector<std::function<void()>> calls;
};

static un_graph *under_way; /* one thread queues work on the emulated card */

bool un_emu_recording(void) {
    return under_way != nullptr;
}

void un_emu_record_begin(void) {
    if (under_way) {
        fprintf(stderr, "emulated card: a graph is begun inside another\n");
        abort();
    }
    under_way = new un_graph;
}

struct un_graph *un_emu_record_end(void) {
    return std::exchange(under_way, nullptr);
}

void un_emu_record_replay(const struct un_graph *graph) {
    for (const std::function<void()> &call : graph->calls) call();
}

void un_emu_record_free(struct un_graph *graph) {
    delete graph;
}

bool un_emu_keep(const void *queue, std::function<void()> call) {
    if (under_way)
        under_way->calls.push_back(std::move(call));
    else if (un_emu_late())
        un_emu_late_put(queue, std::move(call));
    else
        return false;
    return true;
}

void un_emu_do(const void *queue, void (*run)(const void *data), const void *data, size_t bytes) {
    if (!under_way && !un_emu_late()) {
        run(data);
        return;
    }
    std::array<unsigned char, 256> kept = {};
    if (bytes > kept.size()) abort();
    memcpy(kept.data(), data, bytes);
    un_emu_keep(queue, [run, kept] {
        alignas(16) unsigned char aligned[256];
        memcpy(aligned, kept.data(), kept.size());
        run(aligned);
    });
}
