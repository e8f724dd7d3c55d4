"""What pt_safetensors.py makes of dictionaries as training programs leave them, with arrays in the place of tensors: no
PyTorch is needed. The whole script with PyTorch: test_weights.py.
"""
import contextlib
import importlib.util
import io
import types

import runlib as R

try:
    import numpy as np
except ImportError as error:
    R.skip(f"no {error.name}")

spec = importlib.util.spec_from_file_location("script", R.ROOT / "launch/tools/pt_safetensors.py")
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)
torch = types.SimpleNamespace(is_tensor=lambda v: isinstance(v, np.ndarray))
FLAT = {"bert.a.weight": np.zeros(2), "cls.b": np.ones(3)}


def with_front(front):
    return {front + k: v for k, v in FLAT.items()}


def same(content, what):
    with contextlib.redirect_stderr(io.StringIO()):
        got = script.tensors_of(content, torch, "x.pt")
    R.expect(got.keys() == FLAT.keys() and all(got[k] is FLAT[k] for k in FLAT), what)


def refused(content, words, what):
    said = io.StringIO()
    code = None
    with contextlib.redirect_stderr(said):
        try:
            script.tensors_of(content, torch, "x.pt")
        except SystemExit as end:
            code = end.code
    text = said.getvalue()
    R.expect(code == 65 and all(w in text for w in ["x.pt", *words]), f"{what}: {text.strip()}")


def main():
    same(FLAT, "a state_dict by itself")
    for front in ("module.", "_orig_mod.", "model.", "_orig_mod.module.", "module.model._orig_mod."):
        same(with_front(front), f"{front} in front of all names")
    same({"bert._orig_mod.a.weight": FLAT["bert.a.weight"], "cls.b": FLAT["cls.b"]}, "a part that was compiled by itself")
    for name in script.NESTED:
        same({name: with_front("module."), "epoch": 3}, f"under {name}")
    same({"model": {"state_dict": FLAT}}, "one in another")
    same({"state_dict": FLAT, "step": np.zeros(1)}, "a tensor beside it is a counter")
    same({"model": {"hidden_size": 16}, "module": FLAT}, "a model of no tensors is passed over")
    mixed = {"model.bert.a": FLAT["cls.b"], "head": FLAT["cls.b"]}
    R.expect(script.tensors_of(mixed, torch, "x").keys() == mixed.keys(), "a front that some names lack stays")
    refused({"net": FLAT, "epoch": 3}, ["no tensors", "net, epoch"], "an unknown key is listed")
    refused({"model": {"weights": FLAT}}, ["model; within: weights"], "also further in")
    refused({}, ["none"], "nothing at all")
    refused([1], ["list"], "no dictionary")
    refused({"a._orig_mod.b": FLAT["cls.b"], "a.b": FLAT["cls.b"]}, ["one name"], "two of one name")
    said = script.why_not(Exception("\x1b[1mWeights only\x1b[0m failed\n GLOBAL os.system was not allowed"))
    R.expect("os.system" in said and "\x1b" not in said and "\n" not in said, said)


if __name__ == "__main__":
    main()
