"""What the tests share that hurt a run: a small world, one undisturbed run, attempts that are counted, processes that all end.

UN_CHAOS=hour tries a hundred times as much; UN_CHAOS_SEED repeats what an earlier run drew (it is printed). Helpers of the run tests
(runlib) are used too. Only processes of the session that a test has started are ended."""
import os
import pathlib
import shutil
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "runs"))
import chaoslib  # noqa: E402
import runlib as R  # noqa: E402

HOUR = chaoslib.HOUR
LIMIT = 60 if not R.sanitized() else 240  # seconds of one command, at most
CODES = (64, 65, 70, 71, 74, 75)          # named ends of the program


def generator():
    return chaoslib.begin(20261129)


def rounds(few, many):
    """How many attempts; UN_CHAOS_ROUNDS says otherwise."""
    hour = max(few, round(many * chaoslib.PART))
    return int(os.environ.get("UN_CHAOS_ROUNDS") or (hour if HOUR else few))


class Tally:
    def __init__(self, name):
        self.name, self.tried, self.survived, self.lost = name, 0, 0, []

    def add(self, what, good, evidence=""):
        self.tried += 1
        self.survived += bool(good)
        if not good:
            self.lost.append(what)
            print(f"NOT SURVIVED: {what}\n{evidence[-3000:]}", flush=True)

    def end(self):
        print(f"chaos: {self.name}: {self.tried} positions, {self.survived} survived", flush=True)
        return self


def conclude(tallies):
    """After all of them, so that one loss hides no other."""
    for t in tallies:
        R.expect(not t.lost and t.tried > 0, f"{t.name}: all survived")


def members(p):
    """Everything alive of the session that begins with p, p too."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if fields[0] != "Z" and int(fields[3]) == p.pid:
            found.append(int(stat.parent.name))
    return found


def clear(p):
    """Ends all of p's session."""
    for _ in range(100):
        left = members(p)
        if not left:
            break
        for pid in left:
            send(pid, signal.SIGKILL)
        time.sleep(0.02)
    p.wait()


def send(pid, number):
    """False: there was nobody any more."""
    try:
        os.kill(pid, number)
        return True
    except ProcessLookupError:
        return False


def ended(p, seconds, keep=False):
    """The exit code once nobody of the session is left; None: it hangs, and was ended unless it is kept. The session of a launcher
    that is gone may live for a moment."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if p.poll() is not None and not members(p):
            return p.returncode
        time.sleep(0.02)
    if not keep:
        clear(p)
    return None


def start(command, log):
    return R.start(["timeout", "-s", "KILL", str(LIMIT * 2), *map(str, command)], log)


class World:
    """Data, a configuration and the digests of its undisturbed run."""

    def __init__(self, folder, steps, extra="", images=48, **keys):
        self.folder, self.steps = folder, steps
        self.pristine = R.synth(folder / "pristine", train_images=images)
        self.data = folder / "data"
        self.renew()
        self.cfg = R.write_config(folder / "c.yaml", self.data, folder / "run", steps=steps, extra=extra, **keys)
        R.run_ok(R.command(1, "--cfg", self.cfg, f"run.dir={folder / 'straight'}", "--quiet"))
        self.digests = R.digests(folder / "straight", steps)
        self.losses = R.metrics(folder / "straight")

    def renew(self):
        """The data as they were."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.copytree(self.pristine, self.data)

    def command(self, ranks, run_dir, *words):
        return R.command(ranks, "--cfg", self.cfg, f"run.dir={run_dir}", "--quiet", *words)

    def as_undisturbed(self, run_dir):
        """Parameters, moments and losses to the last bit, every step once."""
        try:
            return R.digests(run_dir, self.steps) == self.digests and R.metrics(run_dir) == self.losses
        except (OSError, ValueError, KeyError):
            return False

    def goes_on(self, ranks, run_dir, *words):
        """The same command once more: (ends as the undisturbed run does, its output)."""
        code, out = R.run(self.command(ranks, run_dir, *words), timeout=LIMIT)
        return code == 0 and self.as_undisturbed(run_dir), f"again: exit code {code}\n{out}"
