"""Whoever starts the programs, and with what: closed standard descriptors, blocked or ignored signals, a terminal that is gone, a CPU
time limit, an interactive Slurm step, limits of memory. Nothing is written into a wrong file, nothing is deaf, nothing hangs."""
import json
import os
import resource
import signal
import subprocess
import time

import runlib as R

STEPS = 500 # of runs that are compared; others are long enough for a busy machine
STOPS = (signal.SIGHUP, signal.SIGXCPU)
EARLY = "the libraries want more addresses than there are"  # OpenBLAS of some versions, before main
SLURM = dict(SLURM_JOB_ID="7", SLURM_STEP_ID="4294967290", SLURM_STEP_NUM_TASKS="1", SLURM_NTASKS="8", SLURM_PROCID="0")


def close_standard():
    for fd in (0, 1, 2):
        os.close(fd)


def block_all():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())


def begin(cmd, log, prepare, **more):
    """As R.start, with `prepare` run in the child before it becomes the program, and more in its environment."""
    return subprocess.Popen([*map(str, cmd)], stdin=subprocess.DEVNULL, stdout=open(log, "ab"), stderr=subprocess.STDOUT,
                            cwd=R.ROOT, env=dict(R.ENV, **more), start_new_session=True, preexec_fn=prepare)


def ended(p, timeout=120):
    try:
        return p.wait(timeout=timeout)
    except subprocess.TimeoutExpired:
        R.end_group(p)
        R.fail(f"hangs for {timeout} s: {p.args}")


def descriptors(folder, data, cfg):
    run_dir = folder / "closed"
    p = begin(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=6", "checkpoint.every=2"), os.devnull, close_standard)
    R.expect(ended(p) == 0, "the training ends with 0 though all standard descriptors are closed")
    lines = (run_dir / "log/metrics.jsonl").read_text().splitlines()
    R.expect([json.loads(x)["step"] for x in lines] == [1, 2, 3, 4, 5, 6], "its log holds six lines of its own and nothing else")
    texts = folder / "captions.tsv"
    texts.write_text("".join(f"coco_{i:06d}\ta bird on a wall\n" for i in range(9)))
    sums = []
    for name, prepare in (("open", None), ("shut", close_standard)):
        out = folder / f"{name}.txt.h5"
        p = begin([R.BUILD / "uniter", "data", "import", "text", texts, out, f"vocab={data}/vocab.txt"], os.devnull, prepare)
        sums.append((ended(p), out.exists() and out.read_bytes()))
    R.expect(sums[0][0] == 0 and sums[0] == sums[1], "an import gives the same bytes with them closed")


def running(folder, cfg, name, prepare=None, steps=STEPS, **more):
    run_dir = folder / name
    p = begin(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", f"train.steps={steps}", "--quiet"), folder / f"{name}.log", prepare, **more)
    R.wait_for_step(p, run_dir, 3)
    pids = R.ranks_of(p)
    R.expect(len(pids) == 1, f"{name}: it runs")
    return p, pids[0], run_dir


def stops(folder, cfg, name, number, prepare=None, steps=1000000):
    p, pid, run_dir = running(folder, cfg, name, prepare, steps)
    os.kill(pid, number)
    code = ended(p)
    step = max((int(x.name[5:]) for x in (run_dir / "ckpt").glob("step_*")), default=0)
    R.expect(code == 75 and step >= 3, f"{name}: stopped with {code}, a checkpoint of update {step}")
    return step, run_dir


def signals(folder, cfg):
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={folder}/whole", "--quiet"))
    takes = dict(LD_PRELOAD=str(R.BUILD / "tests" / "libtakes_signals.so"), ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")
    for number in STOPS:
        _, run_dir = stops(folder, cfg, number.name, number, steps=STEPS)
        R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "--quiet"))
        R.expect(R.digests(run_dir, STEPS) == R.digests(folder / "whole", STEPS), f"{number.name}: gone on to the bits of an undisturbed run")
        p, pid, run_dir = running(folder, cfg, f"{number.name}_ignored", lambda n=number: signal.signal(n, signal.SIG_IGN), 1000000, **takes)
        os.kill(pid, number)
        at = R.last_logged_step(run_dir)
        R.wait_for_step(p, run_dir, at + 10)
        R.expect(p.poll() is None, f"{number.name} that the starter ignores, as nohup does, stops nothing, though a library takes it")
        R.end_group(p)
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP):
        stops(folder, cfg, f"{number.name}_blocked", number, block_all)


def cpu_limit(folder, cfg):
    """The soft limit of a shell: SIGXCPU, then one each second until the hard limit kills."""
    run_dir = folder / "limit"
    p = begin(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=1000000", "--quiet"), folder / "limit.log",
              lambda: resource.setrlimit(resource.RLIMIT_CPU, (1, 10)))
    R.expect(ended(p) == 75 and any((run_dir / "ckpt").glob("step_*")), "ulimit -St 1: a checkpoint and 75")


