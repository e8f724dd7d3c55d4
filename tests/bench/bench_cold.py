"""A first epoch from a disk that nothing was read from yet: `bench_cold.py BUILD DATA [ranks=8] [steps=4500] [tokens=512] [tries=3]`.

DATA holds coco_train.img.h5 and coco_train.txt.h5, such as

    uniter data synth DATA seed=3 train_images=400000 valid_images=1 texts=1 img_dim=128 img_label_dim=46 min_objects=6 \
        max_objects=10 min_background=22 max_background=34 sets=coco vocab_size=2000

makes (6.2 GB). Each start trains a network so small that reading counts, after the files have left the system's memory
(posix_fadvise), in turns: data.warm off, before, beside, and off once more with the files in memory. Prints for each the seconds until the first step
was done, the seconds of all steps, the milliseconds that a step waited for data in the mean and at most, the seconds of the whole
program, and the rate of a plain read in the files' order at the same time. 4,500 steps are an epoch of 400,000 images.
"""
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

FILES = ("coco_train.img.h5", "coco_train.txt.h5")
WAYS = (("off", True), ("before", True), ("beside", True), ("off", False))


def forget(data):
    for name in FILES:
        with open(data / name, "rb") as f:
            os.fsync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def plain_read(data):
    """Seconds and bytes of one pass over the files, one reader."""
    start, size = time.monotonic(), 0
    for name in FILES:
        with open(data / name, "rb", buffering=0) as f:
            while piece := f.read(1 << 22):
                size += len(piece)
    return time.monotonic() - start, size


def config(folder, data, given):
    path = folder / "cold.yaml"
    path.write_text(f"""run: {{dir: {folder}/run, seed: 1, threads: 1, bind: none}}
device: cpu
model: {{hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 1, intermediate_size: 16}}
data:
  train:
    - {{name: coco, text: {data}/{FILES[1]}, images: {data}/{FILES[0]}, mix: {{mrfr: 1}}}}
train: {{steps: {given['steps']}, lanes: {given['ranks']}, tokens_per_lane: {given['tokens']}}}
checkpoint: {{every: 0}}
log: {{every: 1, tensorboard: false}}
""")
    return path


def one(build, cfg, folder, way, given):
    """Seconds until the first step, of all steps, and waits for data in ms."""
    shutil.rmtree(folder / "run", ignore_errors=True)
    start = time.time()
    subprocess.run(["mpirun", "--oversubscribe", "-np", str(given["ranks"]), str(build / "uniter_dist"), "--cfg", str(cfg), f"data.warm={way}", "--quiet"],
                   check=True, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines = [json.loads(x) for x in (folder / "run/log/metrics.jsonl").read_text().splitlines()]
    took = time.time() - start
    steps = sum(x["ms/step"] for x in lines) / 1000
    waits = [x["ms/data"] for x in lines]
    samples = sum(x["samples"] for x in lines)
    return {"before the first step": took - steps, "all steps": steps, "wait a step": statistics.mean(waits), "longest": max(waits), "samples": samples, "in all": took}


def main():
    build, data = pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve()
    given = {"ranks": 8, "steps": 4500, "tokens": 512, "tries": 3}
    for word in sys.argv[3:]:
        key, value = word.split("=")
        if key not in given:
            sys.exit(f"unknown: {word}")
        given[key] = int(value)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        cfg, found = config(folder, data, given), {}
        for _ in range(given["tries"]):
            for way, cold in WAYS:
                if cold:
                    forget(data)
                    seconds, size = plain_read(data)
                    found.setdefault("plain", []).append(size / seconds / 1e6)
                    forget(data)
                else:
                    plain_read(data)
                found.setdefault((way, cold), []).append(one(build, cfg, folder, way, given))
    print(f"{given['ranks']} ranks, {given['steps']} steps, {size / 1e6:.0f} MB; medians of {given['tries']}; plain read {statistics.median(found['plain']):.0f} MB/s")
    for way, cold in WAYS:
        rows = found[way, cold]
        middle = {key: statistics.median(r[key] for r in rows) for key in rows[0]}
        print(f"{way:7} {'cold' if cold else 'in memory':9}", ", ".join(f"{key} {value:.1f}" for key, value in middle.items()))


main()
