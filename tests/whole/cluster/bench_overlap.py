"""How much of the communication is hidden: `bench_overlap.py BUILD_FOLDER [TOKENS [STEPS]]`; about 6 minutes on 2 cores, 9 GB.

Four ranks on four hosts, each behind a link of 1 Gbit/s, UNITER-base: 4 x 111 MB of floats are reduced to their owners and as much is
gathered in every step, so each host sends and receives 2 (3/4) 4 P bytes (P parameters, measured below by the network itself) and the
wire alone takes that many bytes over 125 MB/s. The same steps run with comm.overlap off and on; compared is ms/reduce of the log: the
time in which a rank was held up by communication, wherever in the step.

What can be hidden is bounded by what there is to hide it behind: the backward of the last lane (gradients) and the forward of the next
step's first lane (parameters). So the bar, 60 % less, says something only where the computation of one lane is about as long as
the communication: with TOKENS = 768 a lane on the 2 cores that the four ranks share. Both times are printed; with a quarter of the tokens nothing could reach
the bar, with four times as many everything would. The embeddings (a fifth of the parameters) come last in the backward and first in
the forward, so about that share stays exposed whatever is done.
"""
import json
import sys

import clusterlib as C
import runlib as R

TOKENS = int(sys.argv[2]) if len(sys.argv) > 2 else 768
STEPS = int(sys.argv[3]) if len(sys.argv) > 3 else 5
RANKS, BITS_PER_SECOND, BAR = 4, 1e9, 0.6


def lines(run_dir):
    try:
        text = (run_dir / "log/metrics.jsonl").read_text()
    except FileNotFoundError:
        return []
    return [json.loads(x) for x in text.splitlines() if '"loss"' in x]


def measure(cluster, folder, cfg, overlap):
    """Per step, without the first: ms of the log and bytes that host 2 received; and the losses."""
    run_dir, log = folder / f"overlap_{overlap}", folder / f"overlap_{overlap}.log"
    p = R.start(cluster.mpirun(1, "--cfg", cfg, f"run.dir={run_dir}", f"comm.overlap={overlap}", "run.threads=1", "--quiet"), log, **cluster.env)
    counted = {}

    def done():
        n = len(lines(run_dir))
        counted.setdefault(n, cluster.counts("node2")[0])
        return n >= STEPS or p.poll() is not None
    C.wait_until(done, 900, f"{STEPS} steps")
    found = lines(run_dir)
    R.end_group(p)
    C.wait_until(lambda: not any(cluster.ranks().values()), 60, "the ranks to end")
    if len(found) < STEPS:
        print(log.read_text()[-3000:])
        R.fail("the run ended early")
    steps = found[1:STEPS]
    mean = {key: sum(x[key] for x in steps) / len(steps) for key in steps[0] if key.startswith("ms/")}
    return mean, (counted[STEPS] - counted[1]) / (STEPS - 1), [x["loss"] for x in found[:STEPS]]


def main():
    C.need("mpirun")
    with R.Folder() as folder, C.Cluster(folder / "cluster", RANKS) as cluster:
        data = R.synth(folder / "data", train_images=64, valid_images=1, texts=2, img_dim=2048, img_label_dim=1601, vocab_size=28996,
                       min_background=22, max_background=34, sets="coco,vg")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=10000, lanes=RANKS, tokens=TOKENS, valid=False,
                             width=768, layers=12, heads=12)
        cluster.tell(f"all rate {BITS_PER_SECOND:.0f}")
        off, bytes_off, losses_off = measure(cluster, folder, cfg, "false")
        on, bytes_on, losses_on = measure(cluster, folder, cfg, "true")
        wire = bytes_on * 8 / BITS_PER_SECOND
        print(f"a host receives {bytes_off / 1e6:.0f} MB a step without overlap, {bytes_on / 1e6:.0f} MB with: {wire:.1f} s on the wire")
        for name, ms in (("off", off), ("on", on)):
            print(f"overlap {name:3}: step {ms['ms/step'] / 1e3:.2f} s, compute {ms['ms/compute'] / 1e3:.2f} s, exposed communication "
                  f"{ms['ms/reduce'] / 1e3:.2f} s, update {ms['ms/update'] / 1e3:.2f} s, data {ms['ms/data'] / 1e3:.2f} s")
        less = 1 - on["ms/reduce"] / off["ms/reduce"]
        print(f"exposed communication {100 * less:.0f} % less; the step {100 * (1 - on['ms/step'] / off['ms/step']):.0f} % shorter; "
              f"computation over communication {off['ms/compute'] / off['ms/reduce']:.2f}")
        R.expect(losses_on == losses_off, "the same losses with and without")
        R.expect(less >= BAR, f"at least {100 * BAR:.0f} % less")


main()
