"""Files of weights read and written without the program's code, the parameters of a checkpoint, and data for a small run."""
import json
import struct

import h5py
import numpy as np
import runlib as R

VOCAB, IMG_DIM, CLASSES, WIDTH = 120, 24, 13, 64  # those of the reference file tiny.h5


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


def write_file(path, tensors, metadata=None):
    header, at = ({"__metadata__": metadata} if metadata else {}), 0
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


def same_bits(a, b):
    return a.shape == b.shape and a.tobytes() == b.tobytes()
