"""Checkpoints of whole runs beside the training: on a slow disk the training goes on and ends bit-identical; a signal that comes
while a save is under way; a disk that hangs; a disk that is full under one rank; keep and keep_every;
saves at one number of ranks resumed at another; the ckpt commands."""
import json
import os
import resource
import shutil
import signal
import time

import runlib as R

MANY = R.has_mpi()
SLOW = R.BUILD / "tests" / "libslow_disk.so"


def slow(seconds):
    return {"LD_PRELOAD": str(SLOW), "UN_TEST_SLOW_S": str(seconds),
            "ASAN_OPTIONS": R.ENV["ASAN_OPTIONS"] + ":verify_asan_link_order=0"}


def config(folder, data, name, steps=12, every=4, keep=3, more="", tokens=160):
    path = R.write_config(folder / f"{name}.yaml", data, folder / name, steps=steps, checkpoint=every, valid=False,
                          tokens=tokens)
    path.write_text(path.read_text().replace("keep: 3", f"keep: {keep}{more}"))
    return path, folder / name


def saved(run_dir):
    return sorted(int(p.name[5:]) for p in (run_dir / "ckpt").glob("step_????????"))


def wait_for(what, condition, timeout=60):
    end = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > end:
            R.fail(f"{what}: not within {timeout} s")
        time.sleep(0.002)


def check_beside(folder, data, straight):
    """A save of 0.3 s more than usual, while 30 steps go on."""
    cfg, run_dir = config(folder, data, "beside", steps=60, every=30, tokens=960)
    R.run_ok(R.command(2 if MANY else 1, "--cfg", cfg), **slow(0.3))
    lines = [json.loads(x) for x in (run_dir / "log/metrics.jsonl").read_text().splitlines()]
    stalls = {x["step"]: x["ms/checkpoint"] for x in lines}
    took = [x["ms/save"] for x in lines if "ms/save" in x]
    after = [x["step"] for x in lines if "ms/save" in x]
    R.expect(R.digests(run_dir, 60) == R.digests(straight, 60), "slow disk: parameters and moments as with a fast one")
    R.expect(stalls[31] < 250, f"slow disk: the training stood still for {stalls[31]:.1f} ms")
    R.expect(took and took[0] >= 300, f"slow disk: a save took {took} ms, and was over by step {after}")


def check_signal(folder, data, straight):
    """SIGTERM while a save is under way: the stop waits for it and saves its own step."""
    cfg, run_dir = config(folder, data, "signal", steps=60, every=5, tokens=960)
    p = R.start(R.command(2 if MANY else 1, "--cfg", cfg), folder / "signal.log", **slow(1.5))
    wait_for("a save under way", lambda: list((run_dir / "ckpt").glob("*5.partial/*.partial")) or p.poll() is not None)
    os.kill(R.ranks_of(p)[-1], signal.SIGTERM)
    begin = time.monotonic()
    code = p.wait(timeout=60)
    at = R.last_logged_step(run_dir)
    R.expect(code == 75 and at < 60, f"a signal during a save: exit code {code} after step {at}")
    R.expect(time.monotonic() - begin < 12, f"within {time.monotonic() - begin:.1f} s: the rest of one save and one more")
    R.expect(5 in saved(run_dir) and at in saved(run_dir), f"both saves are there: {saved(run_dir)}")
    R.run_ok(R.command(1, "--cfg", cfg, "checkpoint.every=0"))
    R.expect(R.digests(run_dir, 60) == R.digests(straight, 60), "and the run ends as an undisturbed one")


