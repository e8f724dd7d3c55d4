"""A disk so slow that a save takes longer than checkpoint.every steps, and a wall clock that jumps an hour back and forth at every look:
neither changes a bit, loses a save that was begun, or ends a run."""
import json

import chaoslib as C
import runlib as R


def check_slow(rng, folder, small):
    """Each fsync, write and rename of a save is late; a save after every step must wait for the one before."""
    plan = [(kinds, ms) for kinds in ("fsync,fdatasync", "write,pwrite", "rename", "create,mkdir", "unlink,rmdir")
            for ms in (20, 60)] * C.times(1, 10)

    def one(item, worker):
        kinds, ms = item
        root = C.fresh(folder / f"slow.{worker}")
        env = C.environment(root, do=f"sleep {ms}", **{"from": kinds})
        code, out = C.run(small.command(root / "run", "checkpoint.every=1", "checkpoint.keep=0"), 120, **env)
        saved = sorted(p.name for p in (root / "run/ckpt").glob("step_*"))
        what = f"{kinds} take {ms} ms"
        if code != 0 or not small.same(root / "run"):
            return C.lost(f"{what}: exit code {code} or other bits", out)
        if saved != [f"step_{n:08d}" for n in range(1, small.steps + 1)]:
            return C.lost(f"{what}: saves are missing: {saved}", out)
        verify, text = C.run([R.BUILD / "uniter", "ckpt", "verify", root / "run"])
        return verify == 0 or C.lost(f"{what}: a checkpoint is broken", text)

    C.tell("slow disk, a save after each step", len(plan), C.each(one, plan), least=10)


def check_clock(rng, folder, small, ranks):
    """Starts, stops at a random line of the log, goes on: all with a clock that jumps."""
    def one(seed, worker):
        root = C.fresh(folder / f"clock{ranks}.{worker}")
        draw = C.random.Random(seed)
        at = f"write:run/log/metrics.jsonl:{draw.randint(1, small.steps)}"
        jump = draw.choice((3600, 7200, 86400))
        code, out, fired = C.attempt(small.command(root / "run"), root, at, "after", clock=jump, rank=0)
        if not fired or code == 0:
            return C.lost(f"clock: not killed at {at}, exit code {code}", out)
        code, out = C.run(small.command(root / "run"), 90, **C.environment(root, clock=-jump))
        if code != 0 or not small.same(root / "run"):
            return C.lost(f"a clock that jumps by {jump} s: exit code {code} or other bits (stopped at {at})", out)
        lines = [json.loads(x) for x in (root / "run/log/metrics.jsonl").read_text().splitlines()]
        wrong = [k for x in lines for k, v in x.items() if k.startswith("ms/") and not 0 <= v < 60000]
        return not wrong or C.lost(f"a clock that jumps by {jump} s: times in the log jump, too: {wrong}", out)

    seeds = [rng.randrange(1 << 30) for _ in range(C.times(10 if ranks == 1 else 3, 10))]
    C.tell(f"clock jumps, {ranks} rank{'s' * (ranks > 1)}", len(seeds), C.each(one, seeds), least=3)


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        check_slow(rng, folder, small)
        check_clock(rng, folder, small, 1)
        if R.has_mpi():
            check_clock(rng, folder, C.Small(folder, ranks=2, lanes=2, name="pair"), 2)
        C.end()


main()
