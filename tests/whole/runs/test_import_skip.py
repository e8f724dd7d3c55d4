"""bad=skip: images that cannot be used are left out of the features and listed in OUT.skipped.tsv; the others are those that
an import without the bad ones has, bit for bit, for any number of threads and after a kill at any moment."""
import base64
import os
import signal
import time

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")

WIDTH = 24


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


def line(rng, key, width=WIDTH, spoil=None):
    """A line of bottom-up-attention's TSV; spoil: `nan`, `box`, `cut`, `short` or None."""
    n = int(rng.integers(1, 9))
    low = rng.random((n, 2), np.float32) * 300
    box = np.concatenate([low, low + 100], axis=1).astype(np.float32)
    feature = rng.standard_normal((n, width), np.float32)
    if spoil == "nan":
        feature[-1, -1] = np.nan
    if spoil == "box":
        box[0, 2] = 5000
    text = "\t".join([key, "640", "480", str(n), b64(box), b64(feature)])
    return text[:-1] if spoil == "cut" else "\t".join(text.split("\t")[:4]) if spoil == "short" else text


def lines(n, spoiled, width=WIDTH):
    rng = np.random.default_rng(5)
    return [line(rng, f"image_{i}", width, spoiled.get(i)) for i in range(n)]


def importing(form, sources, out, *keys, code=0, words=()):
    got, text = R.run([R.BUILD / "uniter", "data", "import", form, *sources, out, *keys])
    if got != code or any(w not in text for w in words):
        print(text[-3000:])
        R.fail(f"import {form} {sources[0]}: exit code {got}, not {code}, or a word of {words} is missing")
    return text


def listed(out):
    rows = [x.split("\t") for x in (out.parent / f"{out.name}.skipped.tsv").read_text().splitlines()]
    R.expect(rows[0] == ["path", "reason"], "the list's head is that of `data extract`")
    return rows[1:]


def equal(a, b):
    with h5py.File(a) as f, h5py.File(b) as g:
        return sorted(f) == sorted(g) and all(f[k][()].tobytes() == g[k][()].tobytes() for k in f)


def names(folder): # without the digests that verify writes
    return sorted(p.name for p in folder.glob("*.img.h5*") if p.suffix != ".xxh3")


def test_tsv(folder):
    spoiled = {0: "short", 7: "nan", 8: "cut", 30: "box", 39: "nan"}
    text = lines(40, spoiled)
    text.insert(20, text[11]) # stands twice
    (folder / "bad.tsv").write_text("\n".join(text) + "\n")
    (folder / "good.tsv").write_text("".join(x + "\n" for i, x in enumerate(text) if i != 20 and int(x.split("\t")[0][6:]) not in spoiled))
    importing("tsv", [folder / "bad.tsv"], folder / "no.img.h5", code=65, words=["bad.tsv:1"])
    R.expect(names(folder) == [], "bad=stop: the first bad image ends it, nothing is left")
    importing("tsv", [folder / "good.tsv"], folder / "good.img.h5")
    want = [(f"{folder}/bad.tsv:{n}", word) for n, word in
            ((1, "4 columns"), (9, "no base64"), (8, "not a finite number"), (21, "image_11 stands twice"), (32, "is no box"), (41, "not a finite number"))]
    for threads in (1, 3):
        out = folder / f"out{threads}.img.h5"
        importing("tsv", [folder / "bad.tsv"], out, "bad=skip", f"threads={threads}", words=["35 images", "6 skipped", f"{out}.skipped.tsv"])
        R.expect(equal(out, folder / "good.img.h5"), f"{threads} threads: what is left is what the good lines give")
        rows = listed(out)
        R.expect([r[0] for r in rows] == [w[0] for w in want], f"{threads} threads: places, in order: {rows}")
        R.expect(all(w[1] in r[1] for r, w in zip(rows, want)), f"{threads} threads: reasons")
        got, said = R.run([R.BUILD / "uniter", "data", "verify", out])
        R.expect(got == 0, f"verify takes it: {said[-300:]}")
    R.expect(names(folder) == ["good.img.h5", "out1.img.h5", "out1.img.h5.skipped.tsv", "out3.img.h5", "out3.img.h5.skipped.tsv"],
             "nothing half-made is left")
    importing("tsv", [folder / "good.tsv"], folder / "all.img.h5", "bad=skip")
    R.expect(not (folder / "all.img.h5.skipped.tsv").exists(), "no list when nothing was left out")
    (folder / "new.img.h5.skipped.tsv").write_text("mine")
    importing("tsv", [folder / "bad.tsv"], folder / "new.img.h5", "bad=skip", code=64, words=["skipped.tsv exists"])
    R.expect((folder / "new.img.h5.skipped.tsv").read_text() == "mine", "an older list is not overwritten")


