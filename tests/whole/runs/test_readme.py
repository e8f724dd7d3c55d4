"""README's "Bring your data" and "Use the model", line by line: every command of the tables is run as it stands there, in a
folder that holds what "you have" says, real files where the shared data are present. Skipped without them. Configurations of
tasks are the authors' with the micro-world as data, small sizes and few steps. Before that, every path in backticks that names a
file of the repository exists, in README.md, the READMEs of the rooms and their pages.
"""
import json
import os
import pickle
import re
import shlex
import shutil

import runlib as R

try:
    import h5py
    import numpy as np
    import weightslib
except ImportError:
    h5py = None

DATA = R.SHARED / "data"
ROOMS = ("runtime", "model", "comm", "io", "launch", "tests", "ci", "configs")
PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
SOURCE = re.compile(r".*\.(?:c|h|cu|cuh|cpp|py|sh|md|cmake)")


def pages():
    found = [*R.ROOT.glob("*.md"), *(R.ROOT / ".github").glob("*.md")]
    return found + [page for room in ROOMS for page in (R.ROOT / room).rglob("*.md")]


def missing_paths(page):
    """Words in backticks, and the first words of commands, that say they are files of the repository and are none."""
    rooms = {f"{room}/" for room in ROOMS}
    own = {f"{path.name}/" for path in page.parent.iterdir() if path.is_dir()}
    for quoted in re.findall(r"`([^`\n]+)`", page.read_text()):
        word = quoted.split()[0]
        if not PATH.fullmatch(word) or not (SOURCE.fullmatch(word) or word[: word.find("/") + 1] in rooms | own):
            continue
        if not any(any(base.glob(word.rstrip("/"))) for base in (page.parent, R.ROOT)) and not (
                "/" not in word and any(any((R.ROOT / room).rglob(word)) for room in ROOMS)):
            yield word


def commands():
    text = (R.ROOT / "README.md").read_text()
    sections = [text[text.index(f"## {title}"):] for title in ("Bring your data", "Use the model")]
    return [c for section in sections for c in re.findall(r"`([^`]+)`", section[:section.index("\n## ", 4)])
            if c.startswith(("uniter ", "uniter_dist "))]


def keys_that_are_none(page, known):
    """`section.key` in backticks whose section is one of the configuration, and which is no key of it."""
    sections = {k.split(".")[0] for k in known}
    for word in re.findall(r"`([a-z]+\.[a-z_0-9]+)[`:= ]", page.read_text()):
        if word.split(".")[0] in sections and word not in known and not SOURCE.fullmatch(word) and word.split(".")[1] not in ("yaml", "json"):
            yield word


def vqa(path):
    rng = np.random.default_rng(1)
    corner = rng.random((12, 2)) * 0.5
    with h5py.File(path, "w") as f:
        f["image_features"] = rng.normal(size=(12, 64)).astype("<f4")
        f["spatial_features"] = np.hstack([corner, corner + 0.3, np.full((12, 2), 0.3)]).astype("<f4")
        f["pos_boxes"] = np.array([[0, 5], [5, 12]])
        f["image_id"] = np.array([7, 9])


def mmf(folder):
    folder.mkdir()
    rng = np.random.default_rng(5)
    for i in range(3):
        corner = rng.random((4, 2)) * [300, 200]
        info = {"bbox": np.hstack([corner, corner + 100]).astype("<f4"), "num_boxes": 4, "image_width": 640, "image_height": 480}
        np.save(folder / f"{i}.npy", rng.normal(size=(4, 16)).astype("<f4"))
        np.save(folder / f"{i}_info.npy", info, allow_pickle=True)


def bert(path):
    import struct
    width, rng = 32, np.random.default_rng(2)
    shapes = {"embeddings.word_embeddings.weight": (40, width), "embeddings.position_embeddings.weight": (16, width),
              "embeddings.token_type_embeddings.weight": (2, width)}
    for name, *size in [("embeddings.LayerNorm", width)] + [(f"encoder.layer.0.{part}", *size) for part, *size in (
            *((f"attention.self.{x}", width, width) for x in ("query", "key", "value")), ("attention.output.dense", width, width),
            ("attention.output.LayerNorm", width), ("intermediate.dense", 64, width), ("output.dense", width, 64), ("output.LayerNorm", width))]:
        shapes |= {f"{name}.weight": tuple(size), f"{name}.bias": (size[0],)}
    header, body = {}, b""
    for name, shape in shapes.items():
        value = rng.normal(size=shape).astype("<f4").tobytes()
        header["bert." + name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(value)]}
        body += value
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


