"""The launch scripts by themselves, with launchers of our own making in PATH: which ends lead to a requeue and which do not, signals
passed on, bounds on restarts, arguments of arrays, settings for Open MPI; no Slurm and no root needed. Also what shellcheck says of all
scripts, and the syntax of the recipes for Spack and Apptainer."""
import ast
import importlib.util
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runs"))
import runlib as R  # noqa: E402

SLURM = R.ROOT / "launch/slurm.sh"
# a launcher that notes how it was called and answers USR1 as the program does
LAUNCHER = """#!/usr/bin/env bash
printf '%s\\n' "$(basename "$0")" "$@" >"$NOTES"
env | grep OMPI_MCA_ | sort >"$NOTES.env"
trap 'echo asked >>"$NOTES"; exit 75' USR1
trap 'echo terminated >>"$NOTES"; exit 143' TERM
touch "$NOTES.up"
for i in $(seq "${WAIT:-0}"); do sleep 0.1; done
exit "${CODE:-0}"
"""
SCONTROL = """#!/usr/bin/env bash
case "$1 $2" in
"show config") echo "RequeueExit             = $SITE" ;;
"show job") echo "   Requeue=1 Restarts=$NOW BatchFlag=1" ;;
*) echo "$@" >>"$NOTES.requeue" ;;
esac
"""


