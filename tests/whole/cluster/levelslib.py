"""Runs on emulated hosts in one level or two, and what they send between the hosts.

The network between the hosts counts. Two runs of different length; what differs is the longer one's additional steps."""
import runlib as R


def run(cluster, per_host, hosts, cfg, run_dir, *keys, timeout=240):
    return R.run_ok(cluster.mpirun(per_host, "--cfg", cfg, f"run.dir={run_dir}", "run.threads=1", "run.timeout=120", *keys,
                                   hosts=names(hosts)), timeout=timeout, **cluster.env)


def names(hosts):
    return [f"node{i + 1}" for i in range(hosts)]


def crossed(cluster, per_host, hosts, cfg, folder, levels, lengths, timeout=240):
    """Bytes that come to the hosts in a step."""
    counts = []
    for steps in lengths:
        before = sum(cluster.counts(name)[0] for name in names(hosts))
        run(cluster, per_host, hosts, cfg, folder / f"bytes_{levels}_{steps}", f"comm.levels={levels}", f"train.steps={steps}", "--quiet",
            timeout=timeout)
        counts.append(sum(cluster.counts(name)[0] for name in names(hosts)) - before)
    return (counts[1] - counts[0]) / (lengths[1] - lengths[0])


def traffic(cluster, per_host, hosts, cfg, folder, lengths, bar, timeout=240):
    """At least `bar` times fewer bytes in two levels, and the same bits."""
    one, two = (crossed(cluster, per_host, hosts, cfg, folder, levels, lengths, timeout) for levels in (1, 2))
    R.expect(one / two >= bar, f"{hosts} hosts of {per_host} ranks: {one / 1e6:.2f} MB a step between them in one level, {two / 1e6:.2f} MB in "
                               f"two: {one / two:.2f} times fewer")
    for steps in lengths:
        a, b = (folder / f"bytes_{levels}_{steps}" for levels in (1, 2))
        R.expect(R.digests(a, steps) == R.digests(b, steps), f"{steps} steps: parameters and moments")
