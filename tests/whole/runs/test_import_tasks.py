"""Annotations of every task into *.txt.h5 and back by h5py: each row against the rules, written again here in Python; broken files.

Made files have the original forms. With the shared reference also its answers, and the real samples.
"""
import json
import pickle
import random
import subprocess
import sys

try:
    import h5py
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

import runlib as R

TOOL = R.BUILD / "uniter"
WORDS = ["a", "cat", "dog", "on", "the", "mat", ".", "?", "what", "is", "red", "left", "person", "dining", "table"]
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS, "##s", "b", "t"]
ANSWERS = ["net", "yes", "no", "2", "red", "dining room"]
SAID = ["net", "Yes.", "no", "two", "the red", "dining-room", "blue", "none"]  # by ten people
NORMAL = ["net", "yes", "no", "2", "red", "dining room", "blue", "0"]


def data(*words):
    return [TOOL, "data", *words]


def texts_of(f):
    at, bytes_ = f["sentence_offset"][:], f["sentence"][:].tobytes()
    return [bytes_[at[i]:at[i + 1]].decode() for i in range(len(at) - 1)]


def parts_of(f, offset, values):
    return [f[values][a:b].tolist() for a, b in zip(f[offset][:-1], f[offset][1:])]


def names(f, column):
    return [x.decode() for x in f[column][:]]


def tokens(folder, lines):
    """Of each line, by `uniter data tokenize`; words person_k by their rule."""
    path = folder / "lines.txt"
    plain = [[w for w in line.split()] for line in lines]
    path.write_text("".join(w + "\n" for line in plain for w in line))
    out = subprocess.run(list(map(str, data("tokenize", path, f"vocab={folder}/v.txt"))), stdout=subprocess.PIPE,
                         check=True).stdout.decode().split("\n")
    said = iter(x.rsplit("\t", 1)[1] for x in out[:-1])
    rows = []
    for line in plain:
        row = []
        for word in line:
            ids = [int(x) for x in next(said).split()]
            row += [len(VOCAB) + int(word[7:])] if word.startswith("person_") else ids
        rows.append(row)
    return rows


def do_import(folder, form, *words):
    """The file, verified and opened."""
    out = folder / f"{form}{len(list(folder.glob('*.h5')))}.txt.h5"
    R.run_ok(data("import", form, *words, out, f"vocab={folder}/v.txt", "quiet=true"))
    R.run_ok(data("verify", out))
    return h5py.File(out)


def compare(folder, f, what, ids, images, sentences):
    R.expect(names(f, "text_id") == ids and names(f, "image_id") == images, f"{what}: {len(ids)} texts and images")
    R.expect(texts_of(f) == sentences, f"{what}: sentences")
    R.expect(parts_of(f, "token_offset", "token") == tokens(folder, sentences), f"{what}: tokens")


def sentence(rng):
    return " ".join(rng.choice(WORDS) for _ in range(rng.randint(1, 9))) + rng.choice(["", " dogs?", " xyz"])


# ---- questions with soft answers ----

def write_json(path, value):
    path.write_text(json.dumps(value))
    return path


def vqa_files(folder, rng, n):
    questions, annotations = [], []
    for i in range(n):
        image, said = rng.randint(1, 99), [rng.choice(SAID[:rng.randint(1, 8)]) for _ in range(10)]
        questions.append({"image_id": image, "question": sentence(rng), "question_id": 1000 * image + i})
        annotations.append({"question_type": "what", "multiple_choice_answer": said[0], "image_id": image,
                            "answers": [{"answer": a, "answer_confidence": "yes", "answer_id": k} for k, a in
                                        enumerate(said, 1)],
                            "answer_type": rng.choice(["yes/no", "number", "other"]), "question_id": 1000 * image + i})
    shuffled = rng.sample(annotations, n)
    write_json(folder / "q.json", {"info": {"year": 2017}, "task_type": "Open-Ended", "data_type": "mscoco",
                                   "license": {}, "data_subtype": "train2014", "questions": questions})
    write_json(folder / "an.json", {"info": {}, "license": {}, "data_subtype": "train2014", "data_type": "mscoco",
                                    "annotations": shuffled})
    return questions, {a["question_id"]: a for a in annotations}, shuffled


