"""Commands that take more than two seconds say how far they are: a bar with ETA on a terminal, a line every ten seconds elsewhere, nothing of short
ones. The clock they look at goes ahead at every look (clock_ahead.c), so that no machine is too fast and none too busy.
"""
import os
import pty
import re
import subprocess
import time

import runlib as R

try:
    import numpy as np
except ImportError:
    R.skip("no numpy")

ANY = re.compile(r"\d+\.\d% \d+/\d+ \|")
LINES = ("score", "data tokenize", "weights show")  # silent where the results themselves go by
AHEAD = 500  # milliseconds a look


def line_of(unit):
    """A bar or a line of work that is counted in these: what is done, steps a second or seconds a step."""
    plural = unit if unit[-1].isupper() else unit + "s"
    return re.compile(rf"\d+\.\d% (\d+)/\d+ \| (?:([\d.e+-]+) {plural}/s|([\d.e+-]+) s/{unit}) \| ETA \d+[mhd]\d\d[smh]")


def features(folder, n):
    """n files of an image each: what lies in them is looked at before any is copied."""
    folder.mkdir()
    box = np.array([[0, 0, 1, 1]] * 3, np.float32)
    np.savez(folder / "0.npz", features=np.ones((3, 32), np.float32), norm_bb=np.hstack([box, box[:, 2:], box[:, :1]]), conf=np.ones(3, np.float32))
    one = (folder / "0.npz").read_bytes()
    for i in range(1, n):
        (folder / f"{i}.npz").write_bytes(one)
    return folder


def commands(folder, data, run):
    """Name: what it counts, its words."""
    text, images, weights = data / "coco_train.txt.h5", data / "coco_train.img.h5", folder / "w.safetensors"
    corpus = folder / "corpus.txt"
    corpus.write_text("a red ball lies behind two large dogs in the garden\n" * 400000)
    use = [f"images={images}", f"text={text}", "tokens=64"]
    tool = R.BUILD / "uniter"
    return {"score": ("pair", [tool, "score", run, *use]), "embed": ("pair", [tool, "embed", run, folder / "v.h5", *use]),
            "data verify": ("MB", [tool, "data", "verify", "digest=false", *[images] * 30]),
            "data tokenize": ("MB", [tool, "data", "tokenize", f"vocab={data}/vocab.txt", "threads=1", corpus]),
            "data synth": ("image", [tool, "data", "synth", folder / "more", "sets=coco", "train_images=600", "img_dim=32"]),
            "data import npz": ("file", [tool, "data", "import", "npz", features(folder / "npz", 300), folder / "npz.img.h5"]),
            "weights show": ("M", [tool, "weights", "show", weights]),
            "weights diff": ("M", [tool, "weights", "diff", weights, weights]),
            "a checkpoint read": ("MB", [tool, "weights", "diff", folder / "large", weights]),
            "ckpt verify": ("MB", [tool, "ckpt", "verify", folder / "large"]),
            "--eval": ("sample", [R.BUILD / "uniter_dist", "--cfg", folder / "run.yaml", "--eval", "coco", f"data.valid.0.text={text}",
                                  f"data.valid.0.images={images}", "run.timeout=1e7"])}


def environment():
    return dict(R.ENV, TERM="xterm", OMP_NUM_THREADS="1", CLOCK_AHEAD=str(AHEAD), LD_PRELOAD=str(R.BUILD / "tests" / "libclock_ahead.so"),
                ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")


def on_terminal(name, command):
    """Exit code and what was written to a terminal: all, or errors alone where the results are lines."""
    master, slave = pty.openpty()
    with open(os.devnull, "wb") as nowhere:
        p = subprocess.Popen(list(map(str, command[1])), stdout=nowhere if name in LINES else slave, stderr=slave, env=environment(), cwd=R.ROOT)
    os.close(slave)
    text = bytearray()
    try:
        while piece := os.read(master, 65536):
            text.extend(piece)
    except OSError:  # nobody has it open any more
        pass
    os.close(master)
    return p.wait(), text.decode(errors="replace")


def check_file(command, path):
    with open(path, "wb") as err:
        code = subprocess.run(list(map(str, command[1])), stdout=subprocess.DEVNULL, stderr=err, env=environment(), cwd=R.ROOT).returncode
    text = path.read_text(errors="replace")
    at = [(int(m[1]), float(m[3]) if m[3] else 1 / float(m[2])) for m in line_of(command[0]).finditer(text)]
    R.expect(code == 0 and len(at) >= 3, f"score: {len(at)} lines in a file")
    between = [(b[0] - a[0]) * b[1] for a, b in zip(at[1:], at[2:])]  # the first follows the silence
    R.expect(all(8 < x < 14 for x in between[:-1]) and between[-1] < 14, f"about ten seconds between them: {between}")
    R.expect("\r" not in text and "\033" not in text, "no control characters in it")


def check_short(command):
    few = [str(word).replace("_train", "_valid") for word in command[1] if word != "tokens=64"]
    start = time.monotonic()
    out = R.run_ok(few)
    seconds = time.monotonic() - start
    R.expect(seconds > 2 or not ANY.search(out), f"nothing is said of {seconds:.1f} s of work")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=400, img_dim=256)
        for name, width, layers, steps, valid in (("run", 128, 4, 4, True), ("large", 512, 6, 1, False)):
            cfg = R.write_config(folder / f"{name}.yaml", data, folder / name, steps=steps, lanes=2, width=width, layers=layers, heads=4, valid=valid)
            R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet", "optim.warmup_steps=0"])
        R.run_ok([R.BUILD / "uniter", "weights", "export", folder / "large", folder / "w.safetensors"])
        todo = commands(folder, data, folder / "run")
        for name, command in todo.items():
            code, text = on_terminal(name, command)
            told = line_of(command[0]).search(text) and "\r" in text
            R.expect(code == 0 and told, f"{name}: a bar and ETA on a terminal {'' if told else repr(text[-300:])}")
        check_file(todo["score"], folder / "err")
        check_short(todo["score"])


main()
