"""Ranks on three hosts, without Slurm, and something breaks: a rank is killed, stopped or aborts, the launcher is killed, a host's link is
cut, the network is broken between two hosts only while both still reach the launcher. Every time all ranks are gone within the bound
(twice run.timeout), the exit code is not zero, somebody says why, and the same command goes on afterwards.

Which rank is hurt is drawn anew on every run; its seed is printed."""
import os
import random
import re
import signal
import sys
import time

import clusterlib as C
import runlib as R

HOSTS = 3
PLACES = ["node1", "node2", "node3", "node1"]  # of the ranks: a power of two, so that every run has the same bits
RANKS = len(PLACES)


class Bench:
    """One cluster and one configuration; a run of its own for each fault."""

    def __init__(self, folder, cluster, cfg, timeout, rng):
        self.folder, self.cluster, self.cfg, self.timeout, self.rng = folder, cluster, cfg, timeout, rng

    def command(self, run_dir, *more):
        return self.cluster.mpirun(1, "--cfg", self.cfg, f"run.dir={run_dir}", f"run.timeout={self.timeout}",
                                   "run.patience=5", "run.bind=none", "--quiet", *more, hosts=PLACES)

    def start(self, name):
        run_dir, log = self.folder / name, self.folder / f"{name}.log"
        for _ in range(3):
            p = R.start(self.command(run_dir), log, **self.cluster.env)
            R.wait_for_step(p, run_dir, 3)
            time.sleep(self.rng.uniform(0, 0.3))
            if p.poll() != 205:  # else the launcher took a host for dead because the machine is full: once more
                break
            R.repeated(f"{name}: the launcher took a host for dead")
        pids = sum(self.cluster.ranks().values(), [])
        if len(pids) != RANKS:
            print(log.read_text(errors="replace")[-3000:])
        R.expect(len(pids) == RANKS, f"{name}: {RANKS} ranks on {HOSTS} hosts")
        return p, pids, log

    def ended(self, name, p, log, because, code=None):
        """All ranks gone within the bound, exit code, and the cause in the output (a pattern; None: not asked for)."""
        begin, bound = time.monotonic(), 2 * self.timeout
        while any(self.cluster.ranks().values()) and time.monotonic() < begin + bound + 5:
            time.sleep(0.1)
        took, left = time.monotonic() - begin, self.cluster.ranks()
        try:
            got = p.wait(timeout=30)
        except Exception:
            got = None
            R.end_group(p)
        out = log.read_text(errors="replace")
        if any(left.values()) or took > bound or got in (0, None) or (because and not re.search(because, out)):
            print(out[-5000:], left, got)
        R.expect(not any(left.values()) and took <= bound, f"{name}: all ranks gone after {took:.1f} s (bound {bound} s)")
        R.expect(got not in (0, None) and code in (None, got), f"{name}: exit code {got}")
        if because:
            said = re.search(because, out)
            R.expect(said, f"{name}: it says \"{said and said[0]}\"")


WATCHDOG = r"watchdog: collective \d+ \([^)]+\) of \w+ has lasted [\d.]+ s"


def signals(bench):
    for name, wound, because in (("killed", signal.SIGKILL, r"exited on signal 9"), ("stopped", signal.SIGSTOP, WATCHDOG),
                                 ("aborted", signal.SIGABRT, r"exited on signal 6")):
        p, pids, log = bench.start(name)
        os.kill(bench.rng.choice(pids), wound)
        bench.ended(name, p, log, because)


def launcher_killed(bench):
    p, _, log = bench.start("launcher")
    os.kill(p.pid, signal.SIGKILL)
    bench.ended("launcher", p, log, r"")


def link_cut(bench):
    p, _, log = bench.start("cut")
    host = f"node{bench.rng.randint(1, HOSTS)}"
    bench.cluster.cut(host)
    bench.ended("cut", p, log, r"lost communication with a remote daemon|" + WATCHDOG)
    bench.cluster.cut(host, False)


def half_broken(bench):
    """Two hosts do not hear each other any more; both still hear the launcher, which therefore notices nothing."""
    p, _, log = bench.start("pair")
    one, two = bench.rng.sample([f"node{i}" for i in range(1, HOSTS + 1)], 2)
    bench.cluster.tell(f"pair {bench.cluster.port(one)} {bench.cluster.port(two)} 1")
    bench.ended("pair", p, log, WATCHDOG, 74)
    bench.cluster.tell(f"pair {bench.cluster.port(one)} {bench.cluster.port(two)} 0")


def stopped_at(command, run_dir, log, step, **environment):
    """Runs until the step and asks for a stop; the launcher passes the signal on. A launcher that takes a host for dead because the
    machine is full (205) is started again, as launch/slurm.sh would do it."""
    for _ in range(3):
        p = R.start(command, log, **environment)
        R.wait_for_step(p, run_dir, step)
        if p.poll() is None:
            p.send_signal(signal.SIGUSR1)
        code = p.wait(timeout=60)
        if code != 205:
            break
        R.repeated(f"{run_dir.name}: the launcher took a host for dead")
    if code != 75:
        print(log.read_text(errors="replace")[-3000:])
    R.expect(code == 75, f"{run_dir.name}: stopped by a signal with 75 (got {code}) after step {R.last_logged_step(run_dir)}")


def goes_on(bench):
    """What was left by the last fault is taken up and goes on as an undisturbed run does."""
    run_dir, straight = bench.folder / "pair", bench.folder / "straight"
    at = R.last_logged_step(run_dir)
    keep = "checkpoint.keep=1000"
    stopped_at(bench.command(run_dir, keep), run_dir, bench.folder / "pair.log", at + 7, **bench.cluster.env)
    stopped_at(R.command(1, "--cfg", bench.cfg, f"run.dir={straight}", keep, "--quiet"), straight, bench.folder / "s.log", at + 7)
    ours, theirs = R.metrics(run_dir), R.metrics(straight)
    both = min(len(ours), len(theirs))
    R.expect([x["step"] for x in ours] == list(range(1, len(ours) + 1)), "every step once")
    R.expect(both >= at + 7 and ours[:both] == theirs[:both], f"broken after step {at}: {both} steps as undisturbed")
    saved = both // 3 * 3
    R.expect(saved > at and R.digests(run_dir, saved) == R.digests(straight, saved), f"parameters and moments of step {saved} too")


def main():
    C.need("mpirun")
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(3), "big")
    print("seed", seed)
    with R.Folder() as folder, C.Cluster(folder / "cluster", HOSTS) as cluster:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=100000, lanes=8, tokens=120, checkpoint=3, valid=False)
        cluster.tell("all delay 2")
        bench = Bench(folder, cluster, cfg, 40 if R.sanitized() else 26, random.Random(seed))
        signals(bench)
        launcher_killed(bench)
        link_cut(bench)
        half_broken(bench)
        goes_on(bench)


main()
