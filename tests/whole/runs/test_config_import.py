"""uniter config import: set-ups in the authors' form become the runs of configs/tasks, configs/base.yaml and configs/large.yaml; what
has no counterpart is named; wrong ones are refused with file and key; what comes out is planned by --check."""
import json
import re

import runlib as R
import test_task_configs as T

TOOL = R.BUILD / "uniter"
COMMON = {"max_txt_len": 60, "conf_th": 0.2, "max_bb": 100, "min_bb": 10, "num_bb": 36, "optim": "adamw", "betas": [0.9, 0.98], "dropout": 0.1,
          "weight_decay": 0.01, "fp16": True, "n_workers": 4, "pin_mem": True, "output_dir": "/storage/x"}
# names and files of a run are the user's own; the numbers are not
OWN = re.compile(r"run\.dir|model\.init|data\.(train|valid)\.\d+\.(name|text|images)(\.\d+)?")
PARTS = {"vqa": ("train_txt_dbs", ["/txt/vqa_train.db", "/txt/vqa_trainval.db", "/txt/vqa_vg.db"], "train_img_dbs", ["/img/coco_train2014/", "/img/vg"]),
         "ve": ("train_txt_db", "/txt/ve_train.db/", "train_img_db", "/img/flickr30k/"),
         "nlvr2": ("train_txt_db", "/txt/nlvr2_train.db", "train_img_db", "/img/nlvr2_train/"),
         "vcr": ("train_txt_dbs", ["/txt/vcr_train.db/"], "train_img_dbs", ["/img/vcr_gt_train/;/img/vcr_train/"]),
         "refcoco": ("train_txt_db", "/txt/refcoco_train.db", "train_img_db", "/img/re_coco_gt"),
         "refcocog": ("train_txt_db", "/txt/refcocog_train.db", "train_img_db", "/img/re_coco_gt"),
         "refcoco_plus": ("train_txt_db", "/txt/re/refcoco+_train.db", "train_img_db", "/img/re/re_coco_gt"),
         "itm_flickr": ("train_txt_dbs", ["/txt/itm_flickr30k_train.db"], "train_img_dbs", ["/img/flickr30k/"]),
         "itm_coco": ("train_txt_dbs", ["/txt/itm_coco_train.db", "/txt/itm_coco_restval.db"], "train_img_dbs", ["/img/coco_train2014/", "/img/coco_val2014"])}
MORE = {"vqa": {"lr_mul": 10.0}, "vcr": {"lr_mul": 1.0, "max_txt_len": 220, "checkpoint_from": "vcr_pretrain"},
        "nlvr2": {"model": "paired-attn", "use_img_type": True},
        "refcoco": {"lr_mul": 1.0, "decay": "linear", "conf_th": -1, "num_bb": 100},
        "refcocog": {"lr_mul": 1.0, "decay": "linear", "conf_th": -1, "num_bb": 100},
        "refcoco_plus": {"lr_mul": 1.0, "decay": "linear", "conf_th": -1, "num_bb": 100, "mlp": 2, "mask_dir": "/x/mask_6.pt"},
        "itm_flickr": {"margin": 0.2, "negative_size": 1, "full_val": True}}
HARD = {"margin": 0.2, "negative_size": 399, "hard_neg_size": 31, "inf_minibatch_size": 400}
TASKS = ["itm", "mlm", "mrfr", "mrckl"]


def mixed(names, ratios, tasks):
    sets = [{"name": name, "db": [f"/txt/{name}_train.db/"], "img": [f"/img/{name}/;/img/{name}_more/"], "tasks": tasks, "mix_ratio": ratio}
            for name, ratio in zip(names, ratios)]
    held = [{"name": name, "db": [f"/txt/{name}_val.db/"], "img": [f"/img/{name}_more/"], "tasks": tasks[::-1]} for name in names]
    return {"train_datasets": sets, "val_datasets": held}


def setup(name):
    """The set-up of a run of T.TABLE, in the authors' form."""
    cards, batch, _, passes, lr, steps, warmup, every, seed, clip = T.TABLE[name]
    size = "large" if "large" in name else "base"
    said = COMMON | {"checkpoint": f"/pretrain/uniter-{size}.pt", "model_config": f"/src/config/uniter-{size}.json", "learning_rate": lr,
                     "num_train_steps": steps, "warmup_steps": warmup, "seed": seed, "grad_norm": clip or -1, "train_batch_size": batch,
                     "val_batch_size": 10240, "gradient_accumulation_steps": passes}
    if every is not None:
        said["valid_steps"] = every
    kind = name.split("_base")[0].split("_large")[0]
    if kind == "pretrain_vcr":
        return cards, said | {"max_txt_len": 220, "mrm_prob": 0.15} | mixed(["vcr"], [[10 if size == "large" else 2, 1, 1]], TASKS[1:])
    text, texts, image, images = PARTS[kind]
    said |= MORE.get(kind, {}) | {text: texts, image: images, "val_txt_db": f"/txt/{kind}_dev.db", "val_img_db": "/img/val/"}
    if name.endswith("_hn"):
        said |= HARD | {"train_batch_size": passes, "full_val": name != "itm_coco_large_hn"}
        del said["gradient_accumulation_steps"]
    return cards, said


