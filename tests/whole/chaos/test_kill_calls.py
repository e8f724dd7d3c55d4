"""SIGKILL at every call that changes a file, from the first start in an empty folder to the end of a run with its saves: before the
call, after it, and amid the bytes of a write. What is left is always a run that goes on to the same bits, and its checkpoints are
right. The same for a resumed run, which cuts logs and replaces checkpoints."""
import pathlib

import chaoslib as C
import runlib as R


def steps_left(run_dir):
    return {p.name for p in (pathlib.Path(run_dir) / "ckpt").glob("step_????????")}


def check_kills(name, rng, small, folder, template, words, most):
    """Every position of one run that begins in a copy of `template` (None: nothing is there)."""
    root = C.fresh(folder / name, template)
    calls = C.record(small.command(root / "run", *words), root, folder / f"{name}.log")
    keys = C.positions(calls)
    plan = [(key, do) for key in keys for do in ("kill", "after", "half") if do != "half" or "write" in key.split(":")[0]]
    tried = survived = 0
    for key, do in C.choose(rng, plan, most):
        C.fresh(root, template)
        code, out, fired = C.attempt(small.command(root / "run", *words), root, key, do)
        tried += 1
        if not fired or code != 137:
            C.lost(f"{name}: {do} at {key}: not reached, exit code {code}", out)
            continue
        if steps_left(root / "run"):
            code, out = C.run([R.BUILD / "uniter", "ckpt", "verify", root / "run"])
            if code != 0:
                C.lost(f"{name}: {do} at {key}: a checkpoint is broken", out)
                continue
        same, out = small.go_on(root / "run")
        if not same:
            C.lost(f"{name}: {do} at {key}: the run does not go on to the same end", out)
        survived += same
    C.tell(f"SIGKILL, {name}", tried, survived, least=min(most, 100))
    return len(plan)


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        check_kills("first start and saves", rng, small, folder, None, (), 60)
        half = small.stopped(folder / "half")
        check_kills("resume and saves", rng, small, folder, half, ("checkpoint.keep=1",), 60)
        C.end()


main()
