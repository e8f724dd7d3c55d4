"""TensorBoard's event files hold what metrics.jsonl holds, under the authors' tags, before and after a kill and a resume; nothing
is there twice. Read by our own reader, and by the real package where Python has it (UN_TENSORBOARD_PYTHON: an interpreter that does)."""
import json
import os
import struct
import subprocess
import sys

import eventslib as E
import runlib as R

STEPS = 24
PLAIN = ("loss", "lr", "grad_norm")
OF_ONE = ("_loss", "_acc", "_ot_pos", "_ot_neg")
REAL = """
import json, sys
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
a = EventAccumulator(sys.argv[1], size_guidance={"scalars": 0, "tensors": 0}).Reload()
print(json.dumps({t: [(e.step, e.value) for e in a.Scalars(t)] for t in a.Tags()["scalars"]}))
print(json.dumps({t: a.Tensors(t)[-1].tensor_proto.string_val[0].decode() for t in a.Tags()["tensors"]}))
"""


def tag_of(key):
    if key.startswith("valid/"):
        rest = key[6:]
        for end in OF_ONE:
            if rest.endswith(end) and rest != end:
                return f"valid_{rest[:-len(end)]}/{rest}"
        return key
    return key if key in PLAIN or key.startswith("loss/") else "perf/" + key.replace("/", "_")


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
            return [json.loads(line) for line in p.stdout.splitlines()[-2:]]
        if "No module named" not in p.stderr:
            R.fail(f"tensorboard: {p.stderr[-2000:]}")
    return None


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
    return starts


def main():
    with R.Folder() as folder:
        data, run = R.synth(folder / "data"), folder / "run"
        cfg = R.write_config(folder / "a.yaml", data, run, steps=STEPS, checkpoint=5, every=6)
        more = ["log.every=1"]
        p = R.start(R.command(1, "--cfg", cfg, *more), folder / "log")
        R.wait_for_step(p, run, 13)
        R.end_group(p)
        step = R.last_logged_step(run)
        newest = sorted((run / "log").glob("events*"))[-1]
        with newest.open("ab") as f:  # as a power failure may leave it
            f.write(b"\x20\0\0\0\0\0\0\0torn")
        R.run_ok(R.command(2 if R.has_mpi() else 1, "--cfg", cfg, *more))
        starts = check(run, f"killed after update {step}, gone on with")
        R.expect(len(starts) == 1 and starts[0] % 5 == 1, f"the second file begins behind the checkpoint: {starts}")
        digests, lines = R.digests(run, STEPS), R.metrics(run)
        off = folder / "off"
        R.run_ok(R.command(1, "--cfg", cfg, *more, f"run.dir={off}", "log.tensorboard=false"))
        R.expect(not list((off / "log").glob("events*")), "log.tensorboard=false: no file")
        R.expect(R.digests(off, STEPS) == digests and R.metrics(off) == lines, "and the same losses and parameters")


main()
