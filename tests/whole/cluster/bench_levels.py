"""How much less communication two levels leave exposed: `bench_levels.py BUILD_FOLDER [MB [STEPS [BACKWARD_MS FORWARD_MS]]]`; some
minutes on 2 quiet cores, 9 GB.

Eight ranks on two hosts, each host behind a link of 1 Gbit/s, exchange MB of gradients and of parameters a step (419: UNITER-base), as a
training does, in one level and in two, in turns (bench_exchange, whose computation is a sleep: the cores that eight ranks share would
need longer for it than the wire for the gradients). In one level each rank sends half of its gradients over its host's link, in two an
eighth; parameters come over it once a host in either case, whole or half. Printed is what is exposed and what the network counted.
"""
import re
import statistics
import sys

import clusterlib as C
import runlib as R

MB, STEPS, BACKWARD_MS, FORWARD_MS = (sys.argv[2:] + ["419", "3", "0", "0"][len(sys.argv) - 2:])[:4]
PER_HOST, HOSTS, BITS_PER_SECOND, BAR = 4, 2, 1e9, 0.4


def measure(cluster, levels):
    """[(exposed, of gradients, of parameters)] of the steps in seconds, bytes a step that host 2 received, and the checksums."""
    command = cluster.mpirun(PER_HOST)
    program = [R.BUILD / "tests/bench/bench_exchange", levels, MB, BACKWARD_MS, FORWARD_MS, STEPS]
    before = cluster.counts("node2")[0]
    out = R.run_ok([*command[:-1], *program], timeout=900, **cluster.env)
    count = (cluster.counts("node2")[0] - before) / (int(STEPS) + 1)
    found = re.findall(r"exposed ([\d.]+) s: gradients ([\d.]+), parameters ([\d.]+); checksum (\w+)", out)
    return [tuple(map(float, x[:3])) for x in found], count, [x[3] for x in found]


def main():
    C.need("mpirun")
    with R.Folder() as folder, C.Cluster(folder / "cluster", HOSTS) as cluster:
        cluster.tell(f"all rate {BITS_PER_SECOND:.0f}")
        exposed, sums = {1: [], 2: []}, []
        for levels in (1, 2, 2, 1):
            steps, count, checksums = measure(cluster, levels)
            exposed[levels] += [x[0] for x in steps]
            sums.append(checksums)
            print(f"levels {levels}: a host receives {count / 1e6:.0f} MB a step, {count * 8 / BITS_PER_SECOND:.2f} s on the wire; exposed: "
                  + ", ".join(f"{all_:.2f} s ({gradients:.2f} + {parameters:.2f})" for all_, gradients, parameters in steps), flush=True)
        R.expect(len(sums[0]) == int(STEPS) and all(x == sums[0] for x in sums), "the same bits")
        one, two = (statistics.median(exposed[n]) for n in (1, 2))
        R.expect(1 - two / one >= BAR, f"exposed communication {100 * (1 - two / one):.0f} % less: {one:.2f} s a step in one level, {two:.2f} s in "
                                       "two (medians)")


main()
