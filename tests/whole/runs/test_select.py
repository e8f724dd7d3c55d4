"""uniter data split, merge, subset; verify with digests; inspect of captions with their regions. Rows are compared
with the inputs through h5py, value for value."""
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import sys
import time

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as e:
    R.skip(e)

TOOL = R.BUILD / "uniter"


def data(*words, **kw):
    return R.run_ok([TOOL, "data", *words, "quiet=true"], **kw)


def refused(code, *words, say=(), left=None):
    """The command fails with the code, says all of that, and leaves nothing new in the folder."""
    before = sorted(os.listdir(left)) if left and left.exists() else None
    got, out = R.run([TOOL, "data", *words])
    missing = [w for w in say if w not in out]
    after = sorted(os.listdir(left)) if left and left.exists() else None
    R.expect(got == code and not missing and before == after,
             f"{words[0]}: code {got}, {out.strip().splitlines()[-1][:200] if out.strip() else ''}"
             + (f"; not said: {missing}" if missing else "") + (f"; left {before} -> {after}" if before != after else ""))


def images(path):
    """id -> bytes of every column; the order of ids; the types."""
    with h5py.File(path) as f:
        assert f.attrs["complete"] == 1
        at = f["region_offset"][:]
        columns = {k: f[k][:] for k in ("feature", "box", "confidence", "soft_label") if k in f}
        ids = [x.decode() for x in f["image_id"][:]]
        rows = {i: {k: v[at[n]:at[n + 1]].tobytes() for k, v in columns.items()} for n, i in enumerate(ids)}
        return rows, ids, {k: (v.dtype.str, v.shape[1:]) for k, v in columns.items()}


def texts(path):
    with h5py.File(path) as f:
        assert f.attrs["complete"] == 1
        ids = [x.decode() for x in f["text_id"][:]]
        of = [x.decode() for x in f["image_id"][:]]
        rows = {}
        spans = {"token": f["token_offset"][:]}
        if "sentence" in f:
            spans["sentence"] = f["sentence_offset"][:]
        if "align_token" in f:
            spans["align_token"] = spans["align_region"] = f["align_offset"][:]
        columns = {k: f[k][:] for k in spans}
        for n, i in enumerate(ids):
            rows[i] = {k: v[spans[k][n]:spans[k][n + 1]].tobytes() for k, v in columns.items()}
            rows[i]["image"] = of[n]
        vocab = {k: v for k, v in f.attrs.items() if k != "source"}
        return rows, ids, (vocab, {k: v.dtype.str for k, v in columns.items()})


def chosen(path, kind, keep):
    """What a part must be: the rows of the input that are kept, in their order."""
    rows, ids, types = kind(path)
    ids = [i for i in ids if keep(rows[i]["image"] if kind is texts else i)]
    return {i: rows[i] for i in ids}, ids, types


