"""uniter config: what is in force and where it comes from; what two configurations or runs differ in. configs/big.yaml."""
import re

import runlib as R

TOOL = R.BUILD / "uniter"
PLAIN = """run: {dir: runs/plain}
model: {preset: large}
data:
  train:
    - &set {name: coco, text: a.txt.h5, images: [a.img.h5, b.img.h5], mix: {mlm: 8, itm: 6}}
    - <<: *set
      name: vg
train:
  steps: 4000
  lanes: 16
  tokens_per_lane: 2048
optim: {lr: 1.0e-3}
"""


def config(*words, code=0):
    got, out = R.run([TOOL, "config", *words])
    R.expect(got == code, f"config {' '.join(str(w) for w in words)}: exit code {code}" + ("" if got == code else f", not {got}: {out}"))
    return out


def show(folder):
    path = folder / "plain.yaml"
    path.write_text(PLAIN)
    whole = config("show", path)
    for line in ("preset: large", "steps: 4000", "betas: [0.9, 0.98]  # default", "hidden_size: 1024  # preset large",
                 "warmup_steps: 400  # auto: a tenth"):
        R.expect(line in whole, f"show tells {line}")
    origins = {key: (value, origin) for key, value, origin in re.findall(r"^(\S+): (.*?)  # (.*)$", config(
        "show", path, "optim.lr", "data.train", "model.num_hidden_layers", "run.seed", "optim.warmup_steps"), re.M)}
    wanted = {"optim.lr": ("0.001", f"{path}:12"), "data.train.0.name": ("coco", f"{path}:5"), "data.train.1.name": ("vg", f"{path}:7"),
              "data.train.1.mix.mlm": ("8", f"{path}:5"), "data.train.1.images.1": ("b.img.h5", f"{path}:5"),
              "model.num_hidden_layers": ("24", "preset large"), "run.seed": ("42", "default"),
              "optim.warmup_steps": ("400", "auto: a tenth of train.steps, 10000 at most")}
    wrong = {key: origins.get(key) for key in wanted if origins.get(key) != wanted[key]}
    R.expect(not wrong, f"values and origins of {len(wanted)} keys: file, merge, preset, default, worked out {wrong or ''}")
    R.expect(len(config("show", path, "optim").splitlines()) >= 7, "a section is all its keys")
    R.expect("did you mean optim.lr?" in config("show", path, "optim.rl", code=64), "an unknown key is named with its neighbour")
    R.expect("no run" in config("show", folder, code=64), "a folder without config.yaml is no run")
    again = folder / "again.yaml"
    again.write_text(whole)
    R.expect(config("diff", path, again) == "", "what show writes is the same configuration")


def diff(folder):
    one, two = folder / "plain.yaml", folder / "two.yaml"
    two.write_text(PLAIN.replace("1.0e-3", "0.001").replace("large", "base").replace("itm: 6", "itm: 5") + "valid: {every: 7}\n")
    out = config("diff", one, two, code=65)
    lines = [line for line in out.splitlines() if " | " in line]
    keys = [line.split(":")[0] for line in lines]
    R.expect(sorted(keys) == sorted(["model.preset", "model.hidden_size", "model.num_hidden_layers", "model.num_attention_heads",
                                     "model.intermediate_size", "data.train.0.mix.itm", "data.train.1.mix.itm", "valid.every"]),
             f"diff names what differs in meaning, 1.0e-3 and 0.001 do not {keys}")
    R.expect(f"valid.every: 5000 (default) | 7 ({two}:13)" in lines, "diff tells both values and origins")
    R.expect("model.hidden_size: 1024 (preset large) | 768 (preset base)" in lines, "diff tells what presets give")
    two.write_text(PLAIN.replace(", itm: 6", ""))
    R.expect(f"data.train.1.mix.itm: 6 ({one}:5) | -" in config("diff", one, two, code=65), "a key that one has not")
    R.expect(f"data.train.1.mix.itm: - | 6 ({one}:5)" in config("diff", two, one, code=65), "a key that the other has not")
    R.expect(config("diff", one, one) == "", "equal: nothing is said")
    R.expect("A B" in config("diff", one, code=64), "two are needed")


def runs(folder):
    """Of runs config.yaml counts, and its comments."""
    data = R.synth(folder / "data")
    for name, lr in (("a", "1e-3"), ("b", "2e-3")):
        cfg = R.write_config(folder / "c.yaml", data, folder / name, steps=6, lanes=2)
        R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet", f"optim.lr={lr}", "device=cpu"])
    lines = [line for line in config("diff", folder / "a", folder / "b", code=65).splitlines() if " | " in line]
    R.expect([line.split(":")[0] for line in lines] == ["run.dir", "optim.lr"], f"two runs differ in what was asked {lines}")
    R.expect(re.fullmatch(rf"optim.lr: 0.001 \({folder}/a/config.yaml:\d+, from command line\) \| "
                          rf"0.002 \({folder}/b/config.yaml:\d+, from command line\)", lines[1]), "a run's config.yaml tells where a value was from")
    shown = config("show", folder / "a", "run.dir", "train.steps")
    R.expect(f", from {folder}/c.yaml:" in shown, "show of a run")


def big(folder):
    """configs/big.yaml is the base run, says on every line what a user changes, and --check takes it with data of one's own."""
    path = R.ROOT / "configs/big.yaml"
    keys = [line.split(":")[0] for line in config("diff", R.ROOT / "configs/base.yaml", path, code=65).splitlines() if " | " in line]
    R.expect(keys == ["run.dir", "checkpoint.every", "checkpoint.keep_every", "loader.threads"], f"big.yaml is base.yaml but for {keys}")
    quiet = [line for line in path.read_text().splitlines() if re.search(r"\bdata/|\bdir:", line) and not re.search(r"# change\b", line)]
    R.expect(not quiet, f"big.yaml: every line with a path says that it is to be changed {quiet or ''}")
    data = R.synth(folder / "world", sets="coco,vg,cc,sbu", train_images=160)
    mine = folder / "big.yaml"
    mine.write_text(path.read_text().replace("data/", f"{data}/").replace("runs/", f"{folder}/runs/"))
    out = R.run_ok([R.BUILD / "uniter_dist", "--cfg", mine, "--check", "device=cpu", "data.min_bb=2", "loader.threads=1"])
    missing = [part for part in ("64 lanes", "sbu/mrckl", "200000 updates", "width 768") if part not in out]
    R.expect(not missing, f"--check plans big.yaml {missing or ''}")


def main():
    with R.Folder() as folder:
        show(folder)
        diff(folder)
        runs(folder)
        big(folder)


main()
