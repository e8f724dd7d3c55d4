"""Under a real Slurm, by srun and by mpirun: a node loses its power, later the node of the batch script loses its network and finds it
again after the run has gone on elsewhere. Both runs end with the bits of an undisturbed one; the old ranks cannot write over the new."""
import time

import clusterlib as C
import runlib as R
import slurmlib as S

STEPS = 400
LAUNCHERS = ("srun", "mpirun")


def batch_host(slurm, job):
    return slurm.job(job).get("BatchHost", "")


def hosts_of(slurm, job):
    return slurm.ask("scontrol", "show", "hostnames", slurm.job(job).get("NodeList", "")).split()


def reach(slurm, jobs, runs, restarts):
    """Both jobs are restarted so often, and run 15 updates on from where they are. One may come to its end while the other starts."""
    begin = [R.last_logged_step(run) for run in runs]

    def going():
        for job in jobs:
            slurm.start_now(job)
        states = [slurm.job(job) for job in jobs]
        for job, state in zip(jobs, states):
            if state.get("JobState") in ("FAILED", "CANCELLED"):
                slurm.give_up(job, f"job {job} is {state['JobState']}")
        ready = all(s.get("JobState") in ("RUNNING", "COMPLETED") and int(s["Restarts"]) >= restarts for s in states)
        moved = all(R.last_logged_step(run) >= min(at + 15, STEPS) for run, at in zip(runs, begin))
        time.sleep(0.2)
        return ready and moved
    try:
        return C.wait_until(going, 150, "both jobs to run again")
    except SystemExit:
        for job in jobs:
            print(slurm.job(job), slurm.log(job)[-3000:], sep="\n")
        print(slurm.ask("sinfo", "-N", "-l"))
        raise


def main():
    S.need()
    with R.Folder() as folder, S.Slurm(folder / "cluster") as slurm:
        data = R.synth(folder / "data")
        for name in C.KEEPALIVE:
            del slurm.env[name]  # those of launch/slurm.sh
        straight = folder / "straight"
        runs = [folder / launcher for launcher in LAUNCHERS]
        cfg = R.write_config(folder / "run.yaml", data, straight, steps=STEPS, lanes=8, checkpoint=10)
        R.run_ok(R.command(1, "--cfg", cfg))
        slurm.tell("all delay 2")
        jobs = [slurm.submit("-N2", "--ntasks-per-node=2", launcher=launcher,
                             words=["--cfg", cfg, f"run.dir={run}", "run.timeout=10", "run.patience=5", "--quiet"])
                for launcher, run in zip(LAUNCHERS, runs)]
        reach(slurm, jobs, runs, 0)
        R.expect(all(hosts_of(slurm, j) == ["node1", "node2"] for j in jobs), "both run on node1 and node2")

        slurm.power_off("node2")
        took = reach(slurm, jobs, runs, 1)
        R.expect(all("node2" not in hosts_of(slurm, j) for j in jobs), f"node2 lost its power: both go on without it after {took:.0f} s")

        slurm.tell("all delay 15")  # nobody comes to the end before the next fault, however long Slurm takes for this
        slurm.power_on("node2")
        C.wait_until(lambda: slurm.ask("sinfo", "-h", "-n", "node2", "-o", "%T").split()[:1] == ["idle"], 60, "node2 to be back")
        lost = batch_host(slurm, jobs[0])
        R.expect(all(batch_host(slurm, j) == lost for j in jobs), f"{lost} has the scripts of both")
        old = slurm.ranks()[lost]
        R.expect([slurm.state(j) for j in jobs] == ["RUNNING"] * 2, "and runs both")
        slurm.cut(lost)
        slurm.tell("all delay 2")
        took = reach(slurm, jobs, runs, 2)
        R.expect(all(lost not in hosts_of(slurm, j) for j in jobs), f"{lost} lost its network: both go on without it after {took:.0f} s")
        slurm.cut(lost, False)
        slurm.finish(jobs)
        left = set(old) & set(slurm.ranks()[lost])
        R.expect(old and not left, f"the {len(old)} old ranks on {lost} are gone")
        for run in runs:
            R.expect([x["step"] for x in R.metrics(run)] == list(range(1, STEPS + 1)), f"{run.name}: every step once")
            R.expect(R.metrics(run) == R.metrics(straight) and R.digests(run, STEPS) == R.digests(straight, STEPS),
                     f"{run.name}: losses, parameters and moments as undisturbed")


main()