def test_few(folder):
    (folder / "x.tsv").write_text("\n".join(lines(9, {i: "nan" for i in range(5)})) + "\n")
    importing("tsv", [folder / "x.tsv"], folder / "x.img.h5", "bad=skip", code=65,
              words=["5 images cannot be used and only 4 can", "x.tsv:1", "not a finite number"])
    R.expect(names(folder) == [], "more bad ones than good ones: an error, nothing is left")


def test_npz(folder):
    rng = np.random.default_rng(2)
    (folder / "in").mkdir()
    for i in range(12):
        n = int(rng.integers(1, 5))
        feature = rng.standard_normal((n, 5 if i == 4 else 6), np.float32)
        np.savez(folder / "in" / f"i{i:02}.npz", features=feature, norm_bb=np.tile(np.array([0, 0, .5, .5], np.float32), (n, 1)))
    body = (folder / "in" / "i07.npz").read_bytes()
    (folder / "in" / "i07.npz").write_bytes(body[:len(body) // 2])
    (folder / "in" / "i09.npz").write_bytes(b"")
    importing("npz", [folder / "in"], folder / "o.img.h5", "bad=skip", words=["9 images", "3 skipped"])
    rows = listed(folder / "o.img.h5")
    R.expect([os.path.basename(r[0]) for r in rows] == ["i04.npz", "i07.npz", "i09.npz"], f"bad files are named: {rows}")
    with h5py.File(folder / "o.img.h5") as f:
        R.expect([x.decode() for x in f["image_id"][()]] == [f"i{i:02}" for i in range(12) if i not in (4, 7, 9)], "the others are there")


def test_kill(folder):
    source, n = folder / "big.tsv", 300 if R.sanitized() else 3000
    source.write_text("\n".join(lines(n, {5: "nan", n // 2: "nan", n - 1: "box"}, 2048)) + "\n")
    whole, out = folder / "whole.img.h5", folder / "out.img.h5"
    importing("tsv", [source], whole, "bad=skip", "threads=2")
    for kind in (signal.SIGKILL, signal.SIGTERM):
        stopped = 0
        for attempt in range(10):
            p = R.start([str(R.BUILD / "uniter"), "data", "import", "tsv", str(source), str(out), "threads=1", "bad=skip"],
                        folder / f"log{kind}_{attempt}")
            end = time.monotonic() + 60
            while not (folder / "out.img.h5.partial.bad").exists() and p.poll() is None and time.monotonic() < end:
                time.sleep(0.001)
            time.sleep(0.03 * attempt)
            if p.poll() is None:
                os.kill(p.pid, kind)
            code = p.wait(60)
            stopped += code in (-9, 75)
            # -15: it came before the program listened; that is not counted, so one that never listens fails
            assert code in (0, 75, -9, -15), f"exit code {code}"
            if code == 0 or stopped == 4:
                break
        R.expect(stopped > 0, f"{stopped} runs were stopped by signal {int(kind)}")
        if not out.exists():
            importing("tsv", [source], out, "bad=skip")
        R.expect(out.read_bytes() == whole.read_bytes(), "the same command goes on; equal bytes")
        R.expect(listed(out) == listed(whole) and len(listed(out)) == 3, "and an equal list")
        out.unlink()
        (folder / "out.img.h5.skipped.tsv").unlink()
        R.expect(names(folder) == ["whole.img.h5", "whole.img.h5.skipped.tsv"], "nothing half-made is left")


def main():
    with R.Folder() as folder:
        for test in (test_tsv, test_few, test_npz, test_kill):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: bad=skip")


main()
