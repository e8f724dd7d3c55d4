#!/usr/bin/env python3
"""A model of the step time on 8 ... 4,096 cards: `scaling.py [key=value ...]`, e.g. scaling.py bucket_mb=200 lanes_per_gpu=4.

Its inputs stand in scaling.json beside it, each group with where it comes from: measured, a target, published, or assumed. Nothing
here was measured on a cluster; the tables say what to expect and which cause to look for first.

A step, as launch/traffic/exchange.h orders it: parameters are gathered bucket by bucket while the forward of the first lane already uses
those that have come; the other lanes; the backward of the last lane makes buckets of gradients, from the end of the buffer to its
beginning, and each starts on its way to its owners when it is full; norm; update of the own part. The embeddings come first and
last, so their buckets can hide behind nothing but those of words behind the regions' computation, if that comes before. While a collective runs beside the computation it takes multiprocessors from it.

Parts of a bucket are whole blocks (comm/shard.h), equally many for each rank. Without that ("flat", as it was once) all ranks wait for
the largest, and a bucket of unequal parts is gathered by as many grouped broadcasts as there are ranks (comm/comm_nccl.c), each on one channel.
"""
import json
import math
import pathlib
import sys
from dataclasses import dataclass, replace

RANKS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
BAR = 0.95
BLOCK = 4096  # UN_PARAM_BLOCK


@dataclass(frozen=True)
class Way:
    """How a bucket is reduced and gathered: "flat" all-to-all, "levels" (inside the node, then every card with its counterparts: the
    same sums in the same order where nodes hold a power of two of ranks), or the library's "ring"."""
    name: str
    reduce: str
    gather: str
    even: bool = False  # a bucket is a multiple of the ranks
    pipelined: bool = False  # a bucket is inside the nodes while the one before it is between them
    low: bool = False  # parameters travel as bf16
    ordered: bool = False  # regions first in the forward, last in the backward; their buckets too (launch/traffic/order.h)


FLAT = Way("flat", "flat", "ring")
EVEN = replace(FLAT, name="+ equal parts", even=True)
LEVELS = replace(EVEN, name="+ two levels", reduce="levels", gather="levels")
PIPELINED = replace(LEVELS, name="+ pipelined", pipelined=True)
LOW = replace(PIPELINED, name="+ parameters in bf16", low=True)
ORDERED = replace(LOW, name="+ regions first", ordered=True)
LADDER = (FLAT, EVEN, LEVELS, PIPELINED, LOW, ORDERED)
RING = Way("ring (train.exact: false)", "ring", "ring", even=True)
TABLES = (FLAT, replace(LEVELS, name="two levels, equal parts"), replace(ORDERED, name="all steps of the ladder"), RING)


def room(parameters, ranks):
    """Blocks of the buffer, filled up to a multiple of the ranks (un_shard_room)."""
    return math.ceil(math.ceil(parameters / BLOCK) / ranks) * ranks


def bytes_per_step(parameters, ranks, gradient_bytes=4, parameter_bytes=4):
    """What all ranks together send in a step: gradients to their owners, parameters to everybody, with what fills the buffer up."""
    return (ranks - 1) * room(parameters, ranks) * BLOCK * (gradient_bytes + parameter_bytes)


def inputs(words):
    groups = json.loads((pathlib.Path(__file__).parent / "scaling.json").read_text())
    flat = {key: value for group in groups.values() for key, value in group.items() if key != "how"}
    for word in words:
        key, _, value = word.partition("=")
        if not isinstance(flat.get(key), (int, float)):
            sys.exit(f"scaling.py: {word}: not key=value of a number in scaling.json")
        flat[key] = float(value)
    return flat


def hops(n, nodes, c):
    return (n - nodes) * c["nvlink_latency_s"] + (nodes if nodes > 1 else 0) * c["network_latency_s"]


