"""Commands that take more than two seconds say how far they are: a bar with ETA on a terminal, a line every ten seconds elsewhere, nothing of short
ones. Made slow by pauses (SIGSTOP), so that no machine is too fast.
"""
import concurrent.futures
import os
import pty
import re
import signal
import subprocess
import time

import runlib as R

try:
    import numpy as np
except ImportError:
    R.skip("no numpy")

ANY = re.compile(r"\d+\.\d% \d+/\d+ \|")
LINES = ("score", "data tokenize", "weights show")  # silent where the results themselves go by


def line_of(unit):
    """A bar or a line of work that is counted in these."""
    plural = unit if unit[-1].isupper() else unit + "s"
    return re.compile(rf"\d+\.\d% \d+/\d+ \| [\d.e+-]+ ({plural}/s|s/{unit}) \| ETA \d+[mhd]\d\d[smh]")


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
    """Name: what it counts, seconds that it may run between two pauses, its words. Each works for a while: large files, or small
    passes over many pairs."""
    text, images, weights = data / "coco_train.txt.h5", data / "coco_train.img.h5", folder / "w.safetensors"
    corpus = folder / "corpus.txt"
    corpus.write_text("a red ball lies behind two large dogs in the garden\n" * 400000)
    use = [f"images={images}", f"text={text}", "tokens=64"]
    tool = R.BUILD / "uniter"
    return {"score": ("pair", 0.005, [tool, "score", run, *use]), "embed": ("pair", 0.005, [tool, "embed", run, folder / "v_TRY.h5", *use]),
            "data verify": ("MB", 0.003, [tool, "data", "verify", "digest=false", *[images] * 100]),
            "data tokenize": ("MB", 0.005, [tool, "data", "tokenize", f"vocab={data}/vocab.txt", "threads=1", corpus]),
            "data synth": ("image", 0.005, [tool, "data", "synth", folder / "more_TRY", "sets=coco", "train_images=6000", "img_dim=256"]),
            "data import npz": ("file", 0.002, [tool, "data", "import", "npz", features(folder / "npz", 3000), folder / "npz_TRY.img.h5"]),
            "weights show": ("M", 0.003, [tool, "weights", "show", weights]),
            "weights diff": ("M", 0.0005, [tool, "weights", "diff", weights, weights]),
            "a checkpoint read": ("MB", 0.003, [tool, "weights", "diff", folder / "large", weights]),
            "ckpt verify": ("MB", 0.002, [tool, "ckpt", "verify", folder / "large"]),
            "--eval": ("sample", 0.06, [R.BUILD / "uniter_dist", "--cfg", folder / "run.yaml", "--eval", "coco", f"data.valid.0.text={text}",
                                        f"data.valid.0.images={images}"])}


def slowly(command, stdout, stderr, so_far, pause=0.25):
    """Runs it with pauses until it has said how far it is. Returns exit code, seconds. stdout None: nowhere. so_far(): what it wrote."""
    unit, runs, cmd = command
    line = line_of(unit)
    start = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        p = subprocess.Popen(list(map(str, cmd)), stdout=nowhere if stdout is None else stdout, stderr=stderr, env=dict(R.ENV, TERM="xterm", OMP_NUM_THREADS="1"), cwd=R.ROOT)
    while p.poll() is None and time.monotonic() - start < 30 and not line.search(so_far()):
        p.send_signal(signal.SIGSTOP)
        time.sleep(pause)
        p.send_signal(signal.SIGCONT)
        time.sleep(runs)
    while p.poll() is None:  # read on: a terminal takes 4 KiB, then its writer waits
        if time.monotonic() > start + 300:
            p.kill()
            R.fail(f"{cmd} does not end")
        so_far()
        time.sleep(0.05)
    return p.returncode, time.monotonic() - start


def once_on_terminal(name, command, pause):
    """Exit code, seconds and what was written to a terminal: all, or errors alone where the results are lines."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    text = bytearray()

    def read():
        try:
            while piece := os.read(master, 65536):
                text.extend(piece)
        except OSError:
            pass
        return text.decode(errors="replace")
    code, seconds = slowly(command, None if name in LINES else slave, slave, read, pause)
    said = read()
    os.close(slave)
    os.close(master)
    return code, seconds, said


def on_terminal(name, command):
    """On a busy machine the pauses may come too late: then again, with more and longer ones, at last so that one is enough."""
    unit, runs, cmd = command
    for attempt in range(4):
        tried = once_on_terminal(name, (unit, runs / 2**attempt, [str(word).replace("TRY", str(attempt)) for word in cmd]), 0.25 * 2**attempt)
        if tried[0] or line_of(unit).search(tried[2]):
            break
    return tried


def in_a_file(command, folder):
    path = folder / "err"
    with open(path, "wb") as err:
        code, seconds = slowly(command, None, err, lambda: path.read_text(errors="replace"))
    return code, seconds, path.read_text(errors="replace")


def check_file(code, seconds, text):
    lines = [line for line in text.splitlines() if line_of("pair").search(line)]
    R.expect(code == 0 and 1 <= len(lines) <= 2 + seconds / 10, f"score: {seconds:.1f} s with {len(lines)} lines in a file")
    R.expect("\r" not in text and "\033" not in text, "no control characters in it")


def check_short(command):
    few = [str(word).replace("_train", "_valid") for word in command[2] if word != "tokens=64"]
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
        with concurrent.futures.ThreadPoolExecutor(len(todo) + 1) as pool:  # they mostly stand still
            plain = pool.submit(in_a_file, todo["score"], folder)
            done = pool.map(on_terminal, todo, todo.values())
        for name, (code, seconds, text) in zip(todo, done):
            told = line_of(todo[name][0]).search(text) and "\r" in text
            R.expect(code == 0 and told, f"{name}: {seconds:.1f} s with a bar and ETA on a terminal {'' if told else repr(text[-300:])}")
        check_file(*plain.result())
        check_short(todo["score"])


main()
