"""How fast features are imported, by form: `bench_import.py BUILD FOLDER [images=20000] [forms=npz,npz16,tsv,lmdb,h5] [threads=0]`.

Makes the images (36 regions, 2048 wide, soft values as detectors give them) in FOLDER, imports them with `uniter data import`
and prints for each form the MB/s of output by the clock and by core (user + system seconds), the peak memory, and the disk's own
rate at the same time: the output copied and synced. Needs numpy, h5py, lmdb, msgpack. FOLDER needs three times the output.
"""
import base64
import os
import pathlib
import shutil
import subprocess
import sys
import time

import h5py
import lmdb
import msgpack
import numpy as np

REGIONS, WIDTH = 36, 2048
BLOCK = 1 << 22


def draw(i, kind):
    """Sixteen different images are made, then repeated under other ids."""
    rng = np.random.default_rng(i % 16)
    corner, size = rng.random((2, REGIONS, 2), np.float32) * np.float32(0.5)
    box = np.concatenate([corner, corner + size], axis=1)
    feature = np.maximum(rng.standard_normal((REGIONS, WIDTH), np.float32), 0).astype(kind)
    return feature, box, -np.sort(-rng.random(REGIONS, np.float32))


def make_npz(folder, n, kind):
    folder.mkdir()
    for i in range(n):
        feature, box, conf = draw(i, kind)
        np.savez(folder / f"{i:09}.npz", features=feature, boxes=box * 500, image_w=500, image_h=500, conf=conf)
    return folder


def make_tsv(folder, n):
    text = lambda a: base64.b64encode(a.tobytes()).decode()
    lines = []
    for i in range(16):
        feature, box, _ = draw(i, np.float32)
        lines.append("\t".join(["500", "500", str(REGIONS), text(np.ascontiguousarray(box * 500)), text(feature)]))
    with open(folder, "w") as f:
        for i in range(n):
            f.write(f"{i}\t{lines[i % 16]}\n")
    return folder


def make_lmdb(folder, n):
    pack = lambda a: {b"nd": True, b"type": a.dtype.str, b"kind": b"", b"shape": a.shape, b"data": a.tobytes()}
    values = []
    for i in range(16):
        feature, box, conf = draw(i, np.float16)
        box = np.concatenate([box, box[:, 2:] - box[:, :2]], axis=1).astype(np.float16)
        values.append(msgpack.packb({"features": pack(feature), "norm_bb": pack(box), "conf": pack(conf.astype(np.float16))}))
    env = lmdb.open(str(folder), map_size=1 << 40, sync=False)
    for first in range(0, n, 500):
        with env.begin(write=True) as t:
            for i in range(first, min(n, first + 500)):
                t.put(b"%012d.npz" % i, values[i % 16], append=True)
    env.sync(True)
    env.close()
    return folder


def make_h5(path, n):
    with h5py.File(path, "w") as f:
        feature = f.create_dataset("image_features", (n * REGIONS, WIDTH), np.float32)
        box = f.create_dataset("spatial_features", (n * REGIONS, 6), np.float32)
        f["pos_boxes"] = np.arange(n)[:, None] * REGIONS + np.array([0, REGIONS])
        f["image_id"] = np.arange(n)
        for i in range(n):
            rows = slice(i * REGIONS, (i + 1) * REGIONS)
            feature[rows], b, _ = draw(i, np.float32)
            box[rows] = np.concatenate([b, b[:, 2:] - b[:, :2]], axis=1)
    return path


FORMS = {"npz": ("npz", lambda d, n: make_npz(d, n, np.float32)), "npz16": ("npz", lambda d, n: make_npz(d, n, np.float16)),
         "tsv": ("tsv", make_tsv), "lmdb": ("lmdb", make_lmdb), "h5": ("h5", make_h5)}


def disk_rate(path):
    """MB/s of a plain copy of the output, synced."""
    copy = path.with_suffix(".copy")
    start = time.monotonic()
    with open(path, "rb", buffering=0) as source, open(copy, "wb", buffering=0) as out:
        while block := source.read(BLOCK):
            out.write(block)
        os.fsync(out.fileno())
    seconds = time.monotonic() - start
    copy.unlink()
    return 1e-6 * path.stat().st_size / seconds


def high_water(pid):
    """Most resident KiB so far; 0 when the process has ended."""
    try:
        lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return max((int(x.split()[1]) for x in lines if x.startswith("VmHWM:")), default=0)


def measure(build, form, source, out, threads):
    """(seconds, core seconds, peak MiB) of one import."""
    os.sync()
    start = time.monotonic()
    p = subprocess.Popen([build / "uniter", "data", "import", form, source, out, f"threads={threads}", "quiet=true"])
    done = peak = 0
    while not done: # ru_maxrss would count this process, which the program was started from
        done, status, usage = os.wait4(p.pid, os.WNOHANG)
        seconds = time.monotonic() - start
        peak = max(peak, high_water(p.pid))
        time.sleep(0 if done else 0.005)
    if status != 0:
        sys.exit(f"import {form} failed: status {status}")
    return seconds, usage.ru_utime + usage.ru_stime, peak / 1024


def main():
    keys = dict(x.split("=", 1) for x in sys.argv[3:])
    build, folder = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    n, threads = int(keys.get("images", 20000)), int(keys.get("threads", 0))
    print(f"{n} images of {REGIONS} x {WIDTH}, threads={threads}, {len(os.sched_getaffinity(0))} cores")
    print(f"{'form':8}{'MB out':>10}{'s':>8}{'MB/s':>8}{'MB/s a core':>13}{'peak MiB':>10}{'disk MB/s':>11}")
    for name in keys.get("forms", ",".join(FORMS)).split(","):
        form, make = FORMS[name]
        own = folder / f"bench_import_{name}"
        own.mkdir(parents=True)
        try:
            source, out = make(own / "source", n), own / "out.img.h5"
            seconds, cores, peak = measure(build, form, source, out, threads)
            size = 1e-6 * out.stat().st_size
            print(f"{name:8}{size:10.0f}{seconds:8.1f}{size / seconds:8.0f}{size / cores:13.0f}{peak:10.0f}{disk_rate(out):11.0f}",
                  flush=True)
        finally:
            shutil.rmtree(own)


main()
