"""`uniter data import grid`: grids of patches made with numpy, imported and read back value for value; the commands and the
configuration of launch/RUNS.md, run as they stand there, learn from them; and what is refused, with nothing left behind.
"""
import json
import os
import shutil
import signal
import struct
import time

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no {error.name}")

TOOL = R.BUILD / "uniter"
THINGS = "cat dog horse bird tree car boat house".split()


# ---- files of others -----------------------------------------------------------------------------------------------

def safetensors(path, tensors):
    """name -> (dtype, array); bf16 is given by its bits."""
    header, body = {}, b""
    for name, (dtype, value) in tensors.items():
        header[name] = {"dtype": dtype, "shape": value.shape, "data_offsets": [len(body), len(body) + value.nbytes]}
        body += value.tobytes()
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def write_ids(path, ids):
    path.write_text("".join(f"{x}\n" for x in ids))


def noise(images, tokens, width, kind="<f4", seed=0):
    return np.random.default_rng(seed).normal(size=(images, tokens, width)).astype(kind)


# ---- reading back --------------------------------------------------------------------------------------------------

def boxes(rows, cols, class_token=False):
    """Quotients rounded to float, then differences in float."""
    r, c = np.divmod(np.arange(rows * cols), cols)
    unit = np.stack([c / cols, r / rows, (c + 1) / cols, (r + 1) / rows], 1).astype("<f4")
    if class_token:
        unit = np.vstack([np.array([[0, 0, 1, 1]], "<f4"), unit])
    return np.hstack([unit, unit[:, 2:] - unit[:, :2]])


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(out, ids, want, box, what):
    """want [images, regions, width], as it must be stored."""
    n, regions, width = want.shape
    with h5py.File(out) as f:
        R.expect([x.decode() for x in f["image_id"][:]] == list(ids), f"{what}: ids")
        R.expect(same(f["region_offset"][:], np.arange(n + 1, dtype="<i8") * regions), f"{what}: offsets")
        R.expect(same(f["feature"][:], want.reshape(-1, width)), f"{what}: features bit for bit")
        R.expect(same(f["box"][:], np.tile(box, (n, 1))), f"{what}: boxes")
        R.expect((f["confidence"][:] == 1).all() and "soft_label" not in f, f"{what}: confidence 1, no soft labels")
    R.run_ok([TOOL, "data", "verify", out])


def grid(*words):
    return R.run([TOOL, "data", "import", "grid", *words])


def forms(folder):
    def case(what, files, want, box, *keys, ids=None):
        out = folder / "case.img.h5"
        ids = ids or [f"picture_{i}.jpg" for i in range(len(want))]
        write_ids(folder / "case.ids", ids)
        code, text = grid(*files, out, f"ids={folder}/case.ids", *keys)
        R.expect(code == 0, f"{what} is imported: {text.strip()[-200:] if code else ''}")
        check(out, ids, want, box, what)
        whole = out.read_bytes()
        for name in folder.glob("case.img.h5*"):
            name.unlink()
        return whole

    a, b, half = folder / "a.npy", folder / "b.npy", folder / "half.npy"
    x, y, h = noise(19, 12, 24), noise(5, 12, 24, seed=1), noise(7, 50, 16, "<f2", seed=2)
    h.view("<u2")[0, 1, :4] = [0x0001, 0x83FF, 0x7BFF, 0x8000]  # the smallest, a subnormal, the largest, minus zero
    for path, value in ((a, x), (b, y), (half, h)):
        np.save(path, value)
    shape = ("rows=3", "cols=4")
    one = case("one thread", [a], x, boxes(3, 4), *shape, "threads=1")
    R.expect(case("3 x 4", [a], x, boxes(3, 4), *shape, "threads=3") == one, "three threads and one: the same bytes")
    case("two files", [a, b], np.concatenate([x, y]), boxes(3, 4), *shape)
    case("class token left out, halves", [half], h[:, 1:], boxes(7, 7))
    case("class token kept", [half], h, boxes(7, 7, True), "class_token=keep")
    case("11 cells and a token", [a], x[:, 1:], boxes(1, 11), "rows=1", "cols=11")
    wide = noise(4, 10, 8, seed=3).view("<u4")
    top = (wide >> 16).astype("<u2")  # bf16 is the upper half of an f32
    st = folder / "s.safetensors"
    safetensors(st, {"other": ("F32", noise(2, 2, 2)), "features": ("BF16", top)})
    case("bf16", [st], (top.astype("<u4") << 16).view("<f4")[:, 1:], boxes(3, 3), "tensor=features")
    safetensors(st, {"x": ("F16", h)})
    case("f16 in a safetensors", [st], h[:, 1:], boxes(7, 7))
    write_ids(folder / "a.ids", [f"a{i}" for i in range(19)])
    write_ids(folder / "b.ids", [f"b{i}" for i in range(5)])
    code, text = grid(a, b, folder / "beside.img.h5", *shape)
    R.expect(code == 0 and "3 x 4 cells" in text and "12 regions an image" in text, "ids beside the files")
    check(folder / "beside.img.h5", [f"a{i}" for i in range(19)] + [f"b{i}" for i in range(5)], np.concatenate([x, y]),
          boxes(3, 4), "ids beside")


