#!/usr/bin/env python3
"""Prints what a change of the structure alone must leave as it is, a line each: digests of help texts, of made files, of
the comparison with the reference files, of losses, parameters and moments of small trainings on several numbers of ranks and
after a stop.

    ci/fingerprint.py BUILD > before.txt      ...      ci/fingerprint.py BUILD | diff before.txt -

The numbers belong to one machine and one compiler: compare two builds of the same day, do not keep them.
"""
import hashlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests/whole/runs"))
import runlib as R  # noqa: E402

DATA_COMMANDS = ("synth", "inspect", "verify", "tokenize", "vocab", "split", "merge", "subset", "import")
IMPORTS = ("npz", "tsv", "lmdb", "h5", "coco", "vg", "cc", "sbu", "text")
TOOLS = [[], ["--help"], ["data"], ["weights"], ["ckpt"], *([["data", c] for c in DATA_COMMANDS]),
         *([["data", c, "--help"] for c in DATA_COMMANDS]), *([["data", "import", kind] for kind in IMPORTS]),
         *([["weights", c] for c in ("import", "export", "show", "diff")]), *([["ckpt", c] for c in ("list", "verify", "show")])]


def say(name, value):
    print(f"{name:44s} {value}", flush=True)


def digest(data):
    return hashlib.sha256(data if isinstance(data, bytes) else data.encode()).hexdigest()[:24]


def words():
    for options in (["--help"], ["--help-config"], ["--version"]):
        say(f"uniter_dist {options[0]}", digest(R.run([R.BUILD / "uniter_dist", *options])[1]))
    for options in TOOLS:
        code, out = R.run([R.BUILD / "uniter", *options])
        say("uniter " + " ".join(options), f"{code} {digest(out)}")


def parity():
    files = sorted(R.SHARED.glob("reference/*.h5"))
    if not files:
        say("parity", "no reference files")
        return
    programs = [R.BUILD / "tests/parity", *sorted(R.BUILD.rglob("emu_parity"))]
    for program in programs:
        small = [f for f in files if program.name == "parity" or f.stem in ("tiny", "odd")]
        for precision in ((), ("--precision", "bf16"))[:1 if program.name == "parity" else 2]:
            code, out = R.run([program, *precision, *small], timeout=900)
            say(" ".join((program.name, *precision)), f"{code} {digest(out)} {out.strip().splitlines()[-1]}")


def checkpoint(run_dir, step):
    manifest = json.loads((run_dir / f"ckpt/step_{step:08d}/manifest.json").read_text())
    return f"{manifest['param_digest']} {manifest['state_digest']}"


def losses(run_dir):
    """All that was logged but for times."""
    lines = [json.loads(line) for line in (run_dir / "log/metrics.jsonl").read_text().splitlines()]
    kept = [{k: v for k, v in line.items() if not k.startswith(R.TIMED)} for line in lines]
    names = sorted({k for line in lines for k in line})
    return f"{digest(json.dumps(kept))} names {digest(json.dumps(names))}"


def train(folder, name, ranks, data, *keys, **config):
    run_dir = folder / name
    cfg = R.write_config(folder / f"{name}.yaml", data, run_dir, **config)
    R.run_ok(R.command(ranks, "--cfg", cfg, "run.threads=1", *keys))
    return run_dir


def trainings(folder, data):
    for mixing in ("sample", "batch"):
        config = {"train_extra": f", mixing: {mixing}", "extra": "wra: {solver: sinkhorn}" if mixing == "batch" else ""}
        for ranks in (1, 2, 4, 8):
            run_dir = train(folder, f"{mixing}_{ranks}", ranks, data, **config)
            say(f"{mixing}, {ranks} ranks: losses", losses(run_dir))
            say(f"{mixing}, {ranks} ranks: parameters, moments", checkpoint(run_dir, 12))


def main():
    words()
    parity()
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        for path in sorted(data.rglob("*.h5")):
            say(f"synth {path.name}", digest(path.read_bytes()))
        trainings(folder, data)


if __name__ == "__main__":
    main()
