"""Helpers of the run tests: made data, bounded commands, digests, metrics. Standard library only.

Every test is a script `test_x.py BUILD_FOLDER`; it prints what it compared and exits 0, 1 (failed) or 77 (skipped).
"""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build"
SHARED = ROOT.parent / "shared"
ENV = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
           OMPI_MCA_mpi_yield_when_idle="1", OMPI_MCA_btl_base_warn_component_unused="0", OMP_WAIT_POLICY="passive")
# Open MPI leaks in plugins that it unloads, which no suppression can name; leaks of our own are found by the unit tests
ENV["ASAN_OPTIONS"] = "detect_leaks=0"
# losses and everything else that must not depend on ranks or interruptions
TIMED = ("ms/", "tokens_per_s", "comm_exposed")


def skip(why):
    print("skipped:", why)
    sys.exit(77)


def fail(text):
    print("FAILED:", text)
    sys.exit(1)


def expect(condition, text):
    if not condition:
        fail(text)
    print("ok:", text)


def repeated(why):
    """Something outside the program failed and is tried again: said, and counted by ci/test.sh."""
    print("repeated:", why)


def sanitized():
    """Is this the build with sanitizers? Then time limits stretch and sizes shrink."""
    cache = (BUILD / "CMakeCache.txt").read_text()
    return any(line.startswith("UN_SANITIZE:") and line.split("=", 1)[1] for line in cache.splitlines())


def has_mpi():
    cache = (BUILD / "CMakeCache.txt").read_text()
    return "UN_MPI:BOOL=ON" in cache and shutil.which("mpirun") is not None


class Folder:
    """A scratch folder, removed at the end unless the test failed."""

    def __init__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="uniter-test-"))

    def __enter__(self):
        return self.path

    def __exit__(self, kind, value, trace):
        if kind in (None, SystemExit) and getattr(value, "code", 0) in (0, None, 77):
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            print("left for inspection:", self.path)


def command(ranks, *words):
    program = [str(BUILD / "uniter_dist"), *map(str, words)]
    if ranks == 1:
        return program
    return ["mpirun", "--oversubscribe", "-np", str(ranks), *program]


def start(cmd, log, **kw):
    """Starts in a session of its own, so that the whole tree can be ended by its group."""
    return subprocess.Popen(cmd, stdout=open(log, "ab"), stderr=subprocess.STDOUT, cwd=ROOT, env=dict(ENV, **kw),
                            start_new_session=True)


def end_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def run(cmd, timeout=240, **kw):
    """Returns (exit code, output). A command that hangs is a failure."""
    p = subprocess.Popen(list(map(str, cmd)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=ROOT,
                         env=dict(ENV, **kw), start_new_session=True, text=True, errors="replace")
    try:
        out, _ = p.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        end_group(p)
        fail(f"hangs for {timeout} s: {' '.join(map(str, cmd))}")
    return p.returncode, out


def run_ok(cmd, **kw):
    code, out = run(cmd, **kw)
    if code != 0:
        print(out[-4000:])
        fail(f"exit code {code}: {' '.join(map(str, cmd))}")
    return out


def synth(folder, **keys):
    """The micro-world, small; returns the folder."""
    base = dict(seed=7, train_images=48, valid_images=16, texts=3, img_dim=32, img_label_dim=64)
    base.update(keys)
    run_ok([BUILD / "uniter", "data", "synth", folder, *(f"{k}={v}" for k, v in base.items())])
    return folder


SETS = {"coco": "itm: 6, mlm: 8, mrfr: 4, mrckl: 4", "vg": "itm: 9, mlm: 12, mrc: 6, mrckl: 6",
        "cc": "itm: 2, mlm: 3, mrfr: 1, mrckl: 1", "sbu": "itm: 1, mlm: 2, mrfr: 1, mrckl: 1"}


def write_config(path, data, run_dir, steps=12, lanes=8, tokens=160, width=32, layers=2, heads=2, sets=("coco", "vg"),
                 extra="", train_extra="", valid=True, every=0, checkpoint=0, dropout=0.1, positions=512):
    rows = [f"    - {{name: {s}, text: {data}/{s}_train.txt.h5, images: {data}/{s}_train.img.h5, mix: {{{SETS[s]}}}}}"
            for s in sets]
    held = [f"    - {{name: {s}, text: {data}/{s}_valid.txt.h5, images: {data}/{s}_valid.img.h5}}" for s in sets]
    far = f", max_position_embeddings: {positions}" if positions != 512 else ""  # 512: its default
    path.write_text(f"""\
run: {{dir: {run_dir}, seed: 5}}
device: cpu
model: {{hidden_size: {width}, num_hidden_layers: {layers}, num_attention_heads: {heads}, intermediate_size: {4 * width}, dropout: {dropout}{far}}}
data:
  conf_th: 0.2
  min_bb: 2
  max_bb: 40
  train:
{os.linesep.join(rows)}
{"  valid:" + os.linesep + os.linesep.join(held) if valid else ""}
train: {{steps: {steps}, lanes: {lanes}, tokens_per_lane: {tokens}{train_extra}}}
optim: {{lr: 1.0e-3, warmup_steps: 3}}
valid: {{every: {every}}}
checkpoint: {{every: {checkpoint}, keep: 3}}
log: {{every: 1}}
{extra}
""")
    return path


def metrics(run_dir, kind="loss"):
    """Lines of metrics.jsonl without their times; kind 'loss' = training steps, 'valid' = validations."""
    lines = [json.loads(x) for x in (pathlib.Path(run_dir) / "log/metrics.jsonl").read_text().splitlines()]
    if kind == "loss":
        lines = [x for x in lines if "loss" in x]
    else:
        lines = [x for x in lines if any(k.startswith("valid/") for k in x)]
    return [{k: v for k, v in x.items() if not k.startswith(TIMED)} for x in lines]


def manifest(run_dir, step):
    return json.loads((pathlib.Path(run_dir) / f"ckpt/step_{step:08d}/manifest.json").read_text())


def digests(run_dir, step):
    m = manifest(run_dir, step)
    return m["param_digest"], m["state_digest"]


def last_logged_step(run_dir):
    try:
        lines = (pathlib.Path(run_dir) / "log/metrics.jsonl").read_text().splitlines()
        return json.loads(lines[-1])["step"] if lines else 0
    except (FileNotFoundError, ValueError, KeyError):
        return 0


def wait_for_step(process, run_dir, step, timeout=120):
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if last_logged_step(run_dir) >= step or process.poll() is not None:
            return last_logged_step(run_dir)
        time.sleep(0.01)
    end_group(process)
    fail(f"step {step} was not reached within {timeout} s")


def ranks_of(process, program="uniter_dist"):
    """Process ids of the program under a launcher (or the process itself)."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text[text.index("(") + 1:text.rindex(")")], text[text.rindex(")") + 2:].split()
        pid, session = int(stat.parent.name), int(rest[3])
        if name == program and (session == process.pid or pid == process.pid or int(rest[1]) == process.pid):
            found.append(pid)
    return sorted(found)
