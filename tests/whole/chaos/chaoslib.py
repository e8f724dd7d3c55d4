"""Helpers of the chaos tests: how much is tried, seeds, the preloaded library (chaos.h), small runs. Standard library only.

A test `test_x.py BUILD_FOLDER` ends with one line a measure, `chaos: NAME: TRIED positions, SURVIVED survived`; CHAOS.md is filled
from these. UN_CHAOS=hour tries everything; else a choice that fits into CI. UN_CHAOS_SEED repeats a choice. UN_CHAOS_PART=0.1: a
tenth of the hour's version, never less than CI's.
"""
import concurrent.futures
import contextlib
import os
import pathlib
import random
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runs"))
import runlib as R  # noqa: E402

HOUR = os.environ.get("UN_CHAOS") == "hour"
PART = min(1, float(os.environ.get("UN_CHAOS_PART") or 1))
SHIM = R.BUILD / "tests" / "libchaos.so"
STEPS = 4
WORKERS = 2
failures = []


def begin(in_ci=70210176):
    """The generator of random choices; its seed is said, so that the run can be repeated. CI tries the same every time."""
    drawn = random.SystemRandom().randrange(1 << 31) if HOUR else in_ci
    seed = int(os.environ.get("UN_CHAOS_SEED") or drawn)
    part = f" UN_CHAOS_PART={PART:g}" if PART < 1 else ""
    print(f"seed: UN_CHAOS_SEED={seed}{' UN_CHAOS=hour' + part if HOUR else ''}", flush=True)
    return random.Random(seed)


def choose(rng, positions, most):
    """All of them in the hour's version, else `most` at random, in their order."""
    if HOUR:
        most = max(most, round(len(positions) * PART))
    if len(positions) <= most:
        return list(positions)
    return [positions[i] for i in sorted(rng.sample(range(len(positions)), most))]


def times(ci, factor=100):
    """How often something random is tried."""
    return max(ci, round(ci * factor * PART)) if HOUR else ci


def each(work, items):
    """work(item, number of the worker) for all of them, two at a time; how many it was true for."""
    free = list(range(WORKERS))

    def one(item):
        worker = free.pop()
        try:
            return bool(work(item, worker))
        finally:
            free.append(worker)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        return sum(pool.map(one, items))


def lost(what, out=""):
    """A position that did not survive: said at once; the test goes on and fails at its end (end). False, for `each`."""
    failures.append(what)
    print("LOST:", what, flush=True)
    if out:
        print("  | " + "\n  | ".join(out.strip().splitlines()[-12:]), flush=True)
    return False


def listens(pid, number):
    """Is the signal caught by now?"""
    try:
        caught = next(x for x in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("SigCgt"))
    except (OSError, StopIteration):
        return False
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


def tell(name, tried, survived, least=1):
    """The line for the table. Fails where something was lost, or where less was tried than makes sense."""
    print(f"chaos: {name}: {tried} positions, {survived} survived", flush=True)
    if tried < least:
        failures.append(f"{name}: only {tried} positions were tried, at least {least} are there")


def end():
    if failures:
        R.fail(f"{len(failures)} positions: " + "; ".join(failures[:5]))


# ---- the preloaded library ----


def environment(root=None, **orders):
    """What makes chaos.h's library do its work: environment(folder, at="write:run/log/metrics.jsonl:1", do="kill")."""
    env = {f"CHAOS_{k.upper()}": str(v) for k, v in orders.items() if v is not None}
    env["LD_PRELOAD"] = str(SHIM)
    env["ASAN_OPTIONS"] = R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0"
    if root:
        env["CHAOS_ROOT"] = str(root)
    return env


def bounded(cmd, seconds):
    return ["timeout", "-s", "KILL", str(seconds), *map(str, cmd)]


def run(cmd, seconds=60, **env):
    """(exit code, output); 137 where it was killed, by an order or by the time limit."""
    code, out = R.run(bounded(cmd, seconds), timeout=seconds + 20, **env)
    return (137 if code == -9 else code), out


