"""Features of every form into *.img.h5, read back with h5py and compared value for value with what numpy and lmdb read from
the source; then a kill, signals, a full disk and bad input: exit code, message, nothing left behind."""
import base64
import io
import os
import pickle
import resource
import signal
import subprocess
import time

import runlib as R
from imagelib import b64, compare, draw, importing, made, pixels, record, unit
from lmdblib import msgpacked, npz_bytes, write_lmdb

try:
    import lmdb
    import msgpack
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")


# ---- forms ---------------------------------------------------------------------------------------------------------

def test_npz(folder):
    images = made(23)
    for name, save in (("stored", np.savez), ("deflated", np.savez_compressed)):
        (folder / name).mkdir()
        for key, image in images.items():
            save(folder / name / key, note=np.array({"a": 1}, dtype=object), **image)
        text = importing("npz", [folder / name], folder / f"{name}.img.h5")
        R.expect(text.count("pickled") == 1, "a pickled member is told once")
        R.expect(text.count("not taken, here and in all images: note") == 1, "members not taken are told once")
        compare(folder / f"{name}.img.h5", {k: record(v) for k, v in images.items()}, f"npz, {name}")
    halves = made(7, kind=np.float16)
    (folder / "half").mkdir()
    want = {}
    for key, image in halves.items(): # features turned, boxes in Fortran order, one row more than counts
        n = len(image["features"])
        corners, box = pixels(image)
        more = np.concatenate([corners, corners[:1]])
        feature = np.concatenate([image["features"], image["features"][:1]])
        np.savez(folder / "half" / f"{key}.npz", x=np.asfortranarray(feature) if n % 2 else np.ascontiguousarray(feature.T),
                 bbox=np.asfortranarray(more), num_bbox=n, image_w=640, image_h=480)
        want[key] = (image["features"], box, None, None)
    importing("npz", [folder / "half"], folder / "half.img.h5")
    compare(folder / "half.img.h5", want, "npz, f16, turned, boxes in pixels")


def test_lmdb(folder):
    for kind, binary in ((np.float16, True), (np.float32, False)):
        name = np.dtype(kind).name
        images = {f"{k}.npz": v for k, v in made(31, kind=kind).items()}
        want = {k: record(v) for k, v in images.items()}
        write_lmdb(folder / name / "feat_th0.2_max100_min10", {k: msgpacked(v, binary) for k, v in images.items()})
        write_lmdb(folder / name / "all_compressed", {k: npz_bytes(v) for k, v in images.items()})
        (folder / name / "nbb_th0.2_max100_min10.json").write_text('{"coco_val2014_000000000001.npz": 99}')
        text = importing("lmdb", [folder / name / "feat_th0.2_max100_min10"], folder / f"{name}.img.h5")
        R.expect("1 of 1 images have other numbers of regions" in text, "numbers that differ from nbb_*.json are told")
        compare(folder / f"{name}.img.h5", want, f"lmdb, msgpack, {name}")
        importing("lmdb", [folder / name / "all_compressed"], folder / f"{name}_c.img.h5")
        compare(folder / f"{name}_c.img.h5", want, f"lmdb, compressed, {name}")
    (folder / "float16" / "nbb_th0.2_max100_min10.json").write_text('{"nobody.npz": 3}')
    importing("lmdb", [folder / "float16" / "feat_th0.2_max100_min10"], folder / "no.img.h5", code=65,
              words=["nbb_th0.2_max100_min10.json", "nobody.npz", "not in the database"])


def tsv_lines(images, lxmert):
    for key, image in images.items():
        corners, _ = pixels(image)
        n = len(corners)
        ids, conf = np.arange(n, dtype=np.int64), image["conf"]
        tail = [str(n), b64(corners), b64(image["features"])]
        yield "\t".join([key, "480", "640", b64(ids), b64(conf), b64(ids), b64(conf), *tail] if lxmert else
                        [key, "640", "480", *tail])


