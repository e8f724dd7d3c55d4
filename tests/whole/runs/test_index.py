"""Of the ranks of a host the first reads the index of the data for all: the others read none of it; where they cannot share it they
read it themselves, the same to the bit, and one line says so; a first rank that dies or stops meanwhile ends the others."""
import collections
import os
import signal
import time

import runlib as R

RANKS, STEPS = 4, 4
LEAST = 1500  # bytes: columns of the index are so long, no image's rows are
SLOW = 0.5  # seconds of a read


def pids_of(reads):
    """Of each large read so far: the others have some, too, of what is no index."""
    return [int(line.split()[0]) for line in reads.read_text().splitlines()] if reads.exists() else []


def is_first(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as f:
            return b"OMPI_COMM_WORLD_RANK=0" in f.read().split(b"\0")
    except OSError:
        return False


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    shim = R.BUILD / "tests" / "libslow_reads.so"
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=192)
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS)
        base = dict(LD_PRELOAD=str(shim), UN_TEST_READ_BYTES=str(LEAST), ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")

        def reads_of(name):
            lines = (folder / f"{name}.reads").read_text().splitlines()
            return sorted(collections.Counter(int(line.split()[0]) for line in lines).values())

        def go(name, ranks, *words, **more):
            """Output; large reads of each process."""
            code, out = R.run(R.command(ranks, "--cfg", cfg, f"run.dir={folder / name}", *words),
                              **dict(base, UN_TEST_READS=str(folder / f"{name}.reads"), **more))
            if code != 0:
                print(out[-3000:])
            R.expect(code == 0, f"{name}: exit code {code}")
            return out, reads_of(name)

        out, (whole,) = go("alone", 1)  # heads of the files and the index
        out, shared = go("shared", RANKS)
        index = shared[-1] - shared[0]
        R.expect(shared[:-1] == [shared[0]] * (RANKS - 1) and 8 < index < whole, f"shared: one reads the index, {index} large pieces: {shared}")
        R.expect("could not share" not in out, "shared: nothing is said")
        out, hidden = go("hidden", RANKS, UN_TEST_HIDE="1")
        R.expect(hidden == [shared[-1]] + [shared[0] + whole] * (RANKS - 1), f"/proc of the others is hidden: every rank reads: {hidden}")
        said = [line for line in out.splitlines() if "could not share the index" in line]
        R.expect(len(said) == 1 and f"{RANKS - 1} of {RANKS} ranks" in said[0] and "/proc/" in said[0] and "Permission denied" in said[0],
                 "one line says it, and why")
        for name in ("shared", "hidden"):
            R.expect(R.digests(folder / name, STEPS) == R.digests(folder / "alone", STEPS)
                     and R.metrics(folder / name) == R.metrics(folder / "alone"), f"{name}: bit-identical")

        def lost(name, wound, timeout):
            """The only process that reads the index is hurt there. Returns (seconds until the end, exit code, output)."""
            run_dir, log, reads = folder / name, folder / f"{name}.log", folder / f"{name}.reads"
            p = R.start(R.command(RANKS, "--cfg", cfg, f"run.dir={run_dir}", f"run.timeout={timeout}"), log,
                        **dict(base, UN_TEST_READS=str(reads), UN_TEST_READ_S=str(SLOW)))
            end = time.monotonic() + 60
            first = []
            while time.monotonic() < end and p.poll() is None and len(first) < 2:
                time.sleep(0.02)
                first = [pid for pid in pids_of(reads) if is_first(pid)]
            begin = time.monotonic()
            os.kill(first[0], wound)
            try:
                code = p.wait(timeout=4 * timeout + 20)
            except Exception:
                print(log.read_text(errors="replace")[-3000:])
                R.end_group(p)
                R.fail(f"{name}: the others wait for ever")
            R.end_group(p)  # a stopped process that its launcher could not end
            took = time.monotonic() - begin
            R.expect(reads_of(name)[-1] < whole, f"{name}: in the middle of it")
            return took, code, log.read_text(errors="replace")

        timeout = 12 if R.sanitized() else 4
        took, code, out = lost("killed", signal.SIGKILL, timeout)
        R.expect(code != 0 and took < 2 * timeout, f"killed: all end, exit code {code} after {took:.1f} s")
        took, code, out = lost("stopped", signal.SIGSTOP, timeout)
        R.expect(code == 74 and "phase data" in out, f"stopped: run.timeout ends the others, exit code {code} after {took:.1f} s")
        R.expect("rank 0" in out, f"the message names rank 0{'' if 'rank 0' in out else ': ' + out[-3000:]}")
        go("after", RANKS)
        R.expect(R.digests(folder / "after", STEPS) == R.digests(folder / "alone", STEPS), "the next start is as any")


main()
