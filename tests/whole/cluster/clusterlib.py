"""Hosts on one machine: each with network, mount, uts, ipc and pid namespaces of its own, joined by an emulated network (link.c).

Needs root. All processes die with the test, however it ends: the first ones ask the kernel for that, and everything else lives
in pid namespaces. Nothing is added to the namespaces or mounts that others see; files are in the scratch folder.

Helpers of the run tests (runlib) are used too.
"""
import ctypes
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "runs"))
import runlib as R  # noqa: E402

NETWORK = "10.77.0"
# A launcher that takes a host for dead after 20 s without an answer, not 8 as in launch/slurm.sh: all hosts share this machine's
# cores, and one that is full can be silent for seconds. run.timeout has to be longer: an mpirun that already ends a job waits for
# ever for a host that is cut off.
KEEPALIVE = {"OMPI_MCA_oob_tcp_keepalive_time": "5", "OMPI_MCA_oob_tcp_keepalive_intvl": "1", "OMPI_MCA_oob_tcp_keepalive_probes": "15"}
# what Open MPI keeps lies in the hosts' own tmpfs
MPI_ENV = {"OMPI_MCA_orte_tmpdir_base": "/var/tmp", "OMPI_MCA_btl": "tcp,vader,self", "OMPI_MCA_btl_vader_single_copy_mechanism": "none",
           "OMP_NUM_THREADS": "1"}


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def need(*programs):
    """Skips the test where hosts cannot be made or a program is missing."""
    if os.geteuid() != 0:
        R.skip("namespaces need root")
    for program in ("unshare", "nsenter", "chrt", "ip", *programs):
        if not tool(program):
            R.skip(f"{program} is not installed")
    trial = subprocess.run(["unshare", "-n", "-m", "-u", "-i", "-p", "-f", "--propagation", "private", "sh", "-c",
                            "mount -t proc proc /proc && mount -t sysfs sysfs /sys && mount -t tmpfs tmpfs /dev/shm && "
                            "ip link add name a type veth peer name b"], capture_output=True, text=True)
    if trial.returncode != 0:
        R.skip("this machine does not let us make namespaces: " + trial.stderr.strip())


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")