def test_tsv(folder):
    images = made(19)
    for name, lxmert in (("butd", False), ("lxmert", True)):
        head = "\t".join(LXMERT) + "\n" if lxmert else ""
        end = "\n" if lxmert else "\r\n"
        (folder / f"{name}.tsv").write_text(head + "".join(x + end for x in tsv_lines(images, lxmert)), newline="")
        importing("tsv", [folder / f"{name}.tsv"], folder / f"{name}.img.h5")
        compare(folder / f"{name}.img.h5", {k: (v["features"], pixels(v)[1], v["conf"] if lxmert else None, None)
                                            for k, v in images.items()}, f"tsv, {name}")


LXMERT = ["img_id", "img_h", "img_w", "objects_id", "objects_conf", "attrs_id", "attrs_conf", "num_boxes", "boxes", "features"]


def test_tsv_heads(folder):
    """Columns in any order, by name; halves; what a head may not be."""
    images = made(9)
    rows = {k: {"image_id": k, "image_w": "640", "image_h": "480", "num_boxes": str(len(v["conf"])), "boxes": b64(pixels(v)[0]),
                "features": b64(v["features"]), "cls_prob": b64(v["soft_labels"]), "conf": b64(v["conf"])}
            for k, v in images.items()}
    want = {k: (v["features"], pixels(v)[1], v["conf"], v["soft_labels"]) for k, v in images.items()}
    order = ["image_h", "image_w", "num_boxes", "features", "conf", "image_id", "boxes", "cls_prob"]
    path = folder / "any.tsv"
    text = lambda names: "".join("\t".join(r[k] for k in names) + "\n" for r in rows.values())
    for mark in ("", "\ufeff"):
        path.write_text(mark + "\t".join(order) + "\n" + text(order))
        importing("tsv", [path], folder / f"any{len(mark)}.img.h5")
        compare(folder / f"any{len(mark)}.img.h5", want, "tsv, a head in another order")
    for k, v in images.items():
        for name, key in (("features", "features"), ("cls_prob", "soft_labels"), ("conf", "conf")):
            images[k][key] = v[key].astype(np.float16)
            rows[k][name] = b64(images[k][key])
    want = {k: (v["features"], pixels(made(9)[k])[1], v["conf"], v["soft_labels"]) for k, v in images.items()}
    path.write_text("\t".join(order) + "\n" + text(order))
    importing("tsv", [path], folder / "half.img.h5", "dtype=f16")
    compare(folder / "half.img.h5", want, "tsv, float16")
    out = folder / "no.img.h5"
    for names, words in ((["image_id", "image_w", "image_h", "num_boxes", "boxes", "features", "mood"], ['column "mood" is not known']),
                         (order[1:], ["no column image_h"]), (["image_w", *order], ["columns 1 and 3 are both image_w"])):
        path.write_text("\t".join(names) + "\n" + text(order))
        importing("tsv", [path], out, code=65, words=["any.tsv:1", *words])
    path.write_text("\t".join(order) + "\n" + text(order[:-1]))
    importing("tsv", [path], out, code=65, words=["any.tsv:2", "7 columns", "the head names 8"])
    corners = np.array([[500, 100, 630, 200], [0, 0, 100, 470]], np.float32)
    line = lambda w, h, c: f"x\t{w}\t{h}\t2\t{b64(c)}\t{b64(np.ones((2, 5), np.float32))}\n"
    path.write_text(line(480, 640, corners))
    importing("tsv", [path], out, code=65, words=["any.tsv:1: its boxes reach x = 630, y = 470", "width 480, height 640", "swapped?", "a first line that names"])
    importing("tsv", [path], out, "bad=skip", code=65, words=["swapped?"])
    path.write_text("image_id\timage_h\timage_w\tnum_boxes\tboxes\tfeatures\n" + line(480, 640, corners))
    importing("tsv", [path], folder / "turned.img.h5")
    path.write_text(line(480, 640, corners + 300))
    importing("tsv", [path], out, code=65, words=["is no box"])
    np.savez(folder / "turned.npz", x=np.ones((2, 5), np.float32), bbox=corners, image_w=480, image_h=640)
    importing("npz", [folder / "turned.npz"], out, code=65, words=["turned.npz: its boxes reach", "swapped?"])
    ids = np.arange(99, dtype=np.int64)
    lines = [f"{r['image_id']}\t640\t480\t{r['num_boxes']}\t{r['boxes']}\t{b64(v['features'].astype(np.float32))}\t"
             f"{b64(ids[:len(v['conf'])])}\n" for r, v in zip(rows.values(), images.values())]
    path.write_text("".join(lines))
    importing("tsv", [path], out, code=65, words=["ids of classes are no soft labels"])


