"""Wrong input: a clear error that names file, key or row, the right exit code, no hang of the other ranks, nothing lost."""
import os
import shutil
import struct
import subprocess

import runlib as R

RANKS = 2 if R.has_mpi() else 1


def refuse(name, cmd, code, *words, timeout=60):
    got, out = R.run(cmd, timeout=timeout)
    said = all(w in out for w in words)
    if got != code or not said:
        print(out[-3000:])
    R.expect(got == code, f"{name}: exit code {got}, expected {code}")
    R.expect(said, f"{name}: says {', '.join(words)}")


def config_errors(cfg):
    for ranks in {1, RANKS}:
        go = lambda *words: R.command(ranks, "--cfg", cfg, *words)
        refuse("unknown key", go("optim.lrr=1e-3"), 64, "optim.lrr", "optim.lr")
        refuse("wrong type", go("train.lanes=many"), 64, "train.lanes", "many")
        refuse("out of range", go("train.lanes=0"), 64, "train.lanes", "0")
        refuse("wrong vocabulary size", go("model.vocab_size=999"), 64, "model.vocab_size", "999", "coco")
        refuse("wrong feature width", go("model.img_dim=33"), 64, "model.img_dim", "33")
        refuse("more lanes than images", go("train.lanes=49"), 64, "49", "48")
        refuse("budget too small", go("train.tokens_per_lane=10"), 64, "tokens_per_lane", "10")
        refuse("missing configuration", R.command(ranks, "--cfg", "no/such.yaml"), 64, "no/such.yaml")
        refuse("no card in this build or machine", go("device=cuda"), 64, "cuda")
        refuse("width not divided by heads", go("model.num_attention_heads=3"), 64, "num_attention_heads", "3")

    refuse("mpi without a launcher", R.command(1, "--cfg", cfg, "comm.backend=mpi"), 64, "comm.backend", "self")
    if RANKS > 1:
        refuse("self with ranks", R.command(RANKS, "--cfg", cfg, "comm.backend=self"), 64, "comm.backend", "mpi")


def line_and_column(folder, cfg):
    broken = folder / "broken.yaml"
    broken.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_stepz: 3"))
    row = next(i for i, line in enumerate(broken.read_text().splitlines(), 1) if "warmup_stepz" in line)
    refuse("unknown key in a file", R.command(1, "--cfg", broken), 64, f"broken.yaml:{row}:", "warmup_steps")
    broken.write_text(cfg.read_text() + "\nrun: {dir: other}\n")
    refuse("duplicate key", R.command(1, "--cfg", broken), 64, "broken.yaml:", "run", "twice")
    broken.write_text("run: [unclosed\n")
    refuse("no YAML", R.command(1, "--cfg", broken), 64, "broken.yaml:")


class Damaged:
    """A copy of the data with one file changed."""

    def __init__(self, folder, data, cfg):
        self.folder, self.data, self.cfg, self.count = folder, data, cfg, 0

    def run(self, name, file, change, code, *words, ranks=RANKS):
        self.count += 1
        copy = self.folder / f"copy{self.count}"
        shutil.copytree(self.data, copy)
        change(copy / file)
        cfg = self.folder / "damaged.yaml"
        cfg.write_text(self.cfg.read_text().replace(str(self.data) + "/", str(copy) + "/"))
        for n in {1, ranks}:
            refuse(name, R.command(n, "--cfg", cfg), code, *words)
        run_dir = self.folder / "run" / "ckpt"
        R.expect(not run_dir.exists() or not any(run_dir.iterdir()), f"{name}: no result is left")
        shutil.rmtree(copy)


def where(file, dataset, kind):
    out = subprocess.check_output([R.BUILD / "tests" / "where", file, dataset, kind], text=True).split()
    assert int(out[0]) > 0, "not contiguous"
    return int(out[0]), int(out[1])


def patch(file, at, data):
    with open(file, "r+b") as f:
        f.seek(at)
        f.write(data)


def backwards(file):
    at, _ = where(file, "token_offset", "i64")
    patch(file, at + 8 * 5, struct.pack("<q", 1))


