"""A rank's part of the data: with loader.cache_mb the run is the same to the last bit and reads nothing after its first epochs (all
further reads are made to fail); what does not fit is read again. data.cache says whether there is one; --check says how much of the
part fits."""
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
            for cache, kind in ((0, "auto"), (64, "auto"), (64, "host"), (64, "none")):
                run_dir = folder / f"r{ranks}c{cache}{kind}"
                R.run_ok(R.command(ranks, "--cfg", cfg, f"run.dir={run_dir}", f"loader.cache_mb={cache}", f"data.cache={kind}",
                                   "loader.threads=3"))
                R.expect(R.digests(run_dir, STEPS) == R.digests(straight, STEPS) and R.metrics(run_dir) == R.metrics(straight)
                         and R.metrics(run_dir, "valid") == R.metrics(straight, "valid"),
                         f"{ranks} rank(s), data.cache {kind}, {cache} MiB: bit-identical")

        out = R.run_ok(R.command(1, "--cfg", cfg, "--check", "loader.cache_mb=64"))
        said = re.search(r"cache +host: (\d+) MiB of the host a rank \(data.cache auto, loader.cache_mb 64\): 100 % of its part of the "
                         r"training data, ([\d.]+) MiB", out)
        R.expect(said and float(said[2]) > 0.05, f"--check says what the cache holds: {said and said[0]}")
        out = R.run_ok(R.command(1, "--cfg", cfg, "--check"))
        R.expect("cache       none" in out and "loader.cache_mb 0): 0 %" in out, "--check: no cache by default")
        out = R.run_ok(R.command(1, "--cfg", cfg, "--check", "loader.cache_mb=64", "data.cache=none"))
        R.expect("cache       none" in out and ": 0 %" in out, "--check: data.cache: none is none")
        code, out = R.run(R.command(1, "--cfg", cfg, "--check", "device=cpu", "data.cache=device"))
        R.expect(code == 64 and "data.cache: device needs a card" in out, "data.cache: device without a card is refused")
        code, out = R.run(R.command(1, "--cfg", cfg, "--check", "data.cache=host"))
        R.expect(code == 64 and "loader.cache_mb" in out, "data.cache: host without memory for it is refused")

        def gated(name, cache, *more):
            """Runs until everything was read once, then makes every further read of any file fail."""
            gate, run_dir, log = folder / f"{name}.gate", folder / name, folder / f"{name}.log"
            p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=1000000", "valid.every=0", "data.tries=1", "train.itm_neg_prob=0.1",
                                  f"loader.cache_mb={cache}", *more, "--quiet"), log, LD_PRELOAD=str(shim), FLAKY=".h5 0 0 5",
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
        code, _, out = gated("off", 64, "data.cache=none")
        R.expect(code == 74 and "cannot read" in out, "data.cache: none reads again")
        code, _, out = gated("none", 0)
        R.expect(code == 74 and "cannot read" in out, "without a cache the same run fails: the reads do fail")


main()
