"""launch/batch.sh under PBS and LSF, submitted by pbs.sh and lsf.sh to stand-ins that do what the manuals of qsub, qstat, bsub and
brequeue say: jobs start in the home folder (PBS), by a line for sh (LSF), with the names of the system in their environment. Neither
system was at hand. One run of the real program is cut at a limit of time and goes on to the bits of an undisturbed one."""
import os
import pathlib
import re
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runs"))
import runlib as R  # noqa: E402

QSUB = """#!/usr/bin/env bash
[ -z "${NO_QSUB:-}" ] || { echo "qsub: Bad UID for job execution" >&2; exit 1; }
printf '%s\\0' "$@" >>"$QUEUE/asked"
printf '\\1' >>"$QUEUE/asked"
n=$(($(cat "$QUEUE/last" 2>/dev/null || echo 100) + 1))
echo $n >"$QUEUE/last"
echo "$n.server"
"""
QSTAT = """#!/usr/bin/env bash
[ "$1" = -f ] || exit 1
echo "Job Id: $2"
printf '    Resource_List.walltime = %s\\n    stime = %s\\n' "$WALLTIME" "$(cat "$QUEUE/stime")"
"""
BSUB = QSUB.replace('echo "$n.server"', 'echo "Job <$n> is submitted to default queue <normal>."')
BREQUEUE = """#!/usr/bin/env bash
echo "$@" >>"$QUEUE/brequeue"
"""
# notes its words, then does what the n-th start is to do
MPIRUN = """#!/usr/bin/env bash
printf '%s\\0' "$@" >"$QUEUE/mpirun"
trap 'echo asked >>"$QUEUE/signals"; exit 75' USR1
touch "$QUEUE/up"
for i in $(seq "${WAIT:-0}"); do sleep 0.1; done
exit "${CODE:-0}"
"""


def words_of(data):
    return data.decode().split("\0")[:-1]