def vqa(folder, rng):
    questions, annotations, shuffled = vqa_files(folder, rng, 300)
    table = write_json(folder / "table.json", {a: i for i, a in enumerate(ANSWERS)})
    f = do_import(folder, "vqa", folder / "q.json", f"annotations={folder}/an.json", f"answers={table}")
    compare(folder, f, "vqa", [str(q["question_id"]) for q in questions],
            [f"coco_train2014_{q['image_id']:012d}" for q in questions], [q["question"] for q in questions])
    normal = dict(zip(SAID, NORMAL))
    for row, q in enumerate(questions):
        a = annotations[q["question_id"]]
        said = [normal[x["answer"]] for x in a["answers"]]
        want = {ANSWERS.index(x): np.float32(min(1, 0.3 * said.count(x))) for x in said if x in ANSWERS}
        at = slice(*f["answer_offset"][row:row + 2])
        got = dict(zip(f["answer_id"][at].tolist(), f["answer_score"][at]))
        if got != want or f["answer_kind"][row] != ["yes/no", "number", "other"].index(a["answer_type"]):
            R.fail(f"vqa: row {row}: {got} for {want}")
    R.expect(names(f, "answer_name") == ANSWERS and f.attrs["num_answers"] == 6, "vqa: scores, kinds, names")
    f = do_import(folder, "vqa", folder / "q.json", f"answers={table}", "image=vg_NUMBER")
    R.expect(len(f["answer_id"]) == 0 and names(f, "image_id")[0].startswith("vg_0"), "vqa: without answers, other names")
    R.run_ok(data("answers", folder / "made.json", f"annotations={folder}/an.json", "min_count=5"))
    first = [normal[a["multiple_choice_answer"]] for a in shuffled]
    want = [x for x in dict.fromkeys(first) if first.count(x) >= 5]
    R.expect(json.loads((folder / "made.json").read_text()) == {x: i for i, x in enumerate(want)} and len(want) > 3,
             f"the table: {want}")
    f = do_import(folder, "vqa", folder / "q.json", f"annotations={folder}/an.json", f"answers={folder}/made.json")
    R.expect(names(f, "answer_name") == want, "and it is taken")


def ve(folder, rng):
    rows = [{"pairID": f"{i}.jpg#0r1{k}", "gold_label": k, "sentence1": "x", "sentence2": sentence(rng),
             "Flikr30kID": f"{i}.jpg"} for i in range(40) for k in ("contradiction", "entailment", "neutral", "-")]
    path = folder / "ve.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    f = do_import(folder, "ve", path)
    kept = [r for r in rows if r["gold_label"] != "-"]
    compare(folder, f, "ve", [r["pairID"] for r in kept], [f"flickr30k_{int(r['Flikr30kID'][:-4]):012d}" for r in kept],
            [r["sentence2"] for r in kept])
    R.expect(f["answer_id"][:].tolist() == [0, 1, 2] * 40 and set(f["answer_score"][:]) == {1}, "ve: labels")
    listed = next(folder.glob("ve*.skipped.tsv")).read_text().splitlines()
    R.expect(len(listed) == 41, "ve: rows without a label are listed")


def nlvr2(folder, rng):
    rows = [{"identifier": f"train-{i}-{i % 3}-0", "sentence": sentence(rng), "label": rng.choice(["True", "False"]),
             "left_url": "x", "right_url": "y", "synset": "s"} for i in range(100)]
    path = folder / "train.json"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    missing = write_json(folder / "missing.json", ["nlvr2_train-7-1-img1.npz", "nlvr2_train-9-0-img0.npz"])
    f = do_import(folder, "nlvr2", path, f"missing={missing}")
    kept = [r for r in rows if r["identifier"] not in ("train-7-1-0", "train-9-0-0")]
    stem = [r["identifier"].rsplit("-", 1)[0] for r in kept]
    compare(folder, f, "nlvr2", [r["identifier"] for r in kept], [f"nlvr2_{s}-img0" for s in stem],
            [r["sentence"] for r in kept])
    R.expect(names(f, "second_image_id") == [f"nlvr2_{s}-img1" for s in stem], "nlvr2: right images")
    R.expect(f["label"][:].tolist() == [int(r["label"] == "True") for r in kept], "nlvr2: labels")


