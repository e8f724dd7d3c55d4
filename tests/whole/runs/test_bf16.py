"""bf16 on the CPU: the same bits on 1 to 8 ranks, with 1 to 3 threads, by every kernel of products that the processor has
and after a stop; near fp32 but not fp32; less memory for a lane; evaluations take it when asked."""
import json
import re
import shutil

import runlib as R

STEPS = 12
KEYS = ("train.precision=bf16", "run.threads=1")


def same(a, b, what):
    R.expect(R.metrics(a) == R.metrics(b) and len(R.metrics(a)) == STEPS, f"{what}: losses and norms equal")
    R.expect(R.metrics(a, "valid") == R.metrics(b, "valid"), f"{what}: validations equal")
    R.expect(R.digests(a, STEPS) == R.digests(b, STEPS), f"{what}: parameters and moments equal")


def config(folder, data, name):
    """Heads of 64 columns, which round their probabilities."""
    cfg = R.write_config(folder / f"{name}.yaml", data, folder / name, steps=STEPS, width=128, heads=2, checkpoint=6,
                         positions=4096)
    return cfg, folder / name


def ways(folder, data, first):
    ranks = (2, 4, 8) if R.has_mpi() else ()
    for n, key in [(n, "run.threads=1") for n in ranks] + [(1, "run.threads=2"), (1, "run.threads=3")]:
        cfg, run_dir = config(folder, data, f"way_{n}_{key[-1]}")
        R.run_ok(R.command(n, "--cfg", cfg, KEYS[0], key))
        same(first, run_dir, f"{n} ranks, {key}")
    if R.has_mpi():
        rounds(folder, data, first)


def rounds(folder, data, first):
    """Several buckets, most of which go round as bf16; looked at after every update, by the thread of the queue and without."""
    for key in ("run.check_every=1", "comm.overlap=false"):
        cfg, run_dir = config(folder, data, f"rounds_{key[0]}")
        out = R.run_ok(R.command(4, "--cfg", cfg, *KEYS, "comm.bucket_mb=1", key))
        went = re.search(r"parameters: (\d+) of (\d+) buckets go round as bf16", out)
        R.expect(went and 0 < int(went[1]), f"{went and went[0]}")
        same(first, run_dir, f"4 ranks, {key}")


def kernels(folder, data, first):
    taken = 0
    for kernel in ("plain", "avx2", "avx512", "avx512bf16", "amx"):
        cfg, run_dir = config(folder, data, kernel)
        code, out = R.run(R.command(1, "--cfg", cfg, *KEYS, f"run.kernel={kernel}"))
        if code == 64:
            R.expect(kernel in out and kernel != "plain", f"{kernel}: refused by name")
            continue
        R.expect(code == 0 and f"bf16: {kernel}" in out, f"{kernel}: ends well and is named at the start")
        same(first, run_dir, f"kernel {kernel}")
        taken += 1
    R.expect(taken > 0, f"{taken} kernels were tried")


def resume(folder, data, first):
    cfg, run_dir = config(folder, data, "resumed")
    shutil.copytree(first, run_dir)
    shutil.rmtree(run_dir / f"ckpt/step_{STEPS:08d}")
    out = R.run_ok(R.command(2 if R.has_mpi() else 1, "--cfg", cfg, *KEYS))
    R.expect("step 6" in out or "step_00000006" in out, "goes on behind step 6")
    same(first, run_dir, "behind a stop")
    out = R.run_ok(R.command(1, "--cfg", cfg, "run.threads=1", f"train.steps={STEPS + 1}"))
    R.expect("train.precision was bf16, is auto" in out, "another precision behind a stop is said")


def against_fp32(folder, data, first, said):
    cfg, run_dir = config(folder, data, "fp32")
    out = R.run_ok(R.command(1, "--cfg", cfg, "run.threads=1"))
    a, b = R.metrics(run_dir), R.metrics(first)
    worst = max(abs(x["loss"] / y["loss"] - 1) for x, y in zip(a, b))
    R.expect(0 < worst < 0.02, f"losses within {worst:.1e} of those of fp32, and not the same")
    has = open("/proc/cpuinfo").read()
    quick = "amx_tile" in has or ("avx512_bf16" in has and "AuthenticAMD" in has)
    R.expect(("without quick instructions" in said) != quick, "bf16 without instructions for it is said at the start")
    R.expect("without quick instructions" not in out, "and in fp32 it is not")
    taken = []
    for precision in ("fp32", "bf16"):
        out = R.run_ok(R.command(1, "--cfg", cfg, "--check", "model.hidden_size=768", "train.tokens_per_lane=2048",
                                 f"train.precision={precision}"))
        taken.append(int(re.search(r"activations (\d+)", out).group(1)))
    R.expect(taken[1] <= 0.7 * taken[0], f"MiB of a lane's activations: {taken[0]}, in bf16 {taken[1]}")


def evaluated(run_dir, cfg, key):
    R.run_ok(R.command(1, "--cfg", cfg, "--eval", "run.threads=1", key))
    found = sorted(run_dir.glob("eval_*.json"))
    R.expect(len(found) > 0, f"{key}: evaluations are written")
    return [json.loads(f.read_text()) for f in found]


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg, first = config(folder, data, "first")
        said = R.run_ok(R.command(1, "--cfg", cfg, *KEYS))
        ways(folder, data, first)
        kernels(folder, data, first)
        resume(folder, data, first)
        against_fp32(folder, data, first, said)
        low, full = (evaluated(first, cfg, f"train.precision={p}") for p in ("bf16", "fp32"))
        R.expect(low != full, "evaluations in bf16 and fp32 are not the same digits")


main()
