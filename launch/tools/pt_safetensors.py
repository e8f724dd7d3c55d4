#!/usr/bin/env python3
"""Released weights of PyTorch (.pt, .bin) into safetensors and back; needs the packages torch and safetensors.

    pt_safetensors.py IN.pt OUT.safetensors
    pt_safetensors.py IN.safetensors OUT.pt

Only tensors are taken from a .pt file (nothing in it is executed); a state_dict may stand in it by itself or under
"state_dict", "model_state_dict", "model" or "module", also one in another, and what parallel, compiled and wrapped
models have in front of all names ("module.", "_orig_mod.", "model.") is dropped. A plain pickle of NumPy arrays in
such a form, as some region detectors come, is read too. Tied tensors are written out in
full into safetensors, and tied again on the way back where they are equal. No file is overwritten.
"""
import codecs
import os
import pickle
import re
import sys

TIED = {"cls.predictions.decoder.weight": "uniter.embeddings.word_embeddings.weight",
        "feat_regress.weight": "uniter.img_embeddings.img_linear.weight"}
NESTED = ("state_dict", "model_state_dict", "model", "module")
WRAPPERS = ("module.", "_orig_mod.", "model.")
DEPTH = 4  # of dictionaries in one another


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


def few(words):
    words = [str(w) for w in words]
    return ", ".join(words[:10]) + (" ..." if len(words) > 10 else "")


def find_tensors(content, torch, depth, seen):
    """The dictionary with tensors that the known names lead to; None: nowhere. `seen` gets the keys on the way."""
    if not isinstance(content, dict) or depth == 0:
        return None
    seen.append(few(content) or "none")
    # what is meant as a state_dict comes first: tensors beside it are counters and the like
    for name in NESTED:
        found = find_tensors(content.get(name), torch, depth - 1, seen)
        if found is not None:
            return found
    return content if any(torch.is_tensor(v) for v in content.values()) else None


def dictionary_of(content, torch, path):
    seen = []
    if not isinstance(content, dict):
        end(65, f"{path}: holds {type(content).__name__}, not a dictionary of tensors")
    found = find_tensors(content, torch, DEPTH, seen)
    if found is None:
        end(65, f"{path}: no tensors in it, nor under {', '.join(NESTED)}; its keys: {'; within: '.join(seen)}")
    return found


def unwrapped(tensors):
    """Names without what all of them have in front, and without the mark of a part that was compiled by itself."""
    names = {k: k for k in tensors}
    front = True
    while front:
        front = next((w for w in WRAPPERS if all(n.startswith(w) and len(n) > len(w) for n in names.values())), None)
        names = {k: n[len(front):] if front else n for k, n in names.items()}
    return {n.replace("._orig_mod.", "."): tensors[k] for k, n in names.items()}


def tensors_of(content, torch, path):
    """The flat {name: tensor} of what was loaded."""
    content = dictionary_of(content, torch, path)
    tensors = {k: v for k, v in content.items() if isinstance(k, str) and torch.is_tensor(v)}
    if not tensors:
        end(65, f"{path}: its tensors have no names; its keys: {few(content)}")
    left = [k for k in content if not isinstance(k, str) or k not in tensors]
    if left:
        print(f"left out, no tensors: {few(left)}", file=sys.stderr)
    plain = unwrapped(tensors)
    if len(plain) != len(tensors):
        end(65, f"{path}: two tensors have one name once _orig_mod is dropped")
    return plain


def allow_scalars(torch):
    """NumPy's single numbers, which training programs leave beside the weights (a best score), are harmless."""
    if not hasattr(torch.serialization, "add_safe_globals"):
        return  # before torch 2.4
    try:
        import numpy as np
        core = np._core if hasattr(np, "_core") else np.core
        kinds = [type(np.dtype(c)) for c in "?bBhHiIlLqQefd"]
        torch.serialization.add_safe_globals([core.multiarray.scalar, (core.multiarray.scalar, "numpy.core.multiarray.scalar"),
                                              np.dtype, codecs.encode, *dict.fromkeys(kinds)])
    except (ImportError, AttributeError, TypeError):  # an older torch or NumPy: such files are refused, and told why
        return


def why_not(error):
    """What torch says of a file that it will not load, in one line."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error)).strip()
    part = re.search(r"GLOBAL (\S+)", text)
    return f"it holds {part[1]}, which is neither a tensor nor a plain value" if part else text.splitlines()[0]


def to_safetensors(source, target, torch, st):
    allow_scalars(torch)
    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds
        content = with_tensors(read_arrays(source), torch)
        if content is None:
            end(65, f"{source}: not a file of plain tensors: {why_not(error)}")
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