def read_real_npz(path):
    with np.load(path) as z:
        corners = z["boxes" if "boxes" in z else "bbox"]
        return z["x"], unit(corners, int(z["image_w"]), int(z["image_h"])), None, None


def read_real_lmdb(folder):
    env = lmdb.open(str(folder), readonly=True, lock=False)
    want = {}
    with env.begin() as t:
        for key, value in t.cursor():
            if key == b"__keys__":
                continue
            if value[:2] == b"PK":
                with np.load(io.BytesIO(value)) as z:
                    a = {k: z[k] for k in ("features", "norm_bb", "conf", "soft_labels")}
            else:
                raw = msgpack.unpackb(value, raw=True)
                a = {k.decode(): np.frombuffer(v[b"data"], v[b"type"].decode()).reshape(v[b"shape"]) for k, v in raw.items()
                     if isinstance(v, dict)}
            soft = a["soft_labels"] if "soft_labels" in a else a["soft_label"]
            want[key.decode()] = (a["features"], a["norm_bb"][:, :6], a["conf"], soft)
    return want


def read_real_tsv(path):
    want = {}
    for line in path.read_text().splitlines():
        f = line.split("\t")
        wide = len(f) == 10
        n = int(f[7] if wide else f[3])
        array = lambda i: np.frombuffer(base64.b64decode(f[i]), np.float32)
        w, h = (int(f[2]), int(f[1])) if wide else (int(f[1]), int(f[2]))
        want[f[0]] = (array(-1).reshape(n, -1), unit(array(-2).reshape(n, 4), w, h), array(4) if wide else None, None)
    return want


def test_real(folder):
    data = R.SHARED / "data"
    if not data.exists():
        print("skipped: real data (no ../shared beside the checkout)")
        return
    importing("npz", [data / "butd_npz"], folder / "npz.img.h5")
    compare(folder / "npz.img.h5", {p.name[:-4]: read_real_npz(p) for p in sorted((data / "butd_npz").glob("*.npz"))},
            "real npz")
    for path in sorted((data / "tsv").glob("*.tsv")):
        importing("tsv", [path], folder / f"{path.name}.img.h5")
        compare(folder / f"{path.name}.img.h5", read_real_tsv(path), f"real {path.name}")
    for path in sorted((data / "lmdb").glob("*/img_db/*/feat*")):
        importing("lmdb", [path], folder / f"{path.name}.img.h5")
        compare(folder / f"{path.name}.img.h5", read_real_lmdb(path), f"real {path.name}")


# ---- interruptions -------------------------------------------------------------------------------------------------

def big_tsv(path, n):
    images = made(8, width=2048)
    lines = list(tsv_lines(images, True))
    with open(path, "w") as f:
        for i in range(n):
            f.write(f"image_{i}\t" + lines[i % 8].split("\t", 1)[1] + "\n")


