"""The pages for users: every command in an indented block of them is run as it stands there, in their order, on the micro-world and a small
run. Those marked "# cluster" need more than one machine: what they hand to uniter_dist is run with --check.
"""
import os
import shlex
import shutil

import runlib as R

PAGES = ("EXACT.md", "CLUSTER.md", "REPORT.md", "TROUBLE.md", "FABRIC.md")
FIRST = ("uniter", "uniter_dist", "mpirun", "srun", "sbatch", "cat")


def commands(page):
    """(line, is it for a cluster?)"""
    for line in (R.ROOT / "launch" / page).read_text().splitlines():
        if not line.startswith("    "):
            continue
        command, _, mark = line.strip().partition(" #")
        if command.split()[0] not in FIRST:
            R.fail(f"{page}: no command of ours: {command}")
        yield command.strip(), mark.strip() == "cluster"


def checked(command):
    """What a launcher's command line hands to the program, asked for its plan."""
    words = shlex.split(command)
    at = next(i for i, word in enumerate(words) if word in ("uniter_dist", "launch/slurm.sh"))
    rest = [word.replace("%a", "1") for word in words[at + 1:]]
    if "--bench" in rest:
        del rest[rest.index("--bench"):rest.index("--bench") + 2]
    return shlex.join(["uniter_dist", *rest, *([] if "--check" in rest else ["--check"])])


def main():
    total = 0
    with R.Folder() as folder:
        R.synth(folder / "world", train_images=60, valid_images=12)
        R.write_config(folder / "my.yaml", "world", "runs/x", steps=20, lanes=4, every=10, checkpoint=5)
        shutil.copy(folder / "my.yaml", folder / "big.yaml")
        programs = folder / "bin"
        programs.mkdir()
        for program in ("uniter", "uniter_dist"):
            shutil.copy(R.BUILD / program, programs / program)
        where = dict(PATH=f"{programs}:{os.environ['PATH']}", OMPI_MCA_rmaps_base_oversubscribe="1")
        os.chdir(folder)
        cd = f"cd {shlex.quote(str(folder))} && "
        R.expect(R.run(["bash", "-c", cd + "uniter_dist --cfg my.yaml --quiet"], **where)[0] == 0, "the run that the pages name")
        for page in PAGES:
            found = list(commands(page))
            R.expect(len(found) >= 2, f"{page}: {len(found)} commands")
            for command, cluster in found:
                if not cluster and command.startswith("mpirun") and not R.has_mpi():
                    print("no MPI, not run:", command)
                    continue
                code, out = R.run(["bash", "-c", cd + (checked(command) if cluster else command)], **where)
                if code != 0:
                    print(out[-2000:])
                R.expect(code == 0, f"{page}: {command}{' (its plan)' if cluster else ''}")
                total += 1
                if command == "uniter weights diff runs/one runs/two":
                    R.expect("largest difference 0" in out, "one rank and two: largest difference 0")
    print(total, "commands")


main()
