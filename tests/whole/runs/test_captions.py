"""uniter data synth --captions: every word's regions show the class it names, features follow prototypes, files verify;
what is refused; a full disk leaves nothing; with the shared captions, how many name an object. Needs h5py."""
import json
import re
import resource

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError as missing:
    R.skip(f"{missing.name} is not there")

TOOL = R.BUILD / "uniter"
CLASSES = ["dog", "bus", "traffic light,stoplight", "man", "tree", "orange", "cat", "box"]
ATTRIBUTES = ["red", "big,large", "orange"]
WORDS = ["a", "two", "three", "red", "big", "large", "dog", "dogs", "bus", "traffic", "light", "##s", "man", "men", "near",
         "the", "tree", "and", ",", ".", "orange", "stop", "##light", "cat", "nothing", "box", "##es", "-"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
# caption -> per word piece: the class names of its regions, and how many objects there are at least
CAPTIONS = [
    ("A dog near the bus.", {1: ("dog", 1), 4: ("bus", 1)}),
    ("two dogs, three men", {1: ("dog", 2), 4: ("man", 3)}),
    ("the traffic lights", {at: ("traffic light,stoplight", 2) for at in (1, 2, 3)}),
    ("a big red bus and the stoplight", {1: ("bus", 1), 2: ("bus", 1), 3: ("bus", 1), 6: ("traffic light,stoplight", 1),
                                         7: ("traffic light,stoplight", 1)}),
    ("an orange cat and the orange", {1: ("cat", 1), 2: ("cat", 1), 5: ("orange", 1)}),
    ("boxes near the tree", {0: ("box", 2), 1: ("box", 2), 4: ("tree", 1)}),
    ("nothing", None),
]


def put(path, lines):
    path.write_text("".join(f"{x}\n" for x in lines), encoding="utf-8")
    return path


def call(folder, captions, *more, vocab=None, classes=None):
    return [TOOL, "data", "synth", "--captions", captions, folder, "--classes", classes or captions.parent / "classes.txt",
            "--attributes", captions.parent / "attributes.txt", "--vocab", vocab or captions.parent / "vocab.txt", *more]


def rows(offset, i):
    return slice(int(offset[i]), int(offset[i + 1]))


def load(folder, split):
    with h5py.File(folder / f"captions_{split}.img.h5") as f, h5py.File(folder / f"captions_{split}.txt.h5") as t:
        return {k: v[()] for k, v in f.items()}, {k: v[()] for k, v in t.items()}


def aligned(images, texts, i):
    """{word piece: [rows of its regions]} of text i."""
    image = list(images["image_id"]).index(texts["image_id"][i])
    first, pairs = int(images["region_offset"][image]), {}
    for at in range(*rows(texts["align_offset"], i).indices(len(texts["align_token"]))):
        pairs.setdefault(int(texts["align_token"][at]), []).append(first + int(texts["align_region"][at]))
    for regions in pairs.values():
        assert max(regions) < int(images["region_offset"][image + 1]) and len(set(regions)) == len(regions)
    return pairs


def sentence(texts, i):
    return bytes(texts["sentence"][rows(texts["sentence_offset"], i)]).decode()


def check_alignment(folder):
    """Word by word against the table above."""
    lines, want = (folder / "classes.txt").read_text().splitlines(), dict(CAPTIONS)
    R.expect(lines == ["background", *CLASSES], "classes.txt: line n is column n of the soft labels")
    seen = set()
    for split in ("train", "valid"):
        images, texts = load(folder, split)
        top = images["soft_label"].argmax(axis=1)
        for i in range(len(texts["text_id"])):
            said, pairs = sentence(texts, i), aligned(images, texts, i)
            if set(pairs) != set(want[said]):
                R.fail(f"{said}: word pieces {sorted(pairs)} are aligned, not {sorted(want[said])}")
            for token, (name, least) in want[said].items():
                if any(lines[top[r]] != name for r in pairs[token]) or len(pairs[token]) < least:
                    R.fail(f"{said}: piece {token} goes with {[lines[top[r]] for r in pairs[token]]}, not {least} {name}")
            image = list(images["image_id"]).index(texts["image_id"][i])
            named = {name for name, _ in want[said].values()}
            for r in range(*rows(images["region_offset"], image).indices(len(top))):
                if lines[top[r]] in named and not any(r in x for x in pairs.values()):
                    R.fail(f"{said}: region {r} shows a {lines[top[r]]} and no word goes with it")
            seen.add(said)
    R.expect(seen == {c for c, w in CAPTIONS if w}, "every caption that names an object is there, aligned word by word")


def check_features(folder):
    """Without noise, regions of one class and the same attributes differ by their places only."""
    images, _ = load(folder, "train")
    top = images["soft_label"].argmax(axis=1)
    f = images["feature"].astype(np.float32)
    f = (f - f.mean(axis=1, keepdims=True)) / f.std(axis=1, keepdims=True)
    alike = f @ f.T / f.shape[1]
    np.fill_diagonal(alike, -1)
    nearest = float((top[alike.argmax(axis=1)] == top).mean())
    same, other = np.median(alike[top[:, None] == top[None, :]]), np.median(alike[top[:, None] != top[None, :]])
    R.expect(nearest > 0.99 and same > 0.6 and other < 0.4,
             f"features follow their class: the nearest region shows the same in {100 * nearest:.1f} %, alike {same:.2f} "
             f"within a class, {other:.2f} between classes")
    sums = images["soft_label"].astype(np.float64).sum(axis=1)
    R.expect(abs(sums - 1).max() < 2e-3, "soft labels sum to 1")


def check_splits(folder):
    train, valid = (set(load(folder, s)[0]["image_id"]) for s in ("train", "valid"))
    R.expect(train and valid and not train & valid, f"no image on both sides: {len(train)} and {len(valid)}")


def check_attributes(folder, captions):
    """A red bus looks redder than a plain one: the attribute's direction is the same for two classes."""
    out = folder / "attributes"
    put(captions, ["a red bus", "a bus", "a red dog", "a dog"] * 40)
    R.run_ok(call(out, captions, "noise=0", "max_background=0", "img_dim=512", "min_distractors=0", "max_distractors=0",
                  "valid=0"))
    images, texts = load(out, "train")
    mean = {}
    for i in range(len(texts["text_id"])):
        regions = [r for x in aligned(images, texts, i).values() for r in x]
        mean.setdefault(sentence(texts, i), []).append(images["feature"][regions].astype(np.float32).mean(axis=0))
    mean = {k: np.mean(v, axis=0) for k, v in mean.items()}
    bus, dog = mean["a red bus"] - mean["a bus"], mean["a red dog"] - mean["a dog"]
    cosine = float(bus @ dog / np.linalg.norm(bus) / np.linalg.norm(dog))
    # relu keeps about half of either difference, so the shared direction shows as 0.6, not 1
    R.expect(cosine > 0.4, f"red is one direction in buses and dogs: cosine {cosine:.2f}")


def check_refused(folder, captions):
    def refused(code, words, *args, **kw):
        got, out = R.run(call(folder / "no", *args, **kw))
        R.expect(got == code and all(w in out for w in words), f"refused with {code}: {' '.join(words)}")
        R.expect(not list((folder / "no").glob("*")), "nothing is left")
    put(captions, ["a dog"] * 10)
    refused(74, ["gone.txt"], captions.parent / "gone.txt")
    refused(64, ["valid"], captions, "valid=0.99")
    refused(64, ["noize", "noise"], captions, "noize=1")
    refused(65, ["stands twice", "line 1", "line 2"], captions, classes=put(folder / "twice.txt", ["dog", "Dog"]))
    refused(65, ["[MASK]"], captions, vocab=put(folder / "bad.txt", SPECIAL[:4] + WORDS))
    refused(65, ["no caption"], put(folder / "in/empty.txt", []))
    (folder / "in/broken.txt.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    refused(65, ["broken.txt.h5"], folder / "in/broken.txt.h5")
    code, out = R.run([TOOL, "data", "synth", folder / "no", f"captions={captions}"])
    R.expect(code == 64 and "classes" in out, "classes are needed")


def check_full_disk(folder, captions):
    """A limit on file sizes stands for a full disk: at every size something else fails, and nothing is left."""
    put(captions, ["a dog near the bus", "two men and a tree"] * 200)
    for size in (100, 20_000, 300_000):
        limited = ["bash", "-c", f"trap '' XFSZ; ulimit -f {max(1, size // 1024)}; exec \"$@\"", "x"]
        code, out = R.run(limited + call(folder / "full", captions))
        R.expect(code == 74 and not list((folder / "full").glob("*")), f"no file over {size} bytes: code {code}, nothing left")


def check_text_file(folder, captions):
    """The sentences of a *.txt.h5 made here give the same scenes again."""
    put(captions, [f"image{i % 7}\ta dog and {w}" for i, w in enumerate(["two dogs", "a bus", "the tree"] * 14)])
    R.run_ok(call(folder / "first", captions, "valid=0"))
    again = folder / "first/captions_train.txt.h5"
    same = call(folder / "second", captions, "valid=0")
    R.run_ok([again if word is captions else word for word in same])
    (a, s), (b, t) = load(folder / "first", "train"), load(folder / "second", "train")
    R.expect(all(np.array_equal(a[k], b[k]) for k in a) and all(np.array_equal(s[k], t[k]) for k in s),
             "captions from a text file: the same data")
    R.expect(len(a["image_id"]) == 7, "captions of one image share a scene")
    R.run_ok(call(folder / "own", captions, "valid=0", "own_scenes=true"))
    R.expect(len(load(folder / "own", "train")[0]["image_id"]) == 42, "own_scenes: every caption has its own")


def check_training(folder, captions):
    """configs/captions.yaml takes the files and measures the alignment."""
    put(captions, ["a red dog near the bus", "two men and a tree", "a big orange cat"] * 20)
    data, run = folder / "training", folder / "run"
    R.run_ok(call(data, captions, "valid=0.2", "img_dim=16"))
    files = [f"data.{s}.0.{k}={data}/captions_{s}.{e}.h5" for s in ("train", "valid")
             for k, e in (("text", "txt"), ("images", "img"))]
    R.run_ok(R.command(1, "--cfg", R.ROOT / "configs/captions.yaml", f"run.dir={run}", *files, "train.steps=2",
                       "train.tokens_per_lane=128", "optim.warmup_steps=1", "valid.every=2", "checkpoint.every=0"))
    last = R.metrics(run, "valid")[-1]
    R.expect(0 < last["valid/align_chance"] < 1 and 0 <= last["valid/align_acc"] <= 1, f"alignment is measured: {last}")


IRREGULAR = {"child": "children", "person": "people", "foot": "feet", "tooth": "teeth", "goose": "geese", "mouse": "mice",
             "ox": "oxen"}


def plurals(word):
    """The word and what its plural may be, written down a second time and differently."""
    stem = {"y": word[:-1] + "ies", "f": word[:-1] + "ves", "e": word[:-2] + "ves"}.get(word[-1], word + "s")
    man = word[:-3] + "men" if word.endswith("man") else word
    return {word, word + "s", word + "es", stem, man, IRREGULAR.get(word, word)}


def check_real(folder):
    """2,000 captions of COCO: measured 99.9 % name an object; the floor is 99 %."""
    real, vocab = R.SHARED / "data/captions/coco_captions_val2017.json", R.SHARED / "data/vocab"
    if not real.exists():
        print("skipped: the shared captions are not there")
        return
    notes = json.loads(real.read_text())["annotations"]
    notes = sorted(notes, key=lambda x: (x["image_id"], x["id"]))[:2000]
    captions = put(folder / "in/real.txt", [f"{x['image_id']}\t{' '.join(x['caption'].split())}" for x in notes])
    out = R.run_ok([TOOL, "data", "synth", folder / "real", f"captions={captions}", f"classes={vocab}/objects_vocab.txt",
                    f"attributes={vocab}/attributes_vocab.txt", f"vocab={vocab}/bert-base-uncased-vocab.txt", "img_dim=64"])
    share = float(re.search(r"name an object \(([\d.]+) %\)", out).group(1))
    R.expect(share >= 99, f"{share} % of 2,000 real captions name an object")
    lines = (folder / "real/classes.txt").read_text().splitlines()
    images, texts = load(folder / "real", "train")
    top, checked = images["soft_label"].argmax(axis=1), 0
    for i in range(len(texts["text_id"])):
        words = set(re.findall(r"[^\W_]+", sentence(texts, i).lower()))
        for regions in aligned(images, texts, i).values():
            for r in regions:
                names = [re.findall(r"[^\W_]+", x.lower()) for x in lines[top[r]].split(",")]
                # all words of the name but the last stand as they are; the last may be a plural
                if not any(set(n[:-1]) <= words and words & plurals(n[-1]) for n in names):
                    R.fail(f"{sentence(texts, i)}: a region of {lines[top[r]]}")
                checked += 1
    R.expect(checked > 5000, f"{checked} regions of real words show a class the sentence names")


def main():
    with R.Folder() as folder:
        (folder / "in").mkdir()
        put(folder / "in/classes.txt", CLASSES)
        put(folder / "in/attributes.txt", ATTRIBUTES)
        put(folder / "in/vocab.txt", SPECIAL + WORDS)
        captions = put(folder / "in/captions.txt", [c for c, _ in CAPTIONS] * 30)
        data = folder / "data"
        out = R.run_ok(call(data, captions, "valid=0.2", "noise=0", "img_dim=256"))
        R.expect("30 whose scene shows nothing" in out and "210 read" in out, "captions that name nothing are counted")
        for file in sorted(data.glob("*.h5")):
            R.run_ok([TOOL, "data", "verify", file])
        check_alignment(data)
        check_features(data)
        check_splits(data)
        code, out = R.run(call(data, captions))
        R.expect(code == 64 and "exists" in out, "nothing is overwritten")
        check_attributes(folder, captions)
        check_refused(folder, captions)
        check_full_disk(folder, captions)
        check_text_file(folder, captions)
        check_training(folder, captions)
        check_real(folder)


main()
