"""TensorBoard's event files hold what metrics.jsonl holds, under the authors' tags, before and after a kill and a resume; nothing
is there twice. Histograms of norms by layer add up to the norms in metrics.jsonl, and those to the gradient's. Read by our own reader, and by the real package where Python has it (UN_TENSORBOARD_PYTHON: an interpreter that does)."""
import json
import math
import os
import struct
import subprocess
import sys

import eventslib as E
import runlib as R

STEPS, HISTOGRAMS = 24, 4
PLAIN = ("loss", "lr", "grad_norm")
OF_ONE = ("_loss", "_acc", "_ot_pos", "_ot_neg")
REAL = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0, "histograms": 0}).Reload()
print(json.dumps({t: [(e.step, e.value) for e in a.Scalars(t)] for t in a.Tags()["scalars"]}))
print(json.dumps({t: a.Tensors(t)[-1].tensor_proto.string_val[0].decode() for t in a.Tags()["tensors"]}))
print(json.dumps({t: [(e.step, {"min": e.histogram_value.min, "max": e.histogram_value.max, "num": e.histogram_value.num,
                                "sum": e.histogram_value.sum, "squares": e.histogram_value.sum_squares,
                                "limits": e.histogram_value.bucket_limit, "counts": e.histogram_value.bucket})
                      for e in a.Histograms(t)] for t in a.Tags()["histograms"]}))