class Case:
    def __init__(self, folder):
        self.folder, self.notes = folder, folder / "notes"
        (folder / "bin").mkdir()
        for name, text in (("srun", LAUNCHER), ("mpirun", LAUNCHER), ("scontrol", SCONTROL)):
            path = folder / "bin" / name
            path.write_text(text)
            path.chmod(0o755)

    def start(self, *words, with_scontrol=True, restarts=0, **names):
        for path in self.folder.glob("notes*"):
            path.unlink()
        (self.folder / "bin/scontrol").chmod(0o755 if with_scontrol else 0o644)
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "UNITER_", "OMPI_"))}
        env = dict(clean, PATH=f"{self.folder}/bin:{os.environ['PATH']}", NOTES=str(self.notes), SLURM_JOB_ID="12",
                   SLURM_SUBMIT_DIR=str(self.folder), SLURM_RESTART_COUNT=str(restarts), SLURM_NTASKS="8",
                   SLURM_TASKS_PER_NODE="4(x2)", SITE="75", NOW=str(restarts)) | names
        return subprocess.Popen(["bash", SLURM, *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *words, **how):
        p = self.start(*words, **how)
        out, _ = p.communicate(timeout=30)
        return p.returncode, out

    def asked_scontrol(self):
        path = self.folder / "notes.requeue"
        return path.read_text().split() if path.exists() else []


def codes(case):
    for code, end in ((0, 0), (64, 64), (65, 65), (70, 70), (71, 71), (75, 75), (74, 75), (205, 75), (137, 75), (143, 75), (1, 75)):
        got, out = case.run("--cfg", "a.yaml", CODE=str(code))
        R.expect(got == end, f"a run that ends with {code} ends the job with {end} (got {got})")
    got, out = case.run("--cfg", "a.yaml", UNITER_LAUNCHER="none", UNITER_PROGRAM="/nowhere/uniter_dist")
    R.expect(got == 127, "a program that is not there is not tried again")
    got, out = case.run(UNITER_LAUNCHER="bsub")
    R.expect(got == 64 and "bsub" in out, "an unknown launcher is a mistake")


def requeue(case):
    for site, asked in (("75", False), ("70-80", False), ("1,75", False), ("", True), ("76-80", True), ("175", True)):
        code, _ = case.run("--cfg", "a.yaml", CODE="75", SITE=site)
        R.expect(code == 75 and case.asked_scontrol() == (["requeue", "12"] if asked else []),
                 f"RequeueExit={site or 'nothing'}: scontrol is {'asked' if asked else 'not needed'}")
    code, out = case.run("--cfg", "a.yaml", CODE="75", SITE="", NOW="3", restarts=2)
    R.expect(code == 75 and not case.asked_scontrol() and "elsewhere" in out, "a script that was cut off requeues nobody else's start")
    shutil.move(case.folder / "bin/scontrol", case.folder / "scontrol")
    path = {"PATH": f"{case.folder}/bin:/nonexistent"}
    for tool in ("bash", "date", "cat", "sed", "sort", "tail", "cut", "tr", "nproc", "hostname", "rm", "env", "seq", "sleep", "touch",
                 "basename", "grep"):
        (case.folder / "bin" / tool).symlink_to(shutil.which(tool))
    env = dict(os.environ, **path, NOTES=str(case.notes), SLURM_JOB_ID="12", SLURM_SUBMIT_DIR=str(case.folder), CODE="75")
    p = subprocess.run([shutil.which("bash"), SLURM, "--cfg", "a.yaml"], env=env, capture_output=True, text=True, timeout=30)
    R.expect(p.returncode == 75 and not p.stderr, f"without scontrol it ends with 75 all the same {p.stderr}")
    shutil.move(case.folder / "scontrol", case.folder / "bin/scontrol")


def bounds(case):
    code, out = case.run(CODE="75", restarts=4, UNITER_MAX_RESTARTS="5")
    R.expect(code == 75 and "to be requeued" in out, "below the bound it is requeued")
    code, out = case.run(CODE="205", restarts=5, UNITER_MAX_RESTARTS="5")
    R.expect(code == 205 and "5 times already" in out, "at the bound the job ends with the code of the run")
    ends = [case.run(CODE="205", restarts=i, UNITER_MAX_DEATHS="3")[0] for i in range(3)]
    R.expect(ends == [75, 75, 205], f"the third death in a row is final {ends}")
    ends = [case.run(CODE=c, restarts=i, UNITER_MAX_DEATHS="3")[0] for i, c in enumerate(("205", "74", "75", "205", "205", "1"))]
    R.expect(ends == [75, 75, 75, 75, 75, 1], f"an orderly stop starts the count anew {ends}")
    ends = [case.run(CODE="205", restarts=i, UNITER_MAX_DEATHS="2", UNITER_SOON="0")[0] for i in range(4)]
    R.expect(ends == [75] * 4, "deaths after a long time do not add up")


def signals(case):
    for number, launcher in ((signal.SIGUSR1, "srun"), (signal.SIGTERM, "mpirun"), (signal.SIGUSR2, "mpirun")):
        p = case.start("--cfg", "a.yaml", WAIT="100", UNITER_LAUNCHER=launcher)
        end = time.monotonic() + 20
        while not (case.folder / "notes.up").exists() and time.monotonic() < end:
            time.sleep(0.02)
        p.send_signal(number)
        out, _ = p.communicate(timeout=30)
        R.expect(p.returncode == 75 and "asked" in case.notes.read_text() and "terminated" not in case.notes.read_text(),
                 f"signal {number} to the script reaches {launcher} as USR1, and the script waits for the end")
    # a child that does not listen yet dies of the signal: that is a stop and no death of its own
    p = case.start("60", UNITER_LAUNCHER="none", UNITER_PROGRAM="sleep", restarts=9, UNITER_MAX_DEATHS="1")
    assert "by none" in p.stdout.readline()
    time.sleep(0.2)
    p.send_signal(signal.SIGUSR1)
    out, _ = p.communicate(timeout=30)
    R.expect(p.returncode == 75 and "ended with 138" in out, "asked before it can listen: requeued")


def left_behind(case):
    """A launcher that waits for a rank which will never leave, as mpirun does: two ranks, one goes, at the end of the run."""
    fake = case.folder / "bin/mpirun"
    fake.write_text("#!/usr/bin/env bash\nshift 4\n\"$@\" & one=$!\n\"$@\" & two=$!\nsleep 2\n"
                    "kill -STOP $two\nkill -KILL $one\nwait\n")
    rank = case.folder / "bin/rank"
    rank.symlink_to(shutil.which("sleep"))
    began = time.monotonic()
    p = case.start("60", UNITER_LAUNCHER="mpirun", UNITER_PROGRAM=str(rank), UNITER_WAIT="3")
    time.sleep(1)
    ranks = children(children([p.pid]))
    out, _ = p.communicate(timeout=30)
    took = time.monotonic() - began
    R.expect(p.returncode == 75 and "of 2 ranks here 1 are left" in out and took < 15, f"a rank that stays: ended after {took:.1f} s")
    R.expect(len(ranks) >= 2 and not any(map(runs, ranks)), "and nobody is left")
    fake.write_text("#!/usr/bin/env bash\nshift 4\n\"$@\" &\n\"$@\" &\nwait\n")
    code, out = case.run("4", UNITER_LAUNCHER="mpirun", UNITER_PROGRAM=str(rank), UNITER_WAIT="1")
    R.expect(code == 0 and "left" not in out, "ranks that are all there are waited for")
    fake.write_text(LAUNCHER)


def runs(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def children(pids):
    return [int(c) for pid in pids for f in pathlib.Path(f"/proc/{pid}/task").glob("*/children") for c in f.read_text().split()]


def command(case):
    case.run("--cfg", "a.yaml", "run.seed=%a", "run.dir=runs/%j_%a", SLURM_ARRAY_TASK_ID="3", SLURM_ARRAY_JOB_ID="11",
             SLURM_CPUS_PER_TASK="6", UNITER_PROGRAM="prog")
    R.expect(case.notes.read_text().split() == ["srun", "--mpi=pmix", "--wait=600", "--cpus-per-task=6", "prog", "--cfg", "a.yaml", "run.seed=3",
                                                "run.dir=runs/11_3"], "srun: PMIx, cores of a task, index and number of the array")
    case.run("--cfg", "a b.yaml", UNITER_LAUNCHER="mpirun", UNITER_CONTAINER="u.sif")
    said = case.notes.read_text().splitlines()
    R.expect(said[:5] == ["mpirun", "-np", "8", "--bind-to", "none"] and said[5:7] == ["apptainer", "exec"]
             and said[-4:] == ["u.sif", "uniter_dist", "--cfg", "a b.yaml"], "mpirun: all ranks, in the container")
    settings = (case.folder / "notes.env").read_text().split()
    R.expect([s for s in settings if "keepalive" in s] == ["OMPI_MCA_oob_tcp_keepalive_intvl=1", "OMPI_MCA_oob_tcp_keepalive_probes=3",
                                                           "OMPI_MCA_oob_tcp_keepalive_time=5"], "a dead network is noticed in seconds")
    R.expect("OMPI_MCA_orte_startup_timeout=600" in settings, "a start that hangs ends")
    case.run("--cfg", "a.yaml", SLURM_TASKS_PER_NODE=f"1,{os.cpu_count() + 1}(x2)")
    R.expect("OMPI_MCA_mpi_yield_when_idle=1" in (case.folder / "notes.env").read_text(), "ranks that fill the cores yield when idle")


def recipes():
    spack = R.ROOT / "launch/recipes/spack/package.py"
    tree = ast.parse(spack.read_text())
    classes = [n.name for n in tree.body if isinstance(n, ast.ClassDef)]
    R.expect(classes == ["UniterDist"], "the Spack recipe is Python and holds one package")
    wanted = set(re.findall(r"option\((UN_\w+)|set\((UN_\w+) \S+ CACHE", (R.ROOT / "CMakeLists.txt").read_text()))
    wanted = {name for pair in wanted for name in pair if name}
    used = set(re.findall(r"UN_[A-Z]+", spack.read_text()))
    R.expect(used and used <= wanted, f"it sets options that exist: {sorted(used)}")
    sections = re.findall(r"^%(\w+)", (R.ROOT / "launch/recipes/apptainer/uniter_dist.def").read_text(), re.M)
    known = {"files", "post", "environment", "runscript", "test", "labels", "help", "setup", "startscript", "arguments"}
    R.expect("post" in sections and "runscript" in sections and set(sections) <= known, f"sections of the Apptainer recipe: {sections}")
    packages = re.search(r'^run="(.*)"', (R.ROOT / "ci/packages.sh").read_text(), re.M)[1]
    R.expect("ci/packages.sh run" in (R.ROOT / "launch/recipes/apptainer/uniter_dist.def").read_text() and "libopenmpi-dev" in packages,
             "the container installs what ci/packages.sh installs")


def scaling():
    """The model runs, says a cause wherever it falls under the bar, and takes only keys it knows; no step of the ladder costs anything
    where it is meant to help, and what is free of charge is worth nothing."""
    script = R.ROOT / "tests/bench/scaling.py"
    out = R.run_ok([sys.executable, script])
    R.expect(len(re.findall(r"^(?:under 95% from \d+ cards on, by .* ms\)|never under 95%)$", out, re.M)) == 8, "two models, four ways")
    perfect = ("network_bytes_per_s=1e15", "network_latency_s=0", "message_s=0", "begin_s=0", "nvlink_latency_s=0", "nvlink_bytes_per_s=1e15",
               "straggler_sd=0", "lane_tokens_sd=0", "restart_s=0")
    few = R.run_ok([sys.executable, script, *perfect])
    R.expect(few.count("never under 95%") == 8, "with a perfect network nothing falls under the bar")
    R.expect(R.run([sys.executable, script, "bucket=3"])[0] != 0, "an unknown key is refused")
    tables = [block.strip("\n") for block in out.split("\n\n") if "step by step" in block]
    page = "\n".join(line[4:] for line in (script.parent / "SCALING.md").read_text().splitlines())
    R.expect(len(tables) == 2 and all(table in page for table in tables), "SCALING.md shows the tables that the script prints")
    steps = ladder(out)
    R.expect(all(a < b for name in steps for a, b in zip(steps[name], steps[name][1:])), f"64 cards: every step is worth something {steps}")
    free = ladder(R.run_ok([sys.executable, script, "comm_ctas=0", "rail_ctas=0"]))
    R.expect(all(a < b for name in steps for a, b in zip(steps[name], free[name])), "multiprocessors taken by collectives cost")
    spec = importlib.util.spec_from_file_location("scaling", script)
    model = importlib.util.module_from_spec(spec)
    sys.modules["scaling"] = model
    spec.loader.exec_module(model)
    c = model.inputs([])
    base = c["models"]["base"]
    torn, even = (model.buckets(base, 512, way, c) for way in (model.FLAT, model.EVEN))  # 1,600 blocks: parts of 3 and 4
    R.expect(torn[1][1] == 4 * 512 * model.BLOCK and not any(equal for _, _, equal in torn), "512 ranks wait for parts of 4 blocks of 1,600")
    R.expect(even[1][1] == 3 * 512 * model.BLOCK and all(equal for _, _, equal in even), "equal parts: 3 blocks of 1,536")
    R.expect(sum(e for _, e, _ in even) - base["parameters"] < 513 * model.BLOCK, "and no more in all than the last bucket is rounded by")


def ladder(out):
    """Efficiency at 64 cards, a step a line, of each model."""
    found = {}
    for name, lines in re.findall(r"^(\w+), efficiency step by step.*\n((?:.*\d\.\d{3}\n?)+)", out, re.M):
        found[name] = [float(re.findall(r"\d\.\d{3}", line)[1]) for line in lines.splitlines()]
    assert set(found) == {"base", "large"} and {len(x) for x in found.values()} == {6}
    return found


def fabric():
    """What the page about networks quotes of the log is what the program says."""
    page = (R.ROOT / "launch/FABRIC.md").read_text()
    said = {"launch/traffic/exchange_cards.c": ["between the cards", "registered as windows"], "launch/traffic/exchange_staged.c": ["through MPI and host memory"],
            "launch/traffic/backend.c": ["comm.backend: mpi, because "], "comm/comm_nccl.c": ["start between cards"],
            "comm/comm_nccl_guard.c": ["between cards: "], "launch/train/train.c": ["communication "], "launch/train/bench.c": ["comm  "]}
    for file, phrases in said.items():
        source = (R.ROOT / file).read_text()
        R.expect(all(f'{x}' in source and x.strip() in page for x in phrases), f"FABRIC.md quotes {file}: {phrases}")


def check_shell():
    scripts = sorted(p for folder in ("launch", "ci", "tests/whole/cluster") for p in (R.ROOT / folder).glob("*.sh"))
    for script in scripts:
        R.expect(subprocess.run(["bash", "-n", script]).returncode == 0, f"{script.name} is bash")
    if not shutil.which("shellcheck"):
        print("shellcheck is not installed: not asked")
        return
    p = subprocess.run(["shellcheck", "-S", "warning", *scripts], stdout=subprocess.PIPE, text=True)
    print(p.stdout, end="")
    R.expect(p.returncode == 0, f"shellcheck has no warning for {len(scripts)} scripts")


def main():
    with R.Folder() as folder:
        case = Case(folder)
        for check in (codes, bounds, signals, left_behind, command, requeue):
            check(case)
        recipes()
        scaling()
        fabric()
        check_shell()


main()
