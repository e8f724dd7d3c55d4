"""configs/tasks: every file is a run that --check can plan on data with the names it asks for, and has the numbers with which
the authors trained (their released configurations, in the table below)."""
import json
import math
import re
import struct

import runlib as R

# file: cards, tokens (t) or examples (e) a card and pass, accumulated passes, lr, steps, warm-up, validation, seed, clip
T, E = "tokens", "examples"
TABLE = {
    "vqa_base": (4, 5120, T, 5, 8e-5, 6000, 600, 500, 42, 2),
    "vqa_large": (8, 3072, T, 4, 5e-5, 5000, 500, 500, 42, 2),
    "ve_base": (2, 4096, T, 4, 8e-5, 4000, 400, 500, 42, 2),
    "ve_large": (4, 4096, T, 2, 3e-5, 4000, 400, 500, 42, 2),
    "nlvr2_base": (1, 10240, T, 1, 3e-5, 8000, 800, 500, 77, 2),
    "nlvr2_large": (2, 5120, T, 2, 2e-5, 5000, 500, 500, 24, 2),
    "vcr_base": (4, 4000, T, 5, 6e-5, 8000, 800, 1000, 42, 2),
    "vcr_large": (4, 4000, T, 5, 6e-5, 8000, 800, 1000, 42, 2),
    "pretrain_vcr_base": (4, 6144, T, 4, 3e-5, 45000, 4500, 2000, 42, 0),
    "pretrain_vcr_large": (4, 6144, T, 4, 3e-5, 45000, 4500, 2000, 42, 0),
    "refcoco_base": (1, 128, E, 1, 1e-4, 24000, 1500, None, 24, 2),
    "refcocog_base": (1, 128, E, 1, 1e-4, 24000, 1500, None, 24, 2),
    "refcoco_plus_base": (1, 128, E, 1, 6e-5, 10000, 1000, None, 24, 2),
    "itm_flickr_base": (8, 40, E, 4, 5e-5, 20000, 2000, 2000, 42, 2),
    # 16 cards, 8 passes of a group of either kind, whose mean is divided by the passes: 2 groups a lane, the factor 2
    "itm_flickr_base_hn": (16, 2, E, 8, 5e-5, 5000, 500, 500, 42, 2),
    "itm_flickr_large_hn": (16, 2, E, 8, 5e-5, 5000, 500, 500, 42, 2),
    "itm_coco_base_hn": (16, 2, E, 8, 5e-5, 5000, 500, 500, 42, 2),
    "itm_coco_large_hn": (16, 2, E, 8, 3e-5, 5000, 500, 500, 42, 2),
}
# what else is told of one: (section, key): value; absent: the default
OTHER = {
    "vqa": {("optim", "lr_mul"): "10"},
    "vcr": {("data", "max_txt_len"): "220"},
    "pretrain_vcr": {("data", "max_txt_len"): "220", ("model", "type_vocab_size"): "4", ("train", "mixing"): "batch"},
    "refcoco": {("data", "conf_th"): "-1", ("data", "num_bb"): "100"},
    "refcocog": {("data", "conf_th"): "-1", ("data", "num_bb"): "100"},
    "refcoco_plus": {("model", "re_layers"): "2", ("data", "conf_th"): "-1", ("data", "num_bb"): "100"},
}
DEFAULT = {("optim", "lr_mul"): "1", ("data", "max_txt_len"): "60", ("data", "conf_th"): "0.2", ("data", "num_bb"): "36",
           ("data", "min_bb"): "10", ("data", "max_bb"): "100", ("model", "re_layers"): "1", ("model", "type_vocab_size"): "auto",
           ("model", "dropout"): "0.1", ("optim", "betas"): "[0.9, 0.98]", ("optim", "weight_decay"): "0.01",
           ("train", "mixing"): "sample", ("train", "hard_size"): "31", ("train", "candidates"): "399", ("train", "margin"): "0.2",
           ("train", "negatives"): "1", ("train", "re_mean"): "false", ("train", "samples_per_lane"): "0",
           ("train", "loss_scale"): "1"}
MIX = {"vqa": "vqa: 1", "ve": "ve: 1", "nlvr2": "nlvr2_attn: 1", "vcr": "vcr: 1", "refcoco": "re: 1", "refcocog": "re: 1",
       "refcoco_plus": "re: 1", "itm_flickr": "itm_rank: 1", "hn": "itm_hard: 1",
       "pretrain_vcr_base": "mlm: 2, mrfr: 1, mrckl: 1", "pretrain_vcr_large": "mlm: 10, mrfr: 1, mrckl: 1"}
WIDTH = {"base": 768, "large": 1024}