"""


def tag_of(key):
    if key.startswith("valid/"):
        rest = key[6:]
        for end in OF_ONE:
            if rest.endswith(end) and rest != end:
                return f"valid_{rest[:-len(end)]}/{rest}"
        return key
    return key if key in PLAIN or key.startswith(("loss/", "grad_norm/", "param_norm/")) else "perf/" + key.replace("/", "_")


def f32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


def wanted(run):
    out = {}
    for text in (run / "log/metrics.jsonl").read_text().splitlines():
        line = json.loads(text)
        for key, value in line.items():
            if key != "step" and value is not None:
                out.setdefault(tag_of(key), []).append((line["step"], f32(value)))
    return out


def near(a, b):
    return len(a) == len(b) and all(x[0] == y[0] and abs(x[1] - y[1]) <= 1e-6 * abs(y[1]) for x, y in zip(a, b))


def same(found, want, who):
    R.expect(set(found) == set(want), f"{who}: {len(want)} tags {sorted(set(found) ^ set(want))[:4]}")
    R.expect(all(near(found[t], want[t]) for t in want), f"{who}: {sum(map(len, want.values()))} values, each once")


def real(run):
    for python in filter(None, (os.environ.get("UN_TENSORBOARD_PYTHON"), sys.executable, "/usr/bin/python3")):
        p = subprocess.run([python, "-c", REAL, str(run / "log")], capture_output=True, text=True, timeout=200)
        if p.returncode == 0:
            return [json.loads(line) for line in p.stdout.splitlines()[-3:]]
        if "No module named" not in p.stderr:
            R.fail(f"tensorboard: {p.stderr[-2000:]}")
    return None


def norms(run):
    """{step: line} of the lines with norms by layer."""
    lines = [json.loads(x) for x in (run / "log/metrics.jsonl").read_text().splitlines()]
    return [x for x in lines if any(k.startswith("param_norm/") for k in x)]


def close(a, b):
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def whole(h, norm):
    """Is a histogram one of the tensors whose norms make up `norm`?"""
    rising = all(a < b for a, b in zip(h["limits"], h["limits"][1:]))
    between = h["min"] <= h["limits"][-1] and h["max"] <= h["limits"][-1] and h["counts"][0] == 0 and h["limits"][0] <= h["min"]
    ratio = all(b <= 1.1 * a * (1 + 1e-9) for a, b, n in zip(h["limits"], h["limits"][1:], h["counts"][1:]) if n and a > 0)
    return rising and between and ratio and sum(h["counts"]) == h["num"] and close(h["squares"], norm * norm)


def check_histograms(run, files, package, who):
    found, lines = E.histograms(files), norms(run)
    R.expect([x["step"] for x in lines] == list(range(HISTOGRAMS, STEPS + 1, HISTOGRAMS)), f"{who}: norms at {len(lines)} steps, each once")
    layers = [k for k in lines[0] if k != "step"]
    R.expect({"grad_norm/layer_00", "grad_norm/layer_01", "param_norm/embeddings", "param_norm/cls"} <= set(layers), "norms by layer")
    R.expect(set(found) == {k.replace("_norm/", "_norms/") for k in layers}, f"{who}: a histogram for each of {len(layers)}")
    held = {key: found[key.replace("_norm/", "_norms/")] for key in layers}
    R.expect(all([step for step, h in held[k]] == [x["step"] for x in lines] for k in layers), f"{who}: at each step once")
    R.expect(all(whole(h, x[k]) for k in layers for (step, h), x in zip(held[k], lines)), f"{who}: tensors make up their layer's norm")
    R.expect(found["param_norms/layer_01"][0][1]["num"] == 16, "16 tensors in a layer")
    total = {x["step"]: x["grad_norm"] for x in R.metrics(run)}
    own = {x["step"]: math.sqrt(sum(v * v for k, v in x.items() if k.startswith("grad_norm/"))) for x in lines}
    R.expect(all(close(own[s], total[s]) for s in own), f"{who}: layers make up the gradient's norm")
    if package:
        R.expect(json.loads(json.dumps(found)) == package[2], f"{who}, tensorboard: the same histograms")


def check(run, who):
    files, want = list((run / "log").glob("events.out.tfevents.*")), wanted(run)
    scalars, texts, starts = E.read(files)
    same(scalars, want, f"{who}, {len(files)} files")
    R.expect("hidden_size: 32" in texts["configuration"], f"{who}: the configuration as text")
    package = real(run)
    if package is None:
        print(f"{who}: no tensorboard package; read by our own reader alone")
    else:
        same({t: [tuple(x) for x in v] for t, v in package[0].items()}, want, f"{who}, tensorboard")
        R.expect(package[1]["configuration"].strip() == texts["configuration"].strip(), f"{who}, tensorboard: the text")
    check_histograms(run, files, package, who)
    return starts


def main():
    with R.Folder() as folder:
        data, run = R.synth(folder / "data"), folder / "run"
        cfg = R.write_config(folder / "a.yaml", data, run, steps=STEPS, checkpoint=5, every=6)
        more = ["log.every=1"]
        with_norms = [*more, f"log.histograms={HISTOGRAMS}"]
        p = R.start(R.command(1, "--cfg", cfg, *with_norms), folder / "log")
        R.wait_for_step(p, run, 13)
        R.end_group(p)
        step = R.last_logged_step(run)
        newest = sorted((run / "log").glob("events*"))[-1]
        with newest.open("ab") as f:  # as a power failure may leave it
            f.write(b"\x20\0\0\0\0\0\0\0torn")
        R.run_ok(R.command(2 if R.has_mpi() else 1, "--cfg", cfg, *with_norms))
        starts = check(run, f"killed after update {step}, gone on with")
        R.expect(len(starts) == 1 and starts[0] % 5 == 1, f"the second file begins behind the checkpoint: {starts}")
        digests, lines = R.digests(run, STEPS), R.metrics(run)
        off = folder / "off"
        R.run_ok(R.command(1, "--cfg", cfg, *more, f"run.dir={off}", "log.tensorboard=false"))
        R.expect(not list((off / "log").glob("events*")), "log.tensorboard=false: no file")
        R.expect(R.digests(off, STEPS) == digests and R.metrics(off) == lines, "and the same losses and parameters")
        R.expect(not norms(off), "log.histograms=0: no norms by layer")
        more_ranks = folder / "ranks"
        R.run_ok(R.command(8 if R.has_mpi() else 1, "--cfg", cfg, *with_norms, f"run.dir={more_ranks}"))
        R.expect(norms(more_ranks) == norms(run), "8 ranks: the same norms")
        full = [E.histograms((x / "log").glob("events*")) for x in (run, more_ranks)]
        R.expect(full[0] == full[1], "and to the last bit in their histograms")
        R.expect(R.digests(more_ranks, STEPS) == digests, "and the same parameters")


main()