def pretraining(size):
    cards, batch, passes, steps, every = (8, 10240, 6, 200000, 5000) if size == "base" else (16, 6144, 4, 500000, 10000)
    ratios = [[6, 8, 4, 4], [9, 12, 6, 6], [9, 12, 6, 6], [6, 8, 4, 4]]
    return cards, COMMON | {"model_config": f"/src/config/uniter-{size}.json", "checkpoint": "/pretrain/init.pt", "mrm_prob": 0.15, "itm_neg_prob": 0.5,
                            "itm_ot_lambda": 0.1, "train_batch_size": batch, "val_batch_size": batch, "gradient_accumulation_steps": passes,
                            "learning_rate": 5e-05, "valid_steps": every, "num_train_steps": steps, "grad_norm": 5.0, "warmup_steps": 10000,
                            "seed": 42, "rank": 0} | mixed(["coco", "vg", "cc", "sbu"], ratios, TASKS)


def imported(folder, name, cards, said, *words, code=0):
    source, out = folder / f"{name}-{cards}gpu.json", folder / f"{name}.yaml"
    source.write_text(json.dumps(said, indent=4))
    out.unlink(missing_ok=True)
    got, text = R.run([TOOL, "config", "import", source, out, *words])
    if got != code:
        R.fail(f"import of {name}: exit code {got}, not {code}: {text}")
    return out, text


def differences(one, two):
    _, text = R.run([TOOL, "config", "diff", one, two])
    keys = {line.split(":")[0]: line for line in text.splitlines() if " | " in line}
    return {key: line for key, line in keys.items() if not OWN.fullmatch(key)}


def tasks(folder):
    for name in T.TABLE:
        out, _ = imported(folder, name, *setup(name))
        wrong = differences(out, R.ROOT / f"configs/tasks/{name}.yaml")
        R.expect(not wrong, f"{name}: imported, it is configs/tasks/{name}.yaml in all numbers {wrong or ''}")


def pretrainings(folder):
    """As the authors train: an objective a step, a loss added over the accumulation; ours draws one for every text and takes the mean."""
    for size, more in (("base", {"train.tokens_per_lane": "7680"}), ("large", {"checkpoint.every": "10000"})):
        out, _ = imported(folder, size, *pretraining(size))
        told = differences(out, R.ROOT / f"configs/{size}.yaml")
        wanted = {"train.mixing": "batch", "train.loss_scale": {"base": "6", "large": "4"}[size]} | more
        wrong = {key: told.get(key) for key in wanted.keys() | told.keys() if key not in wanted or not told.get(key, "").startswith(f"{key}: {wanted.get(key)} (")}
        R.expect(not wrong, f"{size}: imported, it is configs/{size}.yaml but for {sorted(wanted)} {wrong or ''}")


def every_key(folder):
    """Every key of a set-up stands in what comes out: mapped, or at the end with the reason."""
    for name in ("vqa_base", "refcoco_plus_base", "itm_coco_base_hn", "nlvr2_large", "pretrain_vcr_base", "vcr_large"):
        cards, said = setup(name)
        out, text = imported(folder, name, cards, said)
        yaml = out.read_text()
        hidden = {"train_txt_db", "train_txt_dbs", "train_img_db", "train_img_dbs", "val_txt_db", "val_img_db", "train_datasets", "val_datasets"}  # as their files
        missing = [key for key in said if key not in hidden and not re.search(rf"# (CHECK )?.*\b{key}\b", yaml)]
        R.expect(not missing, f"{name}: all {len(said)} keys are named {missing or ''}")
        left = yaml.split("# Without counterpart:")[1]
        R.expect("pin_mem" in left and "learning_rate" not in left, f"{name}: what is left stands at the end")
    R.expect("CHECK mask_dir" in (folder / "refcoco_plus_base.yaml").read_text(), "what may change the training is marked")
    _, text = imported(folder, "odd", 4, setup("vqa_base")[1] | {"optim": "adam", "new_key": [1, {"a": 2}]})
    R.expect("2 keys may change the training" in text, "and warned of")
    yaml = (folder / "odd.yaml").read_text()
    R.expect('CHECK new_key: [1,{"a":2}]' in yaml and 'CHECK optim: "adam"' in yaml, "an unknown key is shown with its value")


