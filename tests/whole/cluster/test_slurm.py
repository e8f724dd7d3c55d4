"""Runs under a real Slurm, by srun and by mpirun inside launch/slurm.sh, each disturbed in one of the ways a cluster knows: the signal
before the time limit, scancel, scontrol requeue, an array job; several at once on three hosts. Whatever came between, every run ends with
the parameters, moments and losses of an undisturbed one, and no step stands twice in its log."""
import concurrent.futures
import threading

import clusterlib as C
import runlib as R
import slurmlib as S

STEPS = 160
LAUNCHERS = ("srun", "mpirun")
SIGNALLED = threading.Barrier(len(LAUNCHERS))
TWO_HOSTS = ("-N2", "--ntasks-per-node=2")


class Case:
    """One run: its folder, its job and what is checked at the end."""

    def __init__(self, slurm, folder, cfg, name, launcher):
        self.slurm, self.cfg, self.name, self.launcher = slurm, cfg, f"{name}, {launcher}", launcher
        self.run_dir = folder / f"{name}_{launcher}"

    def submit(self, *options, **environment):
        return self.slurm.submit(*(options or TWO_HOSTS), words=["--cfg", self.cfg, f"run.dir={self.run_dir}", "--quiet"],
                                 launcher=self.launcher, **environment)

    def reach(self, job, step):
        C.wait_until(lambda: R.last_logged_step(self.run_dir) >= step or self.slurm.state(job) == "FAILED", 90,
                     f"step {step} ({self.name})")
        if self.slurm.state(job) == "FAILED":
            self.slurm.give_up(job, f"{self.name}: the job failed")


def time_limit(case):
    job = case.submit(*TWO_HOSTS, "--time=1", "--signal=B:USR1@48")
    C.wait_until(lambda: case.slurm.job(job)["Restarts"] != "0" or case.slurm.state(job) in ("COMPLETED", "FAILED"), 120, "the first signal")
    SIGNALLED.wait(120)
    case.slurm.tell("all delay 1")
    case.slurm.finish([job], 200)
    log, restarts = case.slurm.log(job), int(case.slurm.job(job)["Restarts"])
    R.expect(restarts > 0 and log.count("signal USR1") > 0 and "ended with 75" in log,
             f"{case.name}: signal before the time limit, requeued {restarts} times")


def cancelled(case):
    job = case.submit()
    case.reach(job, 25)
    case.slurm.ask("scancel", str(job))
    C.wait_until(lambda: case.slurm.state(job) == "CANCELLED", 30, f"job {job} to be cancelled")
    at = R.last_logged_step(case.run_dir)
    again = case.submit()
    case.slurm.finish([again])
    R.expect(at < STEPS, f"{case.name}: cancelled after step {at}, submitted again")


def requeued(case):
    job = case.submit()
    case.reach(job, 25)
    case.slurm.ask("scontrol", "requeue", str(job))
    case.slurm.finish([job])
    R.expect(int(case.slurm.job(job)["Restarts"]) >= 1, f"{case.name}: requeued by scontrol")


def array(slurm, folder, cfg):
    """Two members, the index in the arguments; the first is requeued on its way."""
    job = slurm.submit("-N1", "--ntasks-per-node=2", "--array=1-2", words=["--cfg", cfg, f"run.dir={folder}/array_%a", "--quiet"])
    first = f"{job}_1"
    C.wait_until(lambda: R.last_logged_step(folder / "array_1") >= 25, 90, "the first member of the array")
    slurm.ask("scontrol", "requeue", first)
    slurm.finish([first, f"{job}_2"])
    R.expect(int(slurm.job(first)["Restarts"]) >= 1, "array: the first member was requeued, both have ended")
    return [folder / "array_1", folder / "array_2"]


def mismatch(slurm, folder, cfg):
    """srun without what the MPI library needs: every rank would believe to be alone. Refused before anything is written."""
    run_dir = folder / "mismatch"
    job = slurm.submit("-N1", "--ntasks-per-node=2", words=["--cfg", cfg, f"run.dir={run_dir}", "--quiet"], UNITER_MPI="none",
                       UNITER_MAX_RESTARTS="0")
    took = C.wait_until(lambda: slurm.state(job) not in ("PENDING", "RUNNING", "COMPLETING"), 60, "the job to end")
    R.expect(slurm.state(job) == "FAILED" and not run_dir.exists(), f"--mpi=none: refused after {took:.1f} s, nothing written")


def main():
    S.need()
    with R.Folder() as folder, S.Slurm(folder / "cluster") as slurm:
        data = R.synth(folder / "data")
        straight = folder / "straight"
        cfg = R.write_config(folder / "run.yaml", data, straight, steps=STEPS, lanes=8, checkpoint=10)
        R.run_ok(R.command(1, "--cfg", cfg))
        runs = []
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            # the signal before the time limit comes when Slurm looks, every 30 s: those runs have the machine for themselves and,
            # until it came, a network on which they last much longer than that
            for scenarios, delay in (((time_limit,), 60), ((cancelled, requeued), 1)):
                slurm.tell(f"all delay {delay}")
                futures = []
                for scenario in scenarios:
                    for launcher in LAUNCHERS:
                        case = Case(slurm, folder, cfg, scenario.__name__, launcher)
                        runs.append(case.run_dir)
                        futures.append(pool.submit(scenario, case))
                for future in futures:
                    future.result()
            members = pool.submit(array, slurm, folder, cfg)
            pool.submit(mismatch, slurm, folder, cfg).result()
            runs += members.result()
        for run_dir in runs:
            R.expect([x["step"] for x in R.metrics(run_dir)] == list(range(1, STEPS + 1)), f"{run_dir.name}: every step once")
            R.expect(R.metrics(run_dir) == R.metrics(straight) and R.digests(run_dir, STEPS) == R.digests(straight, STEPS),
                     f"{run_dir.name}: losses, parameters and moments as undisturbed")
        R.expect(not any(slurm.ranks().values()), "no rank is left")


main()