# ---- what is refused -----------------------------------------------------------------------------------------------

def refused(folder):
    x, ids = noise(6, 10, 8, seed=4), [f"i{i}" for i in range(6)]
    bad, names, out = folder / "bad.npy", folder / "names.txt", folder / "bad.img.h5"

    def numpy(value):
        return lambda: np.save(bad, value)

    def bytes_of(change):
        def write():
            np.save(bad, x)
            bad.write_bytes(change(bad.read_bytes()))
        return write

    def tensor(dtype, value, **more):
        def write():
            safetensors(bad, {"x": (dtype, value)})
            data = bad.read_bytes()
            for a, b in more.get("edit", ()):
                data = data.replace(a, b)
            bad.write_bytes(data)
        return write

    nan = x.copy()
    nan[4, 3, 2] = np.nan
    cases = [
        ("a NaN", numpy(nan), ids, (), 65, ["image i4, region 2", "column 2", "finite"]),
        ("infinity in the class token that is kept", numpy(np.where(np.arange(10)[:, None] == 0, np.inf, x).astype("<f4")), ids,
         ("class_token=keep",), 65, ["image i", "region 0", "finite"]),
        ("ids too few", numpy(x), ids[:4], (), 65, ["names.txt: ends after 4 ids", "bad.npy holds 6 images", "2 are without"]),
        ("ids too many", numpy(x), ids + ["more"], (), 65, ["names.txt: line 7", "more than there are images (6)"]),
        ("an id twice", numpy(x), ids[:5] + ["i1"], (), 65, ["image id i1", "twice", "1 and 5"]),
        ("an empty id", numpy(x), ids[:2] + [""] + ids[3:], (), 65, ["names.txt: line 3", "without an id"]),
        ("a long id", numpy(x), ids[:5] + ["x" * 300], (), 65, ["names.txt: line 6", "longer than 255"]),
        ("an id that is no text", numpy(x), ids[:5] + ["\udcff"], (), 65, ["names.txt: line 6", "not UTF-8"]),
        ("wrong rows and columns", numpy(x), ids, ("rows=2", "cols=4"), 65, ["10 rows an image", "2 x 4 cells are 8, or 9"]),
        ("no square", numpy(noise(6, 12, 8)), ids, (), 65, ["12 rows an image", "rows= and cols="]),
        ("rows alone", numpy(x), ids, ("rows=3",), 64, ["rows=3 cols=0", "both"]),
        ("no class token to keep", numpy(noise(6, 9, 8)), ids, ("class_token=keep",), 64, ["class_token=keep", "9 rows", "3 x 3"]),
        ("rank 4", numpy(x.reshape(6, 2, 5, 8)), ids, (), 65, ["rank 4", "rank 3"]),
        ("64 bits", numpy(x.astype("<f8")), ids, (), 65, ["neither float16 nor float32"]),
        ("whole numbers", numpy((x * 9).astype("<i4")), ids, (), 65, ["neither float16 nor float32"]),
        ("objects", numpy(np.array([None] * 6)), ids, (), 65, ["neither float16 nor float32"]),
        ("Fortran order", numpy(np.asfortranarray(x)), ids, (), 65, ["Fortran", "ascontiguousarray"]),
        ("big-endian", numpy(x.astype(">f4")), ids, (), 65, ["big-endian", "<f4"]),
        ("no images", numpy(x[:0]), ids, (), 65, []),
        ("cut short", bytes_of(lambda b: b[:-1]), ids, (), 65, ["bytes, but its header says 480 items of 4"]),
        ("a byte more", bytes_of(lambda b: b + b"x"), ids, (), 65, ["but its header says"]),
        ("a header that lies", bytes_of(lambda b: b.replace(b"(6, 10, 8)", b"(7, 10, 8)")), ids, (), 65, ["says 560 items"]),
        ("a header that lies of the type", bytes_of(lambda b: b.replace(b"<f4", b"<f2")), ids, (), 65, ["says 480 items of 2"]),
        ("half a header", bytes_of(lambda b: b[:40]), ids, (), 65, ["cut short"]),
        ("an empty file", bytes_of(lambda b: b""), ids, (), 65, ["neither", "cut short"]),
        ("a zip", bytes_of(lambda b: b"PK\x03\x04" * 20), ids, (), 65, ["neither an .npy"]),
        ("a name for an npy", numpy(x), ids, ("tensor=x",), 64, ["tensor=x"]),
        ("no such tensor", tensor("F32", x), ids, ("tensor=y",), 65, ["no tensor y", "holds x"]),
        ("whole numbers in a safetensors", tensor("I32", x), ids, (), 65, ["tensor x", "I32", "bf16"]),
        ("a safetensors whose shape lies", tensor("F32", x, edit=[(b"[6, 10", b"[7, 10")]), ids, (), 65, ["tensor x", "shape and dtype need"]),
        ("a safetensors whose offsets lie", tensor("F32", x, edit=[(b"1920]", b"9920]")]), ids, (), 65, ["tensor x", "beyond"]),
    ]
    for what, write, lines, keys, want, words in cases:
        write()
        names.write_bytes("".join(f"{x}\n" for x in lines).encode("utf-8", "surrogateescape"))
        code, text = grid(bad, out, f"ids={names}", *keys)
        R.expect(code == want and ("bad.npy" in text or "names.txt" in text or keys) and all(w in text for w in words),
                 f"{what}: {code}, {text.strip()[-220:]}")
        R.expect(not list(folder.glob("bad.img.h5*")), f"{what}: nothing left")
    several_files(folder, x, out)