def check_split(folder, w):
    for name in ("coco_train", "vg_train"):
        out = folder / f"split_{name}"
        data("split", w / f"{name}.img.h5", w / f"{name}.txt.h5", f"out={out}", "valid=0.2", "seed=3")
        part = {p: images(out / f"{name}_{p}.img.h5") for p in ("train", "valid")}
        valid = set(part["valid"][1])
        R.expect(0 < len(valid) < len(part["train"][1]) and not valid & set(part["train"][1]),
                 f"{name}: {len(part['train'][1])} and {len(valid)} images, none on both sides")
        for p in ("train", "valid"):
            keep = lambda i: (i in valid) == (p == "valid")
            R.expect(part[p] == chosen(w / f"{name}.img.h5", images, keep), f"{name}_{p}: every value of the images")
            found = texts(out / f"{name}_{p}.txt.h5")
            R.expect(found == chosen(w / f"{name}.txt.h5", texts, keep), f"{name}_{p}: every value of {len(found[1])} texts")
        # another order of the images, other files: the same way
        backwards = folder / f"back_{name}"
        for kind in ("img", "txt"):
            first, second = (out / f"{name}_{p}.{kind}.h5" for p in ("valid", "train"))
            data("merge", first, second, folder / f"{name}.{kind}.h5")
            data("merge", second, first, folder / f"{name}_other.{kind}.h5")
            read = images if kind == "img" else texts
            a, b, whole = (read(p) for p in (folder / f"{name}.{kind}.h5", folder / f"{name}_other.{kind}.h5", w / f"{name}.{kind}.h5"))
            R.expect(a[0] == b[0] == whole[0] and a[2] == b[2] == whole[2], f"{name}.{kind}.h5 merged in both orders: the same rows")
            R.expect(a[1] == read(first)[1] + read(second)[1], "in the order of the files")
        data("split", folder / f"{name}.txt.h5", folder / f"{name}.img.h5", f"out={backwards}", "valid=0.2", "seed=3")
        again = images(backwards / f"{name}_valid.img.h5")[1]
        R.expect(set(again) == valid and {texts(backwards / f"{name}_valid.txt.h5")[0][t]["image"] for t in
                                          texts(backwards / f"{name}_valid.txt.h5")[1]} == valid,
                 "an image goes the same way whatever its place")
        data("split", w / f"{name}.img.h5", f"out={folder / ('other_' + name)}", "valid=0.2", "seed=4")
        R.expect(set(images(folder / f"other_{name}" / f"{name}_valid.img.h5")[1]) != valid, "another seed, other images")
    out = folder / "split_coco_train"
    refused(64, "split", w / "coco_train.img.h5", w / "coco_train.txt.h5", f"out={out}", "valid=0.2", "seed=3",
            say=["exists; it is not overwritten"], left=out)
    held = folder / "held.txt"
    held.write_text("\r\n".join(images(w / "coco_train.img.h5")[1][3:9]) + "\r\n")
    data("split", w / "coco_train.img.h5", w / "coco_train.txt.h5", f"out={folder / 'held'}", f"ids={held}")
    R.expect(images(folder / "held/coco_train_valid.img.h5")[1] == images(w / "coco_train.img.h5")[1][3:9], "split by a list")


def check_subset(folder, w):
    ids = images(w / "coco_train.img.h5")[1] + images(w / "vg_train.img.h5")[1]
    both = [w / "coco_train.img.h5", w / "vg_train.img.h5"]
    data("subset", *both, folder / "first.img.h5", "first=55")
    R.expect(images(folder / "first.img.h5")[1] == ids[:55], "first=55 over two files")
    data("subset", w / "coco_train.txt.h5", w / "vg_train.txt.h5", folder / "first.txt.h5", f"ids={folder / 'first.img.h5'}")
    found = texts(folder / "first.txt.h5")
    R.expect({found[0][t]["image"] for t in found[1]} == set(ids[:55]), "texts of the images of a feature file")
    for t, p in ((0.3, "a"), (0.6, "b")):
        data("subset", str(w / "*_train.img.h5"), folder / f"{p}.img.h5", f"fraction={t}")
    a, b = set(images(folder / "a.img.h5")[1]), set(images(folder / "b.img.h5")[1])
    R.expect(a < b and 0.15 < len(a) / (4 * len(ids) / 2) < 0.45, f"fraction=0.3: {len(a)} images, all of them in fraction=0.6")
    data("split", folder / "b.img.h5", f"out={folder / 'sub'}", "valid=0.3")
    valid = set(images(folder / "sub/b_valid.img.h5")[1])
    R.expect(valid - a and len(valid) < len(a), "a split of a subset with the same seed is not the subset again")
    wanted = sorted(ids[10:20], reverse=True)
    (folder / "list.txt").write_text("\n".join(wanted + ["not_there"]))
    out = data("subset", *both, folder / "list.img.h5", f"ids={folder / 'list.txt'}")
    R.expect(images(folder / "list.img.h5") == (lambda m: (m[0], m[1], m[2]))(
        chosen_of_many(both, lambda i: i in wanted)), "ids=FILE keeps the order of the files")
    R.expect("1 of 11 image ids" in out and "not_there" in out, "an id that nothing was found for is told")


def chosen_of_many(paths, keep):
    rows, ids, types = {}, [], None
    for p in paths:
        r, i, types = chosen(p, images, keep)
        rows.update(r)
        ids += i
    return rows, ids, types


def change(source, to, edit):
    shutil.copy(source, to)
    with h5py.File(to, "r+") as f:
        edit(f)
    return to


