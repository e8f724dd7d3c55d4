"""A rank is killed, aborts, is stopped, or is late by a second, at random moments of start, step, save, validation and end. The run ends
by itself with a named error, or goes on; the same command then comes to the bits of an undisturbed run.

One thing no rank of ours can end: one that is stopped when all others have left MPI and the results are on the disk. Nobody but the
launcher waits for it then, and launch/slurm.sh ends that (test_mpi_doubles.py); here it has to end well once it is continued."""
import pathlib
import re
import shutil
import signal
import time

import attempts as A
import runlib as R

STEPS = 24
TIMEOUT = 6 if not R.sanitized() else 15
WOUNDS = {"kill": signal.SIGKILL, "abort": signal.SIGABRT, "late": signal.SIGSTOP, "stop": signal.SIGSTOP}
SAID = re.compile(r"watchdog: |exited on signal|error: |aborted|MPI_ABORT|lost communication|non-zero status|[Kk]illed")


def wait_for(p, condition, seconds=20):
    end = time.monotonic() + seconds
    while time.monotonic() < end and p.poll() is None and not condition():
        time.sleep(0.0005)


def reach(place, p, run_dir, rng):
    """Waits until the run is there."""
    if place == "start":
        time.sleep(rng.uniform(0.02, 0.6))
        return
    step = rng.randrange(1, STEPS // 5) * 5
    wait_for(p, lambda: R.last_logged_step(run_dir) >= (STEPS if place == "end" else step))
    if place == "save":
        wait_for(p, lambda: list((run_dir / "ckpt").glob("*.partial")))
    time.sleep(rng.uniform(0, 0.01 if place in ("save", "validation") else 0.1))


def hurt(p, wound, rng):
    """The rank that was hurt, 0: there was nobody (any more)."""
    pids = R.ranks_of(p)
    if not pids:
        return 0
    victim = rng.choice(pids)
    found = A.send(victim, WOUNDS[wound])
    if wound == "late":
        time.sleep(1)
        A.send(victim, signal.SIGCONT)
    return victim if found else 0


def end_of(p, log, victim, wound):
    """The exit code; None: it hangs."""
    code = A.ended(p, 3 * TIMEOUT + 10, keep=wound == "stop")
    if code is None and wound == "stop" and R.ranks_of(p) == [victim] and "done: " in log.read_text(errors="replace"):
        A.send(victim, signal.SIGCONT)
        return A.ended(p, TIMEOUT)
    if code is None:
        A.clear(p)
    return code


def attempt(world, tally, rng, number, wound, place):
    ranks = rng.choice((2, 2, 4))
    run_dir, log = world.folder / f"r{number}", world.folder / f"r{number}.log"
    p = A.start(world.command(ranks, run_dir, f"run.timeout={TIMEOUT}", "run.patience=5"), log)
    reach(place, p, run_dir, rng)
    hit = hurt(p, wound, rng)
    at = R.last_logged_step(run_dir)
    code = end_of(p, log, hit, wound)
    out = log.read_text(errors="replace")
    name = f"{wound} in {place} of {ranks} ranks after update {at}: exit code {code}"
    if code is None:
        tally.add(name, False, "hangs\n" + out)
    elif code == 0:
        tally.add(name, world.as_undisturbed(run_dir), out)
    else:
        good, again = world.goes_on(ranks, run_dir)
        named = SAID.search(out) and code not in (64, 65) and (not hit or wound != "late")
        tally.add(name, good and named, out + again)
    shutil.rmtree(run_dir, ignore_errors=True)
    return name


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    rng = A.generator()
    with R.Folder() as folder:
        world = A.World(pathlib.Path(folder), STEPS, checkpoint=2, every=5)
        places = ["start", "step", "save", "validation", "end"]
        tallies = []
        for wound in WOUNDS:
            tally = A.Tally(f"a rank, {wound}")
            rng.shuffle(places)
            for i in range(A.rounds(3 if wound != "stop" else 1, 100)):
                print(attempt(world, tally, rng, i, wound, places[i % len(places)]), flush=True)
            tallies.append(tally.end())
        A.conclude(tallies)


main()