class Cluster:
    """`with Cluster(folder, 3) as c`: hosts node1 .. node3 and ctl. boot: text of a bash script that starts the daemons of a host,
    its name in $1."""

    def __init__(self, folder, hosts=3, boot=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.names = ["ctl"] + [f"node{i}" for i in range(1, hosts + 1)]
        self.net, self.host, self.first, self.link = {}, {}, {}, None
        lines = ["127.0.0.1 localhost", f"{NETWORK}.254 ctl"] + [f"{NETWORK}.{i} node{i}" for i in range(1, hosts + 1)]
        (self.folder / "hosts").write_text("\n".join(lines) + "\n")
        if boot:
            (self.folder / "boot").write_text(boot)
        self.env = dict(R.ENV, **MPI_ENV, **KEEPALIVE, CLUSTER=str(self.folder))

    def __enter__(self):
        try:
            self._open()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _open(self):
        for name in self.names:
            self.net[name] = self._spawn(["unshare", "-n", "sleep", "infinity"])
        ours = os.readlink("/proc/self/ns/net")
        for name in self.names:
            wait_until(lambda: os.readlink(f"/proc/{self.net[name].pid}/ns/net") != ours, 10, "a network namespace")
        self._ip("ctl", "link set lo up")
        for i, name in enumerate(self.names):
            peer = "" if name == "ctl" else f"netns {self.net[name].pid}"
            self._ip("ctl", f"link add name v{i} type veth peer name eth0 {peer}")
            self._ip("ctl", f"link set v{i} up")
            self._ip(name, f"addr add {NETWORK}.{i or 254}/24 dev eth0")
            self._ip(name, "link set eth0 up")
        # every frame passes through this one process: it goes before ranks that wait by yielding
        self.link = subprocess.Popen(["chrt", "-f", "1", "nsenter", "-t", str(self.net["ctl"].pid), "-n", "--", R.BUILD / "tests/link",
                                      *(f"v{i}" for i in range(len(self.names)))],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
        for name in self.names:
            self.power_on(name)

    def __exit__(self, *_):
        for p in [*self.host.values(), self.link, *self.net.values()]:
            if p and p.poll() is None:
                p.kill()
        for p in [*self.host.values(), self.link, *self.net.values()]:
            if p:
                p.wait()

    def _spawn(self, command, log=None):
        out = open(log, "ab") if log else subprocess.DEVNULL
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=self.env,
                                preexec_fn=die_with_parent)

    def _ip(self, name, words):
        subprocess.run(["nsenter", "-t", str(self.net[name].pid), "-n", "--", tool("ip"), *words.split()], check=True)

    def port(self, name):
        return f"v{self.names.index(name)}"

    def tell(self, *lines):
        """Settings of the network, see link.c."""
        self.link.stdin.write("".join(line + "\n" for line in lines))
        self.link.stdin.flush()

    def cut(self, name, on=True):
        self.tell(f"{self.port(name)} cut {int(on)}")

    def counts(self, name):
        """(bytes, frames) that went to the host so far, and frames to it that were lost."""
        self.tell(f"print {self.port(name)}")
        return tuple(map(int, self.link.stdout.readline().split()[1:]))

    def power_on(self, name):
        log = self.folder / f"{name}.log"
        ready = self.folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        self.host[name] = self._spawn(["nsenter", "-t", str(self.net[name].pid), "-n", "--", "unshare", "-m", "-u", "-i", "-p", "-f",
                                       "--kill-child", "--propagation", "private", "bash", HERE / "host.sh", name, self.folder], log)
        wait_until(ready.exists, 20, f"{name} to start; see {log}")
        pid = self.host[name].pid
        self.first[name] = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
        (self.folder / f"{name}.pid").write_text(f"{self.first[name]}\n")
        self.cut(name, False)

    def power_off(self, name):
        """Power loss: nobody hears a goodbye of the host's connections."""
        self.cut(name)
        time.sleep(0.05)
        os.kill(self.first[name], signal.SIGKILL)
        self.host[name].wait()

    def on(self, name, *words, timeout=60):
        """Runs a command on a host, in the cluster's folder; returns (exit code, output)."""
        p = subprocess.run(["nsenter", "-t", str(self.first[name]), "-m", "-u", "-i", "-n", "-p", f"--wd={self.folder}", "--",
                            *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                           env=self.env, timeout=timeout)
        return p.returncode, p.stdout

    def mpirun(self, per_host, *words, hosts=None):
        """The command of a run over the hosts; its launcher lives beside ctl."""
        hosts = hosts or [n for n in self.names if n != "ctl"]
        return ["nsenter", "-t", str(self.net["ctl"].pid), "-n", "--", "mpirun", "--mca", "plm_rsh_agent", HERE / "rsh.sh",
                "--mca", "oob_tcp_if_include", f"{NETWORK}.0/24", "--mca", "btl_tcp_if_include", f"{NETWORK}.0/24",
                "-H", ",".join(f"{h}:{per_host}" for h in hosts), "-x", "OMP_NUM_THREADS", R.BUILD / "uniter_dist", *words]

    def ranks(self):
        """{host: [pids of uniter_dist as seen from here]}"""
        found = {name: [] for name in self.names}
        spaces = {}
        for name, pid in self.first.items():
            try:
                spaces[os.readlink(f"/proc/{pid}/ns/pid")] = name
            except OSError:
                pass
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (folder / "comm").read_text() == "uniter_dist\n":
                    name = spaces.get(os.readlink(folder / "ns/pid"))
                    if name and (folder / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                        found[name].append(int(folder.name))
            except OSError:
                pass
        return {name: sorted(pids) for name, pids in found.items()}


def wait_until(condition, seconds, what):
    """Waits for the condition and returns the seconds it took; says what did not come."""
    start = time.monotonic()
    while time.monotonic() < start + seconds:
        if condition():
            return time.monotonic() - start
        time.sleep(0.02)
    R.fail(f"waited {seconds} s for {what}")
