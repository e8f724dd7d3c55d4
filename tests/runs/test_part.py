"""A rank's part of the data: with loader.cache_mb the run is the same to the last bit and reads nothing after its first epochs (all
further reads are made to fail); what does not fit is read again. --check says how much of the part fits."""
import re

import runlib as R

STEPS = 40


def main():
    shim = R.BUILD / "tests" / "libflaky.so"
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        straight = folder / "straight"
        cfg = R.write_config(folder / "c.yaml", data, straight, steps=STEPS, every=20)
        R.run_ok(R.command(1, "--cfg", cfg))
        for ranks in (1,) if not R.has_mpi() else (1, 2) if R.sanitized() else (1, 2, 4):
            for cache in (0, 64):
                run_dir = folder / f"r{ranks}c{cache}"
                R.run_ok(R.command(ranks, "--cfg", cfg, f"run.dir={run_dir}", f"loader.cache_mb={cache}", "loader.threads=3"))
                R.expect(R.digests(run_dir, STEPS) == R.digests(straight, STEPS) and R.metrics(run_dir) == R.metrics(straight)
                         and R.metrics(run_dir, "valid") == R.metrics(straight, "valid"),
                         f"{ranks} rank(s), cache of {cache} MiB: bit-identical")

        out = R.run_ok(R.command(1, "--cfg", cfg, "--check", "loader.cache_mb=64"))
        said = re.search(r"cache +(\d+) MiB a rank \(loader.cache_mb 64\): 100 % of its part of the training data, ([\d.]+) MiB", out)
        R.expect(said and float(said[2]) > 0.05, f"--check says what the cache holds: {said and said[0]}")
        out = R.run_ok(R.command(1, "--cfg", cfg, "--check"))
        R.expect("loader.cache_mb 0): 0 %" in out, "--check: no cache by default")

        def gated(name, cache):
            """Runs until everything was read once, then makes every further read of any file fail."""
            gate, run_dir, log = folder / f"{name}.gate", folder / name, folder / f"{name}.log"
            p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=1000000", "valid.every=0", "data.tries=1", "train.itm_neg_prob=0.1",
                                  f"loader.cache_mb={cache}", "--quiet"), log, LD_PRELOAD=str(shim), FLAKY=".h5 0 0 5",
                        FLAKY_GATE=str(gate), ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")
            at = R.wait_for_step(p, run_dir, 150)
            gate.touch()
            for _ in range(300):
                if p.poll() is not None or R.last_logged_step(run_dir) >= at + 60:
                    break
                R.time.sleep(0.1)
            code = p.poll()
            R.end_group(p)
            return code, R.last_logged_step(run_dir) - at, log.read_text(errors="replace")

        code, more, out = gated("whole", 64)
        if code is not None:
            print(out[-2000:])
        R.expect(code is None and more >= 60, f"all rows in the cache: {more} updates more without reading a file")
        code, _, out = gated("none", 0)
        R.expect(code == 74 and "cannot read" in out, "without a cache the same run fails: the reads do fail")


main()
