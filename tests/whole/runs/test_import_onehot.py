"""labels=onehot: soft labels made of ids of classes, from every form that has them; without it they are left out or refused."""
import runlib as R
from imagelib import b64, compare, importing, made, pixels
from lmdblib import msgpacked, npz_bytes, write_lmdb

try:
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")

CLASSES = 1601


def drawn(classes=CLASSES):
    rng = np.random.default_rng(7)
    images = made(11)
    for image in images.values():
        image["id"] = rng.integers(0, classes - 1, len(image["conf"]))
        image["id"][0] = classes - 2
    return images


def want_of(images, classes=CLASSES, conf=True):
    out = {}
    for key, image in images.items():
        soft = np.zeros((len(image["id"]), classes), np.float16)
        soft[np.arange(len(soft)), image["id"] + 1] = 1
        out[key] = (image["features"], pixels(image)[1], image["conf"] if conf else None, soft)
    return out


def lxmert(images, kind=np.int64):
    return "".join("\t".join([key, "480", "640", b64(v["id"].astype(kind)), b64(v["conf"]), b64(v["id"]), b64(v["conf"]), str(len(v["id"])),
                              b64(pixels(v)[0]), b64(v["features"])]) + "\n" for key, v in images.items())


def seven(images, array):
    return "".join("\t".join([key, "640", "480", str(len(v["id"])), b64(pixels(v)[0]), b64(v["features"]), b64(array(v))]) + "\n" for key, v in images.items())


def verified(out):
    got, said = R.run([R.BUILD / "uniter", "data", "verify", out])
    R.expect(got == 0, f"verify takes it: {said[-300:]}")


def test_tsv(folder):
    images = drawn()
    (folder / "x.tsv").write_text(lxmert(images))
    out = folder / "x.img.h5"
    importing("tsv", [folder / "x.tsv"], out, "labels=onehot", words=["column k + 1 of 1601", "soft labels of 1601 classes (f16)", "not taken, here and in all images: attrs_id"])
    compare(out, want_of(images), "tsv, LXMERT, one-hot")
    verified(out)
    importing("tsv", [folder / "x.tsv"], folder / "without.img.h5", words=["not taken, here and in all images: objects_id", "no soft labels"])
    few = drawn(9)
    (folder / "few.tsv").write_text(seven(few, lambda v: v["id"]))
    importing("tsv", [folder / "few.tsv"], folder / "no.img.h5", code=65, words=["labels=onehot"])
    importing("tsv", [folder / "few.tsv"], folder / "few.img.h5", "labels=onehot", "classes=9")
    compare(folder / "few.img.h5", want_of(few, 9, False), "tsv, seven columns, one-hot of 9")
    head = "image_id\tw\timage_h\tnum_boxes\tboxes\tfeatures\tobjects_id\n".replace("\tw\t", "\timage_w\t")
    (folder / "head.tsv").write_text(head + seven(few, lambda v: v["id"]))
    importing("tsv", [folder / "head.tsv"], folder / "head.img.h5", "labels=onehot", "classes=9")
    compare(folder / "head.img.h5", want_of(few, 9, False), "tsv, a head, one-hot")
    first = next(iter(few))
    for text, keys, words in ((seven(few, lambda v: v["id"]), ["classes=8"], ["region 0", "is 7, not 0 to 6"]),
                              (seven(few, lambda v: v["id"] - 9), [], ["is -"]), (lxmert(few, np.int32), [], ["no.tsv:1", "objects_id"]),
                              (seven(few, lambda v: v["soft_labels"]), [], ["no.tsv:1", "it has soft labels"]),
                              ("".join(x.rsplit("\t", 1)[0] + "\n" for x in seven(few, lambda v: v["id"]).splitlines()), [], ["no.tsv:1", "no ids of classes"]),
                              (f"{first}\t1\t" + b64(np.zeros(9, np.float32)), [], ["no ids of classes"])):
        (folder / "no.tsv").write_text(text)
        importing("tsv", [folder / "no.tsv"], folder / "no.img.h5", "labels=onehot", *keys, code=65, words=words)


