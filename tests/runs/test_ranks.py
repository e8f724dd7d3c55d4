"""Bit-exactness: every loss, gradient norm and final parameter is the same with 1, 2, 4 and 8 ranks on 8 lanes, and with
1, 2 and 3 threads; 3 ranks give the same plan and losses to rounding."""
import runlib as R


def compare(a, b, what):
    for x, y in zip(a, b):
        for key in x:
            if x[key] != y.get(key):
                R.fail(f"{what}: step {x['step']}: {key} is {x[key]!r} and {y.get(key)!r}")
    R.expect(len(a) == len(b) > 0, f"{what}: {len(a)} lines equal to the last digit")


def main():
    ranks = (1, 2, 4, 8) if R.has_mpi() else (1,)
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        for mixing in ("sample", "batch"):
            runs = {}
            for n, threads in [(n, 1) for n in ranks] + [(1, 2), (1, 3)]:
                run_dir = folder / f"{mixing}_{n}_{threads}"
                cfg = R.write_config(folder / "c.yaml", data, run_dir, train_extra=f", mixing: {mixing}",
                                     extra="wra: {solver: sinkhorn}" if mixing == "batch" else "")
                R.run_ok(R.command(n, "--cfg", cfg, f"run.threads={threads}"))
                runs[n, threads] = run_dir
            first = runs[1, 1]
            for key, run_dir in list(runs.items())[1:]:
                what = f"{mixing}: 1 rank and {key[0]} ranks with {key[1]} threads"
                compare(R.metrics(first), R.metrics(run_dir), what)
                compare(R.metrics(first, "valid"), R.metrics(run_dir, "valid"), what + ", validation")
                R.expect(R.digests(first, 12) == R.digests(run_dir, 12), f"{what}: parameters and moments")
        if R.has_mpi():
            cfg = R.write_config(folder / "c.yaml", data, folder / "three")
            R.run_ok(R.command(3, "--cfg", cfg))
            one, three = R.metrics(folder / "sample_1_1"), R.metrics(folder / "three")
            worst = max(abs(a["loss"] - b["loss"]) / abs(a["loss"]) for a, b in zip(one, three))
            R.expect(worst < 1e-4 and all(a["tokens"] == b["tokens"] for a, b in zip(one, three)),
                     f"3 ranks: same plan, losses within {worst:.1e}")


main()
