"""txt_dbs of every task, made as the authors' are, into *.txt.h5 and back by h5py: every target; wrong records named."""
import json
import random
import sys
import tempfile
import pathlib

try:
    import h5py
    import lmdb
    import lz4.frame
    import msgpack
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

import runlib as R

TOOL = R.BUILD / "uniter"
META = {"UNK": 1, "CLS": 2, "SEP": 3, "MASK": 4, "v_range": [5, 50], "toker": "made"}
TEXTS = 40


def data(*words):
    return [TOOL, "data", *words]


def refused(folder, code, words, *command):
    before = sorted(p.name for p in folder.iterdir())
    got, out = R.run(data(*command))
    R.expect(got == code and all(w in out for w in words), f"exit code {code}, {words}: {out.strip()[-200:]}")
    R.expect(sorted(p.name for p in folder.iterdir()) == before, "nothing is left behind")


def make_db(path, records, lengths=True, **side):
    path.mkdir()
    env = lmdb.open(str(path), map_size=1 << 24)
    with env.begin(write=True) as txn:
        for key, value in records.items():
            txn.put(key.encode(), lz4.frame.compress(msgpack.packb(value)))
    env.close()
    (path / "meta.json").write_text(json.dumps(META))
    if lengths:
        (path / "id2len.json").write_text(json.dumps({k: len(v["input_ids"]) for k, v in records.items()}))
    for name, value in side.items():
        (path / f"{name}.json").write_text(json.dumps(value))
    return path


def words(draw, most=9):
    return [draw.randrange(5, 50) for _ in range(draw.randrange(1, most))]


def read(path):
    with h5py.File(path) as f:
        columns = {k: f[k][:] for k in f}
        attrs = {k: v.decode() if isinstance(v, bytes) else v for k, v in f.attrs.items()}
    columns["ids"] = [x.decode() for x in columns["text_id"]]
    return columns, attrs


def cut(columns, offset, values, row, width=1):
    at = columns[offset]
    return columns[values][at[width * row]:at[width * row + width]].tolist()


def imported(folder, name, db, *keys):
    out = folder / f"{name}.txt.h5"
    R.run_ok(data("import", "lmdb", db, out, "quiet=true", *keys))
    R.run_ok(data("verify", out))
    columns, attrs = read(out)
    R.expect(attrs["task"] == name.split("-")[0], f"{name}: task {attrs['task']}")
    return columns, attrs


def check_texts(name, columns, records):
    order = sorted(records)
    R.expect(columns["ids"] == order, f"{name}: {len(order)} texts in the order of keys")
    R.expect(all(cut(columns, "token_offset", "token", i) == records[k]["input_ids"] for i, k in enumerate(order)),
             f"{name}: every token")
    return order


def questions(folder, draw):
    kinds = ["yes/no", "number", "other"]
    records = {}
    for i in range(TEXTS):
        labels = draw.sample(range(7), draw.randrange(0, 4))
        records[str(1000 + i)] = {
            "question_id": 1000 + i, "image_id": i, "question": f"is it {i}?", "answer_type": kinds[i % 3],
            "input_ids": words(draw), "img_fname": f"coco_val2014_{i:012}.npz",
            "answers": [{"answer": "a", "answer_id": 1}] * 10, "toked_question": ["is", "it"],
            "target": {"labels": labels, "scores": [draw.choice([0.3, 0.6, 0.9, 1.0, 1]) for _ in labels]}}
    db = make_db(folder / "vqa.db", records)
    names = [f"answer {i}" for i in range(7)]
    table = folder / "ans2label.json"
    table.write_text(json.dumps({n: i for i, n in reversed(list(enumerate(names)))}))
    columns, attrs = imported(folder, "vqa", db, f"answers={table}")
    order = check_texts("vqa", columns, records)
    R.expect(attrs["num_answers"] == 7 and [x.decode() for x in columns["answer_name"]] == names, "vqa: the table")
    R.expect(all(cut(columns, "answer_offset", "answer_id", i) == records[k]["target"]["labels"]
                 for i, k in enumerate(order)), "vqa: every label")
    R.expect(all(cut(columns, "answer_offset", "answer_score", i)
                 == np.float32(records[k]["target"]["scores"]).tolist() for i, k in enumerate(order)), "vqa: every score")
    R.expect(columns["answer_kind"].tolist() == [i % 3 for i in range(TEXTS)], "vqa: kinds")
    _, attrs = imported(folder, "vqa-released", db)
    R.expect(attrs["num_answers"] == 3129, "vqa: the released table without names")
    out = folder / "no.txt.h5"
    table.write_text(json.dumps({n: i for i, n in enumerate(names[:3])}))
    refused(folder, 65, ["text 10", "outside [0, num_answers)"], "import", "lmdb", db, out, f"answers={table}")
    table.write_text(json.dumps({"a": 0, "b": 2}))
    refused(folder, 65, ["ans2label.json", "label 2"], "import", "lmdb", db, out, f"answers={table}")
    for name, change, said in [("uneven", {"labels": [1], "scores": []}, "1 labels, 0 scores"),
                               ("other", {"labels": [1], "score": [1]}, "neither labels nor scores"),
                               ("score", {"labels": [1], "scores": [1.5]}, "outside (0, 1]"),
                               ("text", {"labels": [1], "scores": ["x"]}, "a number is wanted")]:
        bad = dict(records, **{"1007": dict(records["1007"], target=change)})
        refused(folder, 65, ["1007", said], "import", "lmdb", make_db(folder.parent / f"vqa-{name}.db", bad), out)


