"""MPI that never returns, in its start, in a collective, in its progress, in an abort after a failure, at its end; and the module of
cards likewise. All ranks are gone within twice run.timeout, the exit code is 74, the message says where; the next start goes on to the
bits of an undisturbed run.

So it is with a rank that is stopped before MPI's end: the others wait for it there, and their watchdogs look. One that is stopped behind it
has nobody left but the launcher, which waits for ever: launch/slurm.sh ends that."""
import os
import pathlib
import signal
import time

import chaoslib as C
import runlib as R

RANKS, STEPS, TIMEOUT = 2, 30, 4 if not R.sanitized() else 12
SHIM = R.BUILD / "tests" / "libmpi_doubles.so"
CARDS = R.BUILD / "tests" / "cards" / "bin" / "uniter_dist"
START = "phase start of MPI"
COLLECTIVES = 60  # at least so many on each rank of a run


def plans(rng):
    """name, UN_DOUBLE, what the message names, whether all updates are done by then"""
    rank = rng.randrange
    yield "init", f"init=sleep:{rank(RANKS)}:1", START, False
    yield "duplicate", f"duplicate=spin:{rank(RANKS)}:1", START, False
    for _ in range(C.times(2, 20)):
        how = rng.choice(("sleep", "spin"))
        yield "collective", f"collective={how}:{rank(RANKS)}:{rng.randrange(1, COLLECTIVES)}", "watchdog: ", False
    for _ in range(C.times(1, 20)):
        yield "test", f"test=sleep:{rank(RANKS)}:{rng.randrange(1, COLLECTIVES)}", "watchdog: ", False
    for _ in range(C.times(1, 10)):
        r = rank(RANKS)
        yield "abort", f"collective=fail:{r}:{rng.randrange(20, COLLECTIVES)},abort=sleep:{r}:1", "MPI: ", False
    yield "finalize", f"finalize=sleep:{rank(RANKS)}:1", "phase end", True
    for r in range(RANKS):
        yield "stopped", f"finalize=raise{signal.SIGSTOP:d}:{r}:1", "phase end", True


def lives(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def ended(p, log):
    """(seconds until the launcher and all ranks are gone, or None; exit code; output)"""
    began, took = time.monotonic(), 0
    while (alive := p.poll() is None or any(map(lives, R.ranks_of(p)))) and took < 2 * TIMEOUT + 15:
        time.sleep(0.05)
        took = time.monotonic() - began
    R.end_group(p)
    return None if alive else took, p.returncode, log.read_text(errors="replace")


def goes_on(words, run_dir, whole, name):
    code, out = C.run(R.command(RANKS, *words), 120)
    same = code == 0 and R.digests(run_dir, STEPS) == whole
    return same or C.lost(f"{name}: the next start ends with {code}, other bits", out)


def left(folder, cfg, whole, number, plan):
    """A rank that is stopped when all others have left, under launch/slurm.sh."""
    run_dir, log = folder / f"left_{number}", folder / f"left_{number}.log"
    words = ["--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "--quiet"]
    env = {k: "" for k in os.environ if k.startswith("SLURM_")} | {
        "LD_PRELOAD": str(SHIM), "UN_DOUBLE": plan, "SLURM_NTASKS": str(RANKS), "SLURM_SUBMIT_DIR": str(folder),
        "UNITER_LAUNCHER": "mpirun", "UNITER_WAIT": "3", "UNITER_PROGRAM": str(R.BUILD / "uniter_dist"),
        "OMPI_MCA_rmaps_base_oversubscribe": "1",
        "ASAN_OPTIONS": R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}
    took, code, out = ended(R.start(["bash", str(R.ROOT / "launch/slurm.sh"), *map(str, words)], log, **env), log)
    if took is None or code != 75 or "done: " not in out or f"of {RANKS} ranks here 1 are left" not in out:
        return C.lost(f"{plan}: {took and round(took, 1)} s, exit code {code}", out)
    print(f"{plan}: the launcher ended after {took:.1f} s", flush=True)
    return goes_on(words, run_dir, whole, plan)


def attempt(folder, cfg, whole, number, plan):
    name, double, said, complete = plan
    run_dir, log = folder / f"{name}_{number}", folder / f"{name}_{number}.log"
    words = ["--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "--quiet"]
    p = R.start(R.command(RANKS, *words, f"run.timeout={TIMEOUT}"), log, LD_PRELOAD=str(SHIM), UN_DOUBLE=double,
                ASAN_OPTIONS=R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0")
    took, code, out = ended(p, log)
    if took is None or code != 74 or said not in out or "double: " not in out:
        return C.lost(f"{double}: {took and round(took, 1)} s, exit code {code}", out)
    print(f"{double}: 74 after {took:.1f} s", flush=True)
    if complete and not (pathlib.Path(run_dir) / f"ckpt/step_{STEPS:08d}/manifest.json").exists():
        return C.lost(f"{double}: what was trained is not there", out)
    return goes_on(words, run_dir, whole, double)


def card(folder, cfg, whole, number, plan):
    """A collective between cards that is never queued."""
    run_dir, log = folder / f"card_{number}", folder / f"card_{number}.log"
    words = ["--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "--quiet"]
    program = [str(CARDS) if x == str(R.BUILD / "uniter_dist") else x for x in
               R.command(RANKS, *words, "device=cuda", "comm.backend=nccl", "train.precision=fp32", f"run.timeout={TIMEOUT}")]
    p = R.start(program, log, UN_FAKE_CARDS=str(RANKS), UN_FAKE_HANG=plan)
    took, code, out = ended(p, log)
    if took is None or code != 74 or "watchdog: " not in out:
        return C.lost(f"card {plan}: {took and round(took, 1)} s, exit code {code}", out)
    print(f"card {plan}: 74 after {took:.1f} s", flush=True)
    return goes_on([*words, "device=cpu"], run_dir, whole, f"card {plan}")


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    rng = C.begin()
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS, valid=False, checkpoint=10)
        R.run_ok(R.command(RANKS, "--cfg", cfg, f"run.dir={folder}/whole", "run.threads=1", "--quiet"))
        whole = R.digests(folder / "whole", STEPS)
        todo = list(enumerate(plans(rng)))
        C.tell("MPI that hangs", len(todo), C.each(lambda item, _: attempt(folder, cfg, whole, *item), todo), 9)
        todo = list(enumerate(f"left=raise{signal.SIGSTOP:d}:{rng.randrange(RANKS)}:1" for _ in range(C.times(1, 10))))
        C.tell("a rank stopped behind MPI's end", len(todo), C.each(lambda item, _: left(folder, cfg, whole, *item), todo))
        if CARDS.exists():
            todo = list(enumerate(f"{rng.randrange(RANKS)}:{rng.randrange(1, 40)}" for _ in range(C.times(1, 20))))
            C.tell("a link between cards that hangs", len(todo), C.each(lambda item, _: card(folder, cfg, whole, *item), todo))
        C.end()


main()
