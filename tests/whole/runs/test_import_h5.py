"""`uniter data import h5`: every form of HDF5 that is read, made with h5py, imported and read back value for value; and what
is refused, with nothing left behind.
"""
import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no {error.name}")

TOOL = R.BUILD / "uniter"
WIDTH, CLASSES, IMAGES = 40, 9, 13


class Made:
    """Images with everything a detector knows; falling confidences, so that regions keep their order."""

    def __init__(self, seed, pixels):
        rng = np.random.default_rng(seed)
        self.n = rng.integers(2, 12, IMAGES)
        self.first = np.concatenate([[0], np.cumsum(self.n)])
        total = int(self.first[-1])
        self.size = rng.integers(100, 900, (IMAGES, 2)).astype(np.float64)  # w h
        self.feature = rng.normal(size=(total, WIDTH)).astype("<f4")
        corner, extent = rng.random((total, 2)) * 0.5, 0.1 + rng.random((total, 2)) * 0.4
        box = np.hstack([corner, corner + extent])
        scale = np.repeat(self.size, self.n, axis=0)
        self.box = (box * np.hstack([scale, scale]) if pixels else box).astype("<f4")
        self.scale = np.hstack([scale, scale]) if pixels else np.ones((total, 4))
        self.confidence = np.concatenate([np.sort(rng.random(n))[::-1] for n in self.n]).astype("<f4")
        self.soft = rng.dirichlet(np.full(CLASSES, 0.3), total).astype("<f4")

    def boxes(self):
        """As the file must hold them: quotients rounded to float, then differences in float."""
        unit = (self.box.astype(np.float64) / self.scale).astype("<f4")
        return np.hstack([unit, unit[:, 2:] - unit[:, :2]]).astype("<f4")

    def rows(self, i):
        return slice(self.first[i], self.first[i + 1])


def as_texts(f, name, ids, **how):
    """Texts of variable length, as h5py makes of str."""
    f.create_dataset(name, data=[x.decode() for x in ids], dtype=h5py.string_dtype(), **how)


def flat(path, m, ids):
    with h5py.File(path, "w") as f:
        f["image_features"], f["image_bb"] = m.feature, m.box
        f["pos_boxes"] = np.stack([m.first[:-1], m.first[1:]], 1)
        as_texts(f, "image_id", ids)
        f["image_w"], f["image_h"] = m.size[:, 0].astype("<i8"), m.size[:, 1].astype("<i8")
        f["conf"], f["soft_labels"] = m.confidence, m.soft


def spatial(path, m, ids):
    """The files for VQA: unit boxes of six numbers, no confidences, compressed."""
    with h5py.File(path, "w") as f:
        f.create_dataset("image_features", data=m.feature.astype("<f2"), chunks=(7, WIDTH), compression="gzip")
        f["spatial_features"] = m.boxes()
        f["pos_boxes"] = np.stack([m.first[:-1], m.first[1:]], 1).astype("<i4")
        f["image_ids"] = ids


def fixed(path, m, ids):
    k = int(m.n.max())
    feature, box = np.zeros((IMAGES, k, WIDTH), "<f4"), np.zeros((IMAGES, k, 4), "<f4")
    confidence = np.zeros((IMAGES, k), "<f4")
    for i in range(IMAGES):
        feature[i, :m.n[i]], box[i, :m.n[i]] = m.feature[m.rows(i)], m.box[m.rows(i)]
        confidence[i, :m.n[i]] = m.confidence[m.rows(i)]
    with h5py.File(path, "w") as f:
        f["features"], f["boxes"], f["num_boxes"], f["scores"] = feature, box, m.n, confidence
        as_texts(f, "ids", ids, maxshape=(None,), chunks=(5,))


def groups(path, m, ids):
    with h5py.File(path, "w") as f:
        for i, name in enumerate(ids):
            g = f.create_group(f"images/{name}")
            g["features"], g["boxes"], g["conf"] = m.feature[m.rows(i)], m.box[m.rows(i)], m.confidence[m.rows(i)]
            g.attrs["image_w"], g.attrs["image_h"] = m.size[i]


