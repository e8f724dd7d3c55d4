"""uniter data synth tasks=all: who sees only what is asked, or only the image, guesses no better than chance.

Predictors see the texts of the train split (whole texts, and n-grams of one to three words by naive Bayes) or what the
detector says of its regions, and are tried on the valid split.
"""
import collections
import math

import runlib as R

try:
    import h5py
    import numpy as np
except ImportError:
    R.skip("h5py or numpy is not there")

POINTS = 0.03  # above chance that are luck: three standard deviations of the smallest split


class File:
    def __init__(self, path):
        with h5py.File(path) as f:
            self.task = f.attrs["task"].decode()
            self.column = {name: f[name][:] for name in f}
        offset, text = self.column["sentence_offset"], bytes(self.column["sentence"])
        self.text = [text[a:b].decode() for a, b in zip(offset, offset[1:])]
        self.image = self.column["image_id"].tolist()

    def part(self, row, part, word):
        offset = self.column["part_offset"]
        tokens = self.column["part"][offset[8 * row + part]:offset[8 * row + part + 1]]
        return " ".join(word[t] if t < len(word) else f"person_{t - len(word)}" for t in tokens)


def grams(text):
    words = text.replace("?", " ?").split()
    return [" ".join(words[i:i + n]) for n in (1, 2, 3) for i in range(len(words) - n + 1)]


class Bayes:
    """log P(label) + sum of log P(gram | label), add-one."""

    def __init__(self, texts, labels):
        self.labels = collections.Counter(labels)
        self.count = {k: collections.Counter() for k in self.labels}
        for text, label in zip(texts, labels):
            self.count[label].update(grams(text))
        self.total = {k: sum(c.values()) for k, c in self.count.items()}
        self.size = len({g for c in self.count.values() for g in c})

    def score(self, text, label):
        count, total = self.count[label], self.total[label]
        return math.log(self.labels[label]) + sum(math.log((count[g] + 1) / (total + self.size)) for g in grams(text))

    def guess(self, text):
        return max(self.labels, key=lambda k: self.score(text, k))


def share(right):
    return float(np.mean(list(right)))


def by_text(train, labels, held, truth):
    """The most frequent label of the same text, of all where the text is new."""
    seen = collections.defaultdict(collections.Counter)
    for text, label in zip(train, labels):
        seen[text][label] += 1
    usual = collections.Counter(labels).most_common(1)[0][0]
    return share((seen[t].most_common(1)[0][0] if t in seen else usual) == y for t, y in zip(held, truth))


def blind(name, train, labels, held, truth, chance):
    bayes = Bayes(train, labels)
    got = {"whole texts": by_text(train, labels, held, truth),
           "n-grams": share(bayes.guess(t) == y for t, y in zip(held, truth)),
           "the most frequent": share(y == collections.Counter(labels).most_common(1)[0][0] for y in truth)}
    for how, value in got.items():
        R.expect(value < chance + POINTS, f"{name}: by {how} {value:.3f} right, chance {chance:.3f}")


def vqa(train, held, word):
    answers = collections.defaultdict(set)
    for f in (train, held):
        for text, answer in zip(f.text, f.column["answer_id"]):
            answers[text].add(int(answer))
    chance = share(1 / len(answers[t]) for t in held.text)
    blind("vqa", train.text, train.column["answer_id"].tolist(), held.text, held.column["answer_id"].tolist(), chance)
    kinds = set(train.column["answer_kind"].tolist())
    R.expect(kinds == {0, 1, 2}, "vqa: yes/no, numbers and others are asked for")
    for start in ("what colour", "what is", "how many", "where", "is there"):
        R.expect(any(t.startswith(start) for t in held.text), f"vqa: \"{start} ..\" is asked")


def ve(train, held, word):
    label = [f.column["answer_id"].tolist() for f in (train, held)]
    blind("ve", train.text, label[0], held.text, label[1], 1 / 3)
    of = collections.defaultdict(list)
    for image, y in zip(held.image, label[1]):
        of[image].append(y)
    R.expect(all(sorted(v) == [0, 1, 2] for v in of.values()), "ve: every image has each label once")


def nlvr2(train, held, word):
    label = [f.column["label"].tolist() for f in (train, held)]
    blind("nlvr2", train.text, label[0], held.text, label[1], 1 / 2)
    pair, sentence = collections.Counter(), collections.Counter()
    for name, y in zip(held.column["text_id"].tolist(), label[1]):
        split, number, which, said = name.decode().split("-")
        pair[number, which] += y
        sentence[number, said] += y
    R.expect(set(pair.values()) == {1} and set(sentence.values()) == {2},
             "nlvr2: of two statements on a pair one is right, on two of four pairs a statement is")