def test_others(folder):
    images = drawn(13)
    for name in ("npz", "npy"):
        (folder / name).mkdir()
    for key, v in images.items():
        common = {"bbox": pixels(v)[0], "image_width": 640, "image_height": 480}
        np.savez(folder / "npz" / key, features=v["features"], objects_id=v["id"].astype(np.float32), objects_conf=v["conf"], **common)
        np.save(folder / "npy" / f"{key}.npy", v["features"])
        np.save(folder / "npy" / f"{key}_info.npy", {**common, "num_boxes": len(v["id"]), "objects": v["id"], "cls_prob": v["conf"]})
    for name in ("npz", "npy"):
        importing(name, [folder / name], folder / f"{name}.img.h5", "labels=onehot", "classes=13")
        compare(folder / f"{name}.img.h5", want_of(images, 13), f"{name}, one-hot")
        importing(name, [folder / name], folder / f"{name}_2.img.h5", words=["not taken", "objects"])
        importing(name, [folder / name], folder / "no.img.h5", "labels=onehot", "classes=12", code=65, words=["is 11, not 0 to 10"])
    key, v = next(iter(images.items()))
    for name, more, words in (("half", {"objects_id": v["id"] + 0.5}, ["is 11.5, not 0 to 11"]), ("none", {"object": v["id"]}, ["no ids of classes", "not known: object"]),
                              ("both", {"objects_id": v["id"], "soft_labels": v["soft_labels"]}, ["it has soft labels"]),
                              ("short", {"objects_id": np.append(v["id"], 1)}, ["one number a region"]), ("nan", {"objects_id": np.full(len(v["id"]), np.nan)}, ["not 0 to 11"])):
        np.savez(folder / f"{name}.npz", features=v["features"], norm_bb=v["norm_bb"], **more)
        importing("npz", [folder / f"{name}.npz"], folder / "no.img.h5", "labels=onehot", "classes=13", code=65, words=words)


def test_lmdb(folder):
    images = drawn(13)
    mine = {k: {"features": v["features"], "norm_bb": v["norm_bb"], "conf": v["conf"], "object_ids": v["id"]} for k, v in images.items()}
    want = {k: (f, images[k]["norm_bb"][:, :6], c, s) for k, (f, _, c, s) in want_of(images, 13).items()}
    for name, pack in (("msgpack", msgpacked), ("npz", npz_bytes)):
        source = folder / name
        write_lmdb(source, {k: pack(v) for k, v in mine.items()})
        importing("lmdb", [source], folder / f"{name}.img.h5", "labels=onehot", "classes=13", words=["column k + 1 of 13"])
        compare(folder / f"{name}.img.h5", want, f"lmdb, {name}, one-hot")
        verified(folder / f"{name}.img.h5")
        importing("lmdb", [source], folder / f"{name}_2.img.h5", words=["not taken", "object_ids", "no soft labels"])
        importing("lmdb", [source], folder / "no.img.h5", "labels=onehot", "classes=12", code=65, words=["data.mdb: coco", "object_ids is 11, not 0 to 10"])
    key, v = next(iter(mine.items()))
    plain = {k: x for k, x in v.items() if k != "object_ids"}
    for name, image, words in (("none", {**plain, "object": v["object_ids"]}, ["no ids of classes", "not known: object"]),
                               ("both", {**v, "soft_labels": images[key]["soft_labels"]}, ["it has soft labels (soft_label"])):
        write_lmdb(folder / name, {key: msgpacked(image)})
        importing("lmdb", [folder / name], folder / "no.img.h5", "labels=onehot", "classes=13", code=65, words=words)
    write_lmdb(folder / "txt", {"0": b"x"})
    (folder / "txt" / "meta.json").write_text("{}")
    importing("lmdb", [folder / "txt"], folder / "no.txt.h5", "labels=onehot", code=64, words=["txt_db", "labels=onehot is for features"])


def in_groups(path, images, **more):
    """As VL-T5 keeps them: a group an image, ids and their scores beside the features."""
    with h5py.File(path, "w") as f:
        for key, v in images.items():
            g = f.create_group(key)
            for name, value in {"features": v["features"], "boxes": pixels(v)[0], "obj_conf": v["conf"], "attr_id": v["id"], "img_w": 640, "img_h": 480,
                                **{k: make(v) for k, make in more.items()}}.items():
                g[name] = value