# What configurations ask for, of which set and split of the micro-world. Trainings of several parts share the texts of one.
MADE = {
    "vqa_train.txt": "vqa_train_train.txt", "vqa_trainval.txt": "vqa_train_valid_train.txt",
    "vqa_vg.txt": "vqa_train_valid_valid.txt", "vqa_devval.txt": "vqa_valid.txt",
    "coco_train2014_1.img": "vqa_train.img", "coco_val2014_1.img": "vqa_valid.img",
    "coco_retrieval_train.txt": "retrieval_train_train.txt", "coco_retrieval_restval.txt": "retrieval_train_valid.txt",
    "coco_retrieval_val.txt": "retrieval_valid.txt",
    "coco_train2014_2.img": "retrieval_train.img", "coco_val2014_2.img": "retrieval_valid.img", "vg_1.img": "coco_train.img",
    "ve_train.txt": "ve_train.txt", "ve_dev.txt": "ve_valid.txt",
    "flickr30k_train.txt": "retrieval_train.txt", "flickr30k_val.txt": "retrieval_valid.txt",
    "flickr30k_1.img": "ve_train.img", "flickr30k_2.img": "ve_valid.img",
    "flickr30k_3.img": "retrieval_train.img", "flickr30k_4.img": "retrieval_valid.img",
    "nlvr2_train.txt": "nlvr2_train.txt", "nlvr2_dev.txt": "nlvr2_valid.txt",
    "nlvr2_train.img": "nlvr2_train.img", "nlvr2_dev.img": "nlvr2_valid.img",
    "vcr_train.txt": "vcr_train.txt", "vcr_val.txt": "vcr_valid.txt",
    "vcr_gt_train.img": "vcr_gt_train.img", "vcr_gt_val.img": "vcr_gt_valid.img",
    "vcr_train.img": "vcr_train.img", "vcr_val.img": "vcr_valid.img",
    "refcoco_train.txt": "re_train.txt", "refcoco_val.txt": "re_valid.txt",
    "refcocog_train.txt": "re_train.txt", "refcocog_val.txt": "re_valid.txt",
    "refcoco+_train.txt": "re+_train.txt", "refcoco+_val.txt": "re+_valid.txt",
    "re_coco_gt_1.img": "re_train.img", "re_coco_gt_2.img": "re_valid.img",
    "re_coco_gt_3.img": "re+_train.img", "re_coco_gt_4.img": "re+_valid.img",
}
SPLITS = ("vqa_train", "vqa_train_valid", "retrieval_train")


def made_data(folder):
    world = R.synth(folder / "world", tasks="all", sets="coco", train_images=420, valid_images=20, test_images=1)
    for name in SPLITS:
        seed = len(name)  # the same one would choose the same images again
        R.run_ok([R.BUILD / "uniter", "data", "split", world / f"{name}.txt.h5", f"out={world}", "valid=0.5", f"seed={seed}"])
    (folder / "data").mkdir()
    for name, of in MADE.items():
        (folder / "data" / f"{name}.h5").symlink_to(world / f"{of}.h5")


def network(width, layers, types, vocabulary):
    """Names and shapes of UNITER's embeddings of words and of its encoder."""
    yield "embeddings.word_embeddings.weight", [vocabulary, width]
    yield "embeddings.position_embeddings.weight", [512, width]
    yield "embeddings.token_type_embeddings.weight", [types, width]
    for name, out, of in [("embeddings.LayerNorm", width, None), *(
            (f"encoder.layer.{i}.{part}", out, of) for i in range(layers) for part, out, of in (
                ("attention.self.query", width, width), ("attention.self.key", width, width), ("attention.self.value", width, width),
                ("attention.output.dense", width, width), ("attention.output.LayerNorm", width, None),
                ("intermediate.dense", 4 * width, width), ("output.dense", width, 4 * width), ("output.LayerNorm", width, None)))]:
        yield f"{name}.weight", [out] if of is None else [out, of]
        yield f"{name}.bias", [out]


def earlier_run(path, width, types):
    """What stands for the weights that a configuration begins with: a file with holes for their values, which --check does not read."""
    header, at = {}, 0
    for name, shape in network(width, 24 if width == WIDTH["large"] else 12, types, 258):
        end = at + 4 * math.prod(shape)
        header[f"uniter.{name}"] = {"dtype": "F32", "shape": shape, "data_offsets": [at, end]}
        at = end
    text = json.dumps(header).encode()
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.truncate(8 + len(text) + at)
    return len(header)


def value(text, section, key):
    """Of a section in one line, or of a key on its line in it; else the default."""
    found = (re.search(rf"^{section}: {{.*?\b{key}: (\[[^]]*\]|[^,}}]+)", text, re.M) or
             re.search(rf"^{section}:\n(?:  .*\n)*?  {key}: (.*)$", text, re.M))
    return found.group(1) if found else DEFAULT[section, key]


