"""What a user types: --help, --version, --check, --help-config, wrong options, overrides, configs/full.yaml, the tools."""
import json
import re

import runlib as R


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
