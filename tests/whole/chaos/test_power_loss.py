"""The power fails at every call of a run: the calls are recorded and replayed (powerlib.py) up to each of them, and every state that
the disk may then hold is put on a real one: unsynced names and bytes gone, kept, reordered, torn. A run started there ends with the
same bits and losses, and begins at the newest checkpoint whose save had ended."""
import re

import chaoslib as C
import powerlib as P
import runlib as R

def published(calls, run):
    """After each call: the newest step that must be there. A save promises it when it syncs the folder of checkpoints, when it
    removes an older one, and at the latest when the run has ended."""
    named, newest, out = {-1}, -1, []
    for c in calls:
        match = re.fullmatch(rf"{run}/ckpt/step_(\d{{8}})", c.other if c.operation == "rename" else "")
        if match and c.path.endswith(".partial"):
            named.add(int(match[1]))
        removes = c.operation == "rename" and c.other.endswith(".partial")
        if removes or (c.operation == "fsync" and c.path == f"{run}/ckpt" and c.result == 0) or c is calls[-1]:
            newest = max(named)
        out.append(newest)
    return out


def all_states(calls, run, template, rng, random_ones):
    """(call, tree, newest step that must be there) of every state that is not like one before."""
    disk, seen, out = P.Disk(template), {}, []
    for call, newest in zip(calls, published(calls, run)):
        disk.apply(call)
        for tree in disk.states(rng, random_ones):
            key = P.digest(tree, (f"{run}/log/beats",))
            if key in seen and seen[key] >= newest:
                continue
            seen[key] = newest
            out.append((call.key, tree, newest))
    return out


def check(name, rng, small, folder, run, template, words, most):
    """run: the run's folder below the one that the disk begins with."""
    base = folder / name.replace(" ", "_").replace(",", "")
    root = C.fresh(base.with_suffix(".0"), template)
    calls = C.record(small.command(root / run, *words), root, base.with_suffix(".log"))
    states = all_states(calls, run, template, rng, C.times(2, 4))

    def one(item, worker):
        key, tree, newest = item
        root = C.fresh(base.with_suffix(f".{worker}"))
        P.build(tree, root)
        same, out = small.go_on(root / run)
        match = re.search(r"resuming from \S*/step_(\d{8})", out)
        begun = int(match[1]) if match else -1
        if begun < newest:
            return C.lost(f"{name}: after {key}: begins at step {begun}, that of {newest} is lost: {sorted(tree)}", out)
        return same or C.lost(f"{name}: after {key}: not the same end: {sorted(tree)}", out)

    print(f"{name}: {len(calls)} calls, {len(states)} different states of the disk")
    chosen = C.choose(rng, states, most)
    C.tell(name, len(chosen), C.each(one, chosen), least=min(most, 100))


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        check("power loss, first start and saves", rng, small, folder, "new/run", None, (), 120)
        half = small.stopped(folder / "half")
        check("power loss, resume and saves", rng, small, folder, "run", half, ("checkpoint.keep=1",), 120)
        C.end()


main()