def names(path, m, ids):
    with h5py.File(path, "w") as f:
        for i, name in enumerate(ids):
            f[f"{name}_features"] = m.feature[m.rows(i)]
            f[f"{name}_boxes"] = m.box[m.rows(i)]
            f[f"{name}_cls_prob"] = m.soft[m.rows(i)]


def same(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def check(out, m, ids, what, feature=None, confidence=True, soft=True):
    """ids: in the order of the file."""
    with h5py.File(out) as f:
        got = [x.decode() for x in f["image_id"][:]]
        R.expect(got == [str(x) for x in ids], f"{what}: ids")
        R.expect(same(f["region_offset"][:], m.first.astype("<i8")), f"{what}: offsets")
        R.expect(same(f["feature"][:], m.feature if feature is None else feature), f"{what}: features bit for bit")
        R.expect(same(f["box"][:], m.boxes()), f"{what}: boxes")
        want = m.confidence if confidence else np.ones_like(f["confidence"][:])
        R.expect(same(f["confidence"][:], want), f"{what}: confidences")
        R.expect(("soft_label" in f) == soft and (not soft or same(f["soft_label"][:], m.soft)), f"{what}: soft labels")
    R.run_ok([TOOL, "data", "verify", out])


def forms(folder):
    texts = np.array([f"image_{i:03d}.jpg" for i in range(IMAGES)], "S16")
    numbers = np.arange(IMAGES) * 7 + 1000
    id_list = [t.decode() for t in texts]
    cases = [
        ("flat", Made(1, True), flat, texts, id_list, {}),
        ("spatial", Made(2, False), spatial, numbers, list(numbers), {"confidence": False, "soft": False}),
        ("fixed", Made(3, False), fixed, texts, id_list, {"soft": False}),
        ("groups", Made(4, True), groups, id_list, id_list, {"soft": False}),
        ("names", Made(5, False), names, numbers, list(numbers), {"confidence": False}),
    ]
    for what, m, write, ids, order, how in cases:
        write(folder / f"{what}.h5", m, ids)
        if what == "spatial":
            how = dict(how, feature=m.feature.astype("<f2"))
        R.run_ok([TOOL, "data", "import", "h5", folder / f"{what}.h5", folder / f"{what}.img.h5", "--quiet", "true"])
        check(folder / f"{what}.img.h5", m, order, what, **how)
    # many threads and one make the same file
    R.run_ok([TOOL, "data", "import", "h5", folder / "flat.h5", folder / "one.img.h5", "threads=1"])
    R.expect((folder / "one.img.h5").read_bytes() == (folder / "flat.img.h5").read_bytes(), "one thread: the same bytes")


def edit(folder, change):
    path = folder / "bad.h5"
    m = Made(6, True)
    flat(path, m, np.array([f"i{i}" for i in range(IMAGES)], "S4"))
    with h5py.File(path, "r+") as f:
        change(f)
    return path


def put(f, name, value):
    del f[name]
    f[name] = value


def refused(folder):
    def set_row(name, at, value):
        def change(f):
            f[name][at] = value
        return change

    cases = [
        ("NaN", set_row("image_features", (5, 3), np.nan), 65, ["feature", "not a finite"]),
        ("an id twice", set_row("image_id", 3, b"i1"), 65, ["i1", "twice"]),
        ("no regions", set_row("pos_boxes", 2, [4, 4]), 65, ["image 2"]),
        ("regions past the end", set_row("pos_boxes", IMAGES - 1, [0, 10 ** 6]), 65, ["1000000"]),
        ("a box outside", set_row("image_bb", 2, [-500, 0, 10, 10]), 65, ["box"]),
        ("no size", lambda f: f.__delitem__("image_w"), 65, ["image_w"]),
        ("fewer ids", lambda f: put(f, "image_id", np.array(["a", "b"], "S1")), 65, ["2 image ids"]),
        ("texts in compressed pieces", lambda f: (f.__delitem__("image_id"), as_texts(
            f, "image_id", np.arange(IMAGES).astype("S4"), chunks=(5,), compression="gzip")), 65, ["image_id", "compressed"]),
        ("boxes of three", lambda f: put(f, "image_bb", np.zeros((4, 3), "<f4")), 65, ["image_bb"]),
        ("no boxes", lambda f: f.__delitem__("image_bb"), 65, ["boxes"]),
        ("nothing known", lambda f: [f.__delitem__(k) for k in list(f)], 65, ["forms"]),
        ("an external link", lambda f: (f.__delitem__("image_bb"),
                                        f.__setitem__("image_bb", h5py.ExternalLink("/etc/passwd", "x"))), 65, ["link"]),
    ]
    for what, change, want, words in cases:
        path = edit(folder, change)
        code, out = R.run([TOOL, "data", "import", "h5", path, folder / "bad.img.h5"])
        left = [p.name for p in folder.glob("bad.img.h5*")]
        R.expect(code == want and "bad.h5" in out and all(w in out for w in words), f"{what}: {code}, {out.strip()[:150]}")
        R.expect(not left, f"{what}: nothing left {left}")
    for what, content in (("empty", b""), ("text", b"no HDF5" * 100), ("cut", (folder / "flat.h5").read_bytes()[:5000])):
        (folder / "bad.h5").write_bytes(content)
        code, out = R.run([TOOL, "data", "import", "h5", folder / "bad.h5", folder / "bad.img.h5"])
        R.expect(code == 65 and "bad.h5" in out and not list(folder.glob("bad.img.h5*")), f"{what} file: {out.strip()[:120]}")
    code, out = R.run([TOOL, "data", "import", "h5", folder / "none.h5", folder / "bad.img.h5"])
    R.expect(code == 74 and "none.h5" in out, "a missing file")
    code, out = R.run([TOOL, "data", "import", "h5", folder / "flat.h5", folder / "flat.img.h5"])
    R.expect(code == 64 and "not overwritten" in out, "nothing is overwritten")
    code, out = R.run(["bash", "-c", f"ulimit -f 4; trap '' XFSZ; {TOOL} data import h5 {folder}/flat.h5 {folder}/full.img.h5"])
    R.expect(code == 74 and not list(folder.glob("full*")), f"no room: nothing left ({out.strip()[:120]})")


def ids_file(folder):
    m = Made(7, False)
    path = folder / "noid.h5"
    fixed(path, m, np.arange(IMAGES).astype("S4"))
    with h5py.File(path, "r+") as f:
        del f["ids"]
    (folder / "ids.txt").write_text("".join(f"COCO_val2014_{i:012d}.jpg\n" for i in range(IMAGES)))
    code, out = R.run([TOOL, "data", "import", "h5", path, folder / "noid.img.h5"])
    R.expect(code == 65 and "ids=FILE" in out, "without ids: says how to give them")
    R.run_ok([TOOL, "data", "import", "h5", path, folder / "noid.img.h5", f"ids={folder}/ids.txt"])
    check(folder / "noid.img.h5", m, [f"COCO_val2014_{i:012d}.jpg" for i in range(IMAGES)], "ids=FILE", soft=False)


def padded(folder):
    """A fixed number of regions, filled up with zeros, and nothing that says how many count."""
    m, ids = Made(8, True), np.arange(IMAGES)
    k = int(m.n.max()) + 2
    feature, box = np.zeros((IMAGES, k, WIDTH), "<f4"), np.zeros((IMAGES, k, 4), "<f4")
    for i in range(IMAGES):
        feature[i, :m.n[i]], box[i, :m.n[i]] = m.feature[m.rows(i)], m.box[m.rows(i)]
    m.feature[m.first[1] - 1] = feature[0, m.n[0] - 1] = 0  # a box without features is a region
    m.box[m.first[2] - 1] = box[1, m.n[1] - 1] = 0  # and so are features without a box

    def write(path, feature, box):
        with h5py.File(path, "w") as f:
            f["features"], f["boxes"], f["image_id"] = feature, box, ids
            f["image_w"], f["image_h"] = m.size[:, 0], m.size[:, 1]

    write(folder / "padded.h5", feature, box)
    out = R.run_ok([TOOL, "data", "import", "h5", folder / "padded.h5", folder / "padded.img.h5"])
    left = IMAGES * k - int(m.first[-1])
    R.expect(f"{left} regions of zeros at the ends of {IMAGES} of {IMAGES} images" in out, f"padding is told: {out[:200]}")
    check(folder / "padded.img.h5", m, list(ids), "padded", confidence=False, soft=False)
    feature[3], box[3] = 0, 0
    write(folder / "zeros.h5", feature, box)
    code, out = R.run([TOOL, "data", "import", "h5", folder / "zeros.h5", folder / "zeros.img.h5"])
    R.expect(code == 65 and f"image 3: all its {k} regions are zeros" in out, f"nothing but zeros: {out[:200]}")
    with h5py.File(folder / "padded.h5", "r+") as f:
        f["num_boxes"] = np.full(IMAGES, k)
    code, out = R.run([TOOL, "data", "import", "h5", folder / "padded.h5", folder / "wrong.img.h5"])
    R.expect(code == 65 and "padding?" in out, f"counts that count the padding: {out[:200]}")


def other_names(folder):
    """The names of VL-T5's files; what is not taken is told once; what is missing is told with what is there."""
    m = Made(9, True)
    ids = [f"image_{i:03d}" for i in range(IMAGES)]
    with h5py.File(folder / "vlt5.h5", "w") as f:
        for i, name in enumerate(ids):
            g = f.create_group(name)
            g["features"], g["boxes"], g["obj_conf"] = m.feature[m.rows(i)], m.box[m.rows(i)], m.confidence[m.rows(i)]
            g["obj_id"] = g["attr_id"] = np.arange(m.n[i])
            g["img_w"], g["img_h"] = m.size[i].astype("<i8")
    out = R.run_ok([TOOL, "data", "import", "h5", folder / "vlt5.h5", folder / "vlt5.img.h5"])
    R.expect(out.count("attr_id, obj_id") == 1 and "no confidences" not in out, f"not taken: told once: {out[:300]}")
    check(folder / "vlt5.img.h5", m, ids, "obj_conf", soft=False)
    with h5py.File(folder / "vlt5.h5", "r+") as f:
        f.move("image_000/boxes", "image_000/rois")
    code, out = R.run([TOOL, "data", "import", "h5", folder / "vlt5.h5", folder / "no.img.h5"])
    R.expect(code == 65 and "image_000/ has no boxes" in out and "img_w, obj_conf, obj_id, rois" in out, f"missing: {out[:300]}")
    with h5py.File(folder / "odd.h5", "w") as f:
        f["vectors"], f["rois"] = m.feature, m.box
    code, out = R.run([TOOL, "data", "import", "h5", folder / "odd.h5", folder / "no.img.h5"])
    R.expect(code == 65 and "there are: rois, vectors" in out, f"no form: {out[:300]}")
    fixed(folder / "real.h5", Made(3, False), np.arange(IMAGES).astype("S4"))
    with h5py.File(folder / "real.h5", "r+") as f:
        del f["ids"]
        f["image_id"] = np.arange(IMAGES) + 42.0
    code, out = R.run([TOOL, "data", "import", "h5", folder / "real.h5", folder / "no.img.h5"])
    R.expect(code == 65 and "image_id holds floating-point numbers" in out, f"ids like 42.0: {out[:300]}")


def main():
    with R.Folder() as folder:
        forms(folder)
        padded(folder)
        other_names(folder)
        ids_file(folder)
        refused(folder)


if __name__ == "__main__":
    main()
