"""Features as mmf leaves them, NAME.npy and NAME_info.npy, a pickled dict: what is written against numpy's reading of it, what is
said of the rest, and pickles that hold anything else than arrays."""
import io
import os
import pickle

import runlib as R
from imagelib import CLASSES, bits, compare, importing, made, pixels

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")


def info_of(image, **more):
    corners, _ = pixels(image)
    return {"bbox": corners, "num_boxes": len(corners), "objects": np.arange(len(corners)), "cls_prob": image["soft_labels"],
            "image_width": 640, "image_height": 480, **more}


def save(folder, key, image, info):
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{key}.npy", image["features"])
    np.save(folder / f"{key}_info.npy", info)


def as_numpy_2(path):
    """The same array by NumPy 2: protocol 4, another module."""
    with open(path, "rb") as f:
        np.lib.format.read_magic(f)
        np.lib.format.read_array_header_1_0(f)
        head = path.read_bytes()[:f.tell()]
        value = pickle.load(f)
    body = pickle.dumps(value, 4).replace(b"\x8c\x15numpy.core.multiarray", b"\x8c\x16numpy._core.multiarray")
    path.write_bytes(head + body[:3] + (len(body) - 12).to_bytes(8, "little") + body[11:])
    assert b"numpy._core" in body and b"numpy.core" not in body


def verified(out):
    got, said = R.run([R.BUILD / "uniter", "data", "verify", out])
    R.expect(got == 0, f"verify takes it: {said[-300:]}")


def test_forms(folder):
    for name, kind, number, two in (("vmb", np.float32, int, False), ("numpy2", np.float32, np.int64, True), ("half", np.float16, np.float32, False)):
        images = made(15, kind=kind)
        for n, (key, image) in enumerate(images.items()):
            info = info_of(image, image_width=number(640), image_height=number(480), max_features=100, source=np.array(["vg"]))
            if n % 3 == 1:
                info["cls_prob"] = np.asfortranarray(info["cls_prob"])
            if n % 3 == 2:
                info["bbox"] = info["bbox"].astype(np.float64)
            save(folder / name, key, image, info)
            if two:
                as_numpy_2(folder / name / f"{key}_info.npy")
        text = importing("npy", [folder / name], folder / f"{name}.img.h5", words=["not taken, here and in all images: objects, max_features, source"])
        R.expect("lack the background" not in text, f"{name}: nothing is added to rows that sum to 1")
        compare(folder / f"{name}.img.h5", {k: (v["features"], pixels(v)[1], None, v["soft_labels"]) for k, v in images.items()}, f"npy, {name}")
        verified(folder / f"{name}.img.h5")


def test_background(folder):
    """mmf leaves the background out unless it is told to keep it; some images have no row that shows it."""
    images = made(13)
    for n, (key, image) in enumerate(images.items()):
        rest = image["soft_labels"][:, 1:].copy()
        if n % 4 == 0:
            rest = np.eye(CLASSES - 1, dtype=np.float32)[np.arange(len(rest)) % (CLASSES - 1)]
        image["rest"] = rest
        save(folder / "in", key, image, info_of(image, cls_prob=rest))
    out = folder / "out.img.h5"
    importing("npy", [folder / "in"], out, words=["lack the background", f"class 0 of {CLASSES}"])
    with h5py.File(out) as f:
        soft, offset = f["soft_label"][()], f["region_offset"][()]
    R.expect(soft.dtype == np.float32 and soft.shape[1] == CLASSES, "a class more")
    for i, image in enumerate(images.values()):
        rows, rest = soft[offset[i]:offset[i + 1]], image["rest"]
        assert np.array_equal(bits(np.ascontiguousarray(rows[:, 1:])), bits(rest)), "the others keep their bits"
        assert np.allclose(rows[:, 0], 1 - rest.astype(np.float64).sum(1), atol=1e-6), "what is missing stands before them"
    verified(out)


