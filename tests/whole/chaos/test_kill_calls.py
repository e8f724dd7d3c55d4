"""SIGKILL at every call that changes a file, from the first start in an empty folder to the end of a run with its saves: before the
call, after it, and amid the bytes of a write. What is left is always a run that goes on to the same bits, and its checkpoints are
right. The same for a resumed run, which cuts logs and removes checkpoints, and for both ranks of a run of two."""
import chaoslib as C
import runlib as R


def checkpoints_right(run_dir):
    """And the output; without any, nothing can be wrong."""
    if not list((run_dir / "ckpt").glob("step_????????")):
        return True, ""
    code, out = C.run([R.BUILD / "uniter", "ckpt", "verify", run_dir])
    return code == 0, out


def check_kills(name, rng, small, folder, template, words, most, rank=None):
    """Every position of one run that begins in a copy of `template` (None: nothing is there)."""
    base = folder / name.replace(" ", "_")
    root = C.fresh(base.with_suffix(".0"), template)
    orders = {} if rank is None else {"rank": rank}
    calls = C.record(small.command(root / "run", *words), root, base.with_suffix(".log"), **orders)
    keys = C.positions(calls)
    if rank is not None:  # the folder of a step is made by whichever rank comes first: tried with one rank, above
        keys = [k for k in keys if k.split(":")[0] != "mkdir" and k.split(":")[1] != "run/ckpt"]
    plan = [(key, do) for key in keys for do in ("kill", "after", "half")
            if do != "half" or "write" in key.split(":")[0]]

    def one(item, worker):
        key, do = item
        root = C.fresh(base.with_suffix(f".{worker}"), template)
        what = f"{name}: {do} at {key}"
        code, out, fired = C.attempt(small.command(root / "run", *words), root, key, do, **orders)
        if not fired or code == 0:
            return C.lost(f"{what}: not reached, exit code {code}", out)
        right, out = checkpoints_right(root / "run")
        if not right:
            return C.lost(f"{what}: a checkpoint is broken", out)
        same, out = small.go_on(root / "run")
        return same or C.lost(f"{what}: the run does not go on to the same end", out)

    chosen = C.choose(rng, plan, most)
    C.tell(f"SIGKILL, {name}", len(chosen), C.each(one, chosen), least=min(most, 30))


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        check_kills("first start and saves", rng, small, folder, None, (), 60)
        half = small.stopped(folder / "half")
        check_kills("resume and saves", rng, small, folder, half, ("checkpoint.keep=1",), 60)
        if R.has_mpi():  # rank 1 has a shard of its own; mpirun takes a second to end
            pair = C.Small(folder, ranks=2, lanes=2, name="pair")
            for rank in (0, 1):
                check_kills(f"rank {rank} of two", rng, pair, folder, None, (), 4, rank=rank)
        C.end()


main()