def retype(name, dtype):
    def edit(f):
        values = f[name][:].astype(dtype)
        del f[name]
        f.create_dataset(name, data=values)
    return edit


def check_refusals(folder, w):
    bad = folder / "bad"
    bad.mkdir()
    img, txt = w / "coco_valid.img.h5", w / "coco_valid.txt.h5"
    rename = lambda f: f["image_id"].__setitem__(slice(None), [b"other_" + x for x in f["image_id"][:]])
    other = change(img, bad / "other.img.h5", lambda f: None)
    refused(65, "merge", img, other, bad / "x.img.h5", left=bad,
            say=["stands twice", f"{img}, row 0", f"{other}, row 0"])
    refused(65, "merge", txt, change(txt, bad / "other.txt.h5", lambda f: None), bad / "x.txt.h5", left=bad,
            say=["stands twice", f"{txt}, row 0", "other.txt.h5, row 0"])
    refused(65, "merge", img, change(img, bad / "wide.img.h5", retype_wide), bad / "x.img.h5", left=bad,
            say=["features are 33 wide", "32"])
    refused(65, "merge", img, change(img, bad / "f32.img.h5", retype("feature", "<f4")), bad / "x.img.h5", left=bad,
            say=["feature is stored as f32", "as f16", "nothing is converted"])
    refused(65, "merge", img, change(img, bad / "plain.img.h5", lambda f: f.__delitem__("soft_label")), bad / "x.img.h5",
            left=bad, say=["soft labels of 0 classes"])
    refused(65, "merge", txt, change(txt, bad / "vocab.txt.h5", lambda f: f.attrs.__setitem__("vocab_size", np.int64(99999))),
            bad / "x.txt.h5", left=bad, say=["vocab_size"])
    refused(65, "merge", txt, change(txt, bad / "mute.txt.h5", lambda f: f.__delitem__("sentence")), bad / "x.txt.h5",
            left=bad, say=["no sentences"])
    refused(64, "merge", img, txt, bad / "x.img.h5", left=bad, say=["one kind at a time"])
    refused(64, "subset", img, bad / "x.img.h5", left=bad, say=["exactly one of"])
    refused(64, "subset", img, bad / "x.img.h5", "first=3", "fraction=0.5", left=bad, say=["exactly one of"])
    refused(64, "subset", img, other, "first=3", left=bad, say=["exists; it is not overwritten"])
    refused(74, "subset", bad / "no*.img.h5", bad / "x.img.h5", "first=3", left=bad, say=["matches no file"])
    (bad / "none.txt").write_text("nobody\n")
    refused(65, "subset", img, bad / "x.img.h5", f"ids={bad / 'none.txt'}", left=bad, say=["none of 16 images is selected"])
    refused(65, "subset", txt, bad / "x.txt.h5", f"ids={bad / 'none.txt'}", left=bad, say=["texts is selected"])
    refused(65, "split", img, f"out={bad}", f"ids={bad / 'none.txt'}", left=bad, say=["none of its 16 images"])
    refused(65, "split", img, f"out={bad}", "valid=1", left=bad, say=["all of its 16 images"])
    for text, say in ((b"", "no image id"), (b"a\n\nb\n", "line 2 is empty"), (b"a\nb\na\n", "line 3: a stands already in line 1"),
                      (b"a\nb\0c\n", "line 2: a zero byte"), (b"a" * 256 + b"\n", "256 bytes")):
        (bad / "lines.txt").write_bytes(text)
        refused(65, "subset", img, bad / "x.img.h5", f"ids={bad / 'lines.txt'}", left=bad, say=["lines.txt", say])
    # the second file of a split is bad: the first one's parts go again
    def nan(f):
        f["feature"][3, 1] = np.nan
    change(img, bad / "nan.img.h5", nan)
    (bad / "out").mkdir()
    refused(65, "split", img, bad / "nan.img.h5", f"out={bad / 'out'}", "valid=0.4", left=bad / "out", say=["not a finite number"])
    # soft labels of 32 bits stay so
    change(img, bad / "soft.img.h5", retype("soft_label", "<f4"))
    data("subset", bad / "soft.img.h5", bad / "soft3.img.h5", "first=3")
    keep = set(images(img)[1][:3])
    R.expect(images(bad / "soft3.img.h5") == chosen(bad / "soft.img.h5", images, lambda i: i in keep), "f32 soft labels keep their bits")
    change(img, bad / "renamed.img.h5", rename_longer)
    data("merge", img, bad / "renamed.img.h5", bad / "both.img.h5")
    R.expect(images(bad / "both.img.h5")[1] == images(img)[1] + images(bad / "renamed.img.h5")[1], "ids of other lengths")