# ---- VCR ----

def vcr_list(rng, objects):
    return [rng.choice(WORDS) if rng.random() < 0.6 else [rng.randrange(len(objects)) for _ in range(rng.randint(1, 2))]
            for _ in range(rng.randint(1, 8))]


def vcr_text(words, objects):
    said = []
    for w in words:
        said += [w] if isinstance(w, str) else [f"person_{k}" if objects[k] == "person" else objects[k] for k in w]
    return " ".join(said)


def vcr(folder, rng):
    rows = []
    (folder / "images/lsmdc").mkdir(parents=True)
    for i in range(60):
        objects = [rng.choice(["person", "dining table", "cat"]) for _ in range(rng.randint(1, 81))]
        rows.append({"annot_id": f"val-{i}", "img_fn": f"lsmdc/x_0.0{i}@0.jpg", "metadata_fn": f"lsmdc/x_0.0{i}@0.json",
                     "objects": objects, "question": vcr_list(rng, objects), "answer_label": rng.randrange(4),
                     "rationale_label": rng.randrange(4), "answer_choices": [vcr_list(rng, objects) for _ in range(4)],
                     "rationale_choices": [vcr_list(rng, objects) for _ in range(4)], "movie": "x"})
        write_json(folder / f"images/lsmdc/x_0.0{i}@0.json", {"names": objects, "boxes": [[0, 0, 9, 9, 0.5]] * len(objects),
                                                             "segms": [], "width": 9, "height": 9})
    path = folder / "val.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    f = do_import(folder, "vcr", path, f"metadata={folder}/images")
    compare(folder, f, "vcr", [r["annot_id"] for r in rows], [f"vcr_gt_val_x_0.0{i}@0" for i in range(60)],
            [vcr_text(r["question"], r["objects"]) for r in rows])
    R.expect(names(f, "second_image_id") == [f"vcr_val_x_0.0{i}@0" for i in range(60)], "vcr: detected boxes")
    parts = [vcr_text(c, r["objects"]) for r in rows for c in r["answer_choices"] + r["rationale_choices"]]
    R.expect(parts_of(f, "part_offset", "part") == tokens(folder, parts), f"vcr: tokens of {len(parts)} choices")
    R.expect(f["label"][:].tolist() == [r["answer_label"] for r in rows] and
             f["rationale"][:].tolist() == [r["rationale_label"] for r in rows], "vcr: labels")
    R.expect(f.attrs["vocab_size"] == len(VOCAB) + 81 and f.attrs["random_hi"] == len(VOCAB), "vcr: words of people")


# ---- referring expressions and retrieval ----

