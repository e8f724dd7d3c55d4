"""Weights in and out: a checkpoint of two shards exported and read by Python, by the program, and by PyTorch; BERT as the
start of a training; what is refused. Reads files by its own reader of safetensors.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no {error.name}")

VOCAB, IMG_DIM, CLASSES, WIDTH = 120, 24, 13, 64  # those of the reference file tiny.h5
COPIES = {"cls.predictions.decoder.weight": "uniter.embeddings.word_embeddings.weight",
          "feat_regress.weight": "uniter.img_embeddings.img_linear.weight"}
TOOL = R.BUILD / "uniter"


def small_data(folder, images=24, texts=2):
    rng = np.random.default_rng(3)
    regions = rng.integers(3, 9, images)
    n = int(regions.sum())
    corner, size = rng.random((n, 2)) * 0.5, 0.1 + rng.random((n, 2)) * 0.4
    with h5py.File(folder / "s.img.h5", "w") as f:
        f.attrs.update({"format": "uniter-images", "version": 1, "complete": 1})
        f["image_id"] = np.array([f"i{i}" for i in range(images)], "S4")
        f["region_offset"] = np.concatenate([[0], np.cumsum(regions)])
        f["feature"] = rng.normal(size=(n, IMG_DIM)).astype("<f2")
        f["box"] = np.hstack([corner, corner + size, size]).astype("<f4")
        f["confidence"] = np.full(n, 0.5, "<f2")
        f["soft_label"] = rng.dirichlet(np.full(CLASSES, 0.1), n).astype("<f2")
    words = rng.integers(3, 12, images * texts)
    with h5py.File(folder / "s.txt.h5", "w") as f:
        f.attrs.update({"format": "uniter-text", "version": 1, "complete": 1, "vocab_size": VOCAB, "unk_id": 0,
                        "cls_id": 1, "sep_id": 2, "mask_id": 3, "random_lo": 4, "random_hi": VOCAB, "tokenizer": "made"})
        f["text_id"] = np.array([f"t{i}" for i in range(images * texts)], "S4")
        f["image_id"] = np.array([f"i{i // texts}" for i in range(images * texts)], "S4")
        f["token_offset"] = np.concatenate([[0], np.cumsum(words)])
        f["token"] = rng.integers(4, VOCAB, words.sum()).astype("<i4")


def config(folder):
    path = folder / "c.yaml"
    path.write_text(f"""\
run: {{dir: {folder}/run, seed: 5}}
device: cpu
model: {{hidden_size: {WIDTH}, num_hidden_layers: 2, num_attention_heads: 4, intermediate_size: 128, max_position_embeddings: 96}}
data:
  min_bb: 2
  train:
    - {{name: s, text: {folder}/s.txt.h5, images: {folder}/s.img.h5, mix: {{itm: 1, mlm: 1, mrfr: 1, mrc: 1}}}}
