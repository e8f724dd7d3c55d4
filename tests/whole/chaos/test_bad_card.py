"""A bad card: bits of one rank's parameters, moments or products flip while it trains, once or again and again. With
run.check_every 1 every such run ends with 70 and names rank and host, or with the parameters of an undisturbed run (the bit
was overwritten before it was used); with a longer interval a card that goes on flipping is found at the next look. Nothing
damaged is saved: the checkpoints that are there are those of the undisturbed run."""
import re
import socket

import chaoslib as C
import runlib as R

SHIM = R.BUILD / "tests" / "libflip.so"
HOST, STEPS = socket.gethostname(), 4


def config(folder, name, data, lanes):
    return R.write_config(folder / f"{name}.yaml", data, folder / name, steps=STEPS, lanes=lanes, tokens=96, width=16, layers=1,
                          sets=("coco",), valid=False, checkpoint=2)


def run(folder, name, data, ranks, look, *words, **flips):
    cfg = config(folder, name, data, ranks)
    env = {f"FLIP_{k.upper()}": str(v) for k, v in flips.items()}
    if flips:
        env["LD_PRELOAD"] = str(SHIM)
    env["ASAN_OPTIONS"] = R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
    cmd = R.command(ranks, "--cfg", cfg, "run.threads=1", f"run.check_every={look}", "--quiet", *words)
    return (*C.run(cmd, 60, **env), folder / name)


def good_saves(run_dir, right):
    """Every checkpoint is that of the undisturbed run."""
    steps = [int(p.name[5:]) for p in (run_dir / "ckpt").glob("step_????????")]
    return all(R.digests(run_dir, s) == R.digests(right, s) for s in steps), steps


def survived(what, code, out, run_dir, right, rank, tally):
    named = code == 70 and re.search(rf"rank {rank}\b", out) and f"host {HOST}" in out
    good, steps = good_saves(run_dir, right)
    whole = code == 0 and STEPS in steps
    tally["named" if named else "harmless" if whole else "lost"] += 1
    if (named or whole) and good:
        return 1
    C.lost(f"{what}: exit code {code}, checkpoints {steps} {'right' if good else 'WRONG'}", out)
    return 0


def attempts(folder, data, rng, title, ranks, rank, look, counts, whats, number, *words, again=0, least=1):
    right = folder / f"right_{ranks}"
    tally = {"named": 0, "harmless": 0, "lost": 0}
    fine = 0
    for i in range(number):
        what = whats[i % len(whats)](rng)
        flips = dict(what=what, at=rng.randrange(1, counts[ranks] + 1), bit=rng.randrange(8, 31), rank=rank,
                     bytes=counts["shard" if what.startswith("shard:") else "room", ranks])
        flips["what"] = what.replace("shard:", "block:")
        if again:
            flips.update(every=again, at=1)
        name = re.sub(r"\W+", "_", title) + f"_{i}"
        code, out, run_dir = run(folder, name, data, ranks, look, *words, **flips)
        fine += survived(f"{title}: {flips}", code, out, run_dir, right, rank, tally)
    C.tell(f"bad card, {title} ({tally['named']} named, {tally['harmless']} harmless)", number, fine)
    R.expect(tally["named"] >= least, f"{title}: {tally['named']} of {number} are named")


def owned(m, ranks):
    """Bytes of the moments of the last rank."""
    return 4 * sum(n for first, n in m["shards"][ranks - 1]["runs"])


def room(m, ranks):
    """Bytes of the buffer of parameters: filled up to a block of 4,096 for each rank (comm/shard.h)."""
    share = 4096 * ranks
    return 4 * share * -(-m["total"] // share)


def measure(folder, data, ranks):
    """An undisturbed run: how many products there are, how long the buffers."""
    count = folder / "count"
    code, out, run_dir = run(folder, f"right_{ranks}", data, ranks, 1, count=count, rank=ranks - 1)
    R.expect(code == 0, f"{ranks} ranks: undisturbed" if code == 0 else out[-2000:])
    plain = run(folder, f"plain_{ranks}", data, ranks, 0)
    R.expect(plain[0] == 0 and good_saves(plain[2], run_dir)[0], f"{ranks} ranks: looking changes no bit")
    m = R.manifest(run_dir, STEPS)
    return int(count.read_text().split()[0]), m["total"], room(m, ranks), owned(m, ranks)


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    rng = C.begin()
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        counts = {}
        for ranks in (2, 3):
            counts[ranks], words, counts["room", ranks], counts["shard", ranks] = measure(folder, data, ranks)
        # the first block of that length is the exchange's scratch
        params = lambda r: f"block:1:{r.randrange(words)}"  # noqa: E731
        first = lambda r: f"shard:0:{r.randrange(counts['shard', 2] // 4)}"  # noqa: E731
        second = lambda r: f"shard:1:{r.randrange(counts['shard', 2] // 4)}"  # noqa: E731
        product = lambda r: "product"  # noqa: E731
        attempts(folder, data, rng, "parameters at rest", 2, 1, 1, counts, [params], C.times(3), least=C.times(3))
        attempts(folder, data, rng, "moments at rest", 2, 1, 1, counts, [first, second], C.times(4), least=C.times(4))
        attempts(folder, data, rng, "products", 2, 1, 1, counts, [product], C.times(4), least=0)
        # each by one look alone: machines that may differ are not compared by a probe; the same wrong each time is computed twice
        attempts(folder, data, rng, "products now and then, a look in 2", 2, 1, 2, counts, [product], C.times(2),
                 "run.mixed_machines=true", again=3, least=C.times(2))
        corner = lambda r: "corner"  # noqa: E731
        attempts(folder, data, rng, "products always in the same place, a look in 2", 3, 2, 2, counts, [corner], C.times(2), again=1,
                 least=C.times(2))
    C.end()


main()
