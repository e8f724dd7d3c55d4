"""Two or three jobs are started on one folder at nearly the same time: one trains, the others are refused or find the work done. Those
that come while one trains are refused, and that one never notices. A folder that is moved while its run goes on ends that run with a
named error; where it lies then, the run goes on."""
import os
import pathlib
import shutil
import signal
import time

import attempts as A
import runlib as R

STEPS = 30
PATIENCE = 5


def together(world, tally, rng, number):
    run_dir = world.folder / f"t{number}"
    jobs = []
    for i in range(rng.choice((2, 2, 3))):
        ranks = rng.choice((1, 2)) if R.has_mpi() else 1
        log = world.folder / f"t{number}_{i}.log"
        jobs.append((A.start(world.command(ranks, run_dir, f"run.patience={PATIENCE}"), log), log))
        time.sleep(rng.choice((0, 0, rng.uniform(0, 0.3))))
    codes = [A.ended(p, 60) for p, _ in jobs]
    texts = [log.read_text(errors="replace") for _, log in jobs]
    told = all("held by another run" in t or "belongs to another run" in t for t, c in zip(texts, codes) if c == 64)
    good = 0 in codes and set(codes) <= {0, 64} and told and world.as_undisturbed(run_dir)
    tally.add(f"{len(jobs)} jobs: exit codes {codes}", good, "\n".join(texts))
    shutil.rmtree(run_dir, ignore_errors=True)


def starts(run_dir):
    return len((run_dir / "log/starts.jsonl").read_text().splitlines())


def while_one_trains(world, tally, rng, number):
    """The lock, held by a living run of this machine, decides: nobody's later record does."""
    run_dir, logs = world.folder / f"w{number}", [world.folder / f"w{number}_{i}.log" for i in range(3)]
    ranks = rng.choice((1, 2)) if R.has_mpi() else 1
    words = ("train.steps=1000000", "checkpoint.every=1000", f"run.patience={PATIENCE}")
    first = A.start(world.command(ranks, run_dir, *words), logs[0])
    R.wait_for_step(first, run_dir, rng.randrange(2, 50))
    others = [A.start(world.command(1, run_dir, *words), log) for log in logs[1:]]
    codes = [A.ended(p, 60) for p in others]
    at = R.last_logged_step(run_dir)
    for pid in R.ranks_of(first):
        A.send(pid, signal.SIGUSR1)
    code = A.ended(first, 60)
    texts = [log.read_text(errors="replace") for log in logs]
    told = all("held by another run" in t for t in texts[1:])
    steps = [x["step"] for x in R.metrics(run_dir)]
    whole = steps == list(range(1, len(steps) + 1)) and len(steps) > at and starts(run_dir) == 1
    tally.add(f"one trained, exit code {code}, {len(steps)} updates; those that came: {codes}",
              code == 75 and codes == [64, 64] and told and whole, "\n".join(texts))
    shutil.rmtree(run_dir, ignore_errors=True)


def moved(world, tally, rng, number):
    """With the folder's name taken by nobody, by an empty folder, or by a copy."""
    run_dir, away, log = world.folder / f"m{number}", world.folder / f"away{number}", world.folder / f"m{number}.log"
    ranks = rng.choice((1, 2)) if R.has_mpi() else 1
    p = A.start(world.command(ranks, run_dir, "run.timeout=20"), log)
    R.wait_for_step(p, run_dir, rng.randrange(2, STEPS * 2 // 3))
    time.sleep(rng.uniform(0, 0.05))
    over = p.poll() is not None
    os.rename(run_dir, away)
    over = over or (away / f"ckpt/step_{STEPS:08d}").exists()  # its last save had ended
    instead = rng.choice(("nothing", "an empty folder"))
    if instead != "nothing":
        run_dir.mkdir()
    code = A.ended(p, 60)
    out = log.read_text(errors="replace")
    good, again = world.goes_on(ranks, away)
    named = over or (code == 74 and str(run_dir) in out)
    left = [x for x in run_dir.rglob("*") if x.is_file()] if run_dir.exists() else []
    tally.add(f"moved, {instead} in its place: exit code {code}, {len(left)} files left there", good and named and not left,
              f"{out}\n{left}\n{again}")
    for path in (run_dir, away):
        shutil.rmtree(path, ignore_errors=True)


def main():
    rng = A.generator()
    with R.Folder() as folder:
        world = A.World(pathlib.Path(folder), STEPS, checkpoint=2, valid=False)
        tallies = []
        for name, act, few in (("jobs at once on one folder", together, 4), ("jobs that come while one trains", while_one_trains, 1),
                                ("a folder moved", moved, 4)):
            tally = A.Tally(name)
            for i in range(A.rounds(few, 100)):
                act(world, tally, rng, i)
            tallies.append(tally.end())
        A.conclude(tallies)


main()