def numbers(name, text):
    cards, batch, unit, passes, lr, steps, warmup, every, seed, clip = TABLE[name]
    said = {key: float(value(text, *key)) for key in (
        ("optim", "lr"), ("train", "steps"), ("optim", "warmup_steps"), ("valid", "every"), ("run", "seed"),
        ("optim", "grad_norm"), ("train", "lanes"), ("train", "tokens_per_lane"), ("train", "samples_per_lane"),
        ("train", "loss_scale"))}
    said = {key: x for (_, key), x in said.items()}
    hard = name.endswith("_hn")
    wanted = {"lr": lr, "steps": steps, "warmup_steps": warmup, "seed": seed, "grad_norm": clip,
              "loss_scale": 2 if hard else passes, "every": said["every"] if every is None else every}
    wrong = {key: (said[key], x) for key, x in wanted.items() if said[key] != x}
    a_lane = 2 if hard else said["samples_per_lane"] if unit == E else said["tokens_per_lane"]
    if said["lanes"] * a_lane != cards * batch * passes:
        wrong["a step"] = (said["lanes"] * a_lane, cards * batch * passes)
    R.expect(not wrong, f"{name}: {cards} x {batch} {unit} x {passes} a step, {len(wanted)} more as released {wrong or ''}")


def others(name, text):
    size = name.rsplit("_base", 1)[0].rsplit("_large", 1)[0]
    kind = "hn" if name.endswith("_hn") else size
    wanted = DEFAULT | {("model", "preset"): "large" if "large" in name else "base"} | OTHER.get(kind, {})
    del wanted["train", "samples_per_lane"], wanted["train", "loss_scale"]  # see numbers
    wrong = {key: (value(text, *key), x) for key, x in wanted.items() if value(text, *key) != x}
    mix = re.search(r"mix: {(.*?)}", text).group(1)
    if mix != MIX.get(kind, MIX.get(name)):
        wrong["mix"] = mix
    R.expect(not wrong, f"{name}: mix {mix}, and {len(wanted)} keys that most leave as they are {wrong or ''}")


def planned(folder, name, text):
    init = value(text, "model", "init")
    second = init == f"runs/pretrain_{name}"
    R.expect(init == f"runs/{value(text, 'model', 'preset')}" or second, f"{name}: begins with {init}")
    width = WIDTH[value(text, "model", "preset")]
    there = earlier_run(folder / init, width, 4 if second else 2)
    cfg = folder / f"{name}.yaml"
    cfg.write_text(re.sub(r"\b(data|runs)/", lambda m: f"{folder}/{m.group(1)}/", text))
    before = sorted(folder.rglob("*"))
    out = R.run_ok(R.command(1, "--cfg", cfg, "--check", "device=cpu"))
    lines = {}
    for line in out.splitlines():
        lines.setdefault(line.split(" ")[0], line)
    parts = {"run": f", {value(text, 'train', 'steps')} updates,", "network": f" width {width},", "init": f" {there} are there and ",
             "train": " texts ", "valid": " texts ", "step": f" in {value(text, 'train', 'lanes')} lanes,",
             "streams": " of samples,", "memory": " MiB a rank:"}
    cards, batch, unit, passes = TABLE[name][:4]
    if unit == E:
        parts["step"] += f" about {cards * batch * passes} samples of "
    missing = [line for line, part in parts.items() if part not in lines.get(line, "")]
    R.expect(not missing, f"{name}: --check plans it {missing or ''}")
    R.expect(sorted(folder.rglob("*")) == before, f"{name}: --check leaves no file")


def refused(folder):
    """What hard negatives need is not there: --check says so, and not only the first update."""
    for key, part in (("train.tokens_per_lane=2048", "hard_size: 31 may have"), ("train.candidates=420", "has 420 images")):
        code, out = R.run(R.command(1, "--cfg", folder / "itm_flickr_base_hn.yaml", "--check", key))
        R.expect(code == 64 and part in out and key.split("=")[0] in out, f"--check refuses {key}")


def defaults():
    """What a configuration does not say is what the program takes."""
    out = R.run_ok(R.command(1, "--help-config"))
    said = {tuple(key.split(".")): default for key, default in re.findall(
        r"^(\w+\.\w+)  +(?:whole number|number|one of|true or false|\w.*?)  +(\[.*?\]|\S+)", out, re.M)}
    wrong = {key: (said.get(key), x) for key, x in DEFAULT.items() if said.get(key) != x}
    R.expect(not wrong, f"{len(DEFAULT)} defaults are those of --help-config {wrong or ''}")


def main():
    defaults()
    files = sorted((R.ROOT / "configs/tasks").iterdir())
    R.expect({f.name for f in files} == {f"{name}.yaml" for name in TABLE}, f"configs/tasks: the table has all {len(files)}")
    with R.Folder() as folder:
        made_data(folder)
        for path in files:
            text = path.read_text()
            numbers(path.stem, text)
            others(path.stem, text)
            planned(folder, path.stem, text)
        refused(folder)


if __name__ == "__main__":
    main()
