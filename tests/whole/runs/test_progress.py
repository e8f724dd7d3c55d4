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

LINE = re.compile(r"\d+\.\d% \d+/\d+ \| ([\d.e+-]+ (\w+/s|s/\w+) \| )?ETA \d+[mhd]\d\d[smh]")
LINES = ("score", "data tokenize", "weights show")  # silent where the results themselves go by


def commands(folder, data, run):
    """Each works for seconds on end: large files, or small passes over many pairs."""
    text, images = data / "coco_train.txt.h5", data / "coco_train.img.h5"
    corpus = folder / "corpus.txt"
    corpus.write_text("a red ball lies behind two large dogs in the garden\n" * 400000)
    use = [f"images={images}", f"text={text}", "tokens=64"]
    return {"score": [R.BUILD / "uniter", "score", run, *use], "embed": [R.BUILD / "uniter", "embed", run, folder / "v.h5", *use],
            "data verify": [R.BUILD / "uniter", "data", "verify", "digest=false", *[images] * 40],
            "data tokenize": [R.BUILD / "uniter", "data", "tokenize", f"vocab={data}/vocab.txt", "threads=1", corpus],
            "data synth": [R.BUILD / "uniter", "data", "synth", folder / "more", "sets=coco", "train_images=6000", "img_dim=256"],
            "weights show": [R.BUILD / "uniter", "weights", "show", folder / "w.safetensors"],
            "weights diff": [R.BUILD / "uniter", "weights", "diff", folder / "large", folder / "w.safetensors"],
            "ckpt verify": [R.BUILD / "uniter", "ckpt", "verify", folder / "large"],
            "--eval": [R.BUILD / "uniter_dist", "--cfg", folder / "run.yaml", "--eval", "coco", f"data.valid.0.text={text}", f"data.valid.0.images={images}"]}


def slowly(cmd, stdout, stderr, so_far):
    """Runs it with pauses until it has said how far it is. Returns exit code, seconds. stdout None: nowhere. so_far(): what it wrote."""
    start = time.monotonic()
    with open(os.devnull, "wb") as nowhere:
        p = subprocess.Popen(list(map(str, cmd)), stdout=nowhere if stdout is None else stdout, stderr=stderr, env=dict(R.ENV, TERM="xterm", OMP_NUM_THREADS="1"), cwd=R.ROOT)
    while p.poll() is None and time.monotonic() - start < 30 and not LINE.search(so_far()):
        p.send_signal(signal.SIGSTOP)
        time.sleep(0.25)
        p.send_signal(signal.SIGCONT)
        time.sleep(0.005)
    return p.wait(timeout=120), time.monotonic() - start


def on_terminal(name, cmd):
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
    code, seconds = slowly(cmd, None if name in LINES else slave, slave, read)
    read()
    os.close(slave)
    os.close(master)
    return code, seconds, text.decode(errors="replace")


def in_a_file(cmd, folder):
    path = folder / "err"
    with open(path, "wb") as err:
        code, seconds = slowly(cmd, None, err, lambda: path.read_text(errors="replace"))
    return code, seconds, path.read_text(errors="replace")


def check_file(code, seconds, text):
    lines = [line for line in text.splitlines() if LINE.search(line)]
    R.expect(code == 0 and 1 <= len(lines) <= 2 + seconds / 10, f"score: {seconds:.1f} s with {len(lines)} lines in a file")
    R.expect("\r" not in text and "\033" not in text, "no control characters in it")


def check_short(cmd):
    few = [str(word).replace("_train", "_valid") for word in cmd if word != "tokens=64"]
    start = time.monotonic()
    out = R.run_ok(few)
    seconds = time.monotonic() - start
    R.expect(seconds > 2 or not LINE.search(out), f"nothing is said of {seconds:.1f} s of work")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=400, img_dim=256)
        for name, width, layers in (("run", 128, 4), ("large", 512, 6)):
            cfg = R.write_config(folder / f"{name}.yaml", data, folder / name, steps=4, lanes=2, width=width, layers=layers, heads=4)
            R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet"])
        R.run_ok([R.BUILD / "uniter", "weights", "export", folder / "large", folder / "w.safetensors"])
        todo = commands(folder, data, folder / "run")
        with concurrent.futures.ThreadPoolExecutor(len(todo) + 1) as pool:  # they mostly stand still
            plain = pool.submit(in_a_file, todo["score"], folder)
            done = pool.map(on_terminal, todo, todo.values())
        for name, (code, seconds, text) in zip(todo, done):
            told = LINE.search(text) and "\r" in text
            R.expect(code == 0 and told, f"{name}: {seconds:.1f} s with a bar and ETA on a terminal {'' if told else repr(text[-300:])}")
        check_file(*plain.result())
        check_short(todo["score"])


main()