def test_counts(folder):
    """num_boxes: rows after it are left out; frcnn writes the number asked for, and its scores as cls_prob."""
    want = {}
    for n, (key, image) in enumerate(made(9).items()):
        corners, box = pixels(image)
        more = {k: np.concatenate([v, v[-1:]]) for k, v in image.items()}
        save(folder / "vmb", key, more, info_of(more, num_boxes=len(box)))
        want[key] = (image["features"], box, None, image["soft_labels"])
        scores = image["conf"] if n % 2 else image["conf"][:, None]
        save(folder / "frcnn", key, image, info_of(image, num_boxes=100, cls_prob=scores))
    importing("npy", [folder / "vmb"], folder / "vmb.img.h5")
    compare(folder / "vmb.img.h5", want, "npy, rows behind num_boxes")
    importing("npy", [folder / "frcnn"], folder / "frcnn.img.h5")
    compare(folder / "frcnn.img.h5", {k: (v[0], v[1], image["conf"], None) for (k, v), image in zip(want.items(), made(9).values())}, "npy, frcnn")


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil-was-run",)


def with_pickle(value, protocol=3):
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": "|O", "fortran_order": False, "shape": ()})
    return out.getvalue() + (value if isinstance(value, bytes) else pickle.dumps(value, protocol))


def test_bad(folder):
    images = list(made(7).items())
    key, image = images[3]
    out = folder / "out.img.h5"
    good = info_of(image)
    array = io.BytesIO()
    np.save(array, good)
    boxed = lambda value: np.array(value, dtype=object)
    cases = [
        (with_pickle(boxed({**good, "x": Evil()})), ["os" if os.name == "nt" else "posix", "system is refused"]),
        (with_pickle(Evil(), 4), ["system is refused"]), (with_pickle(boxed({**good, "x": {1}})), ["is refused"]),
        (with_pickle(boxed({**good, "x": np.datetime64("2020")})), ["dtype", "not read"]),
        (array.getvalue()[:-40], ["cut short"]), (array.getvalue() + b"x", ["follows STOP"]), (array.getvalue()[:90], ["header"]),
        (with_pickle(boxed([1])), ["is no dict"]), (with_pickle(good), ["is no dict"]), (b"", ["_info.npy"]),
        (with_pickle(boxed({k: v for k, v in good.items() if k != "bbox"})), ["no boxes", "objects"]),
        (with_pickle(boxed({k: v for k, v in good.items() if k != "image_width"})), ["image's size"]),
        (with_pickle(boxed({**good, "bbox": good["bbox"].astype(">f4")})), [">f4"]),
        (with_pickle(boxed({**good, "bbox": good["bbox"][1:]})), ["boxes"]), (with_pickle(boxed({**good, "num_boxes": 0})), ["num_boxes is 0"]),
        (with_pickle(boxed({**good, "num_boxes": np.array([1, 2])})), ["num_boxes", "one number"]),
        (with_pickle(boxed({**good, "image_height": -480.0})), ["image_height is -480"]),
    ]
    for body, words in cases:
        for k, v in images:
            save(folder / "in", k, v, info_of(v))
        (folder / "in" / f"{key}_info.npy").write_bytes(body)
        importing("npy", [folder / "in"], out, code=65, words=[key, *words])
        importing("npy", [folder / "in"], out, "bad=skip", words=["6 images", "1 skipped"])
        out.unlink()
        (folder / "out.img.h5.skipped.tsv").unlink()
    R.expect(not (folder / "in" / "evil-was-run").exists() and not os.path.exists("evil-was-run"), "nothing in a file was run")
    (folder / "in" / f"{key}_info.npy").unlink()
    importing("npy", [folder / "in"], out, code=74, words=[f"{key}_info.npy"])
    np.save(folder / "in" / f"{key}.npy", np.zeros((2, 3, 4), np.float32))
    importing("npy", [folder / "in" / f"{key}.npy"], out, code=65, words=["3 extents", "data import grid"])
    (folder / "none").mkdir()
    importing("npy", [folder / "none"], out, code=65, words=["no .npy files in it"])


def main():
    with R.Folder() as folder:
        for test in (test_forms, test_background, test_counts, test_bad):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: mmf's npy")


main()
