"""labels=onehot: soft labels made of ids of classes, from every form that has them; without it they are left out or refused."""
import runlib as R
from imagelib import b64, compare, importing, made, pixels

try:
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


def want(images, classes=CLASSES, conf=True):
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
    compare(out, want(images), "tsv, LXMERT, one-hot")
    verified(out)
    importing("tsv", [folder / "x.tsv"], folder / "without.img.h5", words=["not taken, here and in all images: objects_id", "no soft labels"])
    few = drawn(9)
    (folder / "few.tsv").write_text(seven(few, lambda v: v["id"]))
    importing("tsv", [folder / "few.tsv"], folder / "no.img.h5", code=65, words=["labels=onehot"])
    importing("tsv", [folder / "few.tsv"], folder / "few.img.h5", "labels=onehot", "classes=9")
    compare(folder / "few.img.h5", want(few, 9, False), "tsv, seven columns, one-hot of 9")
    head = "image_id\tw\timage_h\tnum_boxes\tboxes\tfeatures\tobjects_id\n".replace("\tw\t", "\timage_w\t")
    (folder / "head.tsv").write_text(head + seven(few, lambda v: v["id"]))
    importing("tsv", [folder / "head.tsv"], folder / "head.img.h5", "labels=onehot", "classes=9")
    compare(folder / "head.img.h5", want(few, 9, False), "tsv, a head, one-hot")
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
        compare(folder / f"{name}.img.h5", want(images, 13), f"{name}, one-hot")
        importing(name, [folder / name], folder / f"{name}_2.img.h5", words=["not taken", "objects"])
        importing(name, [folder / name], folder / "no.img.h5", "labels=onehot", "classes=12", code=65, words=["is 11, not 0 to 10"])
    key, v = next(iter(images.items()))
    for name, more, words in (("half", {"objects_id": v["id"] + 0.5}, ["is 11.5, not 0 to 11"]), ("none", {"object": v["id"]}, ["no ids of classes", "not known: object"]),
                              ("both", {"objects_id": v["id"], "soft_labels": v["soft_labels"]}, ["it has soft labels"]),
                              ("short", {"objects_id": np.append(v["id"], 1)}, ["one number a region"]), ("nan", {"objects_id": np.full(len(v["id"]), np.nan)}, ["not 0 to 11"])):
        np.savez(folder / f"{name}.npz", features=v["features"], norm_bb=v["norm_bb"], **more)
        importing("npz", [folder / f"{name}.npz"], folder / "no.img.h5", "labels=onehot", "classes=13", code=65, words=words)
    importing("h5", [folder / "npz.img.h5"], folder / "no.img.h5", "labels=onehot", code=64, words=["labels"])


def main():
    with R.Folder() as folder:
        for test in (test_tsv, test_others):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: one-hot labels")


main()
