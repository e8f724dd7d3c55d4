"""Weights in and out: a checkpoint of two shards exported and read by Python, by the program, and by PyTorch; BERT as the
start of a training; what is refused. Reads files by its own reader of safetensors.
"""
import json
import os
import pathlib
import struct
import subprocess
import sys

import runlib as R

try:
    import numpy as np
    from weightslib import WIDTH, config, parameters, read_file, same_bits, small_data, write_file
except ImportError as error:
    R.skip(f"no {error.name}")

COPIES = {"cls.predictions.decoder.weight": "uniter.embeddings.word_embeddings.weight",
          "feat_regress.weight": "uniter.img_embeddings.img_linear.weight"}
TOOL = R.BUILD / "uniter"


def bf16(a):
    """Bits of the nearest bf16, ties to even."""
    bits = a.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def check_export(folder, run, want, manifest):
    out = folder / "f32.safetensors"
    R.run_ok([TOOL, "weights", "export", run, out])
    tensors, meta = read_file(out)
    R.expect(set(tensors) == set(want) | set(COPIES), f"f32: {len(want)} tensors and the {len(COPIES)} tied ones")
    R.expect(all(same_bits(tensors[n], want[COPIES.get(n, n)]) for n in tensors), "f32: bit for bit, tied ones too")
    R.expect(meta["param_digest"] == manifest["param_digest"] and meta["step"] == "6" and meta["hidden_size"] == "64" and
             meta["num_attention_heads"] == "4", "metadata: step, sizes, digest of the parameters")
    R.run_ok([TOOL, "weights", "export", run, folder / "f16.safetensors", "dtype=f16", "tied=false"])
    half, _ = read_file(folder / "f16.safetensors")
    R.expect(set(half) == set(want) and all(same_bits(half[n], want[n].astype("<f2")) for n in half), "f16: rounded, not tied")
    R.run_ok([TOOL, "weights", "export", run, folder / "bf16.safetensors", "dtype=bf16"])
    brain, _ = read_file(folder / "bf16.safetensors")
    R.expect(all(same_bits(brain[n], bf16(want[COPIES.get(n, n)])) for n in brain), "bf16: rounded to nearest even")
    R.expect("equal" in R.run_ok([TOOL, "weights", "diff", run, out]), "diff: the file and the run are equal")
    code, text = R.run([TOOL, "weights", "diff", run, folder / "bf16.safetensors"])
    R.expect(code == 65 and "differ" in text, "diff: bf16 is not the run")
    text = R.run_ok([TOOL, "weights", "show", out])
    R.expect(all(n in text for n in want), "show: every tensor")
    code, text = R.run([TOOL, "weights", "export", run, out])
    R.expect(code == 64 and "exists" in text, "export does not overwrite")
    R.run_ok([TOOL, "weights", "import", out, folder / "again.safetensors"])
    again, _ = read_file(folder / "again.safetensors")
    R.expect(all(same_bits(again[n], tensors[n]) for n in tensors), "import of released names keeps every value")
    return out


def check_init(folder, cfg, out, want):
    """At a learning rate of nothing, six updates leave what model.init gave."""
    still = ["optim.lr=0", "--quiet"]
    R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={out}", f"run.dir={folder}/from_file", *still])
    got, _ = parameters(folder / "from_file")
    worst = max(np.abs(got[n] - want[n]).max() for n in want)
    R.expect(worst < 1e-5, f"model.init: the training starts from the file (largest difference {worst:.1e})")
    text = R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/run", f"run.dir={folder}/from_run", *still])
    other, _ = parameters(folder / "from_run")
    R.expect(all(same_bits(other[n], got[n]) for n in got), "model.init: a run's folder gives the same")


def bert_of(want):
    rng = np.random.default_rng(9)
    bert = {}
    for name, value in want.items():
        if name.startswith("uniter.") and "img_embeddings" not in name:
            bert["bert." + name[len("uniter."):]] = rng.normal(size=value.shape).astype("<f4")
        elif name.startswith("cls."):
            bert[name] = rng.normal(size=value.shape).astype("<f4")
    bert["cls.predictions.decoder.weight"] = bert["bert.embeddings.word_embeddings.weight"]
    bert["cls.seq_relationship.weight"] = np.zeros((2, WIDTH), "<f4")
    bert["bert.something.else"] = np.zeros(3, "<f4")
    return bert


def check_bert(folder, cfg, want):
    bert = bert_of(want)
    write_file(folder / "bert.safetensors", bert)
    text = R.run_ok([TOOL, "weights", "import", folder / "bert.safetensors", folder / "start.safetensors"])
    R.expect("bert.something.else" in text, "import: an unexpected tensor is listed")
    R.expect("img_embeddings" in text, "import: tensors that BERT does not have are listed")
    start, _ = read_file(folder / "start.safetensors")
    taken = [n for n in start if n not in COPIES]
    R.expect(all(same_bits(start[n], bert["bert." + n[7:] if n.startswith("uniter.") else n]) for n in taken),
             f"import: {len(taken)} tensors of BERT under UNITER's names")
    text = R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/bert.safetensors", f"run.dir={folder}/b",
                     "optim.lr=0"])
    got, _ = parameters(folder / "b")
    R.expect("img_embeddings" in text and max(np.abs(got[n] - start[n]).max() for n in taken) < 1e-4,
             "model.init: BERT's values, and the log lists what is drawn at random")
    check_faults(folder, bert)
    bert["bert.pooler.dense.bias"] = np.zeros(WIDTH + 1, "<f4")
    write_file(folder / "wide.safetensors", bert)
    code, text = R.run([R.BUILD / "uniter_dist", "--cfg", cfg, f"model.init={folder}/wide.safetensors", f"run.dir={folder}/w"])
    R.expect(code == 64 and "pooler.dense.bias" in text, "a wrong shape is an error that names the tensor")