def test_h5(folder):
    images = drawn(13)
    want = want_of(images, 13)
    good, out, no = folder / "groups.h5", folder / "groups.img.h5", folder / "no.img.h5"
    in_groups(good, images, obj_id=lambda v: v["id"])
    importing("h5", [good], out, "labels=onehot", "classes=13", words=["column k + 1 of 13", "soft labels of 13 classes (f16)", "not taken, here and in all images: attr_id\n"])
    compare(out, want, "h5, groups, one-hot")
    verified(out)
    importing("h5", [good], folder / "plain.img.h5", words=["attr_id, obj_id", "no soft labels"])
    importing("h5", [good], no, "labels=onehot", "classes=12", code=65, words=["groups.h5: coco", "region 0", "obj_id is 11, not 0 to 10"])
    importing("h5", [good], no, "labels=onehot", "classes=12", "bad=skip", code=65, words=["obj_id is 11"])
    for name, more, words in (("half", {"obj_id": lambda v: v["id"] + np.float32(0.5)}, ["is 11.5, not 0 to 11"]),
                              ("none", {"object": lambda v: v["id"]}, ["no ids of classes", "attr_id, object"]),
                              ("both", {"obj_id": lambda v: v["id"], "cls_prob": lambda v: v["soft_labels"]}, ["it has soft labels", "cls_prob"]),
                              ("short", {"obj_id": lambda v: np.append(v["id"], 1)}, ["obj_id is of"]),
                              ("far", {"obj_id": lambda v: v["id"] + (1 << 40)}, ["obj_id: rows", "does not fit 32 bits"]),
                              ("text", {"obj_id": lambda v: np.array([b"cat"] * len(v["id"]))}, ["obj_id holds no numbers"]),
                              ("wide", {"obj_id": lambda v: np.stack([v["id"]] * 2, 1)}, ["obj_id is 2 wide"])):
        in_groups(folder / f"{name}.h5", images, **more)
        importing("h5", [folder / f"{name}.h5"], no, "labels=onehot", "classes=13", code=65, words=[f"{name}.h5", *words])


def test_h5_arrays(folder):
    images = drawn(13)
    want = want_of(images, 13)
    counts = np.array([len(v["id"]) for v in images.values()])
    last = np.cumsum(counts)
    with h5py.File(folder / "flat.h5", "w") as f:
        f["image_id"] = [k.encode() for k in images]
        f["pos_boxes"] = np.stack([last - counts, last], 1)
        for name, of in (("image_features", lambda v: v["features"]), ("image_bb", lambda v: pixels(v)[0]), ("conf", lambda v: v["conf"]), ("objects_id", lambda v: v["id"])):
            f[name] = np.concatenate([of(v) for v in images.values()])
        f["image_w"], f["image_h"] = np.full(len(images), 640), np.full(len(images), 480)
    most = counts.max()
    fill = lambda a: np.pad(a, [(0, most - len(a))] + [(0, 0)] * (a.ndim - 1))
    with h5py.File(folder / "fixed.h5", "w") as f:
        f["image_id"] = [k.encode() for k in images]
        f["num_boxes"] = counts
        for name, of in (("features", lambda v: v["features"]), ("boxes", lambda v: pixels(v)[0]), ("conf", lambda v: v["conf"]), ("class_ids", lambda v: v["id"])):
            f[name] = np.stack([fill(of(v)) for v in images.values()])
        f["image_w"], f["image_h"] = np.full(len(images), 640), np.full(len(images), 480)
    for name in ("flat", "fixed"):
        importing("h5", [folder / f"{name}.h5"], folder / f"{name}.img.h5", "labels=onehot", "classes=13")
        compare(folder / f"{name}.img.h5", want, f"h5, {name}, one-hot")
        importing("h5", [folder / f"{name}.h5"], folder / f"{name}_2.img.h5", words=["not taken", "no soft labels"])
        importing("h5", [folder / f"{name}.h5"], folder / "no.img.h5", "labels=onehot", "classes=12", code=65, words=[f"{name}.h5", "is 11, not 0 to 10"])
    both = [folder / "flat.h5", folder / "other.h5"]
    with h5py.File(both[0]) as a, h5py.File(both[1], "w") as b:
        for name in a:
            b[name] = a[name][()] if name != "image_id" else [b"z" + x for x in a[name][()]]
        del b["objects_id"]
    importing("h5", both, folder / "no.img.h5", "labels=onehot", "classes=13", code=65, words=["other.h5", "no ids of classes"])


def main():
    with R.Folder() as folder:
        for test in (test_tsv, test_others, test_lmdb, test_h5, test_h5_arrays):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: one-hot labels")


main()