def vcr(train, held, word):
    def choices(f, row, kind):
        right = int(f.column["label"][row])
        asked = f.text[row] + (" " + f.part(row, right, word) if kind else "")
        return [f"{asked} | {f.part(row, 4 * kind + i, word)}" for i in range(4)]

    for kind, key in ((0, "label"), (1, "rationale")):
        texts, rights = [], []
        for row in range(len(train.text)):
            texts += choices(train, row, kind)
            rights += [i == train.column[key][row] for i in range(4)]
        bayes, seen = Bayes(texts, rights), collections.Counter(t for t, y in zip(texts, rights) if y)
        said = collections.Counter(texts)
        truth = held.column[key].tolist()
        four = [choices(held, row, kind) for row in range(len(held.text))]
        got = {"n-grams": [int(np.argmax([bayes.score(t, True) - bayes.score(t, False) for t in c])) for c in four],
               "whole texts": [int(np.argmax([(seen[t] + 1) / (said[t] + 4) for t in c])) for c in four],
               "the place": [collections.Counter(train.column[key].tolist()).most_common(1)[0][0]] * len(truth)}
        for how, guess in got.items():
            value = share(a == b for a, b in zip(guess, truth))
            R.expect(value < 1 / 4 + POINTS, f"vcr {key}: by {how} {value:.3f} right, chance 0.250")
        R.expect(all(len(set(c)) == 4 for c in four), f"vcr {key}: four different choices")
        texts = [t for c in four for t in c]
        R.expect(min(len(t) for t in texts) > 0, f"vcr {key}: no choice is empty")


class Regions:
    def __init__(self, path):
        with h5py.File(path) as f:
            self.row = {name: i for i, name in enumerate(f["image_id"][:].tolist())}
            self.offset, self.label = f["region_offset"][:], f["soft_label"][:].astype(np.float32).argmax(1)
            self.box, self.sure = f["box"][:], f["confidence"][:].astype(np.float32)

    def of(self, image):
        rows = range(self.offset[self.row[image]], self.offset[self.row[image] + 1])
        return [(("class", int(self.label[r])), ("rank", i), ("x", int(4 * self.box[r, 0])), ("y", int(4 * self.box[r, 1])),
                 ("area", int(40 * self.box[r, 4] * self.box[r, 5])), ("sure", int(10 * self.sure[r])))
                for i, r in enumerate(rows)]


def re_(train, held, word, images, name):
    label = [f.column["label"].tolist() for f in (train, held)]
    blind(name, train.text, label[0], held.text, label[1], 1 / 6)
    right, wrong = collections.Counter(), collections.Counter()
    for image, y in zip(train.image, label[0]):
        for i, region in enumerate(images[0].of(image)):
            (right if i == y else wrong).update(region)
    guess = [int(np.argmax([sum(math.log((right[k] + 1) / (wrong[k] + 1)) for k in r) for r in images[1].of(i)]))
             for i in held.image]
    value = share(a == b for a, b in zip(guess, label[1]))
    R.expect(value < 1 / 6 + 2 * POINTS, f"{name}: by regions alone {value:.3f} right, chance 0.167 of six things")
    meant = collections.defaultdict(set)
    for text, y in zip(held.text, label[1]):
        meant[text].add(y)
    many = share(len(meant[t]) > 1 for t in held.text)
    R.expect(many > 0.9, f"{name}: {many:.3f} of the expressions mean different regions in different images")
    placed = any(w in t for t in held.text for w in ("left", "right", "front", "back"))
    R.expect(placed == (name == "re"), f"{name}: words of place are said in re alone")


def main():
    small = R.sanitized()
    with R.Folder() as folder:
        data = R.synth(folder / "data", train_images=600 if small else 6000, valid_images=200 if small else 3000,
                       texts=1, img_dim=4, img_label_dim=46, sets="coco", tasks="all", test_images=40)
        if small:
            R.skip("made; too few to measure chance under sanitizers")
        word = (data / "vocab.txt").read_text().split("\n")[:-1]
        for name, test in {"vqa": vqa, "ve": ve, "nlvr2": nlvr2, "vcr": vcr}.items():
            test(*(File(data / f"{name}_{s}.txt.h5") for s in ("train", "valid")), word)
        for name in ("re", "re+"):
            re_(*(File(data / f"{name}_{s}.txt.h5") for s in ("train", "valid")), word,
                [Regions(data / f"{name}_{s}.img.h5") for s in ("train", "valid")], name)
        test = File(data / "retrieval_test.txt.h5")
        R.expect(test.task == "retrieval" and len(test.text) == 40 and len(set(test.image)) == 40,
                 "retrieval: 40 images with a caption each to test on")
        R.expect(len(set(test.text)) == 40, "retrieval: no two captions of the test are alike")


main()