def several_files(folder, x, out):
    first, second, names = folder / "first.npy", folder / "second.npy", folder / "names.txt"
    np.save(first, x)
    write_ids(names, [f"i{i}" for i in range(12)])
    for what, value, words in (("another width", noise(6, 10, 9), ["second.npy", "width 9", "first.npy", "width 8"]),
                               ("other rows", noise(6, 9, 8), ["second.npy", "9 rows", "first.npy 10"]),
                               ("another type", x.astype("<f2"), ["second.npy: f16", "first.npy f32"])):
        np.save(second, value)
        code, text = grid(first, second, out, f"ids={names}")
        R.expect(code == 65 and all(w in text for w in words), f"{what}: {text.strip()[-200:]}")
    safetensors(second, {"a": ("F32", x), "b": ("F32", x)})
    code, text = grid(second, out, f"ids={names}")
    R.expect(code == 64 and "2 tensors" in text and "a, b" in text, f"several tensors: {text.strip()[-200:]}")
    code, text = grid(first, out)
    R.expect(code == 64 and "ids=FILE" in text and "first.ids" in text, f"no ids: {text.strip()[-200:]}")
    code, text = grid(folder / "none.npy", out, f"ids={names}")
    R.expect(code == 74 and "none.npy" in text, "a missing file")
    R.expect(not list(folder.glob("bad.img.h5*")), "nothing left")


