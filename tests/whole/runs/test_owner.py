"""One folder, one run. A second run is refused while the first lives; a run that was stopped and lost its folder to a newer one writes
nothing more when it wakes up, and says so; an orderly end, a kill and a damaged record leave nothing to wait for; the record of another
host is believed as long as its beats change."""
import json
import os
import random
import signal
import threading
import time

import runlib as R

STEPS = 40


def tree(folder):
    """Everything in a run's folder but the parts in which the owner shows that it lives."""
    skip = {"owner.json", "beats", "lock"}
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name not in skip}


def owner(run_dir):
    return json.loads((run_dir / "log/owner.json").read_text())


def second_is_refused(folder, cfg):
    run_dir = folder / "first"
    p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=1000000"), folder / "first.log")
    R.wait_for_step(p, run_dir, 2)
    begin = time.monotonic()
    code, out = R.run(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "run.patience=5"), timeout=60)
    R.expect(code == 64 and "held by another run" in out and f"pid {p.pid}" in out,
             f"a second run is refused after {time.monotonic() - begin:.1f} s: exit code {code}, names pid {p.pid}")
    at = R.last_logged_step(run_dir)
    R.wait_for_step(p, run_dir, at + 2)
    R.expect(p.poll() is None, "the first run goes on")
    os.kill(p.pid, signal.SIGTERM)
    R.expect(p.wait(60) == 75, "and stops when it is asked to")
    R.expect(owner(run_dir)["ended"] is True, "its record says that it has ended")
    begin = time.monotonic()
    record = owner(run_dir)
    record.update(boot="elsewhere", host="node9")  # even if it ran on another host: nothing to wait for
    (run_dir / "log/owner.json").write_text(json.dumps(record))
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", f"train.steps={R.last_logged_step(run_dir) + 10}"))
    R.expect(owner(run_dir)["start"] == record["start"] + 1, "the next start counts on")


def stopped_run_writes_nothing(folder, cfg, straight, ranks, rng, round_):
    run_dir, log = folder / f"lost{round_}", folder / f"lost{round_}.log"
    words = ("--cfg", cfg, f"run.dir={run_dir}", "run.timeout=0")
    old = R.start(R.command(ranks, *words), log)
    R.wait_for_step(old, run_dir, 3)
    time.sleep(rng.uniform(0, 0.2))
    pids = R.ranks_of(old)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    at = R.last_logged_step(run_dir)
    R.expect(old.poll() is None and at < STEPS, f"round {round_}: {ranks} rank(s) stopped after update {at}")
    out = R.run_ok(R.command(1, *words, "run.patience=5"), timeout=120)
    R.expect("no sign of life" in out, f"round {round_}: a new run takes the folder over")
    before = tree(run_dir)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    try:
        code = old.wait(60)
    except Exception:
        R.end_group(old)
        R.fail("the old run goes on")
    said = log.read_text(errors="replace")
    R.expect(code == 64 and "now belongs to another run" in said, f"round {round_}: the old run ends with {code} and says why")
    R.expect(tree(run_dir) == before, f"round {round_}: it has changed none of {len(before)} files")
    R.expect(R.digests(run_dir, STEPS) == R.digests(straight, STEPS) and R.metrics(run_dir) == R.metrics(straight),
             f"round {round_}: parameters, moments and losses as undisturbed, no step twice")


def takes_at_once(folder, cfg):
    run_dir = folder / "quick"
    p = R.start(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=1000000"), folder / "quick.log")
    R.wait_for_step(p, run_dir, 2)
    R.end_group(p)
    R.expect(owner(run_dir)["ended"] is False, "a killed run leaves its record")
    begin = time.monotonic()
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=4"))
    R.expect(time.monotonic() - begin < 5, "on the same machine nobody waits for it")
    for name, text in (("no JSON", "{"), ("empty", ""), ("wrong types", '{"start":"x","ended":3}'), ("long", "[" * 5000)):
        (run_dir / "log/owner.json").write_text(text)
        R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=4"))
        R.expect(owner(run_dir)["start"] == 1, f"a record that cannot be read ({name}) is replaced")


def other_host(folder, cfg):
    """A record of another host: alive while its beats change, taken over when they do not."""
    run_dir = folder / "far"
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=4"))
    far = dict(owner(run_dir), ended=False, boot="elsewhere", host="node9", pid=4711)
    (run_dir / "log/owner.json").write_text(json.dumps(far))
    over = threading.Event()

    def beat():
        for i in range(1000):
            (run_dir / "log/beats").write_bytes(b"%8d" % i)
            if over.wait(0.5):
                return
    thread = threading.Thread(target=beat)
    thread.start()
    code, out = R.run(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "run.patience=5"), timeout=60)
    over.set()
    thread.join()
    R.expect(code == 64 and "node9" in out and "4711" in out, "a run that beats on another host is not disturbed")
    begin = time.monotonic()
    out = R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "run.patience=5"))
    R.expect(5 <= time.monotonic() - begin and "taken over" in out, "one that is silent is taken over after run.patience")
    R.expect(owner(run_dir)["start"] == far["start"] + 1, "as the next start")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        straight = folder / "straight"
        cfg = R.write_config(folder / "c.yaml", data, straight, steps=STEPS, checkpoint=1, valid=False)
        R.run_ok(R.command(1, "--cfg", cfg))
        second_is_refused(folder, cfg)
        rng = random.Random(3)
        for round_, ranks in enumerate((1, 2 if R.has_mpi() else 1)):
            stopped_run_writes_nothing(folder, cfg, straight, ranks, rng, round_)
        takes_at_once(folder, cfg)
        other_host(folder, cfg)


main()