def refcoco(folder, rng):
    images = [{"id": i, "width": 100 + i, "height": 80, "file_name": f"{i}.jpg"} for i in range(1, 30)]
    boxes = [{"id": 100 + i, "image_id": rng.randint(1, 29), "bbox": [rng.random() * 9, 2, 3.25, 4 + i], "area": 1.5,
              "iscrowd": 0, "segmentation": [[1, 2]], "category_id": 1} for i in range(200)]
    order = {}
    for b in rng.sample(boxes, len(boxes)):
        order.setdefault(str(b["image_id"]), []).append(b["id"])
    refs, shared = [], ["left", "cat"]
    for i, b in enumerate(rng.sample(boxes, 80)):
        said = [{"sent_id": 10 * i + k, "sent": sentence(rng), "raw": "\u00e9", "tokens": shared} for k in range(3)]
        refs.append({"ref_id": i, "ann_id": b["id"], "image_id": b["image_id"], "category_id": 1, "sentences": said,
                     "split": rng.choice(["train", "val", "testA"]), "sent_ids": [s["sent_id"] for s in said],
                     "file_name": "COCO_train2014_x.jpg"})
    write_json(folder / "instances.json", {"info": {}, "images": images, "annotations": boxes, "categories": []})
    write_json(folder / "order.json", {"iid_to_ann_ids": order})
    by_id = {b["id"]: b for b in boxes}
    for protocol in range(5):
        (folder / "refs.p").write_bytes(pickle.dumps(refs, protocol))
        f = do_import(folder, "refcoco", folder / "refs.p", folder / "instances.json", f"ann_ids={folder}/order.json",
                      "split=val")
        rows = [(r, s) for r in refs if r["split"] == "val" for s in r["sentences"]]
        compare(folder, f, f"refcoco, protocol {protocol}", [str(s["sent_id"]) for _, s in rows],
                [f"visual_grounding_coco_gt_{r['image_id']:012d}" for r, _ in rows], [s["sent"] for _, s in rows])
        R.expect(f["label"][:].tolist() == [order[str(r["image_id"])].index(r["ann_id"]) for r, _ in rows], "right regions")
        R.expect(np.array_equal(f["box"][:], np.array([by_id[r["ann_id"]]["bbox"] for r, _ in rows], np.float32)), "boxes")
        R.expect(f["image_size"][:].tolist() == [[100 + r["image_id"], 80] for r, _ in rows], "sizes of images")
    f = do_import(folder, "refcoco", folder / "refs.p", folder / "instances.json")
    R.expect(set(f["label"][:]) == {-1} and len(f["label"]) == 240, "detected regions: no labels, all splits")
    R.expect(names(f, "image_id")[0].startswith("visual_grounding_det_coco_0"), "and their images")


def retrieval(folder, rng):
    images = [{"filename": f"COCO_val2014_{i:012d}.jpg", "filepath": "val2014", "imgid": i, "cocoid": i,
               "split": rng.choice(["restval", "val", "test"]), "sentids": list(range(5 * i, 5 * i + 5)),
               "sentences": [{"raw": sentence(rng), "tokens": [], "imgid": i, "sentid": 5 * i + k} for k in range(5)]}
              for i in range(60)]
    write_json(folder / "coco.json", {"images": images, "dataset": "coco"})
    f = do_import(folder, "retrieval", folder / "coco.json", "split=val")
    rows = [(i, s) for i in images if i["split"] == "val" for s in i["sentences"]]
    compare(folder, f, "retrieval", [str(s["sentid"]) for _, s in rows],
            [f"coco_val2014_{i['imgid']:012d}" for i, _ in rows], [s["raw"] for _, s in rows])
    R.expect(f.attrs["task"] == b"retrieval", "retrieval: named")


# ---- what is wrong, and what is matched ----

def refused(folder, code, words, *command):
    before = sorted(p.name for p in folder.iterdir())
    got, out = R.run(data(*command))
    R.expect(got == code and all(w in out for w in words), f"exit code {code}, {words}: {out.strip()[-160:]}")
    R.expect(sorted(p.name for p in folder.iterdir()) == before, "nothing is left behind")


class Call:
    """A pickle of this would run a command."""

    def __reduce__(self):
        return print, ("called",)


