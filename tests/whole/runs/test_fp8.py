"""train.precision: fp8 on the CPU: the first updates are those of bf16 to the bit, the later ones near them; the same bits on 1
to 8 ranks, with 1 to 3 threads, after a stop; a checkpoint of bf16 goes on in fp8, and one of fp8 in bf16; where the histories
have another length they begin anew; --eval is that of bf16."""
import json
import shutil

import runlib as R

STEPS, AFTER = 12, 4
FP8 = ("train.precision=fp8", f"train.fp8_after={AFTER}", "train.fp8_history=5")
ONE = "run.threads=1"


def config(folder, data, name):
    cfg = R.write_config(folder / f"{name}.yaml", data, folder / name, steps=STEPS, width=128, heads=2, checkpoint=6)
    return cfg, folder / name


def same(a, b, what):
    R.expect(R.metrics(a) == R.metrics(b) and len(R.metrics(a)) == STEPS, f"{what}: losses and norms equal")
    R.expect(R.metrics(a, "valid") == R.metrics(b, "valid"), f"{what}: validations equal")
    R.expect(R.digests(a, STEPS) == R.digests(b, STEPS), f"{what}: parameters and moments equal")


def manifest(run_dir, step):
    return json.loads((run_dir / f"ckpt/step_{step:08d}/manifest.json").read_text())


def ways(folder, data, first):
    ranks = (2, 4, 8) if R.has_mpi() else ()
    for n, key in [(n, ONE) for n in ranks] + [(1, "run.threads=3")]:
        cfg, run_dir = config(folder, data, f"way_{n}_{key[-1]}")
        R.run_ok(R.command(n, "--cfg", cfg, *FP8, key))
        same(first, run_dir, f"{n} ranks, {key}")
        R.expect(manifest(first, STEPS)["amax"] == manifest(run_dir, STEPS)["amax"], f"{n} ranks: histories equal")


def against_bf16(folder, data, first):
    cfg, low = config(folder, data, "bf16")
    R.run_ok(R.command(1, "--cfg", cfg, ONE, "train.precision=bf16"))
    a, b = ([m["loss"] for m in R.metrics(d)] for d in (first, low))
    R.expect(a[:AFTER] == b[:AFTER], f"the first {AFTER} losses are those of bf16")
    worst = max(abs(x / y - 1) for x, y in zip(a[AFTER:], b[AFTER:]))
    R.expect(all(x != y for x, y in zip(a[AFTER:], b[AFTER:])) and worst < 0.02,
             f"the later ones are not, but within {worst:.1e}")
    return low


def histories(first, low):
    h = manifest(first, STEPS)
    layers = 2
    R.expect(len(h["amax"]) == 12 * layers and all(len(row) == 5 for row in h["amax"]) and h["amax_updates"] == STEPS,
             "a history of five for each of twelve tensors of a layer")
    R.expect(all(0 < one < 0x7F800000 for row in h["amax"] for one in row), "all of them filled, and finite")
    R.expect("amax" not in manifest(low, STEPS), "a run in bf16 has none")


def resumed(folder, data, start, name, *keys, ranks=1):
    cfg, run_dir = config(folder, data, name)
    shutil.copytree(start, run_dir)
    shutil.rmtree(run_dir / f"ckpt/step_{STEPS:08d}")
    return run_dir, R.run_ok(R.command(ranks, "--cfg", cfg, ONE, *keys))


def stops(folder, data, first, low):
    run_dir, out = resumed(folder, data, first, "resumed", *FP8, ranks=2 if R.has_mpi() else 1)
    R.expect("step_00000006" in out and "histories" not in out, "goes on behind step 6 with its histories")
    same(first, run_dir, "behind a stop")
    run_dir, out = resumed(folder, data, first, "longer", *FP8[:2], "train.fp8_history=6")
    R.expect("without histories of fp8" in out, "another length of the histories is said")
    R.expect(manifest(run_dir, STEPS)["amax_updates"] == STEPS - 6, "and they begin anew")
    run_dir, out = resumed(folder, data, low, "from_bf16", *FP8)
    R.expect("without histories of fp8" in out, "a checkpoint of bf16 goes on in fp8")
    a, b = ([m["loss"] for m in R.metrics(d)] for d in (run_dir, low))
    R.expect(a[:6 + AFTER] == b[:6 + AFTER] and a[6 + AFTER] != b[6 + AFTER], f"after {AFTER} updates of bf16")
    run_dir, out = resumed(folder, data, first, "to_bf16", "train.precision=bf16")
    R.expect("amax" not in manifest(run_dir, STEPS), "one of fp8 goes on in bf16")


def evaluated(first, cfg, precision):
    R.run_ok(R.command(1, "--cfg", cfg, "--eval", ONE, f"train.precision={precision}"))
    return [json.loads(f.read_text()) for f in sorted(first.glob("eval_*.json"))]


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg, first = config(folder, data, "first")
        said = R.run_ok(R.command(1, "--cfg", cfg, *FP8, ONE))
        R.expect("fp8 on a CPU" in said, "what fp8 is on a CPU is said at the start")
        ways(folder, data, first)
        low = against_bf16(folder, data, first)
        histories(first, low)
        stops(folder, data, first, low)
        R.expect(evaluated(first, cfg, "fp8") == evaluated(first, cfg, "bf16"), "--eval in fp8 is that of bf16")
        out = R.run_ok(R.command(1, "--cfg", cfg, "--bench", "2", *FP8, ONE))
        R.expect("tokens/s" in out, "--bench ends well")


main()