def entailments(folder, draw):
    records = {f"{i}.jpg#0r1n": {"pairID": f"{i}.jpg#0r1n", "sentence1": "no", "sentence2": f"it is {i}",
                                 "gold_label": "neutral", "input_ids": words(draw), "img_fname": f"flickr30k_{i:012}.npz",
                                 "target": {"labels": [i % 3], "scores": [1.0]}} for i in range(TEXTS)}
    columns, attrs = imported(folder, "ve", make_db(folder / "ve.db", records))
    order = check_texts("ve", columns, records)
    R.expect(columns["answer_id"].tolist() == [records[k]["target"]["labels"][0] for k in order], "ve: every label")
    R.expect([x.decode() for x in columns["answer_name"]] == ["contradiction", "entailment", "neutral"], "ve: the names")
    at = columns["sentence_offset"]
    said = [columns["sentence"][at[i]:at[i + 1]].tobytes().decode() for i in range(TEXTS)]
    R.expect(said == [records[k]["sentence2"] for k in order], "ve: the hypothesis is the sentence")


def statements(folder, draw):
    records = {}
    for i in range(TEXTS):
        r = {"identifier": f"dev-{i}-0-0", "sentence": f"both {i}", "label": "True", "input_ids": words(draw),
             "img_fname": [f"nlvr2_dev-{i}-0-img0.npz", f"nlvr2_dev-{i}-0-img1.npz"], "target": i % 2}
        if i == 5:
            del r["target"]
        records[r["identifier"]] = r
    db = make_db(folder / "nlvr2.db", records)
    columns, _ = imported(folder, "nlvr2", db)
    order = check_texts("nlvr2", columns, records)
    R.expect(columns["label"].tolist() == [records[k].get("target", -1) for k in order], "nlvr2: every label")
    for side, name in enumerate(("image_id", "second_image_id")):
        R.expect([x.decode() for x in columns[name]] == [records[k]["img_fname"][side] for k in order], f"nlvr2: {name}")
    out = folder / "no.txt.h5"
    records["dev-9-0-0"]["img_fname"] = "alone.npz"
    refused(folder, 65, ["dev-9-0-0", "two images"], "import", "lmdb", make_db(folder.parent / "nlvr2-b.db", records), out)
    records["dev-9-0-0"].update(img_fname=["a", "b"], target=2)
    refused(folder, 65, ["dev-9-0-0", "label is 2"], "import", "lmdb", make_db(folder.parent / "nlvr2-c.db", records), out)
    return db


def matched(folder, db):
    """Both images are matched with feature files; a text one of whose images is missing is listed."""
    ids = [f"nlvr2_dev-{i}-0-img{k}" for i in range(TEXTS) for k in range(2) if (i, k) != (3, 1)]
    images = folder / "some.img.h5"
    with h5py.File(images, "w") as f:
        f.attrs.update({"format": "uniter-images", "version": 1, "complete": 1})
        n = len(ids)
        f["image_id"] = np.array(ids, "S")
        f["region_offset"] = np.arange(n + 1, dtype="i8")
        f["feature"] = np.zeros((n, 4), "f2")
        f["box"] = np.tile(np.float32([0, 0, 1, 1, 1, 1]), (n, 1))
        f["confidence"] = np.ones(n, "f2")
    columns, _ = imported(folder, "nlvr2-matched", db, f"images={images}")
    listed = (folder / "nlvr2-matched.txt.h5.skipped.tsv").read_text()
    R.expect(len(columns["ids"]) == TEXTS - 1 and "dev-3-0-0" in listed, "nlvr2: the text without its second image is listed")
    R.expect([x.decode() for x in columns["second_image_id"]] == [f"nlvr2_{k[:-2]}-img1" for k in columns["ids"]],
             "nlvr2: second images by the names of the feature file")