class Call:
    """A line of the record: what chaos.h names, and what came of it."""

    def __init__(self, fields, data):
        self.key, self.path, self.other, self.opened = fields[:4]
        self.at, self.result, self.errno = int(fields[4]), int(fields[6]), int(fields[7])
        self.operation, self.n = self.key.split(":", 1)[0], self.key.rsplit(":", 1)[1]
        self.data = data


def read_record(path):
    data, at, calls = pathlib.Path(path).read_bytes(), 0, []
    while at < len(data):
        end = data.index(b"\n", at)
        fields = data[at:end].decode().split("\t")
        size = int(fields[5])
        calls.append(Call(fields, data[end + 1:end + 1 + size]))
        at = end + 1 + size
    return calls


def record(cmd, root, log, seconds=60, **orders):
    """Runs undisturbed; returns all its calls."""
    code, out = run(cmd, seconds, **environment(root, log=log, **orders))
    if code != 0:
        print(out[-3000:])
        R.fail(f"undisturbed, but exit code {code}: {' '.join(map(str, cmd))}")
    return read_record(log)


def positions(calls, unlike=("log/beats:",)):
    """Names of the calls that changed something, in the order of the record. Beats come by the clock and are left out."""
    return [c.key for c in calls if c.n != "0" and not any(word in c.key for word in unlike)]


def attempt(cmd, root, at, do, seconds=60, **orders):
    """One disturbed run: (exit code, output, did it come to the position?)"""
    fired = pathlib.Path(f"{root}.fired")
    with contextlib.suppress(FileNotFoundError):
        fired.unlink()
    code, out = run(cmd, seconds, **environment(root, at=at, do=do, fired=fired, **orders))
    return code, out, fired.exists()


# ---- the smallest run ----


class Small:
    """A micro-world and a network of a few thousand parameters: a run of four updates with two saves takes about 50 ms."""

    def __init__(self, folder, ranks=1, lanes=1, steps=STEPS, every=2, extra="", name="small", **keys):
        self.folder, self.ranks, self.steps = folder, ranks, steps
        self.straight = folder / f"{name}_straight"
        self.data = folder / f"{name}_data"
        R.synth(self.data, train_images=8, valid_images=4, texts=2)
        self.cfg = R.write_config(folder / f"{name}.yaml", self.data, self.straight, steps=steps, lanes=lanes, tokens=48,
                                  width=8, layers=1, heads=1, sets=("coco",), checkpoint=every, valid=False, extra=extra, **keys)
        R.run_ok(self.command(self.straight, ranks=1))
        self.losses = R.metrics(self.straight)
        self.bits = R.digests(self.straight, steps)

    def command(self, run_dir, *words, ranks=None):
        return R.command(ranks or self.ranks, "--cfg", self.cfg, f"run.dir={run_dir}", *words)

    def same(self, run_dir, lines=True):
        """Has this run ended as the undisturbed one? lines: of its log, too."""
        try:
            return R.digests(run_dir, self.steps) == self.bits and (not lines or R.metrics(run_dir) == self.losses)
        except (OSError, ValueError, KeyError):
            return False

    def stopped(self, root):
        """root/run as a run that was killed behind its third update leaves it."""
        at = "write:run/log/metrics.jsonl:3"
        code, out, fired = attempt(self.command(root / "run", ranks=1), fresh(root), at, "after")
        if code != 137 or not fired:
            R.fail(f"the run to go on from was not killed: exit code {code}\n{out[-2000:]}")
        return root

    def go_on(self, run_dir, *words, lines=True):
        """Starts again in the folder, undisturbed: is the end the one of a run that was never disturbed? And the output."""
        code, out = run(self.command(run_dir, *words, ranks=1))
        return code == 0 and self.same(run_dir, lines), out


def fresh(folder, template=None):
    """An empty folder, or one with the content of another."""
    shutil.rmtree(folder, ignore_errors=True)
    if template:
        shutil.copytree(template, folder, symlinks=True)
    else:
        folder.mkdir()
    return folder
