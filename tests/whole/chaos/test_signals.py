"""Signals at random moments, from the first millisecond to the last, the start of MPI included: each asks for a stop, and the next start
goes on to the bits of an undisturbed run. A rank may die of a signal only before it listens, and then nothing was begun. Ranks that are
stopped and let go, time and again, compute the same bits."""
import os
import random
import signal
import time

import chaoslib as C
import runlib as R

STEPS = 40
SHIM = R.BUILD / "tests" / "libmpi_doubles.so"
SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGXCPU)


def words(cfg, run_dir):
    return ["--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "--quiet"]


def goes_on(ranks, cfg, run_dir, whole, name):
    code, out = C.run(R.command(ranks, *words(cfg, run_dir)), 120)
    same = code == 0 and R.digests(run_dir, STEPS) == whole
    return same or C.lost(f"{name}: the next start ends with {code}, other bits", out)


def finish(p, log, name):
    """(exit code, output) within a minute; None: it hangs."""
    end = time.monotonic() + 60
    while p.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    hangs = p.poll() is None
    R.end_group(p)
    out = log.read_text(errors="replace")
    return (None if hangs else p.returncode), out


def a_rank(p, rng, until):
    """A process of the program, as soon as there is one at or after `until`."""
    while time.monotonic() < until or p.poll() is None:
        pids = R.ranks_of(p)
        if time.monotonic() >= until and pids:
            return rng.choice(pids)
        time.sleep(0.002)
    return None


def attempt(folder, cfg, whole, number, plan):
    ranks, what, moment, rng = plan
    name = f"{what.name} after {moment:.3f} s, {ranks} rank{'s' if ranks > 1 else ''}"
    run_dir, log = folder / f"r{number}", folder / f"r{number}.log"
    p = R.start(R.command(ranks, *words(cfg, run_dir)), log)
    pid = a_rank(p, rng, time.monotonic() + moment)
    heard = pid is not None and C.listens(pid, what)
    if pid is not None:
        try:
            os.kill(pid, what)
        except ProcessLookupError:
            pass
    code, out = finish(p, log, name)
    deaf = not heard and code not in (None, 0, 75)  # it died of the signal, or the launcher says so
    if code not in (0, 75) and not deaf:
        return C.lost(f"{name}: exit code {code}", out)
    if deaf and list(run_dir.glob("ckpt/step_*")):
        return C.lost(f"{name}: {code}, though it had begun", out)
    return goes_on(ranks, cfg, run_dir, whole, name)


def inside(folder, cfg, whole, number, plan):
    """Raised inside a call of MPI, or while the program starts anew: a stop that is never lost."""
    point, what, rank, call = plan
    name = f"{what.name} in {point} {call} of rank {rank}"
    run_dir, log = folder / f"i{number}", folder / f"i{number}.log"
    p = R.start(R.command(2, *words(cfg, run_dir)), log, LD_PRELOAD=str(SHIM), UN_DOUBLE=f"{point}=raise{int(what)}:{rank}:{call}",
                ASAN_OPTIONS=R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0")
    code, out = finish(p, log, name)
    if code != (0 if point == "finalize" else 75) or "double: " not in out:
        return C.lost(f"{name}: exit code {code}", out)
    return goes_on(2, cfg, run_dir, whole, name)


def stop_and_go(p, ranks, rng):
    """How often a rank was stopped and let go, from its start to its end."""
    told, pids = 0, []
    while p.poll() is None and told < 100:
        if len(pids) < ranks:
            pids = R.ranks_of(p)[:ranks]
        for pid in pids:
            try:
                os.kill(pid, signal.SIGSTOP)
                time.sleep(rng.uniform(0, 0.005))
                os.kill(pid, signal.SIGCONT)
                told += 1
            except ProcessLookupError:
                pass
        time.sleep(rng.uniform(0, 0.02))
    return told


def stopped(folder, cfg, whole, number, plan):
    """SIGSTOP and SIGCONT, to one rank after the other. On a machine that is full the run may be over before it was stopped often."""
    ranks, rng = plan
    for again in range(5):
        run_dir, log = folder / f"s{number}_{again}", folder / f"s{number}_{again}.log"
        p = R.start(R.command(ranks, *words(cfg, run_dir)), log)
        told = stop_and_go(p, ranks, rng)
        code, out = finish(p, log, "stopped")
        if code != 0 or R.digests(run_dir, STEPS) != whole:
            return C.lost(f"stopped {told} times: exit code {code}", out)
        if told >= 10:
            return True
        R.repeated(f"stopped only {told} times")
    return C.lost(f"stopped only {told} times", out)


def plans(rng, folder, cfg):
    """Moments over the whole of a run, measured now."""
    for ranks, ci in ((1, 8), (2, 6)):
        if ranks > 1 and not R.has_mpi():
            continue
        begun = time.monotonic()
        R.run_ok(R.command(ranks, *words(cfg, folder / f"time{ranks}")))
        took = time.monotonic() - begun
        for _ in range(C.times(ci, 15)):
            yield ranks, rng.choice(SIGNALS), rng.uniform(0, 1.02 * took), random.Random(rng.randrange(1 << 31))


def main():
    rng = C.begin()
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS, valid=False, checkpoint=10)
        R.run_ok(R.command(1, *words(cfg, folder / "whole")))
        whole = R.digests(folder / "whole", STEPS)
        todo = list(enumerate(plans(rng, folder, cfg)))
        C.tell("signals at random", len(todo), C.each(lambda item, _: attempt(folder, cfg, whole, *item), todo), 8)
        if R.has_mpi():
            points = [(point, s, rng.randrange(2), rng.randrange(1, 2 if point != "collective" else 60))
                      for point in ("init", "collective", "finalize") for s in SIGNALS]
            anew = [("restart", s, rng.randrange(2), 1) for s in SIGNALS]
            todo = list(enumerate([*C.choose(rng, points, 5), *C.choose(rng, anew, 1)]))
            C.tell("signals inside MPI", len(todo), C.each(lambda item, _: inside(folder, cfg, whole, *item), todo), 5)
        todo = list(enumerate((1 + R.has_mpi(), random.Random(rng.randrange(1 << 31))) for _ in range(C.times(2, 10))))
        C.tell("stopped and let go", len(todo), C.each(lambda item, _: stopped(folder, cfg, whole, *item), todo), 2)
        C.end()


main()
