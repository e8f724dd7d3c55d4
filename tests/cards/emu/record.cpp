/* Graphs of the emulated card, see record.h. */
#include "tests/cards/emu/record.h"
#include "tests/cards/emu/late.h"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <vector>

namespace {

using tips = std::set<size_t>; /* the calls that the next one of a queue comes after */

struct node {
    std::function<void()> call;
    tips after;
    size_t queue; /* 0: where the graph began; then in the order in which they were forked */
};

struct member {
    size_t queue;
    tips last;
};

enum order { CAPTURED, MAIN, SIDES };

enum order kind() {
    static const enum order chosen = [] {
        const char *word = getenv("UN_EMU_GRAPH");
        if (!word || strcmp(word, "captured") == 0) return CAPTURED;
        if (strcmp(word, "main") == 0) return MAIN;
        if (strcmp(word, "sides") == 0) return SIDES;
        fprintf(stderr, "emulated card: UN_EMU_GRAPH is captured, main or sides, not \"%s\"\n", word);
        exit(2);
    }();
    return chosen;
}

} // namespace

struct un_graph {
    std::vector<node> nodes;
    std::vector<size_t> order; /* of a replay */
    const void *origin;
    std::map<const void *, member> queues; /* that are recorded */
};

static thread_local un_graph *under_way; /* of what this thread queues, as on a card */

/* All calls that come before one of `from`, and those themselves. */
static std::vector<bool> reached(const un_graph *graph, const tips &from) {
    std::vector<bool> seen(graph->nodes.size());
    std::vector<size_t> open(from.begin(), from.end());
    while (!open.empty()) {
        const size_t i = open.back();
        open.pop_back();
        if (seen[i]) continue;
        seen[i] = true;
        open.insert(open.end(), graph->nodes[i].after.begin(), graph->nodes[i].after.end());
    }
    return seen;
}

/* Of the calls that may be next always one of the first queue, or of the last one. */
static void order_by_edges(un_graph *graph) {
    std::vector<size_t> missing(graph->nodes.size());
    std::vector<std::vector<size_t>> before(graph->nodes.size());
    std::set<std::pair<size_t, size_t>> ready; /* queue, call */
    for (size_t i = 0; i < graph->nodes.size(); ++i) {
        missing[i] = graph->nodes[i].after.size();
        for (size_t k : graph->nodes[i].after) before[k].push_back(i);
        if (missing[i] == 0) ready.insert({graph->nodes[i].queue, i});
    }
    while (!ready.empty()) {
        const auto next = kind() == MAIN ? ready.begin() : std::prev(ready.end());
        const size_t i = next->second;
        ready.erase(next);
        graph->order.push_back(i);
        for (size_t k : before[i])
            if (--missing[k] == 0) ready.insert({graph->nodes[k].queue, k});
    }
}

static void order_captured(un_graph *graph) {
    for (size_t i = 0; i < graph->nodes.size(); ++i) graph->order.push_back(i);
}

void un_emu_record_begin(const void *queue) {
    if (under_way) {
        fprintf(stderr, "emulated card: a graph is begun inside another\n");
        abort();
    }
    under_way = new un_graph;
    under_way->origin = queue;
    under_way->queues[queue] = {0, {}};
}

struct un_graph *un_emu_record_end(void) {
    un_graph *graph = std::exchange(under_way, nullptr);
    if (!graph) return nullptr;
    const std::vector<bool> seen = reached(graph, graph->queues[graph->origin].last);
    bool joined = true;
    for (const auto &[queue, member] : graph->queues)
        for (size_t i : member.last) joined = joined && seen[i];
    graph->queues.clear();
    if (!joined) {
        delete graph;
        return nullptr;
    }
    if (kind() == CAPTURED)
        order_captured(graph);
    else
        order_by_edges(graph);
    return graph;
}

bool un_emu_record_edge(const void *later, const void *first) {
    if (!under_way) return false;
    const auto from = under_way->queues.find(first);
    if (from != under_way->queues.end()) {
        const tips last = from->second.last;
        member &to = under_way->queues.insert({later, {under_way->queues.size(), {}}}).first->second;
        to.last.insert(last.begin(), last.end());
        return true;
    }
    if (under_way->queues.count(later) == 0) return false;
    fprintf(stderr, "emulated card: a queue that is recorded waits for one that is not\n");
    abort();
}

void un_emu_record_replay(const struct un_graph *graph) {
    for (size_t i : graph->order) graph->nodes[i].call();
}

void un_emu_record_free(struct un_graph *graph) {
    delete graph;
}

/* As the next call of its queue, if that is recorded. */
static bool keep_recorded(const void *queue, std::function<void()> &call) {
    if (!under_way) return false;
    const auto found = under_way->queues.find(queue);
    if (found == under_way->queues.end()) return false;
    member &of = found->second;
    under_way->nodes.push_back(
        {std::move(call), std::exchange(of.last, {under_way->nodes.size()}), of.queue});
    return true;
}

bool un_emu_keep(const void *queue, std::function<void()> call) {
    if (keep_recorded(queue, call)) return true;
    if (!un_emu_late()) return false;
    un_emu_late_put(queue, std::move(call));
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
    const auto call = [run, kept] {
        alignas(16) unsigned char aligned[256];
        memcpy(aligned, kept.data(), kept.size());
        run(aligned);
    };
    if (!un_emu_keep(queue, call)) call();
}
