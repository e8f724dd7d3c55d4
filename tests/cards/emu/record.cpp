/* Graphs of the emulated card, see record.h. */
#include "tests/cards/emu/record.h"

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

void un_emu_record_call(std::function<void()> call) {
    under_way->calls.push_back(std::move(call));
}

void un_emu_record(void (*run)(const void *data), const void *data, size_t bytes) {
    std::array<unsigned char, 256> kept = {};
    if (bytes > kept.size()) abort();
    memcpy(kept.data(), data, bytes);
    un_emu_record_call([run, kept] {
        alignas(16) unsigned char aligned[256];
        memcpy(aligned, kept.data(), kept.size());
        run(aligned);
    });
}