def slurm(folder, cfg):
    run_dir = folder / "step"
    words = R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=5", "--quiet")
    R.run_ok(words, **SLURM)
    R.expect(len(R.metrics(run_dir)) == 5, "an interactive step of one task in a job of eight trains")
    lost = {**SLURM, "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_ID": "0"}
    code, out = R.run([*words, "--check"], PMIX_RANK="0", SLURM_NTASKS="8")
    if R.has_mpi():
        R.expect(code == 0 and "tasks" in out and "memory" in out, "--check warns of ranks that do not see each other, and is not refused")
        code, out = R.run(words, PMIX_RANK="0", SLURM_NTASKS="8")
        R.expect(code == 64 and "SLURM_NTASKS" in out, "the training is")
        code, out = R.run(words, **lost)
        R.expect(code == 64 and "8" in out, "so is a rank of a step that sees no other")


def constructors(folder, cfg):
    """A library that spins before main where addresses are limited ends in 71 and the limit, with blocked signals too."""
    for cmd in (R.command(1, "--cfg", cfg, f"run.dir={folder}/spun", "--quiet"), [R.BUILD / "uniter", "--version"]):
        log, began = folder / "spun.log", time.monotonic()
        p = begin(cmd, log, lambda: (block_all(), resource.setrlimit(resource.RLIMIT_AS, (1500 << 20, 1500 << 20))),
                  LD_PRELOAD=str(R.BUILD / "tests" / "libspins.so"))
        code, took, out = ended(p), time.monotonic() - began, log.read_text(errors="replace")
        R.expect(code == 71 and EARLY in out and "ulimit -v is 1500 MiB" in out, f"a constructor that spins: {code} after {took:.1f} s")
    R.expect(not (folder / "spun").exists(), "nothing was written")


def memory(folder, cfg):
    """Every limit ends in time: in a run with the right bits, or in 71 and the sum that is wanted."""
    if R.sanitized():
        print("skipped: limits of memory; the sanitizers map more than any")
        return
    constructors(folder, cfg)
    R.run_ok(R.command(1, "--cfg", cfg, f"run.dir={folder}/free", "train.steps=4", "--quiet"))
    bits, codes = R.digests(folder / "free", 4), {}
    for mib in (1500, 400, 355, 345, 340, 300, 250, 150, 100):
        run_dir, log = folder / f"room{mib}", folder / f"room{mib}.log"
        began = time.monotonic()
        p = begin(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "train.steps=4", "run.threads=2", "--quiet"), log,
                  lambda b=mib << 20: resource.setrlimit(resource.RLIMIT_AS, (b, b)))
        codes[mib], took, out = ended(p), time.monotonic() - began, log.read_text(errors="replace")
        R.expect(codes[mib] in (0, 71) and (took < 30 or EARLY in out), f"{mib} MiB of addresses: exit code {codes[mib]} after {took:.1f} s")
        if codes[mib] == 0:
            R.expect(R.digests(run_dir, 4) == bits, "the bits of a run without a limit")
        else:
            R.expect("MiB more on this host" in out or "ulimit -v" in out, "it says what is wanted")
            R.expect(not any(run_dir.glob("ckpt/step_*")), "nothing was written")
        if EARLY in out:
            continue
        if codes[mib] and 300 <= mib <= 400: # no thread, buffer or library is met by the limit later
            R.expect("the run wants" in out and "MiB more on this host" in out and f"ulimit -v is {mib} MiB" in out, "71 with the whole sum")
        if mib in (250, 150):
            R.expect(codes[mib] == 71 and "addresses for OpenBLAS" in out and f"ulimit -v is {mib} MiB" in out, "71 with the sum")
    R.expect(codes[1500] == 0, "1500 MiB are enough")
    out = folder / "made"
    began = time.monotonic()
    p = begin([R.BUILD / "uniter", "data", "synth", out, "train_images=8", "valid_images=4", "texts=1", "img_dim=8", "img_label_dim=64"],
              folder / "made.log", lambda: resource.setrlimit(resource.RLIMIT_AS, (150 << 20, 150 << 20)))
    code, took, out = ended(p), time.monotonic() - began, (folder / "made.log").read_text(errors="replace")
    R.expect(code == 0 and took < 15 or code == 71 and EARLY in out, f"a command that computes nothing works with 150 MiB: {code} after {took:.1f} s")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=STEPS, valid=False)
        descriptors(folder, data, cfg)
        signals(folder, cfg)
        cpu_limit(folder, cfg)
        slurm(folder, cfg)
        memory(folder, cfg)


main()