def not_a_number(file):
    at, rows = where(file, "feature", "f16")
    patch(file, at + 2 * (32 * (rows // 2) + 3), b"\x00\x7e")


def bad_box(file):
    at, _ = where(file, "box", "f32")
    patch(file, at, struct.pack("<f", 7.5))


def data_errors(folder, data, cfg):
    d = Damaged(folder, data, cfg)
    d.run("missing file", "coco_train.img.h5", lambda f: f.unlink(), 74, "coco_train.img.h5")
    d.run("empty file", "coco_train.img.h5", lambda f: f.write_bytes(b""), 65, "coco_train.img.h5")
    d.run("no HDF5", "vg_train.txt.h5", lambda f: f.write_bytes(b"hello" * 999), 65, "vg_train.txt.h5")
    d.run("truncated", "coco_train.img.h5", lambda f: os.truncate(f, f.stat().st_size // 2), 65, "coco_train.img.h5")
    d.run("one byte short", "coco_train.txt.h5", lambda f: os.truncate(f, f.stat().st_size - 1), 65,
          "coco_train.txt.h5")
    d.run("offsets run backwards", "coco_train.txt.h5", backwards, 65, "coco_train.txt.h5", "token_offset", "5")
    d.run("NaN in a feature", "coco_train.img.h5", not_a_number, 65, "coco_train.img.h5", "row")
    d.run("box outside the image", "vg_train.img.h5", bad_box, 65, "vg_train.img.h5")
    other = lambda f: shutil.copy(f.parent / "vg_train.img.h5", f)
    d.run("text without an image", "coco_train.img.h5", other, 65, "coco_train.txt.h5")
    swapped = lambda f: shutil.copy(f.parent / "coco_train.txt.h5", f)
    d.run("texts where images are wanted", "coco_train.img.h5", swapped, 65, "coco_train.img.h5", "uniter-images")


def full_disk(folder, data):
    """A small file system that is full when the second run saves."""
    if os.geteuid() != 0:
        print("skipped: a full disk (needs root to mount a small file system)")
        return
    disk = folder / "disk"
    disk.mkdir()
    if subprocess.call(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", disk], stderr=subprocess.DEVNULL) != 0:
        print("skipped: a full disk (mount is not allowed here)")
        return
    try:
        run_dir = disk / "run"
        cfg = R.write_config(folder / "full.yaml", data, run_dir, steps=8, checkpoint=1, width=32)
        saved = lambda: sorted(p.name for p in (run_dir / "ckpt").glob("step_????????"))
        filler = disk / "filler"
        R.run_ok(R.command(RANKS, "--cfg", cfg, "train.steps=4", "checkpoint.every=0"))
        kept = saved()
        free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
        filler.write_bytes(b"x" * max(0, free - 40000))
        refuse("full disk during a save", R.command(RANKS, "--cfg", cfg, "train.steps=8"), 74, "ckpt")
        R.expect(saved() == kept and not list((run_dir / "ckpt").glob("*.partial")),
                 f"full disk: older checkpoints {kept} stay, nothing half-made is left")
        filler.unlink()
        # the schedule of this run is the longer one from update 5 on, as when a user extends a run
        R.run_ok(R.command(RANKS, "--cfg", cfg, "checkpoint.every=0", "checkpoint.keep=1"))
        R.expect([x["step"] for x in R.metrics(run_dir)] == list(range(1, 9)), "full disk: goes on once there is room")
    finally:
        subprocess.call(["umount", "-l", disk])


def log_cannot_grow(folder, data):
    """The last line of the log cannot be written (the log is as long as files may be), while the checkpoint fits."""
    run_dir = folder / "long"
    cfg = R.write_config(folder / "long.yaml", data, run_dir, steps=1, lanes=2, valid=False)
    cfg.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_steps: 0"))
    (run_dir / "log").mkdir(parents=True)
    (run_dir / "log/metrics.jsonl").write_text('{"step":0}\n' * 110000)
    words = " ".join(map(str, R.command(1, "--cfg", cfg)))  # Open MPI itself needs larger files
    refuse("log that cannot grow", ["bash", "-c", f"ulimit -f 1024; exec {words}"], 74, "metrics.jsonl")
    R.expect(R.manifest(run_dir, 1)["step"] == 1, "log that cannot grow: the checkpoint is there")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=6, lanes=4)
        config_errors(cfg)
        line_and_column(folder, cfg)
        data_errors(folder, data, cfg)
        log_cannot_grow(folder, data)
        full_disk(folder, data)


main()
