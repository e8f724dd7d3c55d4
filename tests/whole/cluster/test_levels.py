"""Gradients added in two levels, on hosts of 2, 4 and 8 ranks: the bits of one rank and of one level, with communication beside and
after the computation, and between cards; checkpoints go from two levels to one and back; and how many bytes then cross between the
hosts."""
import shutil

import clusterlib as C
import levelslib as L
import runlib as R

STEPS, STOP = 6, 3
RANKS, BAR = 8, 7  # a host; times fewer bytes of gradients and parameters


def same(a, b, what):
    R.expect(R.metrics(a) == R.metrics(b) and len(R.metrics(a)) > 0, f"{what}: losses and norms")
    R.expect(R.digests(a, STEPS) == R.digests(b, STEPS), f"{what}: parameters and moments")


def bits(folder, data, cluster):
    def config(name, **more):
        return R.write_config(folder / f"{name}.yaml", data, folder / name, steps=STEPS, lanes=16, tokens=64, width=128, heads=4, valid=False,
                              positions=4096, checkpoint=STOP, extra="comm: {bucket_mb: 1}", **more)
    cfg = config("one")
    R.run_ok(R.command(1, "--cfg", cfg, "run.threads=1"))
    cluster.tell("all rate 2e8")  # so slow that buckets inside the hosts run ahead of those between them as far as they may
    for per_host, hosts, keys in ((2, 2, []), (4, 2, ["comm.overlap=false"]), (2, 4, ["comm.levels=2"]), (2, 4, ["comm.levels=1"])):
        name = f"{per_host}_{hosts}{''.join(keys)}"
        out = L.run(cluster, per_host, hosts, cfg, folder / name, *keys)
        two = keys != ["comm.levels=1"]
        R.expect((f"inside {hosts} hosts of {per_host} ranks" in out) == two, f"{name}: the log says whether there are two levels")
        same(folder / "one", folder / name, name)
    cluster.tell("all rate 0")
    library = folder / "library"
    out = L.run(cluster, 2, 2, cfg, library, "train.exact=false")
    worst = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(R.metrics(folder / "one"), R.metrics(library)))
    R.expect("inside 2 hosts" in out and worst < 1e-4, f"train.exact: false in two levels: losses within {worst:.1e}")
    # saved in two levels, read in one, and the other way round
    for name, first, then in (("down", "2", "1"), ("up", "1", "2")):
        run_dir = folder / name
        L.run(cluster, 2, 2, cfg, run_dir, f"comm.levels={first}")
        shutil.rmtree(run_dir / f"ckpt/step_{STEPS:08d}")
        out = L.run(cluster, 2, 2, cfg, run_dir, f"comm.levels={then}")
        R.expect(f"step_{STOP:08d}" in out, f"levels {first} and then {then}: goes on from step {STOP}")
        same(folder / "one", run_dir, f"levels {first} and then {then}")
    cards(folder, cluster, cfg)
    code, out = R.run(cluster.mpirun(1, "--cfg", cfg, f"run.dir={folder}/refused", "comm.levels=2", hosts=["node1", "node2"]), **cluster.env)
    R.expect(code == 64 and "comm.levels is 2, which needs several hosts" in out, "one rank a host: comm.levels=2 is refused")


def on_cards(cluster, program, per_host, hosts, cfg, run_dir, *keys, **env):
    """(exit code, output) of a run between cards that are not there (tests/cards): collectives that run late, on a queue for each level."""
    command = cluster.mpirun(per_host, "--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "run.timeout=120", "device=cuda",
                             "comm.backend=nccl", "train.precision=fp32", *keys, hosts=L.names(hosts))
    env = dict(UN_FAKE_CARDS=str(per_host), UN_FAKE_LATE="2000", **env)
    at = command.index(R.BUILD / "uniter_dist")
    return R.run([*command[:at], *(word for name in env for word in ("-x", name)), program, *command[at + 1:]], **cluster.env, **env)


def cards(folder, cluster, cfg):
    """The module with comm/comm_nccl.c on a library in NCCL's place, and the one without."""
    for kind, per_host, hosts, keys in (("nccl", 2, 2, []), ("nccl", 4, 2, []), ("nccl", 2, 4, []), ("bin", 4, 2, []),
                                        ("nccl", 2, 2, ["comm.levels=1"]), ("nccl", 4, 2, ["train.exact=false"])):
        program = R.BUILD / "tests/cards" / kind / "uniter_dist"
        if not program.exists():
            print(f"skipped: {kind}: its headers are not here")
            continue
        name = f"{kind}_{per_host}_{hosts}{''.join(keys)}"
        run_dir = folder / name
        code, out = on_cards(cluster, program, per_host, hosts, cfg, run_dir, *keys, UN_FAKE_TELL="1")
        R.expect(code == 0 and (f"inside {hosts} hosts of {per_host} ranks" in out) == (keys != ["comm.levels=1"]) and
                 "between the cards" in out, f"cards, {name}: exit code {code}; the log says how")
        rails = per_host if kind == "nccl" and keys != ["comm.levels=1"] else 0
        R.expect(out.count(f"fake communicator of {hosts}: at most 4 blocks") == rails == out.count("fake communicator of"),
                 f"cards, {name}: {rails} rails, and nothing else, take at most comm.rail_ctas blocks")
        if rails:
            R.expect("memory registered as windows inside the hosts and registered between them" in out and
                     out.count("fake library: among ") == hosts + rails, f"cards, {name}: both levels are told of the memory")
        if keys == ["train.exact=false"]:
            worst = max(abs(a["loss"] - b["loss"]) / a["loss"] for a, b in zip(R.metrics(folder / "one"), R.metrics(run_dir)))
            R.expect(worst < 1e-4, f"cards, {name}: losses within {worst:.1e}")
        else:
            same(folder / "one", run_dir, f"cards, {name}")
    program = R.BUILD / "tests/cards/nccl/uniter_dist"
    if program.exists():
        code, out = on_cards(cluster, program, 2, 2, cfg, folder / "broken", UN_FAKE_BREAK="1:12")
        R.expect(code == 74 and "the fake link broke" in out, f"cards: a link of a level that breaks: exit code {code}, and why")


def traffic(folder, data, cluster):
    cfg = R.write_config(folder / "b.yaml", data, folder / "b", lanes=2 * RANKS, tokens=64, width=256, layers=4, heads=4, valid=False)
    cfg.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_steps: 1"))
    L.traffic(cluster, RANKS, 2, cfg, folder, (2, 6), BAR)


def main():
    C.need("mpirun")
    with R.Folder() as folder, C.Cluster(folder / "cluster", 4) as cluster:
        data = R.synth(folder / "data", train_images=64)
        traffic(folder, data, cluster)
        bits(folder, data, cluster)


main()