def test_interruptions(folder):
    source = folder / "big.tsv"
    big_tsv(source, 600 if R.sanitized() else 6000)
    whole, out = folder / "whole.img.h5", folder / "out.img.h5"
    importing("tsv", [source], whole, "threads=2")
    for kind in (signal.SIGKILL, signal.SIGTERM):
        stopped = 0
        for attempt in range(12):
            log = folder / f"log_{kind.name}_{attempt}"
            p = R.start([str(R.BUILD / "uniter"), "data", "import", "tsv", str(source), str(out), "threads=1"],
                        log)
            end = time.monotonic() + 60
            while log.stat().st_size == 0 and p.poll() is None and time.monotonic() < end: # its first progress
                time.sleep(0.001)
            time.sleep(0.002 * attempt)
            if p.poll() is None:
                os.kill(p.pid, kind)
            code = p.wait(60)
            stopped += code == (-9 if kind == signal.SIGKILL else 75)
            assert code in (0, 75, -9), f"exit code {code}"
            if code == 0:
                break
            assert not out.exists(), "a half-made file under the final name"
            if stopped == 3:
                break
        R.expect(stopped > 0, f"{stopped} runs were stopped by {kind.name} while writing")
        if not out.exists():
            importing("tsv", [source], out)
        R.expect(out.read_bytes() == whole.read_bytes(), f"the same command goes on after {kind.name}; equal bytes")
        left = sorted(p.name for p in folder.glob("out.img.h5*"))
        R.expect(left == ["out.img.h5"], "nothing half-made is left")
        out.unlink()
    full_disk(folder, source)


def full_disk(folder, source):
    """A file size limit for the program; what the system says of it differs, the end does not."""
    out = folder / "full.img.h5"
    p = subprocess.run([str(R.BUILD / "uniter"), "data", "import", "tsv", str(source), str(out)], env=R.ENV,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=240,
                       preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)))
    R.expect(p.returncode == 74 and "full.img.h5" in p.stdout, f"no room: exit code {p.returncode}, the file is named")
    R.expect(not list(folder.glob("full.img.h5*")), "no room: nothing is left")


# ---- bad input -----------------------------------------------------------------------------------------------------

def changed(image, **arrays):
    return {**image, **arrays}


def test_bad(folder):
    good = next(iter(made(1).values()))
    out = folder / "bad.img.h5"
    nan = good["features"].copy()
    nan[-1, -1] = np.nan
    cases = [
        ("nan", changed(good, features=nan), ["nan", "is not a finite number"]),
        ("zero", {k: v[:0] for k, v in good.items()}, ["0 regions"]),
        ("wide", changed(good, norm_bb=good["norm_bb"][:, :3]), ["norm_bb", "4 to 7"]),
        ("short", changed(good, conf=np.ones(len(good["conf"]) + 1, np.float32)), ["conf", "one number a region"]),
        ("size", {"x": good["features"], "boxes": pixels(good)[0] + 2}, ["image_w", "not known"]),
        ("none", {"y": good["features"], "rois": good["norm_bb"]}, ["no features", "not known: y, rois"]),
        ("pickle", changed(good, features=np.array({"a": 1}, dtype=object)), ["no features"]),
        ("box", changed(good, norm_bb=good["norm_bb"] + 1), ["is no box"]),
        ("sum", changed(good, soft_labels=good["soft_labels"] * np.float32(0.9)), ["sum", "soft labels", "not 1"]),
        ("inside", changed(good, soft_labels=good["soft_labels"] - 1), ["soft label", "outside [0, 1]"]),
        ("padded", {k: np.concatenate([v, np.zeros_like(v[:1])]) for k, v in good.items()}, ["last 1 of", "padding", "num_boxes"]),
        ("conf", changed(good, conf=good["conf"] + 2), ["confidence", "outside [0, 1]"]),
    ]
    for name, image, words in cases:
        np.savez(folder / f"{name}.npz", **image)
        importing("npz", [folder / f"{name}.npz"], out, code=65, words=[name, *words])
    (folder / "empty.npz").write_bytes(b"")
    importing("npz", [folder / "empty.npz"], out, code=65, words=["empty.npz: not an .npz"])
    body = (folder / "nan.npz").read_bytes()
    (folder / "cut.npz").write_bytes(body[:len(body) // 2])
    importing("npz", [folder / "cut.npz"], out, code=65, words=["cut.npz: not an .npz (no zip archive, or cut short)"])
    at = body.index(nan.tobytes()[:64])
    (folder / "flip.npz").write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1:])
    importing("npz", [folder / "flip.npz"], out, code=65, words=["flip.npz: features: damaged: its checksum (CRC)"])
    np.savez(folder / "width.npz", **draw(np.random.default_rng(3), 25))
    np.savez(folder / "ok.npz", **good)
    importing("npz", [folder / "ok.npz", folder / "width.npz"], out, code=65, words=["width.npz", "25 wide", "24"])
    (folder / "again").mkdir()
    np.savez(folder / "again" / "ok.npz", **good)
    importing("npz", [folder / "ok.npz", folder / "again"], out, code=65, words=["ok stands twice"])
    (folder / "nothing").mkdir()
    importing("npz", [folder / "nothing"], out, code=65, words=["no .npz files"])
    importing("npz", [folder / "nowhere"], out, code=74, words=["nowhere"])
    bad_tsv(folder, out)
    bad_lmdb(folder, out)