def bad_input(folder, rng):
    vocab, out = f"vocab={folder}/v.txt", folder / "bad.txt.h5"
    vqa_files(folder, rng, 5)
    table = f"answers={write_json(folder / 'table.json', {a: i for i, a in enumerate(ANSWERS)})}"
    question = (folder / "q.json", out, vocab)
    refused(folder, 64, ["answers"], "import", "vqa", *question)
    refused(folder, 74, ["absent.json"], "import", "vqa", *question, table, f"annotations={folder}/absent.json")
    gap = write_json(folder / "gap.json", {"net": 0, "yes": 2})
    refused(folder, 65, ["gap.json", "label 2", "outside 0 .. 1"], "import", "vqa", *question, f"answers={gap}")
    broken = json.loads((folder / "an.json").read_text())
    broken["annotations"][3]["answer_type"] = "odd"
    write_json(folder / "broken.json", broken)
    refused(folder, 65, ["broken.json", "row 4", "answer_type"], "import", "vqa", *question, table,
            f"annotations={folder}/broken.json")
    (folder / "twice.jsonl").write_text(2 * (json.dumps({"pairID": "a", "gold_label": "neutral", "sentence2": "a cat",
                                                         "Flikr30kID": "1"}) + "\n"))
    refused(folder, 65, ["text_id", "a stands twice", "rows 0 and 1"], "import", "ve", folder / "twice.jsonl", out, vocab)
    write_json(folder / "instances.json", {"images": [{"id": 1, "width": 9, "height": 9}],
                                           "annotations": [{"id": 1, "image_id": 1, "bbox": [0, 0, 1, 1]}]})
    refs = [{"ann_id": 1, "image_id": 1, "split": "val", "sentences": [{"sent_id": 1, "sent": "cat"}]}]
    for name, value, words in (("call.p", pickle.dumps([Call()], 0), ["GLOBAL", "byte"]),
                               ("call4.p", pickle.dumps([Call()], 4), ["STACK_GLOBAL", "byte"]),
                               ("set.p", pickle.dumps([{1}], 4), ["EMPTY_SET"]),
                               ("cut.p", pickle.dumps(refs)[:-20], ["cut short", "byte"]),
                               ("circle.p", b"]q\x00h\x00a.", ["after it was used"])):
        (folder / name).write_bytes(value)
        refused(folder, 65, [name, *words], "import", "refcoco", folder / name, folder / "instances.json", out, vocab)
    (folder / "refs.p").write_bytes(pickle.dumps(refs))
    order = write_json(folder / "order.json", {"iid_to_ann_ids": {"1": [5, 6]}})
    refused(folder, 65, ["order.json", "annotation 1 is not among its 2"], "import", "refcoco", folder / "refs.p",
            folder / "instances.json", out, vocab, f"ann_ids={order}")
    refused(folder, 65, ["of other splits"], "import", "refcoco", folder / "refs.p", folder / "instances.json", out, vocab,
            "split=test")


def matched(folder, rng):
    """Both images of a text as the feature file calls them; without one it is listed."""
    world = R.synth(folder / "m", train_images=6, valid_images=2)
    with h5py.File(world / "coco_train.img.h5") as f:
        ids = names(f, "image_id")
    rows = [{"identifier": f"train-{i}-0-0", "sentence": "a cat", "label": "True"} for i in range(4)]
    (folder / "two.json").write_text("".join(json.dumps(r) + "\n" for r in rows))
    refused(folder, 65, ["no text is left of 4", "no such image"], "import", "nlvr2", folder / "two.json",
            folder / "two.txt.h5", f"vocab={folder}/v.txt", f"images={world}/coco_train.img.h5")
    with h5py.File(world / "coco_train.img.h5", "r+") as f:
        del f["image_id"]
        f["image_id"] = np.array([f"nlvr2_train-{i // 2}-0-img{i % 2}.npz" for i in range(5)] + ["x"], "S40")
    out = R.run_ok(data("import", "nlvr2", folder / "two.json", folder / "two.txt.h5", f"vocab={folder}/v.txt",
                        f"images={world}/coco_train.img.h5"))
    with h5py.File(folder / "two.txt.h5") as f:
        R.expect(names(f, "image_id") == [f"nlvr2_train-{i}-0-img0.npz" for i in range(2)] and
                 names(f, "second_image_id") == [f"nlvr2_train-{i}-0-img1.npz" for i in range(2)], "nlvr2: both images")
    R.expect("2 texts were left out" in out and "2: no such image (first: line 3)" in out, "and counted")
    world = R.synth(folder / "m2", train_images=6, valid_images=2)
    questions = [{"image_id": int("".join(c for c in i if c.isdigit())[-12:]), "question": "a cat", "question_id": k}
                 for k, i in enumerate(ids)] + [{"image_id": 987654, "question": "a dog", "question_id": 99}]
    write_json(folder / "qm.json", {"questions": questions})
    table = write_json(folder / "t.json", ["yes", "no"])
    f = do_import(folder, "vqa", folder / "qm.json", f"answers={table}", "image=NUMBER",
                  f"images={world}/coco_train.img.h5")
    R.expect(names(f, "image_id") == ids, f"vqa: images as the feature file calls them: {ids[:2]}")
    listed = next(folder.glob("vqa*.skipped.tsv")).read_text().splitlines()
    R.expect(len(listed) == 2 and "no such image" in listed[1], "vqa: the one without is listed")