def retype_wide(f):
    values = f["feature"][:]
    del f["feature"]
    f.create_dataset("feature", data=np.concatenate([values, values[:, :1]], axis=1))


def rename_longer(f):
    ids = np.array([b"another_" + x for x in f["image_id"][:]])
    del f["image_id"]
    f.create_dataset("image_id", data=ids)


def limited(size):
    def set_limit():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return set_limit


def check_ends(folder, w):
    ends = folder / "ends"
    ends.mkdir()
    for kind in ("img", "txt"):
        source, size = w / f"coco_train.{kind}.h5", (w / f"coco_train.{kind}.h5").stat().st_size
        for limit in (0, size // 3, size - size // 10):
            p = subprocess.run([TOOL, "data", "subset", source, ends / f"x.{kind}.h5", "fraction=1", "quiet=true"],
                               capture_output=True, text=True, env=R.ENV, preexec_fn=limited(limit))
            R.expect(p.returncode == 74 and os.listdir(ends) == [], f"disk full at {limit} bytes: {p.stderr.strip()[-120:]}")
    # killed at several moments, then run again
    big = folder / "big.img.h5"
    data("merge", *[make_copy(folder, w, i) for i in range(20)], big)
    whole, seen, left = images(big), 0, 0
    out = ends / "s"
    start = time.monotonic()
    data("split", big, f"out={out}", "valid=0.5")
    whole_run = time.monotonic() - start
    shutil.rmtree(out)
    for k in range(80):  # sooner and later, until it has met the work at several moments
        p = subprocess.Popen([TOOL, "data", "split", big, f"out={out}", "valid=0.5", "quiet=true"], env=R.ENV,
                             stderr=subprocess.DEVNULL)
        time.sleep(whole_run * (k % 24) / 16)
        p.kill()
        killed = p.wait() != 0
        seen += killed
        left += killed and out.exists() and len(os.listdir(out)) > 0
        if not killed or finished(out):
            shutil.rmtree(out)
        elif left >= 5:
            break
    for name in ("train", "valid"):  # what a kill right after a rename leaves
        part = out / f"big_{name}.img.h5"
        if part.exists():
            (out / f"{part.name}.partial.done").touch()
    if not finished(out):
        data("split", big, f"out={out}", "valid=0.5")
    a, b = images(ends / "s/big_train.img.h5"), images(ends / "s/big_valid.img.h5")
    R.expect(seen > 0 and left > 0, f"killed {seen} times, {left} times with something left")
    R.expect({**a[0], **b[0]} == whole[0] and len(a[1]) + len(b[1]) == len(whole[1]),
             "then gone on with: every value")
    R.expect(sorted(os.listdir(ends / "s")) == ["big_train.img.h5", "big_valid.img.h5"], "nothing else is left")


def finished(out):
    return all((out / f"big_{part}.img.h5").exists() for part in ("train", "valid"))


def make_copy(folder, w, i):
    def edit(f):
        ids = np.array([b"copy%02d_" % i + x for x in f["image_id"][:]])
        del f["image_id"]
        f.create_dataset("image_id", data=ids)
    return change(w / "coco_train.img.h5", folder / f"copy_{i:02d}.img.h5", edit)


def check_digest(folder, w):
    d = folder / "digest"
    d.mkdir()
    for name in ("coco_valid.img.h5", "coco_valid.txt.h5"):
        file, beside = d / name, d / f"{name}.xxh3"
        shutil.copy(w / name, file)
        out = R.run_ok([TOOL, "data", "verify", file, "digest=false"])
        R.expect("good" in out and not beside.exists(), "digest=false writes none")
        R.run_ok([TOOL, "data", "verify", file])
        line = beside.read_text()
        try:
            import xxhash
            R.expect(line.split()[1] == xxhash.xxh3_128_hexdigest(file.read_bytes()), "the digest is the library's")
        except ImportError:
            pass
        R.expect(line == f"xxh3-128 {line.split()[1]}  {file.stat().st_size}  {name}\n" and len(line.split()[1]) == 32, line.strip())
        out = R.run_ok([TOOL, "data", "verify", file])
        R.expect("still that of" in out and "good" in out and beside.read_text() == line, "compared, and the same")
        good = file.read_bytes()
        changed = bytearray(good)
        changed[-1] ^= 1
        file.write_bytes(changed)
        refused(65, "verify", file, say=["the file has changed", line.split()[1]], left=d)
        file.write_bytes(good + b"x")
        refused(65, "verify", file, say=[f"{len(good) + 1} bytes, but its digest"], left=d)
        file.write_bytes(good)
        for broken in ("", "xxh3-128 12\n", line[:-1].replace("  ", " "), line.replace("xxh3-128", "xxh3-064"), "x" * 2000):
            beside.write_text(broken)
            refused(65, "verify", file, say=[f"{name}.xxh3"], left=d)
        beside.unlink()
        if os.geteuid() != 0:
            d.chmod(0o555)
            out = R.run_ok([TOOL, "data", "verify", file])
            d.chmod(0o755)
            R.expect("no digest is written" in out and not beside.exists(), "a folder that cannot be written to is a warning")
    change(w / "coco_valid.img.h5", d / "nan.img.h5", lambda f: f["feature"].__setitem__((0, 0), np.nan))
    refused(65, "verify", d / "nan.img.h5", say=["not a finite number"], left=d)


def check_inspect(folder, w):
    out = R.run_ok([TOOL, "data", "inspect", w / "coco_valid.txt.h5", f"images={w / 'coco_valid.img.h5'}",
                    f"classes={w / 'classes.txt'}", "samples=2", "regions=3"])
    with h5py.File(w / "coco_valid.txt.h5") as t, h5py.File(w / "coco_valid.img.h5") as f:
        sentence = bytes(t["sentence"][:t["sentence_offset"][1]]).decode()
        best = int(np.argmax(f["soft_label"][0]))
        names = (w / "classes.txt").read_text().split("\n")
        tail = out[out.rindex("\n\n" + t["text_id"][0].decode()):]
        R.expect(sentence in " ".join(tail.split()), "the sentence")
        R.expect(names[best] in tail and f"{f['confidence'][0]:.2f}" in tail and f"{f['box'][0][0]:.2f}" in tail, "its first region")
        R.expect("word" in tail and "more" in tail, "alignment, and what is not shown")
    R.expect(max(len(x) for x in out.splitlines()) <= 80, "80 columns are enough")
    refused(65, "inspect", w / "coco_valid.txt.h5", f"images={w / 'coco_valid.img.h5'}", f"classes={w / 'vocab.txt'}", say=["241 lines for 64 classes"])
    classes = (w / "classes.txt").read_bytes()
    for name, text in (("windows.txt", b"\xef\xbb\xbf" + classes.replace(b"\n", b"\r\n")), ("without.txt", classes.split(b"\n", 1)[1] + b"more\n" * (64 - classes.count(b"\n")))):
        (folder / name).write_bytes(text)
        same = R.run_ok([TOOL, "data", "inspect", w / "coco_valid.txt.h5", f"images={w / 'coco_valid.img.h5'}", f"classes={folder / name}", "samples=2", "regions=3"])
        R.expect(same == out, f"{name} gives the same names")
    (folder / "zero.txt").write_bytes(classes[:9] + b"\0" + classes[9:])
    refused(65, "inspect", w / "coco_valid.txt.h5", f"images={w / 'coco_valid.img.h5'}", f"classes={folder / 'zero.txt'}", say=["zero.txt: a zero byte"])
    out = R.run_ok([TOOL, "data", "inspect", w / "coco_valid.txt.h5", f"images={w / 'vg_valid.img.h5'}", "samples=1"])
    R.expect("the image is not in" in out, "a text whose image is elsewhere")


def main():
    with R.Folder() as folder:
        w = R.synth(folder / "w")
        check_split(folder, w)
        check_subset(folder, w)
        check_refusals(folder, w)
        check_digest(folder, w)
        check_inspect(folder, w)
        check_ends(folder, w)


main()
