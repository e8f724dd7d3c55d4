"""A small region detector with random weights, and photos as PNG, made with nothing but numpy."""
import json
import struct
import zlib

import numpy as np

SIZES = dict(stem=8, bottleneck=4, width=16, blocks=(1, 1, 2, 1), rpn=12, anchors=3, classes=20, attributes=6, embedding=8,
             hidden=16)


def shapes(s):
    """Names and shapes of a detector's tensors, in the order of the public file."""
    found = []

    def conv(name, out, inner, side):
        found.append((f"{name}.weight", (out, inner, side, side)))
        found.extend((f"{name}.norm.{part}", (out,)) for part in ("weight", "bias", "running_mean", "running_var"))

    def stage(name, blocks, inner, mid, out):
        for b in range(blocks):
            if inner != out:
                conv(f"{name}.{b}.shortcut", out, inner, 1)
            conv(f"{name}.{b}.conv1", mid, inner, 1)
            conv(f"{name}.{b}.conv2", mid, mid, 3)
            conv(f"{name}.{b}.conv3", out, mid, 1)
            inner = out

    def linear(name, *shape):
        found.extend([(f"{name}.weight", shape), (f"{name}.bias", shape[:1])])
    width, feature, rpn, box = s["width"], 8 * s["width"], "proposal_generator.rpn_head", "roi_heads.box_predictor"
    conv("backbone.stem.conv1", s["stem"], 3, 7)
    for k, inner in enumerate((s["stem"], width, 2 * width)):
        stage(f"backbone.res{k + 2}", s["blocks"][k], inner, s["bottleneck"] << k, width << k)
    found.append(("proposal_generator.anchor_generator.cell_anchors.0", (s["anchors"], 4)))
    linear(f"{rpn}.conv", s["rpn"], 4 * width, 3, 3)
    linear(f"{rpn}.objectness_logits", s["anchors"], s["rpn"], 1, 1)
    linear(f"{rpn}.anchor_deltas", 4 * s["anchors"], s["rpn"], 1, 1)
    stage("roi_heads.res5", s["blocks"][3], 4 * width, 8 * s["bottleneck"], feature)
    linear(f"{box}.cls_score", s["classes"] + 1, feature)
    linear(f"{box}.bbox_pred", 4 * s["classes"], feature)
    found.append((f"{box}.cls_embedding.weight", (s["classes"] + 1, s["embedding"])))
    linear(f"{box}.fc_attr", s["hidden"], feature + s["embedding"])
    linear(f"{box}.attr_score", s["attributes"] + 1, s["hidden"])
    return found


def value(rng, name, shape):
    """Values that keep what the network computes near the size of its input."""
    if name.endswith("cell_anchors.0"):
        side = 32.0 * 2.0 ** np.arange(shape[0])
        return np.stack([-side / 2, -side / 2, side / 2, side / 2], axis=1)
    if name.endswith(("running_var", "norm.weight")):
        return rng.uniform(0.5, 1.5, shape) * (0.3 if "conv3.norm.weight" in name else 1)
    if len(shape) == 1:
        return rng.uniform(-0.1, 0.1, shape)
    return rng.normal(0, 1, shape) * np.sqrt(2 / np.prod(shape[1:])) * (0.1 if "anchor_deltas" in name else 1)


def write_detector(path, seed=1, drop=(), **sizes):
    rng, header, body = np.random.default_rng(seed), {}, b""
    for name, shape in shapes({**SIZES, **sizes}):
        data = value(rng, name, shape).astype("<f4").tobytes()
        if name in drop:
            continue
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def write_png(path, rgb):
    """rgb: uint8 [height,width,3]."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    height, width = rgb.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in np.ascontiguousarray(rgb))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b""))


def write_photos(folder, n, side=(30, 60), seed=1, first=0):
    """Soft colours with a few blocks, no two alike."""
    folder.mkdir(exist_ok=True)
    rng = np.random.default_rng(seed)
    for i in range(first, first + n):
        height, width = (int(x) for x in rng.integers(*side, 2))
        rgb = np.broadcast_to(rng.integers(0, 256, 3), (height, width, 3)).copy()
        for _ in range(4):
            y, x = int(rng.integers(height - 8)), int(rng.integers(width - 8))
            rgb[y:y + int(rng.integers(8, 30)), x:x + int(rng.integers(8, 30))] = rng.integers(0, 256, 3)
        write_png(folder / f"photo_{i:04}.png", rgb.astype(np.uint8))