def run_folder(folder):
    data = R.synth(folder / "synth", tasks="all", test_images=8)
    cfg = R.write_config(folder / "c.yaml", data, folder / "runs/x", steps=4, lanes=4)
    R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet"])


def tasks(folder):
    """Annotations in their original forms, a few of each."""
    def dump(name, value):
        (folder / name).write_text(json.dumps(value))

    def lines(name, rows):
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name, front in (("v2_OpenEnded_mscoco_val2014_questions", "v2_mscoco_val2014"), ("", "v2_mscoco_train2014"),
                        ("vg_questions", "vg")):
        dump(f"{front}_annotations.json", {"annotations": [
            {"question_id": i, "image_id": i, "answer_type": "other", "multiple_choice_answer": "a cup",
             "answers": [{"answer": "cup"}] * (1 if front == "vg" else 10)} for i in range(12)]})
        if name:
            dump(f"{name}.json", {"data_subtype": "val2014", "questions": [
                {"question_id": i, "image_id": i, "question": "What is it?"} for i in range(12)]})
    lines("snli_ve_dev.jsonl", [{"pairID": f"{i}", "gold_label": "neutral", "sentence2": "It is red.", "Flikr30kID": f"{i}.jpg"}
                                for i in range(4)])
    lines("train.json", [{"identifier": f"train-{i}-0-0", "sentence": "Two cups.", "label": "True"} for i in range(4)])
    dump("missing_nlvr2_imgs.json", ["nlvr2_train-3-0-img1.npz"])
    lines("val.jsonl", [{"annot_id": f"val-{i}", "img_fn": "m/x@0.jpg", "objects": ["person", "cup"], "question": ["Why", [0], "?"],
                         "answer_choices": [[[0, 1], "."]] * 4, "rationale_choices": [["It", "is", "."]] * 4,
                         "answer_label": 1, "rationale_label": 2} for i in range(4)])
    dump("instances.json", {"images": [{"id": 1, "width": 640, "height": 480}],
                            "annotations": [{"id": 7, "image_id": 1, "bbox": [1, 2, 30, 40]}]})
    dump("iid_to_ann_ids.json", {"iid_to_ann_ids": {"1": [7]}})
    (folder / "refs(unc).p").write_bytes(pickle.dumps([
        {"ann_id": 7, "image_id": 1, "split": "val", "sentences": [{"sent_id": 3, "sent": "left cup"}]}], 2))


SMALL = {"preset: base": "hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 128",
         "data:": "data:\n  min_bb: 2\n  max_bb: 40", r"steps: \d+, lanes: \d+, tokens_per_lane: \d+": "steps: 4, lanes: 2, tokens_per_lane: 1024",
         r"warmup_steps: \d+": "warmup_steps: 2", r"every: \d+": "every: 2"}


def authors_configuration(folder, name, task):
    """configs/tasks/NAME.yaml on a task of the micro-world; its objective, set names and keys stay."""
    text = (R.ROOT / f"configs/tasks/{name}.yaml").read_text()
    for split in ("train", "valid"):
        files = f"text: synth/{task}_{split}.txt.h5, images: synth/{task}_{split}.img.h5"
        text, changed = re.subn(r"text: [^s][^{}]*?images: [^{}]*?(?=, mix|\})", files, text, count=1)
        R.expect(changed == 1, f"{name}.yaml names data to {split} on")
    for pattern, small in SMALL.items():
        text, changed = re.subn(rf"(?m)(?<![\w.])(?:{pattern})", small, text)
        R.expect(changed > 0, f"{name}.yaml has \"{pattern}\"")
    (folder / "configs/tasks").mkdir(parents=True, exist_ok=True)
    (folder / f"configs/tasks/{name}.yaml").write_text(text)


def trained(folder):
    """Pairs to be scored; weights of VQA: the run's body and a head that is drawn."""
    (folder / "pairs.tsv").write_text("coco_valid_00000003\tcoco_valid_00000001_0\ncoco_valid_00000001\tcoco_valid_00000001_0\n")
    rng, labels = np.random.default_rng(4), 6
    tensors, _ = weightslib.parameters(folder / "runs/x")
    tensors = {name: value for name, value in tensors.items() if name.startswith("uniter.")}
    width = tensors["uniter.pooler.dense.bias"].shape[0]
    for name, shape in {"0.weight": (2 * width, width), "0.bias": (2 * width,), "2.weight": (2 * width,), "2.bias": (2 * width,),
                        "3.weight": (labels, 2 * width), "3.bias": (labels,)}.items():
        tensors[f"vqa_output.{name}"] = rng.normal(0, 0.02, shape).astype("<f4")
    weightslib.write_file(folder / "uniter-vqa.safetensors", tensors, {"num_attention_heads": "2"})
    (folder / "answers.json").write_text(json.dumps({f"answer {i}": i for i in range(labels)}))


