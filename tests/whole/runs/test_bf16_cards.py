"""bf16 between emulated cards: buckets of parameters that go round as bf16, others as f32, and what of the former is read as f32 in
lists (launch/traffic/exchange_low.h). Through the host's memory and by collectives from card to card (tests/cards/fake, and
comm/comm_nccl.c on as much of its library as that calls), on 2 and 4 ranks, at once and with queues that run late
(tests/cards/emu/late.h): the bits of one rank, which exchanges nothing."""
import re
import shutil

import runlib as R

STEPS = 3
CARDS = R.BUILD / "tests" / "cards" / "emu"
FAKE, NCCL = CARDS / "fake_comm" / "uniter_dist", CARDS / "fake_nccl" / "uniter_dist"
STAGED, DIRECT = "through MPI and host memory", "between the cards"


def train(cfg, run, ranks, program, *words, **env):
    """Lines, validation, digests, and what was said."""
    cmd = [program if str(w) == str(R.BUILD / "uniter_dist") else w for w in
           R.command(ranks, "--cfg", cfg, f"run.dir={run}", "device=cuda", "run.threads=1", "loader.threads=1", "optim.warmup_steps=1",
                     *words)]
    out = R.run_ok(cmd, UN_FAKE_CARDS=str(ranks), **env)
    found = R.metrics(run), R.metrics(run, "valid"), R.digests(run, STEPS)
    R.expect(len(found[0]) == STEPS and found[1], f"{run.name}: {STEPS} steps and a validation")
    shutil.rmtree(run)
    return found, out


def ways(ranks):
    """name, program, words, environment, what the log says."""
    found = [("staged", FAKE, ["comm.backend=mpi"], {}, STAGED),
             ("staged_after", FAKE, ["comm.backend=mpi", "comm.overlap=false"], {}, STAGED),
             ("staged_late", FAKE, ["comm.backend=mpi"], dict(UN_EMU_LATE="all"), STAGED),
             ("cards", FAKE, ["comm.backend=nccl"], {}, DIRECT),
             ("cards_late", FAKE, ["comm.backend=nccl"], dict(UN_EMU_LATE="all"), DIRECT),
             ("cards_ahead", FAKE, ["comm.backend=nccl"], dict(UN_EMU_LATE="job"), DIRECT),  # of the computation
             ("nccl", NCCL, ["comm.backend=nccl"], {}, DIRECT)]
    return [w for w in found if w[1].exists() and (ranks == 2 or not w[0].endswith("_after"))]


def main():
    if not R.has_mpi() or not FAKE.exists():
        R.skip("a build without MPI or the emulated card")
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=16, valid_images=2)
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS, lanes=4, tokens=60, layers=1, width=128, heads=2,
                             every=STEPS, checkpoint=STEPS, sets=("coco",), extra="comm: {bucket_mb: 1}",
                             train_extra=", precision: bf16")
        alone, _ = train(cfg, folder / "alone", 1, FAKE)
        for ranks in (2, 4):
            for name, program, words, env, way in ways(ranks):
                found, out = train(cfg, folder / f"{name}_{ranks}", ranks, program, *words, **env)
                went = re.search(r"parameters: (\d+) of (\d+) buckets go round as bf16", out)
                R.expect(way in out and went and 0 < int(went[1]), f"{ranks} ranks, {name}: {way}; {went and went[0]}")
                R.expect(found == alone, f"{ranks} ranks, {name}: all numbers to the last bit")


main()