train: {{steps: 6, lanes: 4, tokens_per_lane: 160}}
optim: {{lr: 1.0e-3, warmup_steps: 2}}
""")
    return path


def read_file(path):
    """{name: array}, metadata; bf16 comes as its 16 bits."""
    data = path.read_bytes()
    head, = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + head])
    meta, out, at = header.pop("__metadata__", {}), {}, 0
    for name, t in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = t["data_offsets"]
        must(begin == at, f"{path}: {name} begins at {begin}, not {at}")
        kind = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[t["dtype"]]
        out[name] = np.frombuffer(data, kind, (end - begin) // np.dtype(kind).itemsize, 8 + head + begin).reshape(t["shape"])
        at = end
    must(8 + head + at == len(data), f"{path}: tensors end with the file")
    return out, meta


def must(condition, text):
    if not condition:
        R.fail(text)


def write_file(path, tensors):
    header, at = {}, 0
    for name, a in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(a.shape), "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.astype("<f4").tobytes() for a in tensors.values()))


def parameters(run):
    """{name: array} of the newest checkpoint, from its shards."""
    folder = sorted((run / "ckpt").iterdir())[-1]
    m = json.loads((folder / "manifest.json").read_text())
    flat = np.concatenate([h5py.File(folder / s["file"])["p"][:] for s in m["shards"]])
    must(len(flat) == m["total"], "the shards hold all parameters")
    return {p["name"]: flat[p["offset"]:p["offset"] + int(np.prod(p["shape"]))].reshape(p["shape"])
            for p in m["params"]}, m


def bf16(a):
    """Bits of the nearest bf16, ties to even."""
    bits = a.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def same_bits(a, b):
    return a.shape == b.shape and a.tobytes() == b.tobytes()


def check_export(folder, run, want, manifest):
    out = folder / "f32.safetensors"
    R.run_ok([TOOL, "weights", "export", run, out])
    tensors, meta = read_file(out)
    R.expect(set(tensors) == set(want) | set(COPIES), f"f32: {len(want)} tensors and the {len(COPIES)} tied ones")
    R.expect(all(same_bits(tensors[n], want[COPIES.get(n, n)]) for n in tensors), "f32: bit for bit, tied ones too")
    R.expect(meta["param_digest"] == manifest["param_digest"] and meta["step"] == "6" and meta["hidden_size"] == "64" and
             meta["num_attention_heads"] == "4", "metadata: step, sizes, digest of the parameters")
    R.run_ok([TOOL, "weights", "export", run, folder / "f16.safetensors", "dtype=f16", "tied=false"])
    half, _ = read_file(folder / "f16.safetensors")
    R.expect(set(half) == set(want) and all(same_bits(half[n], want[n].astype("<f2")) for n in half), "f16: rounded, not tied")
    R.run_ok([TOOL, "weights", "export", run, folder / "bf16.safetensors", "dtype=bf16"])
    brain, _ = read_file(folder / "bf16.safetensors")
    R.expect(all(same_bits(brain[n], bf16(want[COPIES.get(n, n)])) for n in brain), "bf16: rounded to nearest even")
    R.expect("equal" in R.run_ok([TOOL, "weights", "diff", run, out]), "diff: the file and the run are equal")
    code, text = R.run([TOOL, "weights", "diff", run, folder / "bf16.safetensors"])
    R.expect(code == 65 and "differ" in text, "diff: bf16 is not the run")
    text = R.run_ok([TOOL, "weights", "show", out])
    R.expect(all(n in text for n in want), "show: every tensor")
    code, text = R.run([TOOL, "weights", "export", run, out])
    R.expect(code == 64 and "exists" in text, "export does not overwrite")
    R.run_ok([TOOL, "weights", "import", out, folder / "again.safetensors"])
    again, _ = read_file(folder / "again.safetensors")
    R.expect(all(same_bits(again[n], tensors[n]) for n in tensors), "import of released names keeps every value")
    return out


def check_init(folder, cfg, out, want):
    """At a learning rate of nothing, six updates leave what model.init gave."""
    still = ["optim.lr=0", "--quiet"]
    R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={out}", f"run.dir={folder}/from_file", *still])
    got, _ = parameters(folder / "from_file")
    worst = max(np.abs(got[n] - want[n]).max() for n in want)
    R.expect(worst < 1e-5, f"model.init: the training starts from the file (largest difference {worst:.1e})")
    text = R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/run", f"run.dir={folder}/from_run", *still])
    other, _ = parameters(folder / "from_run")
    R.expect(all(same_bits(other[n], got[n]) for n in got), "model.init: a run's folder gives the same")


def bert_of(want):
    rng = np.random.default_rng(9)
    bert = {}
    for name, value in want.items():
        if name.startswith("uniter.") and "img_embeddings" not in name:
            bert["bert." + name[len("uniter."):]] = rng.normal(size=value.shape).astype("<f4")
        elif name.startswith("cls."):
            bert[name] = rng.normal(size=value.shape).astype("<f4")
    bert["cls.predictions.decoder.weight"] = bert["bert.embeddings.word_embeddings.weight"]
    bert["cls.seq_relationship.weight"] = np.zeros((2, WIDTH), "<f4")
    bert["bert.something.else"] = np.zeros(3, "<f4")
    return bert


def check_bert(folder, cfg, want):
    bert = bert_of(want)
    write_file(folder / "bert.safetensors", bert)
    text = R.run_ok([TOOL, "weights", "import", folder / "bert.safetensors", folder / "start.safetensors"])
    R.expect("bert.something.else" in text, "import: an unexpected tensor is listed")
    R.expect("img_embeddings" in text, "import: tensors that BERT does not have are listed")
    start, _ = read_file(folder / "start.safetensors")
    taken = [n for n in start if n not in COPIES]
    R.expect(all(same_bits(start[n], bert["bert." + n[7:] if n.startswith("uniter.") else n]) for n in taken),
             f"import: {len(taken)} tensors of BERT under UNITER's names")
    text = R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/bert.safetensors", f"run.dir={folder}/b",
                     "optim.lr=0"])
    got, _ = parameters(folder / "b")
    R.expect("img_embeddings" in text and max(np.abs(got[n] - start[n]).max() for n in taken) < 1e-4,
             "model.init: BERT's values, and the log lists what is drawn at random")
    bert["bert.pooler.dense.bias"] = np.zeros(WIDTH + 1, "<f4")
    write_file(folder / "wide.safetensors", bert)
    code, text = R.run([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/wide.safetensors", f"run.dir={folder}/w"])
    R.expect(code == 64 and "pooler.dense.bias" in text, "a wrong shape is an error that names the tensor")


def check_damage(folder, cfg, out):
    data = out.read_bytes()
    cases = {"empty": b"", "cut": data[:len(data) // 2], "header": struct.pack("<Q", 1 << 60) + data[8:], "text": b"hello" * 20,
             "longer": data + b"\0"}
    for name, content in cases.items():
        path = folder / f"{name}.safetensors"
        path.write_bytes(content)
        code, text = R.run([TOOL, "weights", "show", path])
        R.expect(code == 65 and path.name in text, f"{name}: refused with the file's name")
    code, text = R.run([TOOL, "weights", "show", folder / "none.safetensors"])
    R.expect(code == 74, "a missing file is an input error")
    code, text = R.run(["bash", "-c", f"ulimit -f 64; trap '' XFSZ; {TOOL} weights export {folder}/run {folder}/full.safetensors"])
    R.expect(code == 74 and "full.safetensors" in text and not list(folder.glob("full*")), "no room: error, nothing left")


def losses(folder, out):
    reference = R.SHARED / "reference" / "tiny.h5"
    if not reference.exists():
        print("skipped: no reference file, so no losses")
        return
    ours, run = (json.loads(R.run_ok([R.BUILD / "tests/losses", source, reference]).splitlines()[-1])  # after words about OpenBLAS
                 for source in (out, folder / "run"))
    R.expect(ours == run, "losses from the file and from the run are the same")
    python = os.environ.get("UN_TORCH_PYTHON", sys.executable)
    p = subprocess.run([python, pathlib.Path(__file__).with_name("torch_losses.py"), out, reference, reference.parent],
                       capture_output=True, text=True)
    if p.returncode == 77:
        print(p.stdout.strip(), "(UN_TORCH_PYTHON names a Python with torch, safetensors and h5py)")
        return
    R.expect(p.returncode == 0, f"PyTorch loads the file strictly {p.stderr[-2000:]}")
    theirs = json.loads(p.stdout)
    worst = max(abs(ours[t] - theirs[t]) / max(1, abs(theirs[t])) for t in theirs)
    print("ours", ours, "\nPyTorch's", theirs)
    R.expect(len(theirs) == 5 and worst < 1e-5, f"PyTorch computes the same losses (worst {worst:.2e})")
    script = R.ROOT / "launch/tools/pt_safetensors.py"
    for source, target in ((out, folder / "w.pt"), (folder / "w.pt", folder / "back.safetensors")):
        R.run_ok([python, script, source, target])
    R.run_ok([TOOL, "weights", "diff", out, folder / "back.safetensors"])
    R.expect(True, "through .pt and back: equal")


def main():
    with R.Folder() as folder:
        small_data(folder)
        cfg = config(folder)
        R.run_ok([*R.command(2 if R.has_mpi() else 1), "--cfg", cfg, "--quiet"])
        want, manifest = parameters(folder / "run")
        R.expect(len(manifest["shards"]) == (2 if R.has_mpi() else 1), f"{len(manifest['shards'])} shards")
        out = check_export(folder, folder / "run", want, manifest)
        check_init(folder, cfg, out, want)
        check_bert(folder, cfg, want)
        check_damage(folder, cfg, out)
        losses(folder, out)


if __name__ == "__main__":
    main()
