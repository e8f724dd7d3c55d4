#!/usr/bin/env python3
"""A model of the step time on 8 ... 4,096 cards: `scaling.py [key=value ...]`, e.g. scaling.py bucket_mb=200 lanes_per_gpu=4.

Its inputs stand in scaling.json beside it, each group with where it comes from: measured, a target, published, or assumed. Nothing
here was measured on a cluster; the table says what to expect and which cause to look for first.

A step, as launch/traffic/exchange.h orders it: parameters are gathered bucket by bucket while the forward of the first lane already uses
those that have come; the other lanes; the backward of the last lane makes buckets of gradients, from the end of the buffer to its
beginning, and each starts on its way to its owners when it is full; norm; update of the own part. The embeddings come first and
last, so their buckets can hide behind nothing. Three ways to reduce a bucket:

  flat all-to-all   what train.exact does now: every rank sends every other one its part through its own network card
  hierarchical      all-to-all among the cards of a node, then of every card with its counterparts: same sums in the same order where
                    nodes hold a power of two of ranks, an eighth of the bytes through the network
  ring              the library's reduce-scatter (train.exact: false): few bytes, but as many hops as there are ranks
"""
import json
import math
import pathlib
import sys

RANKS = (8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
BAR = 0.95


def bytes_per_step(parameters, ranks, gradient_bytes=4, parameter_bytes=4):
    """What all ranks together send in a step: gradients to their owners, parameters to everybody."""
    return (ranks - 1) * parameters * (gradient_bytes + parameter_bytes)


def inputs(words):
    groups = json.loads((pathlib.Path(__file__).parent / "scaling.json").read_text())
    flat = {key: value for group in groups.values() for key, value in group.items() if key != "how"}
    for word in words:
        key, _, value = word.partition("=")
        if not isinstance(flat.get(key), (int, float)):
            sys.exit(f"scaling.py: {word}: not key=value of a number in scaling.json")
        flat[key] = float(value)
    return flat


def collective(how, size, n, c):
    """Seconds of a reduce-scatter or all-gather of `size` bytes over n ranks."""
    g = min(n, int(c["gpus_per_node"]))
    nodes = n // g
    inside, outside = c["nvlink_bytes_per_s"], c["network_bytes_per_s"]
    if how == "ring":
        wire = size * (n - 1) / n / (min(inside, g * outside) if nodes > 1 else inside)
        return c["begin_s"] + (n - nodes) * c["nvlink_latency_s"] + (nodes if nodes > 1 else 0) * c["network_latency_s"] + wire
    if how == "flat all-to-all":
        near, far = size * (g - 1) / n / inside, size * (n - g) / n / outside
        latency = c["network_latency_s"] if nodes > 1 else c["nvlink_latency_s"]
        return c["begin_s"] + latency + max(near, far, (n - 1) * c["message_s"])
    near = c["nvlink_latency_s"] + max(size * (g - 1) / g / inside, (g - 1) * c["message_s"])
    if nodes == 1:
        return c["begin_s"] + near
    far = c["network_latency_s"] + max(size / g * (nodes - 1) / nodes / outside, (nodes - 1) * c["message_s"])
    return c["begin_s"] + near + far


def buckets(model, c):
    """[(share of the buffer before it, its parameters)] in the order of the buffer."""
    count = max(1, round(model["parameters"] * 4 / (c["bucket_mb"] * 2**20)))
    each = model["parameters"] / count
    return [(i / count, each) for i in range(count)]


def step(name, n, how, c):
    """Times of one step in seconds, by cause."""
    model = c["models"][name]
    lane = c["tokens_per_lane"] / c["tokens_per_s"][name]
    forward, backward = lane * (1 - c["backward_share"]), lane * c["backward_share"]
    inputs_share = model["input_parameters"] / model["parameters"]
    parts = buckets(model, c)

    def progress(share):
        """How far the computation is when it comes to this place of the buffer."""
        return 0 if share < inputs_share else (share - inputs_share) / (1 - inputs_share)
    # forward of the first lane behind the gathering
    arrived, now = 0.0, 0.0
    for i, (begin, params) in enumerate(parts):
        arrived += collective(how, params * c["parameter_bytes"], n, c)
        end = parts[i + 1][0] if i + 1 < len(parts) else 1
        now = max(now, arrived) + forward * (progress(end) - progress(begin))
    gather = now - forward
    # backward of the last lane before the reduction
    sent = 0.0
    for begin, params in reversed(parts):
        ready = backward * (1 - progress(begin))
        sent = max(sent, ready) + collective(how, params * c["gradient_bytes"], n, c)
    reduce = sent - backward
    spread = math.hypot(c["straggler_sd"], c["lane_tokens_sd"] / math.sqrt(c["lanes_per_gpu"]))
    compute = c["lanes_per_gpu"] * lane
    update = model["parameters"] / n * 28 / c["hbm_bytes_per_s"]
    norm = 2 * (c["begin_s"] + math.log2(n) * c["network_latency_s"])
    snapshot = model["parameters"] / n * 12 / c["host_copy_bytes_per_s"] / c["checkpoint_every"]
    total = {"compute": compute, "gather": gather, "reduce": reduce, "norm, update": update + norm,
             "stragglers": compute * spread * math.sqrt(2 * math.log(n)), "checkpoints": snapshot}
    mtbf = c["gpu_hours_per_failure"] * 3600 / n
    lost = (c["checkpoint_every"] * sum(total.values()) / 2 + c["restart_s"]) / mtbf
    total["failures"] = sum(total.values()) * lost
    return total


def alone(name, c):
    return c["lanes_per_gpu"] * c["tokens_per_lane"] / c["tokens_per_s"][name] + c["models"][name]["parameters"] * 28 / c["hbm_bytes_per_s"]


def table(name, how, c):
    print(f"\n{name}, {how}: {c['lanes_per_gpu']:g} lane(s) of {c['tokens_per_lane']:g} tokens a card, buckets of {c['bucket_mb']:g} MB")
    causes = list(step(name, 8, how, c))
    print(f"{'cards':>6} {'step ms':>8} {'effic.':>7}   " + " ".join(f"{cause:>12}" for cause in causes) + "   (ms)")
    fell = None
    for n in RANKS:
        times = step(name, n, how, c)
        efficiency = alone(name, c) / sum(times.values())
        print(f"{n:>6} {1e3 * sum(times.values()):>8.2f} {efficiency:>7.3f}   " + " ".join(f"{1e3 * times[k]:>12.3f}" for k in causes))
        if efficiency < BAR and fell is None:
            worst = sorted((k for k in causes if k != "compute"), key=lambda k: -times[k])[:2]
            fell = f"under {BAR:.0%} from {n} cards on, by {worst[0]} ({1e3 * times[worst[0]]:.2f} ms) and {worst[1]} ({1e3 * times[worst[1]]:.2f} ms)"
    print(fell or f"never under {BAR:.0%}")


def main():
    c = inputs(sys.argv[1:])
    for name in c["models"]:
        for how in ("flat all-to-all", "hierarchical", "ring"):
            table(name, how, c)


if __name__ == "__main__":
    main()
