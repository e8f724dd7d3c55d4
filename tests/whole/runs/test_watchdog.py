"""Nothing hangs: one rank of four is stopped, killed or aborts at a random moment; all ranks are gone within twice run.timeout, the
exit code is not zero, and the watchdog's message names the collective, the step and the rank that did not arrive. A stop of the whole
job, as by a scheduler that suspends it, ends nothing."""
import os
import pathlib
import random
import re
import signal
import time

import runlib as R

RANKS = 4
VERDICT = re.compile(r"watchdog: collective (\d+) \(([^)]+)\) of (\w+) has lasted ([\d.]+) s, phase (\w+) of update (\d+) has lasted ([\d.]+) s")


def rank_of(pid):
    for line in pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
        if line.startswith(b"OMPI_COMM_WORLD_RANK="):
            return int(line.split(b"=")[1])
    R.fail(f"process {pid} has no rank")


def alive(pids):
    found = []
    for pid in pids:
        try:
            if pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z":
                found.append(pid)
        except OSError:
            pass
    return found


def hurt(folder, cfg, name, timeout, rng, rank, wound):
    """Returns (seconds until all ranks are gone, exit code, output)."""
    run_dir, log = folder / name, folder / f"{name}.log"
    p = R.start(R.command(RANKS, "--cfg", cfg, f"run.dir={run_dir}", f"run.timeout={timeout}", "--quiet"), log)
    R.wait_for_step(p, run_dir, 3)
    time.sleep(rng.uniform(0, 0.5))
    pids = R.ranks_of(p)
    R.expect(len(pids) == RANKS, f"{name}: {RANKS} ranks run")
    victim = next(pid for pid in pids if rank_of(pid) == rank)
    begin = time.monotonic()
    os.kill(victim, wound)
    while alive(pids) and time.monotonic() - begin < 2 * timeout + 10:
        time.sleep(0.05)
    gone, left = time.monotonic() - begin, alive(pids)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    try:
        code = p.wait(timeout=15)
    except Exception:
        R.end_group(p)
        R.fail(f"{name}: the launcher hangs")
    out = log.read_text(errors="replace")
    if left or code == 0:
        print(out[-4000:])
    R.expect(not left and gone <= 2 * timeout, f"{name}: all ranks gone after {gone:.1f} s (bound {2 * timeout} s)")
    R.expect(code != 0, f"{name}: exit code {code}")
    return gone, code, out


def suspended(folder, cfg, timeout):
    """All ranks stopped for longer than the bound and continued: the run goes on."""
    run_dir, log = folder / "suspended", folder / "suspended.log"
    p = R.start(R.command(RANKS, "--cfg", cfg, f"run.dir={run_dir}", f"run.timeout={timeout}", "--quiet"), log)
    R.wait_for_step(p, run_dir, 3)
    pids = R.ranks_of(p)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(1.5 * timeout)
    at = R.last_logged_step(run_dir)
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    R.wait_for_step(p, run_dir, at + 3, timeout=30)
    going = p.poll() is None
    R.end_group(p)
    if not going:
        print(log.read_text(errors="replace")[-3000:])
    R.expect(going, f"a job suspended for {1.5 * timeout:.0f} s goes on")


def lonely(folder, cfg):
    """One process whose file system does not answer (a fifo nobody writes to stands for it) hangs in a phase of its own."""
    run_dir = folder / "lonely"
    fifo = folder / "never.img.h5"
    os.mkfifo(fifo)
    begin = time.monotonic()
    code, out = R.run(R.command(1, "--cfg", cfg, f"run.dir={run_dir}", "run.timeout=2", "--quiet",
                                f"data.train.0.images={fifo}"), timeout=30)
    print(f"ok: a fifo as a feature file: exit code {code} after {time.monotonic() - begin:.1f} s")
    R.expect(code in (65, 74), "a feature file that is no regular file is refused, not waited for")


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    timeout = 12 if R.sanitized() else 4
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=1000000, valid=False)
        rng = random.Random(5)
        for rank in (0, rng.randrange(1, RANKS)):
            gone, code, out = hurt(folder, cfg, f"stop{rank}", timeout, rng, rank, signal.SIGSTOP)
            said = VERDICT.search(out)
            R.expect(said and int(said[1]) > 10 and max(float(said[4]), float(said[7])) >= timeout, f"it names the collective ({said and said[2]}) and update {said and said[6]}")
            R.expect(f"no sign of life from rank {rank} (1 of {RANKS})" in out, f"it names rank {rank}")
            R.expect("did not arrive: rank" in out or "have arrived" in out, "it says who did not arrive")
            R.expect(f"rank {rank} (host" in out, "it says where that rank was seen last")
            R.expect(code == 74, "exit code 74")
        rank = rng.randrange(RANKS)
        _, code, _ = hurt(folder, cfg, "kill", timeout, rng, rank, signal.SIGKILL)
        _, code, _ = hurt(folder, cfg, "abort", timeout, rng, rng.randrange(RANKS), signal.SIGABRT)
        suspended(folder, cfg, timeout)
        lonely(folder, cfg)


main()
