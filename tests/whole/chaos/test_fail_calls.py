"""Calls that fail: ENOSPC, EDQUOT, EIO, ESTALE, EINTR and short writes at each call of a run that changes or reads a file of its folder;
and a disk that is full, without inodes, read-only or broken from a call on. A run either ends with the bits of an undisturbed one or
names file and reason and ends with 74, and then goes on to those bits. A short or an interrupted call is nothing to end for."""
import errno
import os

import chaoslib as C
import runlib as R

CHANGES = "create,open,write,pwrite,ftruncate,truncate,fsync,fdatasync,rename,unlink,rmdir,mkdir,symlink"
ONCE = {"change": ("ENOSPC", "EDQUOT", "EIO", "ESTALE", "EINTR", "short"), "read": ("EIO", "ESTALE", "EINTR", "short")}
READS = ("look", "read", "pread")
# what no signal interrupts, on any file system that we know
NOT_INTERRUPTED = ("rename", "unlink", "rmdir", "mkdir", "symlink", "truncate")
FOREVER = {
    "full": ("ENOSPC", "create,write,pwrite,mkdir,symlink,rename"),
    "over quota": ("EDQUOT", "create,write,pwrite,mkdir,symlink"),
    "no inodes": ("ENOSPC", "create,mkdir,symlink"),
    "read-only": ("EROFS", CHANGES.replace("fsync,fdatasync,", "")),
    "broken": ("EIO", CHANGES),
    "gone": ("ESTALE", CHANGES + ",look,read,pread"),
}


def order(word):
    return word if word == "short" else f"errno {getattr(errno, word)}"


def plan_once(keys):
    plan = []
    for key in keys:
        operation = key.split(":")[0]
        for word in ONCE["read" if operation in READS else "change"]:
            bytes_move = operation in ("write", "pwrite", "read", "pread")
            if (word == "short" and not bytes_move) or (word == "EINTR" and operation in NOT_INTERRUPTED):
                continue
            plan.append((key, word, None))
    return plan


def names_it(out, key, word):
    """File (or its folder) and reason in the words of the system."""
    path = key.split(":", 1)[1].rsplit(":", 1)[0]
    reason = os.strerror(getattr(errno, word)) if word != "short" else "No space left"
    return reason in out and (os.path.basename(path) in out or os.path.basename(os.path.dirname(path)) in out)


def check(name, rng, small, folder, template, words, plan, most):
    base = folder / name.replace(" ", "_").replace(",", "")

    def one(item, worker):
        key, word, operations = item
        root = C.fresh(base.with_suffix(f".{worker}"), template)
        orders = {"from": operations} if operations else {}
        code, out, fired = C.attempt(small.command(root / "run", *words), root, key, order(word), reads=1, **orders)
        what = f"{name}: {word} {'from' if operations else 'at'} {key}"
        if not fired:
            return C.lost(f"{what}: not reached, exit code {code}", out)
        if code == 0:
            if not small.same(root / "run"):
                return C.lost(f"{what}: exit code 0, but other bits", out)
        elif code != 74 or word in ("EINTR", "short"):
            return C.lost(f"{what}: exit code {code}", out)
        elif not operations and not names_it(out, key, word):
            return C.lost(f"{what}: file or reason are not said", out)
        elif operations and os.strerror(getattr(errno, word)) not in out:
            return C.lost(f"{what}: the reason is not said", out)
        # a line of the log that could not be written is named, and lost: the checkpoint behind it is worth more
        same, out = small.go_on(root / "run", lines=code == 0 or "log/metrics.jsonl" not in out)
        return same or C.lost(f"{what}: the run does not go on to the same end", out)

    chosen = C.choose(rng, plan, most)
    C.tell(name, len(chosen), C.each(one, chosen), least=min(most, 8))


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        half = small.stopped(folder / "half")
        for name, template, words in (("first start", None, ()), ("resume", half, ("checkpoint.keep=1",))):
            root = C.fresh(folder / "recorded", template)
            calls = C.record(small.command(root / "run", *words), root, folder / f"{name}.log", reads=1)
            keys = C.positions(calls)
            check(f"failing calls, {name}", rng, small, folder, template, words, plan_once(keys), 80)
            changes = [k for k in keys if k.split(":")[0] not in READS]
            for what, (word, operations) in FOREVER.items():
                plan = [(k, word, operations) for k in changes if k.split(":")[0] in operations.split(",")]
                check(f"{what} from a call on, {name}", rng, small, folder, template, words, plan, 8)
        C.end()


main()
