"""Checkpoints that are damaged: each way for each part of the newest one. It is named, an older one is taken, and the end has the bits
of an undisturbed run. Manifest and shard are seen through by their digests: a flipped bit at every byte of the manifest, and at many
of the shard."""
import json
import shutil

import chaoslib as C
import runlib as R

WAYS = ("erase", "truncate", "extend", "zero", "flip", "swap", "from another step")


def spans(checkpoint):
    """name -> (file, first byte, bytes): where each part of a checkpoint stands."""
    manifest = checkpoint / "manifest.json"
    m = json.loads(manifest.read_text())
    shard = m["shards"][0]
    count = sum(run[1] for run in shard["runs"]) * 4
    text = manifest.read_bytes()
    at = text.index(b'"states"')
    name = shard["file"]
    return {
        "parameters": (name, shard["at"][0], count),
        "first moments": (name, shard["at"][1], count),
        "second moments": (name, shard["at"][2], count),
        "shard's head": (name, 0, shard["at"][0]),
        "stream states": ("manifest.json", at, text.index(b"\n", at) - at),
        "manifest": ("manifest.json", 0, len(text)),
    }


def change(way, path, span, other, rng):
    """Does that to the bytes of one part. False: it would change nothing."""
    first, size = span
    before = data = path.read_bytes()
    at = rng.randrange(first, first + size)
    half = size // 2
    if way == "erase":
        data = data[:first] + data[first + size:]
    elif way == "truncate":
        data = data[:at]
    elif way == "extend":
        data = data[:at] + b"0" + data[at:]
    elif way == "zero":
        data = data[:first + half] + bytes(size - half) + data[first + size:]
    elif way == "flip":
        data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1:]
    elif way == "swap":
        part = data[first:first + size]
        data = data[:first] + part[half:] + part[:half] + data[first + size:]
    else:
        source = other.read_bytes()
        data = data[:first] + source[first:first + size] + data[first + size:]
    path.write_bytes(data)
    return data != before


def whole_folder(way, newest, older):
    """The same for the folder as a whole; the newest is then another, or none."""
    if way == "erase":
        shutil.rmtree(newest)
    elif way == "truncate":
        (newest / "manifest.json").unlink()
    elif way == "extend":
        (newest / "shard_00001.h5").write_bytes(b"more")
    elif way == "zero":
        for file in newest.iterdir():
            file.write_bytes(bytes(file.stat().st_size))
    elif way == "flip":
        for file in newest.iterdir():
            file.unlink()
            file.mkdir()
    elif way == "swap":
        newest.rename(newest.with_name("x"))
        older.rename(newest)
        newest.with_name("x").rename(older)
    else:
        shutil.rmtree(newest)
        shutil.copytree(older, newest)


def main():
    rng = C.begin()
    with R.Folder() as folder:
        small = C.Small(folder)
        parts = list(spans(small.straight / "ckpt/step_00000004"))
        plan = [(part, way) for part in parts for way in WAYS] * C.times(1, 10)
        # the whole manifest bit by bit, and a good many of the shard
        plan += [("manifest", "flip")] * C.times(20) + [("parameters", "flip")] * C.times(5) + [("shard's head", "flip")] * C.times(5)

        def one(item, worker):
            (part, way), seed = item
            root = C.fresh(folder / f"damage.{worker}")
            shutil.copytree(small.straight, root / "run", symlinks=True)
            newest, older = (root / f"run/ckpt/step_0000000{n}" for n in (4, 2))
            name, first, size = spans(newest)[part]
            if not change(way, newest / name, (first, size), older / name, C.random.Random(seed)):
                return True  # bytes that are alike in both steps
            what = f"{way} of {part} (seed {seed})"
            code, out = C.run([R.BUILD / "uniter", "ckpt", "verify", root / "run"])
            named = f"step_00000004/{name}" in out or "step_00000004: its manifest" in out
            if code != 65 or not named:
                return C.lost(f"{what}: verify ends with {code}, or does not name {name}", out)
            same, out = small.go_on(root / "run")
            if "step_00000002" not in out or "checkpoint skipped: " not in out or "step_00000004" not in out:
                return C.lost(f"{what}: not named, or the older one is not taken", out)
            return same or C.lost(f"{what}: not the same end", out)

        items = [(x, rng.randrange(1 << 30)) for x in plan]
        C.tell("damage of a checkpoint", len(items), C.each(one, items), least=70)

        def folders(way, worker):
            root = C.fresh(folder / f"folder.{worker}")
            shutil.copytree(small.straight, root / "run", symlinks=True)
            whole_folder(way, root / "run/ckpt/step_00000004", root / "run/ckpt/step_00000002")
            same, out = small.go_on(root / "run", "checkpoint.every=0")
            if way == "swap":  # both have a wrong name now: neither is taken, and nothing is thrown away
                return ("checkpoints are broken" in out and out.count("its manifest is of step") == 2) or C.lost(f"{way}: {out}")
            taken = "step_00000004" if way == "extend" else "step_00000002"
            if f"resuming from {root / 'run/ckpt' / taken}" not in out:
                return C.lost(f"{way} of the newest folder: {taken} is not taken", out)
            if way not in ("erase", "truncate", "extend") and "checkpoint skipped: " not in out:
                return C.lost(f"{way} of the newest folder: not named", out)
            return same or C.lost(f"{way} of the newest folder: not the same end", out)

        C.tell("damage of the newest folder", len(WAYS), C.each(folders, WAYS), least=7)
        C.end()


main()
