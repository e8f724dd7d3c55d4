"""A stop by a signal after step 20 of 40 and a resume with another number of ranks end bit-identical to an undisturbed run; the
stop leaves with 75; no step stands twice in the log."""
import os
import signal

import runlib as R

STEPS = 40


def config(folder, name, data):
    """Steps long enough for a signal to come in time."""
    size = {} if R.sanitized() else {"width": 96}
    return R.write_config(folder / f"{name}.yaml", data, folder / name, steps=STEPS, every=16, tokens=960, **size)


def stopped_run(folder, data, name, ranks, number):
    run_dir = folder / name
    cfg = config(folder, name, data)
    p = R.start(R.command(ranks, "--cfg", cfg), folder / f"{name}.log")
    R.wait_for_step(p, run_dir, 3)
    pids = R.ranks_of(p)  # now, as it takes a while on a busy machine
    R.wait_for_step(p, run_dir, 20)
    os.kill(pids[-1], number)  # one rank only: the others learn of it
    R.expect(len(pids) == ranks, f"{name}: {ranks} ranks are running")
    code = p.wait(timeout=60)
    at = R.last_logged_step(run_dir)
    R.expect(code == 75 and 20 <= at < STEPS, f"{name}: signal {number} stops it with 75 (got {code}) after step {at}")
    return cfg, run_dir


def main():
    many = R.has_mpi()
    plans = [(1, 2 if many else 1, signal.SIGTERM), (2 if many else 1, 1, signal.SIGUSR1)]
    if many:
        plans.append((4, 8, signal.SIGINT))
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        straight = folder / "straight"
        cfg = config(folder, "straight", data)
        R.run_ok(R.command(1, "--cfg", cfg))
        for first, second, number in plans:
            name = f"stop_{first}_{second}"
            cfg, run_dir = stopped_run(folder, data, name, first, number)
            R.run_ok(R.command(second, "--cfg", cfg))
            steps = [x["step"] for x in R.metrics(run_dir)]
            R.expect(steps == list(range(1, STEPS + 1)), f"{name}: every step stands once in the log")
            R.expect(R.metrics(run_dir) == R.metrics(straight), f"{name}: all losses and norms equal")
            R.expect(R.metrics(run_dir, "valid") == R.metrics(straight, "valid"), f"{name}: validations equal")
            R.expect(R.digests(run_dir, STEPS) == R.digests(straight, STEPS), f"{name}: parameters and moments equal")
        out = R.run_ok(R.command(1, "--cfg", folder / "straight.yaml"))
        R.expect("is complete" in out, "a finished run says so and does nothing")
        code, out = R.run(R.command(1, "--cfg", folder / "straight.yaml", "--resume", "none"))
        R.expect(code == 64 and "holds checkpoints" in out, "--resume none does not trample on a run")
        code, out = R.run(R.command(1, "--cfg", folder / "straight.yaml", "run.seed=6", f"train.steps={STEPS + 1}"))
        R.expect(code == 64 and "seed" in out, "another seed is no resume")


main()
