"""64 real ranks, tiny, on 8 hosts of 8: gradients added in two levels have the bits of one rank, and the network between the hosts
counts at least seven times fewer bytes a step than in one level."""
import clusterlib as C
import levelslib as L
import runlib as R

HOSTS, PER_HOST, LENGTHS, BAR = 8, 8, (2, 4), 7


def main():
    C.need("mpirun")
    with R.Folder() as folder, C.Cluster(folder / "cluster", HOSTS) as cluster:
        data = R.synth(folder / "data", train_images=2 * HOSTS * PER_HOST)
        cfg = R.write_config(folder / "c.yaml", data, folder / "one", lanes=HOSTS * PER_HOST, tokens=64, width=384, layers=3, heads=6,
                             valid=False)
        cfg.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_steps: 1"))
        L.traffic(cluster, PER_HOST, HOSTS, cfg, folder, LENGTHS, BAR, timeout=400)
        R.run_ok(R.command(1, "--cfg", cfg, f"train.steps={LENGTHS[1]}"))
        two = folder / f"bytes_2_{LENGTHS[1]}"
        R.expect(R.metrics(folder / "one") == R.metrics(two) and R.digests(folder / "one", LENGTHS[1]) == R.digests(two, LENGTHS[1]),
                 f"1 rank and {HOSTS * PER_HOST} in two levels: losses, norms, parameters and moments")


main()