def choices(folder, draw):
    records = {f"val-{i}": {"annot_id": f"val-{i}", "question": [["why"]], "input_ids": words(draw),
                            "input_ids_as": [words(draw) for _ in range(4)], "input_ids_rs": [words(draw) for _ in range(4)],
                            "qa_target": i % 5 - 1, "qar_target": (i + 1) % 5 - 1,
                            "img_fname": [f"vcr_gt_val_{i}.npz", f"vcr_val_{i}.npz"]} for i in range(TEXTS)}
    records["val-3"]["input_ids"] = [50, 130]  # persons
    columns, attrs = imported(folder, "vcr", make_db(folder / "vcr.db", records, lengths=False))
    order = check_texts("vcr", columns, records)
    R.expect(attrs["vocab_size"] == 131 and attrs["random_hi"] == 50, "vcr: the persons behind the vocabulary")
    parts = [[cut(columns, "part_offset", "part", 8 * i + k) for k in range(8)] for i in range(TEXTS)]
    R.expect(parts == [records[k]["input_ids_as"] + records[k]["input_ids_rs"] for k in order], "vcr: every part")
    R.expect(columns["label"].tolist() == [records[k]["qa_target"] for k in order], "vcr: right answers")
    R.expect(columns["rationale"].tolist() == [records[k]["qar_target"] for k in order], "vcr: right rationales")
    R.expect([x.decode() for x in columns["second_image_id"]] == [records[k]["img_fname"][1] for k in order],
             "vcr: images of detected boxes")
    out = folder / "no.txt.h5"
    for name, change, said in [("three", {"input_ids_as": [[5]] * 3}, "3 choices, not 4"),
                               ("empty", {"input_ids_rs": [[5], [], [5], [5]]}, "part 5 has no tokens"),
                               ("far", {"qa_target": 4}, "label is 4"), ("word", {"input_ids_as": [[131]] * 4}, "131")]:
        bad = dict(records, **{"val-7": dict(records["val-7"], **change)})
        refused(folder, 65, ["val-7", said], "import", "lmdb",
                make_db(folder.parent / f"vcr-{name}.db", bad, lengths=False), out)


def expressions(folder, draw):
    images = [{"id": 500 + i, "file_name": "x.jpg", "width": 640, "height": 400 + i, "ann_ids": draw.sample(range(10000), 6)}
              for i in range(20)]
    records = {}
    for i in range(TEXTS):
        image = images[i % 20]
        records[str(i)] = {"sent_id": i, "sent": f"the {i} one", "ref_id": i, "ann_id": draw.choice(image["ann_ids"]),
                           "image_id": image["id"], "bbox": [draw.randrange(300), 1.5, 20.25, 30], "input_ids": words(draw),
                           "img_fname": f"visual_grounding_coco_gt_{image['id']:012}.npz"}
    draw.shuffle(images)
    by_id = {x["id"]: x for x in images}
    db = make_db(folder / "re.db", records, images=images, refs=[], annotations=[])
    columns, _ = imported(folder, "re", db)
    order = check_texts("re", columns, records)
    R.expect(columns["label"].tolist() == [by_id[records[k]["image_id"]]["ann_ids"].index(records[k]["ann_id"])
                                           for k in order], "re: every right region")
    R.expect(columns["box"].tolist() == [[float(x) for x in records[k]["bbox"]] for k in order], "re: every box")
    R.expect(columns["image_size"].tolist() == [[640, by_id[records[k]["image_id"]]["height"]] for k in order],
             "re: sizes of images")
    columns, _ = imported(folder, "re-detected", db, "detected=true")
    R.expect(set(columns["label"].tolist()) == {-1}, "re: no region is known to be right among detected ones")
    out = folder / "no.txt.h5"
    bad = dict(records, **{"7": dict(records["7"], ann_id=99999)})
    refused(folder, 65, ["text 7", "ann_id 99999"], "import", "lmdb",
            make_db(folder.parent / "re-a.db", bad, images=images), out)
    bad = dict(records, **{"7": dict(records["7"], image_id=3)})
    refused(folder, 65, ["text 7", "image 3 is not in images.json"], "import", "lmdb",
            make_db(folder.parent / "re-b.db", bad, images=images), out)
    refused(folder, 65, ["images.json", "stands twice"], "import", "lmdb",
            make_db(folder.parent / "re-c.db", records, images=images + images[:1]), out)
    refused(folder, 65, ["images.json", "is wanted"], "import", "lmdb",
            make_db(folder.parent / "re-d.db", records, images=[{"id": 3}]), out)
    refused(folder, 74, ["images.json"], "import", "lmdb", make_db(folder.parent / "re-e.db", records), out)


def captions(folder, draw):
    records = {f"{i}": {"input_ids": words(draw), "img_fname": f"coco_val2014_{i:012}.npz", "raw": f"a {i}"}
               for i in range(TEXTS)}
    db = make_db(folder / "itm.db", records)
    check_texts("retrieval", imported(folder, "retrieval", db, "task=retrieval")[0], records)
    R.run_ok(data("import", "lmdb", db, folder / "captions.txt.h5"))
    R.expect("task" not in read(folder / "captions.txt.h5")[1], "captions are of no task")
    refused(folder, 64, ["answers=", "no questions"], "import", "lmdb", db, folder / "no.txt.h5", "answers=x.json")
    refused(folder, 65, ["two images are wanted"], "import", "lmdb", db, folder / "no.txt.h5", "task=nlvr2")


with tempfile.TemporaryDirectory() as top:
    folder = pathlib.Path(top) / "out"
    folder.mkdir()
    questions(folder, random.Random(1))
    entailments(folder, random.Random(2))
    matched(folder, statements(folder, random.Random(3)))
    choices(folder, random.Random(4))
    expressions(folder, random.Random(5))
    captions(folder, random.Random(6))