def refusals(folder):
    good = setup("vqa_base")[1]
    for change, part in (({"learning_rate": "much"}, "learning_rate: not a number"), ({"betas": [0.9]}, "betas: not two numbers"),
                         ({"num_train_steps": 10.5}, "num_train_steps: not a whole number"), ({"num_train_steps": 0}, "num_train_steps: 0 is outside"),
                         ({"fp16": "yes"}, "fp16: neither true nor false"), ({"train_txt_dbs": []}, "train_txt_dbs: no database"),
                         ({"train_img_dbs": None}, "train_img_db: not given"), ({"train_txt_dbs": 5}, "neither a path")):
        out, text = imported(folder, "bad", 4, good | change, "task=vqa", code=65)
        R.expect(part in text and "bad-4gpu.json" in text and not out.exists(), f"refused: {part}")
    for change, part in (({"model_config": "/x/small.json"}, "no base or large"), ({"learning_rate": 5}, "optim.lr"), ({"warmup_steps": 7000}, "warmup_steps"),
                         ({"train_txt_dbs": ["/txt/odd.db"]}, "task=")):
        out, text = imported(folder, "bad", 4, good | change, code=64)
        R.expect(part in text and not out.exists(), f"refused: {part}")
    plain = folder / "mine.json"
    plain.write_text(json.dumps(good))
    code, text = R.run([TOOL, "config", "import", plain])
    R.expect(code == 64 and "cards=N" in text, "cards that no name tells are asked for")
    text = R.run_ok([TOOL, "config", "import", plain, "cards=4", "quiet=true"])
    R.expect(text.startswith("# From") and "lanes: 16 " in text, "without OUT: to the standard output")
    plain.write_text("{\"seed\": 1,\n \"seed\": 2}")
    code, text = R.run([TOOL, "config", "import", plain, "cards=4"])
    R.expect(code == 65 and "mine.json:2:" in text, "no JSON: file and line")
    plain.write_text(json.dumps(good))
    there = folder / "there.yaml"
    there.write_text("mine")
    code, text = R.run([TOOL, "config", "import", plain, there, "cards=4"])
    R.expect(code == 64 and "exists" in text and there.read_text() == "mine", "a file that is there stays")


def own_sizes(folder):
    """Sizes beside the set-up; an update of 12 cards."""
    (folder / "small.json").write_text(json.dumps({"hidden_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 128,
                                                   "hidden_act": "gelu", "max_position_embeddings": 96}))
    out, _ = imported(folder, "own", 12, setup("ve_base")[1] | {"model_config": "/elsewhere/small.json", "train_batch_size": 1000,
                                                                "gradient_accumulation_steps": 1, "conf_th": 0.3, "fp16": False})
    shown = R.run_ok([TOOL, "config", "show", out, "model", "train", "data.conf_th"])
    for line in ("model.hidden_size: 64 ", "model.num_hidden_layers: 3 ", "model.max_position_embeddings: 96 ", "train.lanes: 8 ", "train.tokens_per_lane: 1500 ",
                 "train.loss_scale: 1 ", "train.precision: fp32 ", "data.conf_th: 0.3 "):
        R.expect(line in shown, f"own sizes and cards: {line}")


def planned(folder):
    """With data under the names it asks for, --check plans what was imported."""
    data = R.synth(folder / "world", sets="coco,vg,cc,sbu", train_images=160)
    (folder / "data").mkdir()
    for name in ("coco", "vg", "cc", "sbu"):
        for ours, made in ((f"{name}_train.txt", "train.txt"), (f"{name}_val.txt", "valid.txt"), (f"{name}.img", "train.img"), (f"{name}_more.img", "valid.img")):
            (folder / f"data/{ours}.h5").symlink_to(data / f"{name}_{made}.h5")
    cards, said = pretraining("base")
    del said["checkpoint"]
    out, _ = imported(folder, "whole", cards, said)
    out.write_text(out.read_text().replace("data/", f"{folder}/data/"))
    text = R.run_ok(R.command(1, "--cfg", out, "--check", "device=cpu", "data.min_bb=2"))
    missing = [part for part in ("64 lanes", "sbu/mrckl", "200000 updates", "width 768") if part not in text]
    R.expect(not missing, f"--check plans what was imported {missing or ''}")
    out, _ = imported(folder, "vqa_base", *setup("vqa_base"))
    code, text = R.run(R.command(1, "--cfg", out, "--check", "device=cpu"))
    R.expect(code != 0 and "data/coco_train2014.img.h5" in text, "without data --check names the first file that is missing")


def main():
    with R.Folder() as folder:
        tasks(folder)
        pretrainings(folder)
        every_key(folder)
        refusals(folder)
        own_sizes(folder)
        planned(folder)


main()