class System:
    """A queue of our own: what was submitted, and a node to start it on."""

    def __init__(self, folder):
        self.folder, self.queue, self.home, self.submit = (folder, folder / "queue", folder / "home", folder / "sub mit")
        for path in (folder / "bin", self.queue, self.home, self.submit):
            path.mkdir()
        for name, text in (("qsub", QSUB), ("qstat", QSTAT), ("bsub", BSUB), ("brequeue", BREQUEUE), ("mpirun", MPIRUN)):
            (folder / "bin" / name).write_text(text)
            (folder / "bin" / name).chmod(0o755)
        (self.folder / "hosts").write_text("node1\nnode1\nnode2\nnode2\n")

    def env(self, names):
        clean = {k: v for k, v in R.ENV.items() if not k.startswith(("SLURM_", "PBS_", "LSB_", "LS_", "UNITER_"))}
        (self.queue / "stime").write_text("Sun Nov 29 08:00:00 2026\n")
        return dict(clean, PATH=f"{self.folder}/bin:{os.environ['PATH']}", QUEUE=str(self.queue), WALLTIME="01:00:00",
                    HOME=str(self.home)) | names

    def call(self, script, *words, **names):
        p = subprocess.run(["bash", R.ROOT / "launch" / script, *map(str, words)], cwd=self.submit, env=self.env(names),
                           capture_output=True, text=True, timeout=30)
        return p.returncode, p.stdout + p.stderr

    def asked(self):
        """What was submitted, and nothing afterwards."""
        path = self.queue / "asked"
        jobs = [words_of(job) for job in path.read_bytes().split(b"\1")[:-1]] if path.exists() else []
        path.unlink(missing_ok=True)
        return jobs

    def start(self, command, cwd, **names):
        for name in ("up", "signals", "brequeue", "mpirun"):
            (self.queue / name).unlink(missing_ok=True)
        return subprocess.Popen(command, cwd=cwd, env=self.env(names), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def pbs(self, job, number, **names):
        """Starts what stands behind --, in the home folder, with the environment of the node."""
        return self.start(job[job.index("--") + 1:], self.home, **dict(
            PBS_JOBID=f"{number}.server", PBS_O_WORKDIR=str(self.submit), PBS_NODEFILE=str(self.folder / "hosts"),
            PBS_ENVIRONMENT="PBS_BATCH") | names)

    def lsf(self, job, number, index=0, **names):
        """The last word is a line for sh, started where it was submitted, with the environment of there."""
        return self.start(["sh", "-c", job[-1]], self.submit, **dict(
            LSB_JOBID=str(number), LSB_JOBINDEX=str(index), LS_SUBCWD=str(self.submit), LSB_EXIT_REQUEUE=job[job.index("-Q") + 1],
            LSB_DJOB_HOSTFILE=str(self.folder / "hosts"), LSB_DJOB_NUMPROC="4") | names)

    def signal(self, p, number):
        end = time.monotonic() + 20
        while not (self.queue / "up").exists() and time.monotonic() < end:
            time.sleep(0.02)
        p.send_signal(number)

    def mpirun(self):
        return words_of((self.queue / "mpirun").read_bytes())


def end(p):
    out, _ = p.communicate(timeout=60)
    return p.returncode, out


MPI_WORDS = ["-np", "4", "--bind-to", "none", "--hostfile"]


def pbs(system):
    code, out = system.call("pbs.sh", "-l", "select=2:mpiprocs=2", "--", "--cfg", "my runs/a.yaml", "run.dir=runs/%j", UNITER_PROGRAM="prog",
                            UNITER_MAX_RESTARTS="2")
    (job,) = system.asked()
    R.expect(code == 0 and "101.server" in out and job[:6] == ["-r", "y", "-j", "oe", "-l", "select=2:mpiprocs=2"], f"pbs.sh submits {job[:6]}")
    ends = []
    for start in range(4):
        got, out = end(system.pbs(job, 101 + start, CODE="75"))
        jobs = system.asked()
        ends.append((got, len(jobs)))
        R.expect(system.mpirun() == [*MPI_WORDS, str(system.folder / "hosts"), "prog", "--cfg", "my runs/a.yaml", "run.dir=runs/101"],
                 f"start {start}: a rank for each line of the node file, the words as given, the number of the first job")
        R.expect(f"restart {start}," in out, f"it knows that it is restart {start}")
        if not jobs:
            break
        (job,) = jobs
        R.expect(job[:6] == ["-r", "y", "-j", "oe", "-l", "select=2:mpiprocs=2"], "submitted again with the same options")
    R.expect(ends == [(75, 1), (75, 1), (75, 0)], f"UNITER_MAX_RESTARTS=2: two more starts {ends}")


def pbs_codes(system):
    system.call("pbs.sh", "--", "--cfg", "a.yaml", UNITER_PROGRAM="prog")
    (job,) = system.asked()
    for code, want, more in ((0, 0, 0), (64, 64, 0), (65, 65, 0), (71, 71, 0), (74, 75, 1), (137, 75, 1)):
        got, _ = end(system.pbs(job, 300, CODE=str(code)))
        R.expect((got, len(system.asked())) == (want, more), f"PBS: a run that ends with {code} ends the job with {want}, {more} submitted")
        for path in system.submit.glob("*.deaths"):
            path.unlink()
    got, out = end(system.pbs(job, 300, CODE="75", NO_QSUB="1"))
    R.expect(got == 75 and "submit the same command again" in out, "PBS takes no job from its nodes: said")
    p = system.pbs(job, 300, CODE="75", WAIT="5")
    while not (system.queue / "up").exists():
        time.sleep(0.02)
    (system.queue / "stime").write_text("Sun Nov 29 09:00:00 2026\n")
    got, out = end(p)
    R.expect(got == 75 and not system.asked() and "elsewhere" in out, "PBS: a script that was cut off submits nothing")
    for number in (signal.SIGTERM, signal.SIGINT):
        p = system.pbs(job, 300, WAIT="100")
        system.signal(p, number)
        got, out = end(p)
        R.expect(got == 143 and not system.asked() and (system.queue / "signals").read_text() == "asked\n",
                 f"PBS: after signal {number}, as qdel sends it, the ranks save and nothing comes back")


def pbs_limit(system):
    system.call("pbs.sh", "--", "--cfg", "a.yaml", UNITER_PROGRAM="prog", UNITER_EARLY="3")
    (job,) = system.asked()
    began = time.monotonic()
    got, out = end(system.pbs(job, 400, WAIT="200", WALLTIME="00:00:04"))
    took = time.monotonic() - began
    R.expect(got == 75 and "signal USR1" in out and len(system.asked()) == 1 and 0.9 < took < 10,
             f"PBS: UNITER_EARLY seconds before the walltime the ranks are asked, {took:.1f} s after the start")
    got, out = end(system.pbs(job, 400, WAIT="12", WALLTIME="01:00:08"))
    R.expect(got == 0 and "signal" not in out, "hours count, and a run that ends first is not asked")
    got, out = end(system.pbs(job, 400, WALLTIME="", WAIT="5"))
    R.expect(got == 0 and "no walltime" in out, "without a walltime it says that nothing is saved ahead of it")


def pbs_array(system):
    first = ["-J", "1-4", "-W", "depend=afterok:7", "-a", "0900"]
    system.call("pbs.sh", *first, "-W", "umask=022", "-q", "long", "--", "run.seed=%a", "run.dir=runs/%j_%a", UNITER_PROGRAM="prog")
    (job,) = system.asked()
    R.expect(job[4:14] == [*first, "-W", "umask=022", "-q", "long"], f"an array is asked for once {job[4:14]}")
    got, _ = end(system.pbs(job, "101[3]", PBS_ARRAY_INDEX="3", CODE="75"))
    (again,) = system.asked()
    R.expect(got == 75 and again[4:9] == ["-W", "umask=022", "-q", "long", "--"], "a member queues itself again, alone, and waits for nothing")
    end(system.pbs(again, 107))
    R.expect(system.mpirun()[-2:] == ["run.seed=3", "run.dir=runs/101_3"], "and keeps its index and the number of the array")


def lsf(system):
    names = dict(UNITER_PROGRAM="prog", UNITER_MAX_RESTARTS="1")
    code, out = system.call("lsf.sh", "-n", "4", "-W", "24:00", "--", "--cfg", "it's a.yaml", "run.dir=runs/%j", "x=$HOME `id`", **names)
    (job,) = system.asked()
    R.expect(code == 0 and job[:-1] == ["-r", "-Q", "75", "-wa", "USR1", "-wt", "5", "-o", "uniter-%J.log", "-n", "4", "-W", "24:00"],
             f"lsf.sh submits {job[:-1]}")
    got, out = end(system.lsf(job, 55, CODE="75", **names))
    R.expect(got == 75 and not (system.queue / "brequeue").exists(), "LSF queues a job again by itself that ends with 75")
    R.expect(system.mpirun() == [*MPI_WORDS, str(system.folder / "hosts"), "prog", "--cfg", "it's a.yaml", "run.dir=runs/55", "x=$HOME `id`"],
             "a rank for each slot, the words as given through the line for sh")
    got, out = end(system.lsf(job, 55, CODE="205", **names))
    R.expect(got == 205 and "restart 1," in out and "1 times already" in out, "starts are counted; at the bound the code is the run's own")
    got, out = end(system.lsf(job, 56, CODE="75", LSB_EXIT_REQUEUE="30 40"))
    R.expect(got == 75 and (system.queue / "brequeue").read_text() == "56\n", "a queue that does not: brequeue")
    got, out = end(system.lsf(job, 57, index=2, CODE="75", LSB_EXIT_REQUEUE=""))
    R.expect(got == 75 and (system.queue / "brequeue").read_text() == "57[2]\n", "a member of an array by its index")
    R.expect({p.name for p in system.submit.glob("*.starts")} == {"uniter-55.starts", "uniter-56.starts", "uniter-57_2.starts"}, "counts stand apart")
    for number, code in ((signal.SIGUSR1, 75), (signal.SIGUSR2, 75), (signal.SIGTERM, 143)):
        p = system.lsf(["sh", "-Q", "75", "exec " + job[-1]], 58, WAIT="100")
        system.signal(p, number)
        got, out = end(p)
        R.expect(got == code and (system.queue / "signals").read_text() == "asked\n", f"signal {number}: the ranks are asked, {code}")
    got, _ = end(system.lsf(job, 58, CODE="0"))
    R.expect(got == 0 and not (system.submit / "uniter-58.starts").exists(), "at the end the count goes")


def usage(system):
    for script in ("pbs.sh", "lsf.sh"):
        for words in ((), ("-q", "long"), ("-q", "long", "--"), ("--cfg", "a.yaml")):
            code, out = system.call(script, *words)
            R.expect(code == 64 and "-- --cfg FILE" in out and not system.asked(), f"{script} {' '.join(words)}: refused, nothing submitted")


def real(system):
    """The program itself by the mpirun of this machine, cut by the limit of its first job."""
    if not R.has_mpi():
        print("skipped: the real program, no MPI")
        return
    (system.folder / "bin/mpirun").unlink()
    (system.folder / "hosts").write_text("localhost\nlocalhost\n")
    data = R.synth(system.folder / "data")
    steps = 1500  # seconds beyond the cut on the fastest machine
    cfg = R.write_config(system.folder / "c.yaml", data, system.folder / "whole", steps=steps, valid=False)
    R.run_ok(R.command(1, "--cfg", cfg, "--quiet"))
    system.call("pbs.sh", "--", "--cfg", cfg, "run.dir=cut", "--quiet", UNITER_PROGRAM=R.BUILD / "uniter_dist", UNITER_EARLY="3598")
    jobs, number = system.asked(), 500
    while jobs:
        number += 1
        limit = "01:00:00" if number == 501 else "02:00:00"
        got, out = end(system.pbs(jobs.pop(), number, WALLTIME=limit, OMPI_MCA_rmaps_base_oversubscribe="1"))
        jobs = system.asked()
        if got not in (0, 75):
            print(out)
    R.expect(number == 502 and got == 0 and "restart 1," in out, f"cut after 2 s, then to the end: {number - 500} jobs")
    R.expect(R.digests(system.submit / "cut", steps) == R.digests(system.folder / "whole", steps), "with the bits of a run that was not cut")


def main():
    with R.Folder() as folder:
        system = System(folder)
        for check in (usage, pbs, pbs_codes, pbs_limit, pbs_array, lsf, real):
            check(system)


main()
