"""Imports and an export that are killed, whose calls fail, and whose disk loses its power, at every call that changes a file: under the
name of the result stands nothing or the whole, and the same command started again leaves the bytes of an undisturbed one. What it
has written in part and goes on with is no exception."""
import base64
import errno
import os
import struct

import chaoslib as C
import powerlib as P
import runlib as R

ERRORS = ("ENOSPC", "EDQUOT", "EIO", "ESTALE", "EINTR", "short")
CALLS_OF_ONE = ("rename", "unlink", "rmdir", "mkdir", "symlink", "truncate")


def features(path, rng, images=6, regions=3, width=16):
    """bottom-up-attention's form."""
    with open(path, "w") as f:
        for i in range(images):
            boxes = b"".join(struct.pack("<4f", 10 * k, 10, 10 * k + 20, 40) for k in range(regions))
            values = struct.pack(f"<{regions * width}f", *(rng.random() for _ in range(regions * width)))
            f.write("\t".join([str(100 + i), "640", "480", str(regions), base64.b64encode(boxes).decode(),
                               base64.b64encode(values).decode()]) + "\n")
    return path


class Job:
    """A command whose result is one file, `result` in the folder that is watched."""

    def __init__(self, name, words, result):
        self.name, self.words, self.result, self.right = name, words, result, None

    def command(self, root):
        return [R.BUILD / "uniter", *self.words[:-1], str(self.words[-1]).replace("RESULT", str(root / self.result))]


def jobs(folder, rng, small):
    texts = folder / "own.tsv"
    texts.write_text("".join(f"a{i}.jpg\ta red ball is near box {i}\n" for i in range(5)))
    vocab = small.data / "vocab.txt"
    yield Job("features", ["data", "import", "tsv", features(folder / "butd.tsv", rng), "RESULT"], "butd.img.h5")
    text = Job("texts", ["data", "import", "text", texts, "RESULT"], "own.txt.h5")
    text.command = lambda root: [R.BUILD / "uniter", "data", "import", "text", texts, root / text.result, f"vocab={vocab}"]
    yield text
    yield Job("weights", ["weights", "export", small.straight, "RESULT"], "w.safetensors")


def go_on(job, root, what):
    """Whole or not there; and the same command again comes to the same bytes."""
    result = root / job.result
    if result.exists():
        return result.read_bytes() == job.right or C.lost(f"{what}: {job.result} is there, but not whole")
    code, out = C.run(job.command(root))
    if code != 0:
        return C.lost(f"{what}: started again, exit code {code}", out)
    return result.read_bytes() == job.right or C.lost(f"{what}: started again, other bytes", out)


def check_calls(job, rng, folder, calls):
    keys = C.positions(calls)
    plan = [(k, do) for k in keys for do in ("kill", "after", "half") if do != "half" or "write" in k.split(":")[0]]
    plan += [(k, word) for k in keys for word in ERRORS
             if not (word == "short" and "write" not in k.split(":")[0]) and
             not (word == "EINTR" and k.split(":")[0] in CALLS_OF_ONE)]

    def one(item, worker):
        key, do = item
        root = C.fresh(folder / f"{job.name}.{worker}")
        what = f"{job.name}: {do} at {key}"
        order = do if do in ("kill", "after", "half", "short") else f"errno {getattr(errno, do)}"
        code, out, fired = C.attempt(job.command(root), root, key, order)
        if not fired:
            return C.lost(f"{what}: not reached, exit code {code}", out)
        if do in ("EINTR", "short"):
            if code != 0:
                return C.lost(f"{what}: exit code {code}", out)
        elif do in ERRORS and code != 0 and not (code == 74 and os.strerror(getattr(errno, do)) in out):
            return C.lost(f"{what}: exit code {code}, or the reason is not said", out)
        elif do == "kill" and code != 137:
            return C.lost(f"{what}: exit code {code}", out)
        return go_on(job, root, what)

    chosen = C.choose(rng, plan, 50)
    C.tell(f"calls of {job.name}", len(chosen), C.each(one, chosen), least=30)


def check_power(job, rng, folder, calls):
    disk, seen, states = P.Disk(), set(), []
    for call in calls:
        disk.apply(call)
        for tree in disk.states(rng, C.times(2, 4)):
            if (key := P.digest(tree)) not in seen:
                seen.add(key)
                states.append((call.key, tree))
    if disk.tree(set(), P.kept).get(job.result) != job.right:
        C.lost(f"{job.name}: its command has said that it is done, but the result is not on the disk yet")

    def one(item, worker):
        key, tree = item
        root = C.fresh(folder / f"{job.name}.{worker}")
        P.build(tree, root)
        return go_on(job, root, f"{job.name}: power loss after {key}: {sorted(tree)}")

    chosen = C.choose(rng, states, 40)
    C.tell(f"power loss, {job.name}", len(chosen), C.each(one, chosen), least=10)


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        for job in jobs(folder, rng, small):
            root = C.fresh(folder / "straight")
            calls = C.record(job.command(root), root, folder / f"{job.name}.log")
            job.right = (root / job.result).read_bytes()
            check_calls(job, rng, folder, calls)
            check_power(job, rng, folder, calls)
        C.end()


main()