def stages(how, size, n, c, equal=True):
    """Seconds inside the nodes and between them of a reduce-scatter or all-gather of `size` bytes over n ranks."""
    g = min(n, int(c["gpus_per_node"]))
    nodes = n // g
    inside, outside = c["nvlink_bytes_per_s"], c["network_bytes_per_s"]
    if how == "ring":
        wire = size * (n - 1) / n / (min(inside, g * outside) if nodes > 1 else inside)
        # broadcasts of one channel follow each other round the ring: a hop more for each, at the least
        more = 0 if equal else math.ceil(n / c["channels"]) - 1
        slowest = c["network_latency_s"] if nodes > 1 else c["nvlink_latency_s"]
        return c["begin_s"] + hops(n, nodes, c) + more * slowest + wire, 0.0
    if how == "flat":
        near, far = size * (g - 1) / n / inside, size * (n - g) / n / outside
        latency = c["network_latency_s"] if nodes > 1 else c["nvlink_latency_s"]
        return c["begin_s"] + latency + max(near, far, (n - 1) * c["message_s"]), 0.0
    near = c["begin_s"] + c["nvlink_latency_s"] + max(size * (g - 1) / g / inside, (g - 1) * c["message_s"])
    if nodes == 1:
        return near, 0.0
    return near, c["network_latency_s"] + max(size / g * (nodes - 1) / nodes / outside, (nodes - 1) * c["message_s"])


def buckets(model, n, way, c):
    """[(share of the buffer before it, elements that n of its largest parts have, are all parts equal)] in the order of the buffer."""
    total = int(model["parameters"])
    blocks, each = math.ceil(total / BLOCK), max(1, int(c["bucket_mb"] * 2**20 / (4 * BLOCK)))
    if way.even:
        each = max(1, math.floor(each / n + 0.5)) * n
        blocks = room(total, n)
    found, end = [], blocks
    while end > 0:
        k = min(each, end)
        equal = way.even or (k % n == 0 and not (end == blocks and total % BLOCK))
        found.append(((end - k) / blocks, math.ceil(k / n) * n * BLOCK, equal))
        end -= k
    return found[::-1]


class Links:
    """When the nodes' insides and the network between them are free again; without a pipeline they are one thing."""

    def __init__(self, pipelined, c):
        self.pipelined, self.free, self.taken = pipelined, [0.0, 0.0], 0.0
        self.ctas = (c["comm_ctas"], c["rail_ctas"] if pipelined else c["comm_ctas"])
        self.busy = 0.0

    def send(self, ready, seconds, inside_first=True):
        """Returns when the last of its stages ends."""
        order = (0, 1) if inside_first else (1, 0)
        for link in order:
            if seconds[link] > 0:
                ready = max(ready, self.free[link]) + seconds[link]
                self.free[link] = ready
                self.busy += seconds[link]
                self.taken += seconds[link] * self.ctas[link]
        if not self.pipelined:
            self.free = [ready, ready]
        return ready


