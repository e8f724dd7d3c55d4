"""Trainings on the emulated card whose queues, all or some of them, run as late as they may (tests/cards/emu/late.h): whatever is read,
overwritten or gone on from without a wait would show. The same bits as when all is done at once: with features sent and kept, with
graphs, with gradients brought to the host between ranks, at validations and checkpoints. Words have buckets of their own."""
import shutil

import runlib as R

CARD = R.BUILD / "tests" / "cards" / "emu" / "bin" / "uniter_dist"
STEPS = 3


def train(cfg, run, ranks, late, *words, **env):
    """late: the queues that are, or nothing."""
    cmd = [CARD if str(w) == str(R.BUILD / "uniter_dist") else w for w in
           R.command(ranks, "--cfg", cfg, "--quiet", f"run.dir={run}", "device=cuda", "run.threads=1", "loader.threads=2",
                     "optim.warmup_steps=1", *words)]
    out = R.run_ok(cmd, **(dict(UN_EMU_LATE=late) if late else {}), **env)
    found = R.metrics(run), R.metrics(run, "valid"), R.digests(run, STEPS)
    R.expect(found[0] and found[0][-1]["step"] == STEPS and found[1], f"{run.name}: {STEPS} steps and a validation" if found[0] else out)
    shutil.rmtree(run)
    return found


def main():
    if not CARD.exists():
        R.skip("a build without the emulated card")
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=16, valid_images=2)
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS, lanes=4, tokens=60, layers=1, every=STEPS,
                             checkpoint=2, sets=("coco",), positions=16384, extra="comm: {bucket_mb: 1}")
        fp32 = train(cfg, folder / "at_once", 1, None)
        ways = [("sent", 1, "job", []), ("sent_late", 1, "all", []), ("kept", 1, "job", ["data.cache=device"]),
                ("sides_early", 1, "main", []), ("regions_early", 1, "side0", []), ("pairs_early", 1, "side1", [])]
        if R.has_mpi():
            after = ["comm.backend=mpi", "comm.overlap=false"]
            ways += [("ranks", 2, "all", ["comm.backend=mpi"]), ("after", 2, "job", after),
                     ("before", 2, "copies", after)]  # what the computation does not wait for has not come
        for name, ranks, late, words in ways:
            R.expect(train(cfg, folder / name, ranks, late, *words) == fp32, f"{name}: all numbers to the last bit")
        rare = ["log.every=3", "checkpoint.every=3"]  # how step 2 ended is read while step 3 is under way
        for name, ranks, late, words in ways[:2] + [("copies", 1, "copies", [])] + [w for w in ways if w[0] == "ranks"]:
            lines, valid, digests = train(cfg, folder / f"rare_{name}", ranks, late, *words, *rare)
            R.expect([x["step"] for x in lines] == [1, 3] and (lines, valid, digests) == ([fp32[0][0], fp32[0][2]], *fp32[1:]),
                     f"{name}, steps that nobody looks at: all numbers to the last bit")
        low = ["train.precision=bf16", "train.graph=true"]
        at_once = train(cfg, folder / "bf16_at_once", 1, None, *low)
        R.expect(train(cfg, folder / "graphs", 1, "job", *low) == at_once, "graphs in bf16: all numbers to the last bit")
        for ahead in ("main", "sides"):
            R.expect(train(cfg, folder / f"edges_{ahead}", 1, None, *low, UN_EMU_GRAPH=ahead) == at_once,
                     f"graphs with nothing but their edges, {ahead} ahead: all numbers to the last bit")
        low = ["train.precision=fp8", "train.fp8_after=1"]
        at_once = train(cfg, folder / "fp8_at_once", 1, None, *low)
        R.expect(train(cfg, folder / "fp8", 1, "all", *low) == at_once, "fp8: all numbers to the last bit")
        R.expect(train(cfg, folder / "fp8_graphs", 1, "job", *low, "train.graph=true") == at_once,
                 "graphs in fp8: all numbers to the last bit")
        if R.has_mpi():
            R.expect(train(cfg, folder / "fp8_ranks", 2, "all", *low, "comm.backend=mpi") == at_once,
                     "fp8 on two ranks: all numbers to the last bit")


main()