def bad_tsv(folder, out):
    lines = list(tsv_lines(made(3), False))
    f = [x.split("\t") for x in lines]
    tsv = folder / "x.tsv"
    cases = [
        (lines[0] + "\n" + lines[1][:-1], ["x.tsv:2", "no base64"]),
        (lines[0] + "\n" + "\t".join(f[1][:4]), ["x.tsv:2", "4 columns", "cut short"]),
        (lines[0] + "\n" + "\t".join([*f[1][:5], f[1][5][:-4]]), ["x.tsv:2", "features", "regions"]),
        (lines[0] + "\n" + "\t".join([*f[1][:5], "*" + f[1][5][1:]]), ["x.tsv:2", "no base64 at its character 0"]),
        (lines[0] + "\n" + "\t".join([*f[1][:3], "0", *f[1][4:]]), ["x.tsv:2", "num_boxes", '"0"']),
        (lines[0] + "\n\n" + lines[1], ["x.tsv:2", "empty line"]),
        (lines[0] + "\n" + lines[0], ["stands twice"]),
        ("", ["x.tsv", "no images"]),
    ]
    for text, words in cases:
        tsv.write_text(text)
        importing("tsv", [tsv], out, code=65, words=words)


def bad_lmdb(folder, out):
    good = msgpacked(next(iter(made(1).values())))
    for name, value, words in (("cut", good[:-3], ["cut", "cut short"]), ("text", b"hello", ["text", "neither"]),
                               ("more", good + b"x", ["1 bytes behind"]),
                               ("pickle", pickle.dumps({"features": b"x" * 99}), ["pickle.npz: a pickle of Python"]), ("zip", b"PK\3\4", ["zip"])):
        write_lmdb(folder / name, {f"{name}.npz": value})
        importing("lmdb", [folder / name], out, code=65, words=words)
    whole = (folder / "text" / "data.mdb").read_bytes()
    for name, content in (("half", whole[:len(whole) // 2]), ("zero", b"")):
        (folder / name).mkdir()
        (folder / name / "data.mdb").write_bytes(content)
        importing("lmdb", [folder / name], out, code=65, words=[f"{name}/data.mdb"])
    (folder / "txt").mkdir()
    (folder / "txt" / "meta.json").write_text("{}")
    importing("lmdb", [folder / "txt"], out, code=64, words=["txt_db"])


def main():
    with R.Folder() as folder:
        for test in (test_npz, test_lmdb, test_tsv, test_tsv_heads, test_real, test_bad, test_interruptions):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: every form")


main()
