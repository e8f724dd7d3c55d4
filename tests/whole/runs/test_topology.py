"""Ranks that no launcher bound divide the cores of the host; those that it bound keep theirs; bind: none leaves all alone. A number of
ranks that makes lanes unequal is told with the idle share. Slurm's number of tasks and the ranks that really are must agree."""
import os
import pathlib
import time

import runlib as R


def cores_of(pid):
    """Allowed cores of each thread whose mask is not the whole, by the main thread first."""
    read = lambda t: next(x.split()[1] for x in (t / "status").read_text().splitlines() if x.startswith("Cpus_allowed_list"))
    tasks = pathlib.Path(f"/proc/{pid}/task")
    return read(tasks / str(pid)), [read(t) for t in tasks.iterdir()]


def running(cmd, folder, run_dir):
    p = R.start(cmd, folder / "log")
    R.wait_for_step(p, run_dir, 2)
    masks = [cores_of(pid) for pid in R.ranks_of(p)]
    R.end_group(p)
    time.sleep(0.2)
    return masks


def binding(folder, cfg):
    whole = cores_of(os.getpid())[0]
    if len(os.sched_getaffinity(0)) != 2:
        print("skipped: binding (written for two cores)")
        return
    first, second = (str(x) for x in sorted(os.sched_getaffinity(0)))

    def go(name, bind, *words, ranks=2):
        cmd = ["mpirun", *bind, "--oversubscribe", "-np", str(ranks), R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet",
               f"run.dir={folder / name}", *words]
        return running(list(map(str, cmd)), folder, folder / name)

    masks = go("free", ["--bind-to", "none"])
    R.expect(sorted(m for m, _ in masks) == [first, second], f"two unbound ranks: one core each {[m for m, _ in masks]}")
    R.expect(all(sum(t == m for t in threads) >= 2 for m, threads in masks), "the loader's thread stays there, too")
    masks = go("none", ["--bind-to", "none"], "run.bind=none")
    R.expect([m for m, _ in masks] == [whole] * 2, "run.bind: none leaves them alone")
    masks = go("core", ["--bind-to", "core"])
    R.expect(sorted(m for m, _ in masks) == [first, second], "ranks that mpirun bound keep what it gave")
    masks = go("crowd", ["--bind-to", "none"], ranks=4)
    R.expect([m for m, _ in masks] == [whole] * 4, "more ranks than cores: nobody is bound")


def lanes(folder, cfg):
    out = R.run_ok(R.command(3, "--cfg", cfg, f"run.dir={folder / 'three'}", "train.steps=4"))
    R.expect("some compute 3 lanes, others 2, so 11 % of the ranks' time is idle" in out, "8 lanes on 3 ranks: 11 % idle")
    out = R.run_ok(R.command(4, "--cfg", cfg, f"run.dir={folder / 'four'}", "train.steps=4"))
    R.expect("idle" not in out and "4 ranks on 1 host" in out, "8 lanes on 4 ranks: nothing to warn of")


def tasks(folder, cfg):
    for ranks, number in ((2, 8), (1, 8), (2, 1)):
        cmd = ["mpirun", "--oversubscribe", "-np", str(ranks), R.BUILD / "uniter_dist", "--cfg", cfg, f"run.dir={folder / 'tasks'}"]
        begin = time.monotonic()
        code, out = R.run(cmd, SLURM_NTASKS=str(number), timeout=60)
        R.expect(code == 64 and "SLURM_NTASKS" in out and f"{number} tasks" in out,
                 f"{ranks} ranks where Slurm was asked for {number}: refused after {time.monotonic() - begin:.1f} s")
    R.expect(not (folder / "tasks").exists(), "and nothing is written")
    R.run_ok(R.command(2, "--cfg", cfg, f"run.dir={folder / 'tasks'}", "train.steps=4"), SLURM_NTASKS="2")


def main():
    if not R.has_mpi():
        R.skip("no MPI")
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=1000000, valid=False)
        binding(folder, cfg)
        lanes(folder, cfg)
        tasks(folder, cfg)


main()
