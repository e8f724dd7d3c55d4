"""What a user types: --help, --version, --check, --help-config, wrong options, overrides, configs/full.yaml, the tools."""
import json
import os
import re
import subprocess

import runlib as R


def configurations(folder, data, cfg, program):
    """Ways to name and to write a configuration, and what is refused in one."""
    def refused(*words, code=64, env={}, parts=()):
        got, out = R.run([program, *words], **env)
        R.expect(got == code and all(p in out for p in parts), f"refused with {code}: {' '.join(map(str, words))}")
    text, wanted = cfg.read_text(), R.digests(folder / "run", 6)
    R.run_ok([program, f"--cfg={cfg}", "--resume=none", f"run.dir={folder}/equals", "optim.lr=5e-4", "data.train.0.mix={mlm: 1, itm: 1}"])
    R.expect(R.digests(folder / "equals", 6) == wanted, "--cfg=FILE, --resume=HOW")
    R.run_ok([program, "--cfg", "~/c.yaml", "--quiet", "run.dir=$HOME/home", "data.train.0.text=${HOME}/data/coco_train.txt.h5",
              "optim.lr=5e-4", "data.train.0.mix={mlm: 1, itm: 1}"], HOME=str(folder))
    R.expect(R.digests(folder / "home", 6) == wanted and not (R.ROOT / "~").exists(), "~, $HOME and ${HOME} are the home folder")
    p = subprocess.run([program, "--cfg", "-", "--quiet", f"run.dir={folder}/input", "optim.lr=5e-4", "data.train.0.mix={mlm: 1, itm: 1}"],
                       input=text, text=True, env=R.ENV, cwd=R.ROOT, capture_output=True, timeout=200)
    R.expect(p.returncode == 0 and R.digests(folder / "input", 6) == wanted, "--cfg -: from the standard input")
    if R.has_mpi():
        code, out = R.run(R.command(2, "--cfg", "-"))
        R.expect(code == 64 and "standard input" in out, "--cfg - of two ranks: refused")
    first = f"{{name: coco, text: {data}/coco_train.txt.h5, images: {data}/coco_train.img.h5, mix: &mix {{mlm: 1, itm: 1}}}}"
    second = f"{{<<: *one, name: vg, text: {data}/vg_train.txt.h5, images: {data}/vg_train.img.h5}}"
    head, tail = text.split("  train:\n", 1)
    tail = tail[tail.index("  valid:"):]
    named, plain = folder / "named.yaml", folder / "plain.yaml"
    named.write_text(head + f"  train:\n    - &one {first}\n    - {second}\n" + tail)
    plain.write_text(head + f"  train:\n    - {first.replace('&mix ', '')}\n    - "
                     + second.replace("<<: *one, ", "").replace("}", ", mix: {mlm: 1, itm: 1}}") + "\n" + tail)
    for path in (named, plain):
        R.run_ok([program, "--cfg", path, "--quiet", f"run.dir={folder}/{path.stem}"])
    R.expect(R.digests(folder / "named", 6) == R.digests(folder / "plain", 6), "names of values and merge keys")
    out = R.run_ok([program, "--cfg", cfg, "optim.warmup_steps=auto", f"run.dir={folder}/auto", "train.steps=20"])
    rates = {x["step"]: x["lr"] for x in R.metrics(folder / "auto")}
    R.expect(abs(rates[1] / max(rates.values()) - 0.5) < 0.06 and "warmup_steps: 2  # auto: a tenth" in (folder / "auto/config.yaml").read_text(),
             "optim.warmup_steps: auto, a tenth of 20 steps, and config.yaml says so")

    refused("--cfg", cfg, "run.dir=", parts=("run.dir: an empty path",))
    refused("--cfg", cfg, "run.dir=''", parts=("run.dir: an empty path",))
    refused("--cfg", cfg, "data.train.0.text=['']", parts=("text[0]: an empty path",))
    refused("--cfg=", parts=("--cfg needs a value",))
    refused("--cfg", cfg, "run.dir=$UN_NO_SUCH/x", parts=("$UN_NO_SUCH is not set",))
    refused("--cfg", cfg, "run.dir=~nobody/x", parts=("home folder of somebody else",))
    for size in ("num_hidden_layers", "hidden_size", "max_position_embeddings", "type_vocab_size"):
        refused("--cfg", cfg, f"model.{size}=0", parts=(f"model.{size}: 0 is no size of a network", "write auto"))
    zeros, sizes = folder / "earlier.yaml", ("hidden_size", "intermediate_size", "type_vocab_size")
    lines = (folder / "auto/config.yaml").read_text().split("\n")
    at = [i for i, line in enumerate(lines) if line.strip().startswith(tuple(f"{s}:" for s in sizes))]
    for i in at:
        lines[i] = lines[i].split(":")[0] + ": 0"
    zeros.write_text("\n".join(lines))
    refused("--cfg", zeros, parts=(f"earlier.yaml:{at[0] + 1}:", "model.hidden_size: 0 is no size", "earlier versions wrote 0", "write auto",
                                   "also for intermediate_size, type_vocab_size"))
    zeros.write_text("\n".join(line if i not in at else line.replace(": 0", ": auto") for i, line in enumerate(lines)))
    R.run_ok([program, "--cfg", zeros, "--check", f"run.dir={folder}/again"])
    out = R.run_ok([program, "--cfg", cfg, "--check", "model.num_hidden_layers=auto", "model.preset=large"])
    R.expect("24 layers" in out or "24 x" in out, "model.num_hidden_layers: auto, the preset's")
    refused("--cfg", cfg, "data.train.1.name=coco", parts=("two data sets are called coco", "data.train"))
    os.symlink(folder / "nowhere", folder / "dangling")
    refused("--cfg", cfg, f"run.dir={folder}/dangling", code=74, parts=("leads to what is not there",))