def check_faults(folder, bert):
    """An import of an untied decoder is warned of; one with a hole or a value that is no number leaves nothing."""
    untied = {**bert, "cls.predictions.decoder.weight": bert["bert.embeddings.word_embeddings.weight"] + 1}
    write_file(folder / "untied.safetensors", untied)
    text = R.run_ok([TOOL, "weights", "import", folder / "untied.safetensors", folder / "untied_out.safetensors"])
    size = untied["cls.predictions.decoder.weight"].size
    R.expect(f"differs from it in {size} of {size}" in text, "import: an untied decoder is warned of")
    nan = {**bert, "cls.predictions.bias": np.full_like(bert["cls.predictions.bias"], np.nan)}
    hole = {k: v for k, v in bert.items() if k != "bert.encoder.layer.1.output.dense.bias"}
    for name, tensors, words in (("nan", nan, ["cls.predictions.bias", "element 0", "nan"]),
                                 ("hole", hole, ["1 tensors are missing", "layer.1.output.dense.bias"])):
        write_file(folder / f"{name}.safetensors", tensors)
        code, text = R.run([TOOL, "weights", "import", folder / f"{name}.safetensors", folder / f"{name}_out.safetensors"])
        R.expect(code == 65 and all(w in text for w in words), f"import: {name} is refused, tensor named")
        R.expect(not list(folder.glob(f"{name}_out*")), f"import: {name} leaves nothing")


def check_damage(folder, cfg, out):
    data = out.read_bytes()
    cases = {"empty": b"", "cut": data[:len(data) // 2], "header": struct.pack("<Q", 1 << 60) + data[8:], "text": b"hello" * 20,
             "longer": data + b"\0"}
    for name, content in cases.items():
        path = folder / f"{name}.safetensors"
        path.write_bytes(content)
        code, text = R.run([TOOL, "weights", "show", path])
        R.expect(code == 65 and path.name in text, f"{name}: refused with the file's name")
    code, text = R.run([TOOL, "weights", "show", folder / "none.safetensors"])
    R.expect(code == 74, "a missing file is an input error")
    code, text = R.run(["bash", "-c", f"ulimit -f 64; trap '' XFSZ; {TOOL} weights export {folder}/run {folder}/full.safetensors"])
    R.expect(code == 74 and "full.safetensors" in text and not list(folder.glob("full*")), "no room: error, nothing left")


def losses(folder, out):
    reference = R.SHARED / "reference" / "tiny.h5"
    if not reference.exists():
        print("skipped: no reference file, so no losses")
        return
    ours, run = (json.loads(R.run_ok([R.BUILD / "tests/losses", source, reference]).splitlines()[-1])  # after words about OpenBLAS
                 for source in (out, folder / "run"))
    R.expect(ours == run, "losses from the file and from the run are the same")
    python = os.environ.get("UN_TORCH_PYTHON", sys.executable)
    p = subprocess.run([python, pathlib.Path(__file__).with_name("torch_losses.py"), out, reference, reference.parent],
                       capture_output=True, text=True)
    if p.returncode == 77:
        print(p.stdout.strip(), "(UN_TORCH_PYTHON names a Python with torch, safetensors and h5py)")
        return
    R.expect(p.returncode == 0, f"PyTorch loads the file strictly {p.stderr[-2000:]}")
    theirs = json.loads(p.stdout)
    worst = max(abs(ours[t] - theirs[t]) / max(1, abs(theirs[t])) for t in theirs)
    print("ours", ours, "\nPyTorch's", theirs)
    R.expect(len(theirs) == 5 and worst < 1e-5, f"PyTorch computes the same losses (worst {worst:.2e})")
    script = R.ROOT / "launch/tools/pt_safetensors.py"
    for source, target in ((out, folder / "w.pt"), (folder / "w.pt", folder / "back.safetensors")):
        R.run_ok([python, script, source, target])
    R.run_ok([TOOL, "weights", "diff", out, folder / "back.safetensors"])
    R.expect(True, "through .pt and back: equal")


def main():
    with R.Folder() as folder:
        small_data(folder)
        cfg = config(folder)
        R.run_ok([*R.command(2 if R.has_mpi() else 1), "--cfg", cfg, "--quiet"])
        want, manifest = parameters(folder / "run")
        R.expect(len(manifest["shards"]) == (2 if R.has_mpi() else 1), f"{len(manifest['shards'])} shards")
        out = check_export(folder, folder / "run", want, manifest)
        check_init(folder, cfg, out, want)
        check_bert(folder, cfg, want)
        check_damage(folder, cfg, out)
        losses(folder, out)


if __name__ == "__main__":
    main()
