#!/usr/bin/env python3
"""uniter weights import|show|diff with the region detector: its original .caffemodel and files under the public names, against
the reference and against tensors computed here; broken files, and nothing overwritten."""
import collections
import importlib.util
import os
import pickle
import struct

import numpy as np
import runlib as R

import caffelib as C
import weightslib as W

TOOL = R.BUILD / "uniter"
REFERENCE = R.SHARED / "reference" / "detector"


def equal(path, public, what, round_to=None):
    got, meta = W.read_file(path)
    R.expect(sorted(got) == sorted(public), f"{what}: {len(got)} tensors, no others")
    wrong = [n for n, a in public.items() if not W.same_bits(got[n], a if round_to is None else a.astype(round_to))]
    R.expect(not wrong, f"{what}: equal bit by bit {wrong[:3]}")
    return meta


def refused(words, source, target, code, *more):
    got, text = R.run([TOOL, "weights", "import", source, target, *more])
    R.expect(got == code and all(w in text for w in words), f"refused with {code}: {words} ({text.strip()[-200:]})")
    R.expect(not target.exists() and not target.with_name(target.name + ".partial").exists(), "nothing is left behind")


def reference(folder):
    if not (REFERENCE / "odd.caffemodel").exists():
        print("skipped: no reference .caffemodel")
        return
    out = folder / "odd.safetensors"
    text = R.run_ok([TOOL, "weights", "import", REFERENCE / "odd.caffemodel", out])
    R.expect("9 anchors" in text and "anchor_scales" in text, "what is imported is told, the guess of scales too")
    data = (REFERENCE / "odd.safetensors").read_bytes()
    head, = struct.unpack("<Q", data[:8])
    header = W.json.loads(data[8:8 + head])
    public = {n: np.frombuffer(data, "<f4", (t["data_offsets"][1] - t["data_offsets"][0]) // 4, 8 + head + t["data_offsets"][0])
              .reshape(t["shape"]) for n, t in header.items() if n != "__metadata__" and t["dtype"] == "F32"}
    equal(out, public, "reference")
    text = R.run_ok([TOOL, "weights", "diff", out, REFERENCE / "odd.safetensors"])
    R.expect("176 tensors equal" in text, "diff passes over counters and says equal")
    R.run_ok([TOOL, "weights", "import", REFERENCE / "odd.safetensors", folder / "again.safetensors"])
    R.expect(out.read_bytes() == (folder / "again.safetensors").read_bytes(), "from both forms the same file")


def made(folder, rng):
    """Every form of the format, every form of the names."""
    cases = {"packed": ((), {}), "old": (("old",), {}), "loose": (("loose",), {}), "pieces": (("pieces", "noise"), {}),
             "old_loose": (("old", "loose", "noise"), {}), "letters": ((), {"letters": "2345", "blocks": (1, 4, 3, 1)}),
             "six": ((), {"anchors": 6, "blocks": (3, 4, 13, 3)})}
    for name, (forms, sizes) in cases.items():
        layers, public = C.detector(rng, **sizes)
        source = folder / f"{name}.caffemodel"
        source.write_bytes(C.net(layers[::-1], forms))
        text = R.run_ok([TOOL, "weights", "import", source, folder / f"{name}.safetensors"])
        equal(folder / f"{name}.safetensors", public, name)
        R.expect(("unexpected: prob" in text) == ("noise" in forms), f"{name}: a layer that is no part of it is told")
    source = folder / "six.caffemodel"
    R.run_ok([TOOL, "weights", "import", source, folder / "s.safetensors", "anchor_scales=8,16.5"])
    got, _ = W.read_file(folder / "s.safetensors")
    anchors = got["proposal_generator.anchor_generator.cell_anchors.0"]
    R.expect(anchors[3].tolist() == [8 - 8 * 16.5, 8 - 8 * 16.5, 8 + 8 * 16.5, 8 + 8 * 16.5], "scales of anchors as asked")
    refused(["3 scales", "2 are wanted"], source, folder / "no.safetensors", 64, "anchor_scales=8,16,32")
    refused(["anchor_scales", "with commas"], source, folder / "no.safetensors", 64, "anchor_scales=8;16")
    refused(["tied", "region detector"], source, folder / "no.safetensors", 64, "tied=false")
    before = (folder / "s.safetensors").read_bytes()
    code, text = R.run([TOOL, "weights", "import", source, folder / "s.safetensors"])
    R.expect(code == 64 and "exists" in text and before == (folder / "s.safetensors").read_bytes(), "nothing is overwritten")
    text = R.run_ok([TOOL, "weights", "show", source])
    R.expect("region detector, 6 anchors, 8 classes" in text, "show: the network, from a .caffemodel")


def broken(folder, rng):
    def case(change, words, code=65):
        layers, _ = C.detector(np.random.default_rng(7))
        table = dict(layers)
        layers = change(table) or list(table.items())
        source = folder / "broken.caffemodel"
        source.write_bytes(layers if isinstance(layers, bytes) else C.net(layers))
        refused(["broken.caffemodel", *words], source, folder / "no.safetensors", code)

    def put(layer, k, at, value):
        def change(t):
            t[layer][k].flat[at] = value
        return change

    def shape(layer, k, *sizes):
        def change(t):
            t[layer][k] = np.zeros(sizes, "<f4")
        return change

    case(lambda t: t.pop("bn3b1_branch2b") and None, ["layer bn3b1_branch2b", "missing"])
    case(lambda t: t.pop("res3b1_branch2a") and None, ["layer bn3b1_branch2a", "of no block"])
    case(lambda t: t.pop("fc_attr") and None, ["layer fc_attr", "missing"])
    case(put("bn2a_branch1", 2, 0, 0), ["layer bn2a_branch1, blob 2", "a count of 0"])
    case(put("bn2a_branch1", 2, 0, -1), ["layer bn2a_branch1, blob 2", "a count of -1"])
    case(put("bn2a_branch1", 1, 3, -1e-3), ["layer bn2a_branch1, blob 1", "element 3", "variance"])
    case(put("rpn_cls_score", 0, 70, np.nan), ["layer rpn_cls_score, blob 0", "element 70", "nan"])
    case(put("attr_score", 1, 0, np.inf), ["layer attr_score, blob 1", "element 0", "inf"])
    case(put("bbox_pred", 0, 300, 3e38), ["bbox_pred.weight", "becomes"])
    case(shape("rpn_bbox_pred", 0, 47, 5, 1, 1), ["layer rpn_bbox_pred, blob 0", "[47,5,1,1]", "[48,5,1,1] is wanted"])
    case(shape("scale5b_branch2c", 1, 47), ["layer scale5b_branch2c, blob 1", "[47]", "[48] is wanted"])
    case(shape("conv1", 0, 4, 3, 7, 6), ["layer conv1, blob 0", "[4,3,7,6]"])
    case(shape("cls_score", 0, 48), ["layer cls_score, blob 0", "[48]"])
    case(lambda t: list(t.items()) + [("conv1", t["conv1"])], ["two layers named conv1", "blob 0"])
    whole = C.net(C.detector(np.random.default_rng(7))[0])
    for part in (0.2, 0.5, 0.999):
        case(lambda t, part=part: whole[:int(part * len(whole))], ["byte"])
    pickle = folder / "pytorch_model.bin"
    pickle.write_bytes(b"PK\3\4" + bytes(40))
    refused(["pytorch_model.bin", "pt_safetensors.py"], pickle, folder / "no.safetensors", 65)


def public_names(folder, rng):
    """Counters, other types, "module." in front."""
    _, public = C.detector(rng)
    tensors = dict(public)
    tensors["roi_heads.something"] = np.zeros(3, "<f4")
    header, body = {}, b""
    kinds = {0: ("F32", "<f4"), 1: ("F16", "<f2")}
    want = {}
    for k, (name, a) in enumerate(tensors.items()):
        dtype, numpy_type = kinds[k % 2]
        data = a.astype(numpy_type)
        want[name] = data.astype("<f4")
        header["module." + name] = {"dtype": dtype, "shape": list(a.shape), "data_offsets": [len(body), len(body) + data.nbytes]}
        body += data.tobytes()
    for name in public:
        if name.endswith("running_var"):
            name = "module." + name.replace("running_var", "num_batches_tracked")
            header[name] = {"dtype": "I64", "shape": [], "data_offsets": [len(body), len(body) + 8]}
            body += bytes(8)
    text = W.json.dumps(header).encode()
    source, out = folder / "mixed.safetensors", folder / "plain.safetensors"
    source.write_bytes(struct.pack("<Q", len(text)) + text + body)
    text = R.run_ok([TOOL, "weights", "import", source, out])
    R.expect("unexpected: roi_heads.something" in text and "counts of batches" in text, "what is left out is told")
    want.pop("roi_heads.something")
    meta = equal(out, want, "halves, counters and module.")
    R.expect(meta["network"] == "region detector" and meta["classes"] == "7", "metadata say what it is")
    R.run_ok([TOOL, "weights", "import", out, folder / "half.safetensors", "dtype=f16"])
    equal(folder / "half.safetensors", want, "dtype=f16", "<f2")
    code, text = R.run([TOOL, "weights", "diff", out, source])
    R.expect(code == 65 and "roi_heads.something" in text and "1 only in the second" in text, "diff: the one that is left out")
    R.expect("8 classes" in R.run_ok([TOOL, "weights", "show", source]), "show: counters are no obstacle")
    refused(["anchor_scales", "no .caffemodel"], out, folder / "no.safetensors", 64, "anchor_scales=4")
    wrong = dict(want)
    wrong["backbone.stem.conv1.weight"] = wrong["backbone.stem.conv1.weight"].copy()
    wrong["backbone.stem.conv1.weight"].flat[5] = np.nan
    W.write_file(folder / "nan.safetensors", wrong)
    refused(["backbone.stem.conv1.weight", "element 5", "nan"], folder / "nan.safetensors", folder / "no.safetensors", 65)
    wrong = {**want, "roi_heads.box_predictor.fc_attr.bias": np.zeros(5, "<f4")}
    W.write_file(folder / "shape.safetensors", wrong)
    refused(["fc_attr.bias", "[5]", "[6] is wanted"], folder / "shape.safetensors", folder / "no.safetensors", 65)


class Command:
    """What a pickle that does harm holds."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def pickles(folder):
    """The part of pt_safetensors.py that reads plain pickles, which needs no torch."""
    spec = importlib.util.spec_from_file_location("script", R.ROOT / "launch/tools/pt_safetensors.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    path = folder / "a.pkl"
    model = collections.OrderedDict(a=np.arange(6, dtype="<f4").reshape(2, 3), n=np.array(7, np.int64))
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps({"model": model, "author": "x"}, protocol))
        got = script.read_arrays(path)
        R.expect(W.same_bits(got["model"]["a"], model["a"]) and int(got["model"]["n"]) == 7, f"a pickle of protocol {protocol}")
    path.write_bytes(pickle.dumps({"model": Command(folder / "harm")}))
    R.expect(script.read_arrays(path) is None and not (folder / "harm").exists(), "nothing in a pickle is executed")


def main():
    rng = np.random.default_rng(11)
    with R.Folder() as folder:
        reference(folder)
        made(folder, rng)
        broken(folder, rng)
        public_names(folder, rng)
        pickles(folder)


if __name__ == "__main__":
    main()
