#!/usr/bin/env python3
"""Why gradients of vcr are off by more in bf16 than those of other tasks: its loss passes a ReLU, and a unit close to zero switches.
PyTorch in bf16, as it is and with noise of up to 2^-8 in the results of linear layers; then the same with the ReLU's signs of fp32.

    torch_switching.py FILE.h5...         files of tasks; needs torch and h5py
"""
import argparse
import pathlib
import sys

import h5py
import numpy as np
import torch
import torch_bf16_tasks as T
from torch_tables import round_tables

M = T.M


class Signs(torch.nn.Module):
    """A ReLU whose open units are given."""

    def __init__(self, open_units):
        super().__init__()
        self.open_units = open_units

    def forward(self, x):
        return x * self.open_units.to(x.dtype)


def worst_gradient(g, model):
    """Largest error over its own l2, of tensors that are a thousandth of the whole gradient at least."""
    off = {}
    for name, p in model.named_parameters():
        d = g[f"grads/{name}"]
        l2 = float(d.attrs["l2"])
        if l2 < 1e-3 * float(g["train/grad_norm"][0]):
            continue
        got = p.grad.double().numpy().ravel()
        want = d["value" if "value" in d else "probe_value"][:].astype(np.float64).ravel()
        if "value" not in d:
            got = got[d["probe_index"][:]]
        off[name] = np.linalg.norm(got - want) / l2
    name = max(off, key=off.get)
    return off[name], name


def noisy(model, seed):
    drawn = torch.Generator().manual_seed(seed)

    def hook(_module, _given, out):
        return out * (1 + (torch.rand(out.shape, generator=drawn) * 2 - 1) * 2**-8).to(out.dtype)
    for m in model.modules():
        if isinstance(m, torch.nn.Linear):
            m.register_forward_hook(hook)


def run(f, spec, b, low, seed=None, open_units=None):
    """The worst gradient, and what the ReLU saw."""
    model, seen = T.open_model(f, "vcr", spec), []
    at = next(k for k, m in enumerate(model.vcr_output) if isinstance(m, torch.nn.ReLU))
    if open_units is not None:
        model.vcr_output[at] = Signs(open_units)
    model.vcr_output[at].register_forward_pre_hook(lambda _module, given: seen.append(given[0].detach().float()))
    if low:
        round_tables(model)
    if seed is not None:
        noisy(model, seed)
    out = T.run(model, b, spec[5]) if low else M.forward(model, b, spec[5])
    out["loss"].float().backward()
    return worst_gradient(f["tasks/vcr"], model), seen[0]


def main():
    torch.set_num_threads(1)
    for path in sys.argv[1:]:
        with h5py.File(path) as f:
            spec = M.table(argparse.Namespace(answers=int(f["tasks/vqa"].attrs["num_labels"])))["vcr"]
            b = T.read_batch(f["tasks/vcr"], "")
            _, pre = run(f, spec, b, False)
            for seed in (None, *range(6)):
                (free, where), seen = run(f, spec, b, True, seed)
                (fixed, _), _ = run(f, spec, b, True, seed, pre > 0)
                switched = int(((seen > 0) != (pre > 0)).sum())
                print(f"{pathlib.Path(path).name} {'bf16' if seed is None else f'noise {seed}'}: {free:.3f} ({where}), {switched} of "
                      f"{pre.numel()} units switched; with the signs of fp32 {fixed:.3f}", flush=True)


if __name__ == "__main__":
    main()
