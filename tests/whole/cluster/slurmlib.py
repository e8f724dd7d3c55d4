"""Slurm on the hosts of clusterlib: munge and slurmctld on ctl, slurmd on the nodes, with a configuration of our own in the scratch
folder. What a site would set is set here to its shortest: a dead node is noticed after a few seconds, not minutes."""
import pathlib
import re
import time

import clusterlib as C
import runlib as R

CPUS, GPUS = 8, 2

CONF = """\
ClusterName=test
SlurmctldHost=ctl({network}.254)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPort=16817
SlurmdPort=16818
SrunPortRange=20000-20400
StateSaveLocation={folder}/slurm/state
SlurmdSpoolDir=/var/tmp/slurmd
TmpFS=/var/tmp
SlurmctldPidFile={folder}/slurm/slurmctld.pid
SlurmdPidFile=/var/tmp/slurmd.pid
SlurmctldLogFile={folder}/slurm/slurmctld.log
SlurmdLogFile={folder}/slurm/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=1,sched_interval=1,batch_sched_delay=0,requeue_delay=1
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
SlurmctldTimeout=10
SlurmdTimeout=5
MessageTimeout=5
MinJobAge=3600
KillWait=5
JobRequeue=1
{requeue}
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName=node[1-{hosts}] CPUs={cpus} RealMemory=2000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=node[1-{hosts}] Default=YES MaxTime=INFINITE State=UP OverSubscribe=YES
"""

BOOT = """\
export SLURM_CONF={folder}/slurm/slurm.conf
if [ "$1" = ctl ]; then
    {munged} --force --key-file={folder}/munge/key --socket={folder}/munge/socket --pid-file={folder}/munge/pid \\
        --log-file={folder}/munge/log --seed-file={folder}/munge/seed --num-threads=2
    {slurmctld} -i
else
    mkdir -p /var/tmp/slurmd
    for i in $(seq 0 {last_gpu}); do mknod /var/tmp/card$i c 1 3; done
    {slurmd} -N "$1"
fi
"""


def need():
    C.need("mpirun", "slurmctld", "slurmd", "munged", "sbatch", "srun", "scontrol", "scancel")
    if not list(pathlib.Path("/usr/lib").glob("*/slurm*/mpi_pmix*.so")):
        R.skip("this Slurm has no PMIx")


class Slurm(C.Cluster):
    def __init__(self, folder, hosts=3, requeue="RequeueExit=75"):
        super().__init__(folder, hosts)
        self.pending = {}  # (job, restarts): when it was first seen waiting
        (self.folder / "slurm/state").mkdir(parents=True)
        (self.folder / "munge").mkdir(mode=0o700)
        key = self.folder / "munge/key"
        key.touch(mode=0o600)
        key.write_bytes(pathlib.Path("/dev/urandom").open("rb").read(128))
        words = dict(folder=self.folder, network=C.NETWORK, hosts=hosts, cpus=CPUS, gpus=GPUS, last_gpu=GPUS - 1, requeue=requeue,
                     **{name: C.tool(name) for name in ("munged", "slurmctld", "slurmd")})
        (self.folder / "slurm/slurm.conf").write_text(CONF.format(**words))
        (self.folder / "slurm/gres.conf").write_text(f"NodeName=node[1-{hosts}] Name=gpu File=/var/tmp/card[0-{GPUS - 1}]\n")
        (self.folder / "boot").write_text(BOOT.format(**words))
        self.env["SLURM_CONF"] = str(self.folder / "slurm/slurm.conf")

    def _open(self):
        super()._open()
        C.wait_until(lambda: self.ask("sinfo", "-h", "-o", "%T").split() == ["idle"], 30, "idle nodes")

    def ask(self, *words):
        return self.on("ctl", *words)[1]

    def submit(self, *options, words=(), launcher="srun", script=R.ROOT / "launch/slurm.sh", **environment):
        """sbatch from the cluster's folder; returns the job's number."""
        names = dict(UNITER_PROGRAM=R.BUILD / "uniter_dist", UNITER_LAUNCHER=launcher, **environment)
        export = "ALL," + ",".join(f"{k}={v}" for k, v in names.items())
        code, out = self.on("ctl", "sbatch", "--parsable", f"--export={export}", f"--output={self.folder}/job-%A_%a.log",
                            *options, script, *words)
        if code != 0 or not re.fullmatch(r"\d+\n", out):
            R.fail(f"sbatch: {out}")
        return int(out)

    def job(self, number):
        """Fields of scontrol show job, e.g. JobState, Restarts, ExitCode, NodeList."""
        return dict(re.findall(r"(\w+(?::\w+)?)=(\S*)", self.ask("scontrol", "show", "job", str(number))))

    def state(self, number):
        """JobState; "?" when nobody knows the job."""
        return self.job(number).get("JobState", "?")

    def log(self, number, index=4294967294):
        """What the job has written so far; an array's member by its index."""
        try:
            return (self.folder / f"job-{number}_{index}.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def start_now(self, number):
        """A requeued job is held for two minutes; we wait 3 s: a node refuses it in the second in which it was ended there."""
        job = self.job(number)
        key = number, job.get("Restarts")
        if job.get("JobState") == "PENDING" and key[1] != "0" and time.monotonic() > self.pending.setdefault(key, time.monotonic()) + 3:
            self.ask("scontrol", "update", f"JobId={number}", "StartTime=now")
            self.pending[key] = time.monotonic() + 5

    def finish(self, numbers, timeout=150):
        """Waits until every job is COMPLETED. Anything else at the end is a failure."""
        end = time.monotonic() + timeout
        waiting = list(numbers)
        while waiting and time.monotonic() < end:
            for number in list(waiting):
                state = self.state(number)
                if state == "COMPLETED":
                    waiting.remove(number)
                elif state in ("FAILED", "CANCELLED", "NODE_FAIL", "TIMEOUT", "?"):
                    self.give_up(number, f"job {number} ended as {state}")
                else:
                    self.start_now(number)
            time.sleep(0.3)
        for number in waiting:
            self.give_up(number, f"job {number} is {self.state(number)} after {timeout} s")

    def give_up(self, number, text):
        for log in sorted(self.folder.glob(f"job-{number}_*.log")):
            print(log.name, log.read_text(errors="replace")[-6000:], sep="\n")
        print(self.ask("scontrol", "show", "job", str(number)))
        R.fail(text)
