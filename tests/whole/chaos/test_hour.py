"""Ranks on three hosts, and one thing after another goes wrong, drawn from one seed: a rank, a launcher, a host, a link, a file, a second
job, a signal. Always the same command goes on, and each run that comes to its end has the bits of an undisturbed one.

A few minutes' worth by default; UN_CHAOS=hour: an hour with 64 ranks. UN_CHAOS_SECONDS and UN_CHAOS_RANKS say otherwise. What is drawn
depends on the seed alone; how far the run is at that moment depends on the machine too."""
import collections
import os
import pathlib
import shutil
import signal
import sys
import time

import attempts as A
import runlib as R

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "cluster"))
import clusterlib as C  # noqa: E402

HOSTS = 3
STEPS = 60
RANKS = int(os.environ.get("UN_CHAOS_RANKS") or (64 if A.HOUR else 4))
SECONDS = float(os.environ.get("UN_CHAOS_SECONDS") or (3600 if A.HOUR else 15))
TIMEOUT = 26 if RANKS <= 8 else 60  # longer than a launcher waits for a host (clusterlib.KEEPALIVE)
FILE = "coco_train.img.h5"


class Hour:
    def __init__(self, world, cluster, rng):
        self.world, self.cluster, self.rng = world, cluster, rng
        self.number, self.tallies, self.ended = 0, collections.OrderedDict(), A.Tally("runs that came to their end")
        self.places = [f"node{i % HOSTS + 1}" for i in range(RANKS)]
        self.new_run()

    def new_run(self):
        self.number += 1
        self.run_dir = self.world.folder / f"run{self.number}"

    def command(self):
        return self.cluster.mpirun(1, "--cfg", self.world.cfg, f"run.dir={self.run_dir}", f"run.timeout={TIMEOUT}", "run.patience=10",
                                   "run.bind=none", "data.tries=2", "--quiet", hosts=self.places)

    def start(self, log):
        command = ["timeout", "-s", "KILL", "900", *map(str, self.command())]
        return R.start(command, log, **self.cluster.env)

    def ranks(self):
        return sum(self.cluster.ranks().values(), [])

    def wait_end(self, p, seconds, act=None):
        """The exit code once all ranks are gone; None: something hangs, as there is no update for so long."""
        end, at = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            if (now := R.last_logged_step(self.run_dir)) > at:
                end, at = time.monotonic() + seconds, now
            if p.poll() is not None and not self.ranks():
                return p.returncode
            time.sleep(0.1)
        return self.alone(p, self.ranks(), act)

    def alone(self, p, left, act):
        """What only the launcher waits for (RUNS.md, "A launcher that stays"): launch/slurm.sh ends it, and here the test."""
        if act is Hour.stopped and len(left) == 1 and R.last_logged_step(self.run_dir) == STEPS:
            R.repeated("a rank was stopped when all others had left; continued")
            A.send(left[0], signal.SIGCONT)
            return A.ended(p, TIMEOUT)
        for pid in left:
            A.send(pid, signal.SIGKILL)
        A.clear(p)
        if not left and act in (Hour.link_cut, Hour.power_lost):
            R.repeated("the launcher alone waits for a host; ended")
            return -signal.SIGKILL
        return None

    # what goes wrong; each returns the exit codes that may follow, None: any but 0

    def rank(self, p, number):
        """Where none is there yet, the first that is."""
        limit = time.monotonic() + TIMEOUT
        while not (pids := self.ranks()) and p.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        if not pids:
            return (0,)
        pid = self.rng.choice(pids)
        self.heard = A.chaoslib.listens(pid, number)
        A.send(pid, number)
        return None

    def killed(self, p):
        return self.rank(p, signal.SIGKILL)

    def aborted(self, p):
        return self.rank(p, signal.SIGABRT)

    def stopped(self, p):
        return self.rank(p, signal.SIGSTOP)

    def late(self, p):
        pids = self.ranks()
        victim = self.rng.choice(pids) if pids else 0
        if victim and A.send(victim, signal.SIGSTOP):
            time.sleep(1)
            A.send(victim, signal.SIGCONT)
        return (0,)

    def launcher_killed(self, p):
        A.clear(p)
        return None

    def signalled(self, p):
        """SIGUSR1 to one rank stops them all. It may end one that does not listen yet (test_signals.py)."""
        wanted = self.rank(p, signal.SIGUSR1)
        return wanted if wanted or not self.heard else (75,)

    def link_cut(self, p):
        self.host = f"node{self.rng.randint(1, HOSTS)}"
        self.cluster.cut(self.host)
        return None

    def power_lost(self, p):
        self.host = f"node{self.rng.randint(1, HOSTS)}"
        self.cluster.power_off(self.host)
        return None

    def second_job(self, p):
        log = self.world.folder / "second.log"
        log.unlink(missing_ok=True)
        other = self.start(log)
        return (0,) if self.wait_second(other, log) else (-1,)

    def wait_second(self, other, log):
        """It finds the folder held, or the work done."""
        try:
            code = other.wait(TIMEOUT * 2)
        except Exception:
            A.clear(other)
            return False
        out = log.read_text(errors="replace")
        return code in (0, 205) or (code == 64 and "held by another run" in out)

    def file_replaced(self, p):
        path = self.world.data / FILE
        shutil.copyfile(path, f"{path}.new")
        os.rename(f"{path}.new", path)
        return (0,)

    def file_written(self, p):
        with open(self.world.data / FILE, "r+b") as f:
            f.seek(4096)
            f.write(bytes(20000))
        return (74, 65, 0)  # 65: it was opened later; 0: nothing of it was read any more

    ACTS = (killed, aborted, stopped, late, launcher_killed, signalled, link_cut, power_lost, second_job, file_replaced, file_written)

    def repair(self, act):
        if act is Hour.link_cut:
            self.cluster.cut(self.host, False)
        if act is Hour.power_lost:
            self.cluster.power_on(self.host)
        self.world.renew()

    def attempt(self, act):
        log = self.world.folder / "hour.log"
        log.unlink(missing_ok=True)
        steps, pause = self.rng.randint(0, 25), self.rng.uniform(0, 0.3)
        p = self.start(log)
        goal = min(R.last_logged_step(self.run_dir) + steps, STEPS)
        limit = time.monotonic() + TIMEOUT
        while R.last_logged_step(self.run_dir) < goal and p.poll() is None and time.monotonic() < limit:
            time.sleep(0.01)
        time.sleep(pause)
        over = p.poll() is not None
        at = R.last_logged_step(self.run_dir)
        wanted = act(self, p)
        code = self.wait_end(p, 3 * TIMEOUT + 20, act)
        self.repair(act)
        out = log.read_text(errors="replace") if log.exists() else ""
        self.judge(act, at, code, wanted, over, out)

    def judge(self, act, at, code, wanted, over, out):
        name = act.__name__.replace("_", " ")
        tally = self.tallies.setdefault(name, A.Tally(f"{RANKS} ranks on {HOSTS} hosts, {name}"))
        if code == 205 and wanted and wanted != (-1,):
            R.repeated(f"{name}: the launcher took a host for dead")
            return
        # the run may have come to its end in the moment before
        good = code is not None and (code == 0 or code in wanted if wanted else code not in (64, 65)) and wanted != (-1,)
        good = good and (code not in (65, 74) or wanted is None or FILE in out)
        tally.add(f"{name} after update {at}: exit code {code}", good, out)
        print(f"{name} after update {at}: exit code {code}", flush=True)
        if code == 0:
            self.ended.add(f"run {self.number}", self.world.as_undisturbed(self.run_dir), out)
            self.new_run()


def finish(hour):
    """What was begun comes to its end, undisturbed."""
    for _ in range(3):
        log = hour.world.folder / "last.log"
        code = hour.wait_end(hour.start(log), 300)
        if code != 205:
            break
    hour.ended.add("the last run", code == 0 and hour.world.as_undisturbed(hour.run_dir), log.read_text(errors="replace"))


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    C.need("mpirun")
    rng = A.generator()
    with R.Folder() as folder, C.Cluster(folder / "cluster", HOSTS) as cluster:
        lanes = max(8, RANKS)
        world = A.World(folder, STEPS, images=max(48, 2 * lanes), lanes=lanes, checkpoint=3, every=20, tokens=120,
                        extra="loader: {cache_mb: 0}")
        cluster.tell("all delay 2")
        hour = Hour(world, cluster, rng)
        end = time.monotonic() + SECONDS
        quick = [Hour.killed, Hour.signalled, Hour.late, Hour.file_written, Hour.second_job]
        while time.monotonic() < end:
            hour.attempt(rng.choice(Hour.ACTS if SECONDS > 60 else quick))
        finish(hour)
        A.conclude([t.end() for t in [*hour.tallies.values(), hour.ended]])


main()
