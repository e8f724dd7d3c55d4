#!/usr/bin/env python3
"""Released weights of PyTorch (.pt, .bin) into safetensors and back; needs the packages torch and safetensors.

    pt_safetensors.py IN.pt OUT.safetensors
    pt_safetensors.py IN.safetensors OUT.pt

Only tensors are taken from a .pt file (nothing in it is executed); a state_dict may stand in it by itself or under
"state_dict", "model_state_dict" or "model", and "module." of a parallel model is dropped. A plain pickle of NumPy arrays in
such a form, as some region detectors come, is read too. Tied tensors are written out in
full into safetensors, and tied again on the way back where they are equal. No file is overwritten.
"""
import os
import pickle
import sys

TIED = {"cls.predictions.decoder.weight": "uniter.embeddings.word_embeddings.weight",
        "feat_regress.weight": "uniter.img_embeddings.img_linear.weight"}
NESTED = ("state_dict", "model_state_dict", "model")


def end(code, text):
    print("pt_safetensors.py:", text, file=sys.stderr)
    sys.exit(code)


def packages():
    try:
        import safetensors.torch
        import torch
    except ImportError as error:
        end(64, f"the Python package {error.name} is missing; install it with: pip install torch safetensors")
    return torch, safetensors.torch


class Arrays(pickle.Unpickler):
    """Knows what makes up NumPy arrays in dictionaries, and nothing else."""
    KNOWN = {("collections", "OrderedDict"), ("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}
    for core in ("numpy.core", "numpy._core"):
        KNOWN |= {(core + ".multiarray", "_reconstruct"), (core + ".numeric", "_frombuffer")}

    def find_class(self, module, name):
        if (module, name) not in self.KNOWN:
            raise pickle.UnpicklingError(f"{module}.{name} in it")
        return super().find_class(module, name)


def read_arrays(path):
    """The content of a plain pickle; None where it is something else."""
    with open(path, "rb") as f:
        try:
            return Arrays(f, encoding="latin1").load()
        except Exception:  # whatever a file that is no such pickle makes of it
            return None


def with_tensors(content, torch):
    """NumPy arrays in dictionaries as tensors."""
    if isinstance(content, dict):
        return {k: with_tensors(v, torch) for k, v in content.items()}
    array = type(content).__module__ == "numpy" and type(content).__name__ == "ndarray" and content.dtype.kind in "fiub"
    return torch.tensor(content) if array else content


def tensors_of(content, torch, path):
    """The flat {name: tensor} of what was loaded."""
    if isinstance(content, dict) and not any(torch.is_tensor(v) for v in content.values()):
        inner = [content[k] for k in NESTED if isinstance(content.get(k), dict)]
        content = inner[0] if inner else content
    if not isinstance(content, dict):
        end(65, f"{path}: holds {type(content).__name__}, not a dictionary of tensors")
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and torch.is_tensor(v)}
    if not tensors:
        end(65, f"{path}: no tensors in it")
    left = [str(k) for k in content if k not in tensors]
    if left:
        print(f"left out, no tensors: {', '.join(left[:10])}{' ...' if len(left) > 10 else ''}", file=sys.stderr)
    if all(k.startswith("module.") for k in tensors):
        tensors = {k[len("module."):]: v for k, v in tensors.items()}
    return tensors


def to_safetensors(source, target, torch, st):
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        content = with_tensors(read_arrays(source), torch)
        if content is None:
            end(65, f"{source}: not a file of plain tensors: {str(error).strip().splitlines()[0]}")
    tensors = tensors_of(content, torch, source)
    # each a tensor of its own: the format knows no sharing
    st.save_file({k: v.detach().clone().contiguous() for k, v in tensors.items()}, target, metadata={"format": "pt"})
    return len(tensors)


def bits_equal(a, b, torch):
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(
        a.contiguous().view(torch.uint8), b.contiguous().view(torch.uint8))


def to_pt(source, target, torch, st):
    try:
        tensors = st.load_file(source)
    except Exception as error:
        end(65, f"{source}: not a safetensors file: {error}")
    for copy, partner in TIED.items():
        if copy in tensors and partner in tensors and bits_equal(tensors[copy], tensors[partner], torch):
            tensors[copy] = tensors[partner]
    torch.save(tensors, target)
    return len(tensors)


def main():
    if len(sys.argv) != 3 or sys.argv[1].startswith("-"):
        print(__doc__.strip())
        sys.exit(0 if sys.argv[1:] in (["--help"], ["-h"]) else 64)
    source, target = sys.argv[1:]
    if source.endswith(".safetensors") == target.endswith(".safetensors"):
        end(64, "one of the two names must end in .safetensors")
    if not os.path.isfile(source):
        end(74, f"{source}: no such file")
    if os.path.exists(target):
        end(64, f"{target} exists: nothing is overwritten; remove it or name another file")
    torch, st = packages()
    partial = target + ".partial"
    try:
        n = (to_pt if source.endswith(".safetensors") else to_safetensors)(source, partial, torch, st)
        os.rename(partial, target)
    except OSError as error:
        end(74, f"{target}: {error.strerror or error}")
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    print(f"{target}: {n} tensors")


if __name__ == "__main__":
    main()