# ---- a stop in between ---------------------------------------------------------------------------------------------

def stopped(folder, out, *words):
    """SIGTERM a little after its first words, later each time, until it came while images were written."""
    for attempt in range(20):
        log = folder / "log"
        log.unlink(missing_ok=True)
        p = R.start([str(TOOL), "data", "import", "grid", *map(str, words), str(out), "threads=1"], log)
        end = time.monotonic() + 60
        while b"images/s" not in log.read_bytes() and p.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        time.sleep(0.001 * attempt)
        p.send_signal(signal.SIGTERM)
        code = p.wait(60)
        R.expect(code in (0, 75) and (code == 0) == out.exists(), f"stopped: exit code {code}, a whole file or none")
        if code == 75:
            return
        out.unlink()
    R.fail("never stopped while images were written")


def interruptions(folder):
    """Goes on where it was; under other keys, by which boxes differ and sizes do not, it begins anew."""
    path, out, whole = folder / "big.npy", folder / "big.img.h5", folder / "whole.img.h5"
    np.save(path, noise(600 if R.sanitized() else 6000, 16, 512, "<f2"))
    write_ids(folder / "big.ids", [f"picture_{i}" for i in range(len(np.load(path, mmap_mode="r")))])
    for first, second in ((("rows=4", "cols=4"), ("rows=4", "cols=4")), (("rows=4", "cols=4"), ("rows=2", "cols=8"))):
        stopped(folder, out, path, *first)
        code, text = grid(path, out, *second)
        R.expect(code == 0 and ("goes on with image" in text) == (first == second),
                 f"{first}, then {second}: {'goes on' if first == second else 'begins anew'}")
        R.run_ok([TOOL, "data", "import", "grid", path, whole, *second, "threads=1"])
        R.expect(out.read_bytes() == whole.read_bytes(), "equal bytes")
        R.expect(not list(folder.glob("big.img.h5.*")), "nothing half-made is left")
        out.unlink()
        whole.unlink()


# ---- training, as launch/RUNS.md says ------------------------------------------------------------------------------

def page():
    """The commands of the section, and its part of a configuration."""
    text = (R.ROOT / "launch/RUNS.md").read_text()
    text = text[text.index("## Features of a ViT"):]
    lines = [line[4:] for line in text[:text.index("\n## ", 4)].splitlines() if line.startswith("    ")]
    commands = [line for line in lines if line.startswith(("uniter ", "uniter_dist "))]
    return commands, "\n".join(line for line in lines if line not in commands)


def picture_set(folder, images=240, side=7, width=24):
    """A thing on the left, another on the right: cells are the thing's prototype and noise, the caption names both."""
    rng = np.random.default_rng(11)
    prototypes = rng.normal(size=(len(THINGS), width))
    left, right = rng.integers(0, len(THINGS), (2, images))
    cells = np.where(np.arange(side * side) % side < 4, left[:, None], right[:, None])
    tokens = prototypes[cells] + 0.1 * rng.normal(size=(images, side * side, width))
    tokens = np.concatenate([tokens.mean(1, keepdims=True), tokens], 1)
    np.save(folder / "train.npy", tokens.astype("<f4"))
    ids = [f"{i:06d}.jpg" for i in range(images)]
    write_ids(folder / "train_ids.txt", ids)
    captions = [f"a {THINGS[a]} on the left and a {THINGS[b]} on the right" for a, b in zip(left, right)]
    (folder / "captions.txt").write_text("\n".join(captions) + "\n")
    (folder / "captions.tsv").write_text("".join(f"{i}\t{c}\n" for i, c in zip(ids, captions)))