def groups(tool):
    for words, wanted in ((["data"], "uniter data synth"), (["data", "import"], "uniter data import coco"), (["ckpt"], "uniter ckpt list")):
        code, out = R.run([tool, *words])
        R.expect(code == 64 and wanted in out and "unknown" not in out, f"uniter {' '.join(words)}: what can follow")


def main():
    program = R.BUILD / "uniter_dist"
    with R.Folder() as folder:
        R.expect("--resume" in R.run_ok([program, "--help"]), "--help")
        R.expect(re.match(r"uniter_dist \d+\.\d+", R.run_ok([program, "--version"])), "--version")
        code, out = R.run([program, "--chekc"])
        R.expect(code == 64 and "--check" in out, "a mistyped option is named with its neighbour")
        code, out = R.run([program])
        R.expect(code == 64 and "--cfg" in out, "without --cfg: usage error")

        help_config = R.run_ok([program, "--help-config"])
        full = (R.ROOT / "configs/full.yaml").read_text()
        keys = re.findall(r"^\s*([a-z_]+(?:\.[a-z_0-9]+)*)\s", help_config, re.M)
        keys = [k for k in keys if k != "key"]
        missing = [k for k in keys if not re.search(r"\b" + k.split(".")[-1] + r":", full)]
        R.expect(len(keys) > 40 and not missing, f"configs/full.yaml shows all {len(keys)} keys {missing}")

        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "run", steps=6, lanes=4)
        out = R.run_ok([program, "--cfg", cfg, "--check", "train.lanes=8"])
        R.expect(all(w in out for w in ("parameters", "memory", "streams", "coco/mlm", "epoch", "8 lanes")), "--check")
        R.expect(not (folder / "run").exists(), "--check writes nothing")

        R.run_ok([program, "--cfg", cfg, "--quiet", "optim.lr=5e-4", "data.train.0.mix={mlm: 1, itm: 1}"])
        used = (folder / "run/config.yaml").read_text()
        R.expect("command line" in used and "5e-4" in used, "config.yaml tells where a value is from")
        before = R.digests(folder / "run", 6)
        again = folder / "again"
        R.run_ok([program, "--cfg", folder / "run/config.yaml", f"run.dir={again}"])
        R.expect(R.digests(again, 6) == before, "config.yaml of a run repeats it bit for bit")
        lines = (again / "log/metrics.jsonl").read_text().splitlines()
        R.expect(all(isinstance(json.loads(x), dict) for x in lines), "metrics.jsonl: one object a line")

        configurations(folder, data, cfg, program)
        groups(R.BUILD / "uniter")
        out = R.run_ok([program, "--cfg", cfg, "--bench", "2"])
        R.expect(all(w in out for w in ("tokens/s", "TFLOP/s", "ratio", "memory")), "--bench")

        tool = R.BUILD / "uniter"
        for name in ("coco_train.img.h5", "sbu_valid.txt.h5"):
            R.expect(name in R.run_ok([tool, "data", "verify", data / name]), f"verify {name}")
            R.expect(name in R.run_ok([tool, "data", "inspect", data / name]), f"inspect {name}")
        code, out = R.run([tool, "data", "synth", data])
        R.expect(code == 64 and "exists" in out, "synth does not overwrite")
        code, out = R.run([tool, "data", "synht"])
        R.expect(code == 64 and "synth" in out, "a mistyped command is named with its neighbour")


main()