def reference(folder):
    """The normalised answers and the targets of eval.h5."""
    path = R.SHARED / "reference/downstream/eval.h5"
    if not path.exists():
        print("skipped: the reference is not there")
        return
    with h5py.File(path) as f:
        text = {k: [x.decode() for x in f[f"vqa/{k}"][:]] for k in ("raw", "normal", "vocabulary", "answers")}
        targets = f["vqa/targets"][:]
    said = write_json(folder / "raw.json", {"annotations": [{"multiple_choice_answer": x} for x in text["raw"]]})
    R.run_ok(data("answers", folder / "normal.json", f"annotations={said}", "min_count=1"))
    want = list(dict.fromkeys(text["normal"]))
    R.expect(list(json.loads((folder / "normal.json").read_text())) == want, f"{len(text['raw'])} answers as in eval.h5")
    n = len(targets)
    ten = [[{"answer": a} for a in text["answers"][10 * i:10 * i + 10]] for i in range(n)]
    write_json(folder / "q.json", {"data_subtype": "val2014", "questions": [
        {"image_id": i, "question": "a cat", "question_id": i} for i in range(n)]})
    write_json(folder / "an.json", {"annotations": [{"image_id": i, "question_id": i, "answers": ten[i]} for i in range(n)]})
    table = write_json(folder / "table.json", text["vocabulary"])
    f = do_import(folder, "vqa", folder / "q.json", f"annotations={folder}/an.json", f"answers={table}")
    got = np.zeros_like(targets)
    for i in range(n):
        at = slice(*f["answer_offset"][i:i + 2])
        got[i, f["answer_id"][at]] = f["answer_score"][at]
    R.expect(np.allclose(got, targets, rtol=0, atol=1e-6) and targets.any(), f"soft targets of {n} questions as in eval.h5")


def samples(folder):
    """The samples of real forms."""
    base = R.SHARED / "cases/formats"
    if not base.exists():
        print("skipped: the shared samples are not there")
        return
    f = do_import(folder, "vqa", base / "vqa2_questions.json", f"annotations={base}/vqa2_annotations.json",
                  f"answers={base}/vqa_ans2label.json")
    R.expect(f["answer_id"][:].tolist() == [0, 1, 2, 3] and np.allclose(f["answer_score"][:], [1, 0.3, 1, 0.9]), "vqa2")
    R.expect(len(do_import(folder, "ve", base / "snli_ve.jsonl")["answer_id"]) == 1, "snli_ve")
    R.expect(do_import(folder, "nlvr2", base / "nlvr2.jsonl")["label"][:].tolist() == [1, 0], "nlvr2")
    f = do_import(folder, "vcr", base / "vcr.jsonl")
    R.expect(texts_of(f) == ["What does person_0 do ?"], "vcr")
    f = do_import(folder, "refcoco", base / "refs(unc).p", base / "refcoco_instances.json",
                  f"ann_ids={base}/uniter_re_iid_to_ann_ids.json")
    R.expect(texts_of(f) == ["left cup", "red one"] and f["box"][0].tolist() == [10, 20, 100, 200], "refcoco")


def main():
    rng = random.Random(3)
    with R.Folder() as folder:
        for part in (vqa, ve, nlvr2, vcr, refcoco, retrieval, bad_input, matched, reference, samples):
            own = folder / part.__name__
            own.mkdir()
            (own / "v.txt").write_text("\n".join(VOCAB) + "\n")
            part(own, rng) if part not in (reference, samples) else part(own)


main()
