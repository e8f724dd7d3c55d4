"""Made images, and what an import of features wrote compared with them value for value."""
import base64

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")

CLASSES = 11


# ---- made images ---------------------------------------------------------------------------------------------------

def draw(rng, width, regions=None, kind=np.float32):
    """One image: features, unit boxes of float32 that are kept as they stand, falling confidences, soft labels."""
    n = regions or int(rng.integers(1, 9))
    x1, y1, w, h = (rng.random((4, n), np.float32) * np.float32(0.5)).astype(kind)
    box = np.stack([x1, y1, x1 + w, y1 + h, w, h, w * h], axis=1)
    return {"features": rng.standard_normal((n, width), np.float32).astype(kind), "norm_bb": box.astype(kind),
            "conf": -np.sort(-rng.random(n, np.float32)).astype(kind),
            "soft_labels": rng.dirichlet(np.ones(CLASSES), n).astype(kind)}


def made(n, width=24, kind=np.float32, seed=1):
    rng = np.random.default_rng(seed)
    return {f"coco_val2014_{i:012}": draw(rng, width, kind=kind) for i in range(n)}


def pixels(image, width=640, height=480):
    """The same boxes in pixels, and what the program makes of them: quotients in double, rounded once."""
    corners = image["norm_bb"][:, :4].astype(np.float32) * np.array([width, height, width, height], np.float32)
    return corners, unit(corners, width, height)


def unit(corners, width, height):
    box = (corners.astype(np.float64) / np.array([width, height, width, height])).astype(np.float32)
    return np.concatenate([box, box[:, 2:3] - box[:, 0:1], box[:, 3:4] - box[:, 1:2]], axis=1)


def b64(array):
    return base64.b64encode(np.ascontiguousarray(array).tobytes()).decode()


# ---- reading back --------------------------------------------------------------------------------------------------

def bits(a):
    return a.view({2: np.uint16, 4: np.uint32}[a.dtype.itemsize])


def compare(path, want, what):
    """want: id -> (features, box [n,6], confidences or None, soft labels or None), in the file's order."""
    with h5py.File(path) as f:
        ids = [x.decode() for x in f["image_id"][()]]
        offset, feature, box, conf = (f[k][()] for k in ("region_offset", "feature", "box", "confidence"))
        soft = f["soft_label"][()] if "soft_label" in f else None
    assert ids == list(want), f"{what}: ids {ids[:3]} ... are not {list(want)[:3]} ..."
    for i, (key, (w_feature, w_box, w_conf, w_soft)) in enumerate(want.items()):
        rows = slice(offset[i], offset[i + 1])
        n = len(w_feature)
        assert offset[i + 1] - offset[i] == n, f"{what}: {key}: regions"
        order = np.arange(n) if w_conf is None else np.argsort(-w_conf.astype(np.float64), kind="stable")
        assert feature.dtype == w_feature.dtype, f"{what}: feature type {feature.dtype}"
        assert np.array_equal(bits(feature[rows]), bits(np.ascontiguousarray(w_feature[order]))), f"{what}: {key}: features"
        assert np.array_equal(box[rows], w_box[order].astype(np.float32)), f"{what}: {key}: boxes"
        w_conf = np.ones(n, np.float32) if w_conf is None else w_conf
        assert np.array_equal(conf[rows].astype(np.float64), w_conf[order].astype(np.float64)), f"{what}: {key}: conf"
        assert (soft is None) == (w_soft is None), f"{what}: soft labels"
        if soft is not None:
            assert soft.dtype == w_soft.dtype, f"{what}: soft type {soft.dtype}"
            assert np.array_equal(bits(soft[rows]), bits(np.ascontiguousarray(w_soft[order]))), f"{what}: {key}: soft labels"
    print(f"ok: {what}: {len(want)} images, {int(offset[-1])} regions equal to the source")


def record(image, box=None):
    return (image["features"], image["norm_bb"][:, :6] if box is None else box, image.get("conf"), image.get("soft_labels"))


def importing(form, sources, out, *keys, code=0, words=(), **kw):
    got, text = R.run([R.BUILD / "uniter", "data", "import", form, *sources, out, *keys], **kw)
    if got != code or any(w not in text for w in words):
        print(text[-3000:])
        R.fail(f"import {form} {sources[0]}: exit code {got}, not {code}, or a word of {words} is missing")
    left = sorted(out.parent.glob(out.name + "*"))
    if code in (0, 75):
        assert out in left or code == 75
    elif left:
        R.fail(f"import {form} {sources[0]} left {left}")
    return text