def check_pairs(folder, data):
    """Saved at p ranks, resumed at q: the same batches come next, whatever p and q; the values were verified by the load, and
    losses agree to rounding, to the last bit where p and q divide the tree of the lanes."""
    for p in (3, 8):
        cfg, saved_dir = config(folder, data, f"pairs_{p}", steps=6, every=0)
        R.run_ok(R.command(p, "--cfg", cfg))
        first = None
        for q in (1, 2, 3, 4, 5, 8):
            run_dir = folder / "pair"
            shutil.copytree(saved_dir, run_dir)
            R.run_ok(R.command(q, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=8"))
            lines = R.metrics(run_dir)
            shutil.rmtree(run_dir)
            first = first or lines
            same = [x["step"] for x in lines] == list(range(1, 9)) and all(
                a["tokens"] == b["tokens"] and a["samples"] == b["samples"] for a, b in zip(lines, first))
            worst = max(abs(a["loss"] - b["loss"]) / abs(b["loss"]) for a, b in zip(lines, first))
            R.expect(same and (lines == first if q in (1, 2, 4, 8) else worst < 1e-5),
                     f"saved at {p} ranks, resumed at {q}: same batches, losses within {worst:.1e}")


def check_once(folder, data):
    """A save after every step: the stop and the end find the save of their very step under way, or there, and start no second."""
    for name, steps in (("stop", 4000), ("end", 12)):
        cfg, run_dir = config(folder, data, f"once_{name}", steps=steps, every=1, keep=0)
        count = folder / f"count_{name}"
        p = R.start(R.command(1, "--cfg", cfg), folder / "once.log", UN_TEST_SLOW_COUNT=str(count), **slow(0.05))
        if name == "stop":
            R.wait_for_step(p, run_dir, 6)
            os.kill(R.ranks_of(p)[-1], signal.SIGUSR2)
        code = p.wait(timeout=60)
        R.expect(code == (75 if name == "stop" else 0), f"{name}: exit code {code}")
        steps = saved(run_dir)
        R.expect(len(steps) == steps[-1] == count.stat().st_size, f"{name}: {len(steps)} checkpoints, each written once")


def check_hang(folder, data):
    """The disk hangs for good: the run ends with the path within the time-out and some seconds, the older one stays."""
    cfg, run_dir = config(folder, data, "hang", steps=4, every=0, more=", timeout: 2")
    R.run_ok(R.command(1, "--cfg", cfg))
    begin = time.monotonic()
    code, out = R.run(R.command(2 if MANY else 1, "--cfg", cfg, "train.steps=4000", "checkpoint.every=2"), timeout=60, **slow(600))
    R.expect(code == 74 and "step_00000006.partial" in out and "checkpoint.timeout" in out,
             f"a hanging disk: exit code {code}, and the path is named")
    R.expect(time.monotonic() - begin < 30, f"within {time.monotonic() - begin:.1f} s at a time-out of 2 s")
    R.expect(saved(run_dir) == [4], "the checkpoint before it is there alone")
    R.run_ok(R.command(1, "--cfg", cfg, "train.steps=8"))
    R.expect(8 in saved(run_dir), "and the run goes on from it")


def check_full(folder, data):
    """No room for the part of one rank."""
    ranks = 3 if MANY else 1
    cfg, run_dir = config(folder, data, "full", steps=4000, every=20)
    p = R.start(R.command(ranks, "--cfg", cfg), folder / "full.log")
    R.wait_for_step(p, run_dir, 25)
    resource.prlimit(R.ranks_of(p)[-1], resource.RLIMIT_FSIZE, (20000, 20000))
    code = p.wait(timeout=60)
    out = (folder / "full.log").read_text()
    R.expect(code == 74 and "File too large" in out and ".partial" in out, f"a full disk under one rank: exit code {code}, with the path")
    newest = saved(run_dir)[-1]
    R.expect(newest >= 20 and not list((run_dir / "ckpt").glob("*.partial")), f"step {newest} stays, the rest is gone")
    R.run_ok([R.BUILD / "uniter", "ckpt", "verify", run_dir])
    R.run_ok(R.command(1, "--cfg", cfg, f"train.steps={newest + 5}"))
    R.expect(newest + 5 in saved(run_dir), "and the run goes on from it")


def check_keep(folder, data):
    cfg, run_dir = config(folder, data, "keep", steps=23, every=2, keep=2, more=", keep_every: 8")
    R.run_ok(R.command(2 if MANY else 1, "--cfg", cfg))
    R.expect(saved(run_dir) == [8, 16, 22, 23], f"keep 2 and every eighth: {saved(run_dir)}")
    out = R.run_ok([R.BUILD / "uniter", "ckpt", "list", run_dir])
    R.expect(out.count("complete") == 4 and R.digests(run_dir, 22)[1] in out, "ckpt list: four complete ones")
    R.expect(R.run_ok([R.BUILD / "uniter", "ckpt", "verify", run_dir]).count("right") == 4, "ckpt verify: all right")
    out = R.run_ok([R.BUILD / "uniter", "ckpt", "show", run_dir])
    R.expect("step          23" in out and "stream 0" in out and "uniter.encoder" in out, "ckpt show: the newest one")
    shard = run_dir / "ckpt/step_00000016/shard_00000.h5"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 4
    shard.write_bytes(data)
    code, out = R.run([R.BUILD / "uniter", "ckpt", "verify", run_dir])
    R.expect(code == 65 and out.count("right") == 3 and "shard_00000.h5: damaged" in out, "ckpt verify: names the damaged file")
    code, out = R.run([R.BUILD / "uniter", "ckpt", "show", folder])
    R.expect(code == 64 and "neither" in out, "ckpt show: a folder that is no run")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg, straight = config(folder, data, "straight", steps=60, every=0, tokens=960)
        R.run_ok(R.command(1, "--cfg", cfg))
        check_beside(folder, data, straight)
        check_signal(folder, data, straight)
        if MANY:
            check_pairs(folder, data)
        check_once(folder, data)
        check_hang(folder, data)
        check_full(folder, data)
        check_keep(folder, data)


main()