def run_in(folder, command):
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return R.run(["bash", "-c", f"cd {folder} && {command}"], PATH=path)


def first_and_last(metrics, name):
    """Means of the first and of the last tenth of what was drawn."""
    values = [m[name] for m in metrics if name in m]
    tenth = max(1, len(values) // 10)
    return np.mean(values[:tenth]), np.mean(values[-tenth:])


def training(folder):
    commands, data = page()
    R.expect(len(commands) == 5 and "max_bb: 49" in data, f"launch/RUNS.md: {len(commands)} commands and a data section")
    picture_set(folder)
    (folder / "bin").mkdir()
    for program in ("uniter", "uniter_dist"):
        shutil.copy(R.BUILD / program, folder / "bin" / program)
    steps = 300 if R.sanitized() else 700
    (folder / "vit.yaml").write_text(f"""\
run: {{dir: {folder}/run, seed: 5}}
device: cpu
model: {{hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 128, dropout: 0.0}}
{data}
train: {{steps: {steps}, lanes: 2, tokens_per_lane: 256, itm_ot_lambda: 0.1}}
optim: {{lr: 2.0e-3, warmup_steps: 20}}
valid: {{every: 0}}
checkpoint: {{every: 0}}
log: {{every: 1}}
""")
    for command in commands:
        code, text = run_in(folder, command)
        R.expect(code == 0, f"{command}{': ' + text[-1500:] if code else ''}")
    learned(R.metrics(folder / "run"))
    no_labels(folder)
    ranks(folder)


def learned(metrics):
    """Of 11 words a caption 2 are things, ln(8) each for who sees no cells; with the ids in another order MLM ends at 0.28. A cell
    is told by those around it (MRFR). Matching takes longer to be learned than a test may last: it and its transport are there.
    """
    for name, most in (("loss/mlm", 0.15), ("loss/mrfr", 0.15), ("loss", 0.5)):
        first, last = first_and_last(metrics, name)
        R.expect(last < (first if R.sanitized() else most), f"{name}: {first:.4f} at first, {last:.4f} at last")
    seen = {k: v for m in metrics for k, v in m.items() if k.startswith("loss/")}
    R.expect({"loss/itm_vit", "loss/mlm_vit", "loss/mrfr_vit", "loss/itm_ot_pos", "loss/itm_ot_neg"} <= set(seen),
             "all three objectives were drawn, and word-region alignment with them")


def no_labels(folder):
    for kind in ("mrc", "mrckl"):
        code, text = run_in(folder, f"sed 's/mrfr: 1/{kind}: 1/' vit.yaml > {kind}.yaml; uniter_dist --cfg {kind}.yaml run.dir={folder}/none")
        R.expect(code == 65 and "train.img.h5: soft_label is missing" in text and "mrfr" in text, f"{kind} is refused: {text.strip()[-250:]}")


def ranks(folder):
    seen = {}
    for n in (1, 2) if R.has_mpi() else (1,):
        run = folder / f"ranks_{n}"
        launcher = f"mpirun --oversubscribe -np {n} " if n > 1 else ""
        code, text = run_in(folder, f"{launcher}uniter_dist --cfg vit.yaml run.dir={run} run.threads=1 train.steps=12 optim.warmup_steps=3 checkpoint.every=12")
        R.expect(code == 0, f"{n} ranks{': ' + text[-1500:] if code else ''}")
        seen[n] = R.metrics(run), R.digests(run, 12)
    R.expect(all(value == seen[1] for value in seen.values()), "losses and parameters do not depend on the ranks")


def main():
    with R.Folder() as folder:
        (folder / "files").mkdir()
        forms(folder / "files")
        refused(folder / "files")
        interruptions(folder / "files")
        training(folder)


if __name__ == "__main__":
    main()