def what_you_have(folder):
    (folder / "features").symlink_to(DATA / "butd_npz")
    np.save(folder / "vit.npy", np.random.default_rng(3).normal(size=(2, 10, 16)).astype("<f2"))
    (folder / "vit_ids.txt").write_text("one\ntwo\n")
    for name in ("img_db", "txt_db"):
        (folder / name).symlink_to(DATA / "lmdb/msgpack" / name)
    for name, source in (("butd.tsv", "tsv/butd.tsv"), ("captions_val2017.json", "captions/coco_captions_val2017.json"),
                         ("region_descriptions.json", "captions/vg_region_description_image1.json"),
                         ("conceptual_captions.tsv", "captions/conceptual_captions_validation.tsv"),
                         ("objects_vocab.txt", "vocab/objects_vocab.txt"),
                         ("bert-base-cased-vocab.txt", "vocab/bert-base-cased-vocab.txt"),
                         ("bert-base-uncased-vocab.txt", "vocab/bert-base-uncased-vocab.txt")):
        (folder / name).symlink_to(DATA / source)
    lines = (DATA / "captions/flickr_one_per_line.txt").read_text().splitlines()[:400]
    captions = [line.split("\t")[-1] for line in lines]
    numbers = [42, 58350, 124629, 268556, 399879, 409241, 437564, 504810, 562150]
    (folder / "own.tsv").write_text("".join(f"{n}\t{c}\n" for n, c in zip(numbers * 5, captions)))
    (folder / "corpus.txt").write_text("\n".join(captions) + "\n")
    (folder / "sbu_captions.txt").write_text("\n".join(captions[:50]) + "\n")
    (folder / "sbu_urls.txt").write_text("".join(f"http://images.example/{i}.jpg\n" for i in range(50)))
    (folder / "dataset_coco.json").write_text(json.dumps({"dataset": "coco", "images": [
        {"filename": "COCO_val2014_000000000042.jpg", "cocoid": 42, "split": "train" if i % 2 else "val",
         "sentences": [{"raw": c, "sentid": i}]} for i, c in enumerate(captions[:20])]}))
    tasks(folder)
    vqa(folder / "vqa.h5")
    mmf(folder / "mmf")
    (folder / "train-vqa-base-1gpu.json").write_text(json.dumps({
        "train_txt_dbs": ["/txt/vqa_train.db"], "train_img_dbs": ["/img/coco_train2014/"], "val_txt_db": "/txt/vqa_devval.db",
        "val_img_db": "/img/coco_val2014/", "train_batch_size": 10240, "num_train_steps": 6000, "learning_rate": 8e-05, "seed": 42}))
    bert(folder / "bert.safetensors")
    run_folder(folder)
    trained(folder)
    (folder / "runs/base").symlink_to("x")
    authors_configuration(folder, "vqa_base", "vqa")
    authors_configuration(folder, "itm_flickr_base", "retrieval")


def main():
    for page in pages():
        missing = sorted(set(missing_paths(page)))
        R.expect(not missing, f"paths of {page.relative_to(R.ROOT)} {'that are none: ' + ' '.join(missing) if missing else 'exist'}")
    known = set(re.findall(r"^([a-z]+\.[a-z_0-9]+|device)", R.run_ok([R.BUILD / "uniter_dist", "--help-config"]), re.M))
    for page in pages():
        none = sorted(set(keys_that_are_none(page, known)))
        R.expect(not none, f"keys in {page.relative_to(R.ROOT)} {'that are none: ' + ' '.join(none) if none else 'are keys'}")
    if not h5py:
        R.skip("no h5py or numpy: commands were not run")
    if not DATA.exists():
        R.skip("no shared data: commands were not run")
    with R.Folder() as folder:
        what_you_have(folder)
        bin_folder = folder / "bin"
        bin_folder.mkdir()
        for program in ("uniter", "uniter_dist"):
            shutil.copy(R.BUILD / program, bin_folder / program)
        os.chdir(folder)
        path = f"{bin_folder}:{os.environ['PATH']}"
        found = commands()
        R.expect(len(found) >= 45, f"{len(found)} commands in the tables")
        for command in found:
            code, out = R.run(["bash", "-c", f"cd {shlex.quote(str(folder))} && {command}"], PATH=path)
            if code != 0:
                print(out[-2000:])
            R.expect(code == 0, command)


if __name__ == "__main__":
    main()
