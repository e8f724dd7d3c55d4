"""Feature and text files that change while they are read. A new file under the name, a removed name, a mode without rights, a moved
folder: the run holds the file open and ends as undisturbed. A file written over in place (shorter, empty, longer, other numbers, zeros):
a named error and no update with what is not the old content; once the file is back, the same command goes on to the same bits."""
import os
import pathlib
import shutil
import signal

import attempts as A
import runlib as R

STEPS = 40
NOBODY = 65534


def renamed_over(path, other):
    shutil.copyfile(other, f"{path}.new")
    os.rename(f"{path}.new", path)


def written_over(path, other):
    """As `cp` does it: the old file's place, name and descriptors."""
    with open(path, "r+b") as f:
        f.write(other.read_bytes())
        f.truncate()


def other_numbers(path, _):
    """The same length, and numbers that are all in range: only its time tells."""
    zero_middle(path, 4096, path.stat().st_size * 3 // 4)


def zero_middle(path, begin, end):
    with open(path, "r+b") as f:
        f.seek(begin)
        f.write(bytes(end - begin))


def append(path, _):
    with open(path, "ab") as f:
        f.write(bytes(4096))


def move_folder(path, _):
    os.rename(path.parent, path.parent.with_name("elsewhere"))


HELD = {"renamed over": renamed_over, "removed": lambda path, _: path.unlink(), "mode 000": lambda path, _: os.chmod(path, 0),
        "folder moved": move_folder}
IN_PLACE = {"shortened": lambda path, _: os.truncate(path, path.stat().st_size // 2), "emptied": lambda path, _: os.truncate(path, 0),
            "written over": written_over, "other numbers": other_numbers, "appended to": append}


def as_nobody(command):
    """Rights do not bind root: the run is somebody else's."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        return command
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command]


def under_way(world, command, run_dir, log, rng):
    """A run that stands still somewhere in the middle: (process, pids)."""
    p = A.start(command, log)
    R.wait_for_step(p, run_dir, rng.randrange(4, STEPS // 2))
    pids = R.ranks_of(p)
    for pid in pids:
        A.send(pid, signal.SIGSTOP)
    return p, pids


def attempt(*words):
    """On a machine that is full a run may be nearly over before it is caught: once more."""
    for last in (False, False, True):
        if hurt(*words, last):
            break
        R.repeated("all was read before the file changed")


def hurt(world, other, tally, rng, number, what, change, held, last):
    world.renew()
    shutil.rmtree(world.folder / "elsewhere", ignore_errors=True)
    name = rng.choice(("coco_train.img.h5", "vg_train.img.h5", "coco_train.txt.h5"))
    ranks = rng.choice((1, 2)) if R.has_mpi() and what != "mode 000" else 1
    run_dir, log = world.folder / f"d{number}", world.folder / f"d{number}.log"
    command = world.command(ranks, run_dir, "data.tries=2", "run.timeout=30")
    if what == "mode 000":
        run_dir.mkdir()
        if os.geteuid() == 0:
            os.chown(run_dir, NOBODY, NOBODY)
        command = as_nobody(command)
    p, pids = under_way(world, command, run_dir, log, rng)
    at = R.last_logged_step(run_dir)
    change(world.data / name, other / name)
    for pid in pids:
        A.send(pid, signal.SIGCONT)
    code = A.ended(p, A.LIMIT)
    if at > STEPS * 3 // 4 and not held and not last:
        shutil.rmtree(run_dir, ignore_errors=True)
        return False
    out = log.read_text(errors="replace")
    title = f"{name} {what} after update {at} of {ranks} ranks: exit code {code}"
    if held:
        good, again = code == 0 and world.as_undisturbed(run_dir), ""
    else:
        said = "has changed while it was read" in out or (what in ("shortened", "emptied") and "the file ends there" in out)
        world.renew()
        good, again = world.goes_on(ranks, run_dir)
        good = good and code == 74 and said and name in out
    tally.add(title, good, out + again)
    print(title, flush=True)
    shutil.rmtree(run_dir, ignore_errors=True)
    return True


def main():
    rng = A.generator()
    with R.Folder() as folder:
        folder = pathlib.Path(folder)
        os.chmod(folder, 0o755)
        world = A.World(folder, STEPS, checkpoint=3, valid=False, extra="loader: {cache_mb: 0}")
        other = R.synth(folder / "other", seed=8)
        tallies = []
        for changes, held in ((HELD, True), (IN_PLACE, False)):
            for what, change in changes.items():
                tally = A.Tally(f"a data file {what}" if what != "folder moved" else "the data's folder moved")
                for i in range(A.rounds(1 if held else 2, 20)):
                    attempt(world, other, tally, rng, i, what, change, held)
                tallies.append(tally.end())
        A.conclude(tallies)


main()
