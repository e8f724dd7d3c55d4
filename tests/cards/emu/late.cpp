/* Late queues, see late.h. */
#include "tests/cards/emu/late.h"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <utility>

namespace {

struct late_queue {
    std::deque<std::function<void()>> work;
    int64_t posted, done;
    bool early; /* is done as soon as it is queued, with what it waits for */
};

/* The work of a queue up to its `number`th. */
struct point {
    const void *queue;
    int64_t number;
};

enum late { AT_ONCE, JOB, COPIES, MAIN, SIDE_0, SIDE_1, ALL };

enum late kind() {
    static const enum late chosen = [] {
        const char *word = getenv("UN_EMU_LATE");
        if (!word) return AT_ONCE;
        if (strcmp(word, "all") == 0) return ALL;
        if (strcmp(word, "job") == 0) return JOB;
        if (strcmp(word, "copies") == 0) return COPIES;
        if (strcmp(word, "main") == 0) return MAIN;
        if (strcmp(word, "side0") == 0) return SIDE_0;
        if (strcmp(word, "side1") == 0) return SIDE_1;
        fprintf(stderr, "emulated card: UN_EMU_LATE is all, job, copies, main, side0 or side1, not \"%s\"\n",
                word);
        exit(2);
    }();
    return chosen;
}

std::recursive_mutex lock; /* work that waits for an event runs other work */
std::map<const void *, late_queue> queues;
std::map<const void *, point> events;
int64_t sides; /* queues beside that were opened */

void run_until(struct point p) {
    const auto found = queues.find(p.queue);
    if (found == queues.end()) return;
    late_queue &q = found->second;
    while (q.done < p.number && !q.work.empty()) { /* empty: another queue has its address now */
        const std::function<void()> work = std::move(q.work.front());
        q.work.pop_front();
        ++q.done;
        work();
    }
}

point newest(const void *event) {
    const auto found = events.find(event);
    return found == events.end() ? point{nullptr, 0} : found->second;
}

} // namespace

bool un_emu_late(void) {
    return kind() != AT_ONCE;
}

void un_emu_late_open(const void *queue, bool for_job, bool beside) {
    const std::lock_guard guard(lock);
    const bool one_side = kind() == (sides % 2 ? SIDE_1 : SIDE_0);
    queues[queue].early = kind() == (for_job ? COPIES : JOB) || (beside && (kind() == MAIN || one_side));
    sides += beside;
}

void un_emu_late_put(const void *queue, std::function<void()> work) {
    const std::lock_guard guard(lock);
    late_queue &q = queues[queue];
    q.work.push_back(std::move(work));
    ++q.posted;
    if (q.early) run_until({queue, q.posted});
}

void un_emu_late_drain(const void *queue) {
    const std::lock_guard guard(lock);
    const auto found = queues.find(queue);
    if (found != queues.end()) run_until({queue, found->second.posted});
}

void un_emu_late_drain_all(void) {
    const std::lock_guard guard(lock);
    for (auto &[queue, q] : queues) run_until({queue, q.posted});
}

void un_emu_late_record(const void *event, const void *queue) {
    const std::lock_guard guard(lock);
    events[event] = {queue, queues[queue].posted};
}

void un_emu_late_wait_event(const void *queue, const void *event) {
    const std::lock_guard guard(lock);
    const point p = newest(event); /* later records do not count */
    un_emu_late_put(queue, [p] { run_until(p); });
}

void un_emu_late_reach(const void *event) {
    const std::lock_guard guard(lock);
    run_until(newest(event));
}

void un_emu_late_forget(const void *queue_or_event) {
    const std::lock_guard guard(lock);
    un_emu_late_drain(queue_or_event);
    queues.erase(queue_or_event);
    events.erase(queue_or_event);
}