def step(name, n, way, c):
    """Times of one step in seconds, by cause."""
    model = c["models"][name]
    lane = c["tokens_per_lane"] / c["tokens_per_s"][name]
    forward, backward = lane * (1 - c["backward_share"]), lane * c["backward_share"]
    inputs = model["input_parameters"] / model["parameters"]
    regions = model["region_parameters"] / model["parameters"]
    projected = model["region_work"] * c["region_tokens"]  # share of the computation
    parts = buckets(model, n, way, c)
    begins = [begin for begin, _, _ in parts]
    ends = begins[1:] + [1]
    embedded = [i for i, begin in enumerate(begins) if begin < inputs]
    words = [i for i in embedded if ends[i] <= inputs - regions]  # and nothing that regions read
    first = [i for i in embedded if i not in words] if way.ordered else embedded
    turns = first + [i for i in range(len(parts)) if i not in first]

    def layers(i):
        """Share of the layers' parameters, and so of their work, that stands in bucket i."""
        return max(0, ends[i] - max(begins[i], inputs)) / (1 - inputs)

    def final(i):
        """When the gradients of bucket i are."""
        if begins[i] < inputs:
            return backward * (1 - projected) if way.ordered and i in words else backward
        return backward * (1 - projected) * (1 - (begins[i] - inputs) / (1 - inputs))
    # forward of the first lane behind the gathering
    links, arrived = Links(way.pipelined, c), {}
    width = 2 if way.low else c["parameter_bytes"]
    for i in turns:
        arrived[i] = links.send(0.0, stages(way.gather, parts[i][1] * width, n, c, parts[i][2]), inside_first=False)
    now = max(arrived[i] for i in first) + forward * projected
    now = max(now, *(arrived[i] for i in embedded))
    for i in range(len(parts)):
        if layers(i) > 0:
            now = max(now, arrived[i]) + forward * (1 - projected) * layers(i)
    gather = now - forward
    # backward of the last lane before the reduction
    back, sent = Links(way.pipelined, c), 0.0
    for i in reversed(turns):
        sent = back.send(final(i), stages(way.reduce, parts[i][1] * c["gradient_bytes"], n, c, parts[i][2]))
    reduce = max(sent, backward) - backward

    def stolen(link, exposed):
        return link.taken / c["multiprocessors"] * max(0, 1 - exposed / link.busy) if link.busy else 0
    spread = math.hypot(c["straggler_sd"], c["lane_tokens_sd"] / math.sqrt(c["lanes_per_gpu"]))
    compute = c["lanes_per_gpu"] * lane
    update = model["parameters"] / n * 28 / c["hbm_bytes_per_s"]
    norm = 2 * (c["begin_s"] + math.log2(n) * c["network_latency_s"])
    snapshot = model["parameters"] / n * 12 / c["host_copy_bytes_per_s"] / c["checkpoint_every"]
    total = {"compute": compute, "gather": gather, "reduce": reduce, "stolen": stolen(links, gather) + stolen(back, reduce),
             "norm, update": update + norm, "stragglers": compute * spread * math.sqrt(2 * math.log(n)), "checkpoints": snapshot}
    mtbf = c["gpu_hours_per_failure"] * 3600 / n
    lost = (c["checkpoint_every"] * sum(total.values()) / 2 + c["restart_s"]) / mtbf
    total["failures"] = sum(total.values()) * lost
    return total


def alone(name, c):
    return c["lanes_per_gpu"] * c["tokens_per_lane"] / c["tokens_per_s"][name] + c["models"][name]["parameters"] * 28 / c["hbm_bytes_per_s"]


def efficiency(name, n, way, c):
    return alone(name, c) / sum(step(name, n, way, c).values())


def table(name, way, c):
    print(f"\n{name}, {way.name}: {c['lanes_per_gpu']:g} lane(s) of {c['tokens_per_lane']:g} tokens a card, buckets of {c['bucket_mb']:g} MB")
    causes = list(step(name, 8, way, c))
    print(f"{'cards':>6} {'step ms':>8} {'effic.':>7}   " + " ".join(f"{cause:>12}" for cause in causes) + "   (ms)")
    fell = None
    for n in RANKS:
        times = step(name, n, way, c)
        part = efficiency(name, n, way, c)
        print(f"{n:>6} {1e3 * sum(times.values()):>8.2f} {part:>7.3f}   " + " ".join(f"{1e3 * times[k]:>12.3f}" for k in causes))
        if part < BAR and fell is None:
            worst = sorted((k for k in causes if k != "compute"), key=lambda k: -times[k])[:2]
            fell = f"under {BAR:.0%} from {n} cards on, by {worst[0]} ({1e3 * times[worst[0]]:.2f} ms) and {worst[1]} ({1e3 * times[worst[1]]:.2f} ms)"
    print(fell or f"never under {BAR:.0%}")


def ladder(name, c):
    """What each step is worth on top of those before it."""
    counts = (16, 64, 256, 1024, 4096)
    print(f"\n{name}, efficiency step by step" + "".join(f"{n:>8}" for n in counts) + "   cards")
    for way in LADDER:
        print(f"{way.name:>{len(name) + 26}}" + "".join(f"{efficiency(name, n, way, c):>8.3f}" for n in counts))


def main():
    c = inputs(sys.argv[1:])
    for name in c["models"]:
        for way in TABLES:
            table(name, way, c)
        ladder(name, c)


if __name__ == "__main__":
    main()
