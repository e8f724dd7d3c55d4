"""Three hosts over TCP with 10 ms delay, 1 % loss and 1 Gbit/s: the run comes to its end, bit-identical to one rank on one host."""
import time

import clusterlib as C
import runlib as R

STEPS = 20


def main():
    C.need("mpirun")
    with R.Folder() as folder, C.Cluster(folder / "cluster", 3) as cluster:
        data = R.synth(folder / "data")
        straight, spread = folder / "straight", folder / "spread"
        config = dict(steps=STEPS, lanes=16, tokens=160, checkpoint=7)
        R.run_ok(R.command(1, "--cfg", R.write_config(folder / "a.yaml", data, straight, **config)))
        cfg = R.write_config(folder / "b.yaml", data, spread, **config)
        cluster.tell("all delay 10", "all loss 0.01", "all rate 1e9")
        # 4 of the 16 lanes on each of 4 ranks: node1 has two of them
        hosts = ["node1", "node2", "node3", "node1"]
        start = time.monotonic()
        R.run_ok(cluster.mpirun(1, "--cfg", cfg, hosts=hosts), **cluster.env)
        sent, lost = 0, 0
        for name in cluster.names:
            size, _, gone = cluster.counts(name)
            sent, lost = sent + size, lost + gone
        R.expect(lost > 0, f"4 ranks on 3 hosts, {time.monotonic() - start:.1f} s: {sent / 1e6:.1f} MB crossed the network, "
                           f"{lost} frames were lost")
        R.expect(R.metrics(spread) == R.metrics(straight), "all losses and norms equal those of one host")
        R.expect(R.metrics(spread, "valid") == R.metrics(straight, "valid"), "validations equal")
        R.expect(R.digests(spread, STEPS) == R.digests(straight, STEPS), "parameters and moments bit-identical")


main()
