#!/usr/bin/env python3
"""How far PyTorch in bf16 (autocast on the CPU, rows of the tables rounded as well) is from the files of tasks, in the quantities of the parity program: what its
tolerances for bf16 stand on (tasks.c). Needs torch and h5py.

    torch_bf16_tasks.py FILE.h5...        lines "FILE TASK QUANTITY ERROR", as in the parity program's output
"""
import argparse
import pathlib
import sys

import h5py
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "shared/reference/downstream"))
import downstream_torch as D  # noqa: E402
import make_downstream as M  # noqa: E402
from torch_tables import round_tables  # noqa: E402

R = D.R


def read_batch(g, task):
    of = {k: v[:] for k, v in g["samples"].items()}
    ends = {k: np.concatenate([[0], np.cumsum(of[k])]) for k in ("txt_len", "num_bb")}
    per = dict(input_ids="txt_len", txt_labels="txt_len", txt_type="txt_len", img_feat="num_bb", img_pos_feat="num_bb",
               img_type="num_bb", img_mask="num_bb", soft_labels="num_bb")
    samples = []
    for i in range(len(of["txt_len"])):
        s = {}
        for k, by in per.items():
            if k in of:
                x = torch.from_numpy(of[k][ends[by][i]:ends[by][i + 1]])
                s[k] = x.bool() if k == "img_mask" else x.float() if x.is_floating_point() else x.long()
        samples.append(s)
    b = D.pad(samples, task)
    for k in ("targets", "negatives"):
        if k in of:
            x = torch.from_numpy(of[k])
            b[k] = x.float() if x.is_floating_point() else x.long()
    return b


def open_model(f, name, spec):
    a = {k: f.attrs[k] for k in f.attrs}
    args = argparse.Namespace(vocab=int(a["vocab_size"]), specials=int(a["num_special_tokens"]), hidden=int(a["hidden_size"]),
                              layers=int(a["num_hidden_layers"]), heads=int(a["num_attention_heads"]),
                              inter=int(a["intermediate_size"]), pos=int(a["max_position_embeddings"]), img_dim=int(a["img_dim"]),
                              labels=int(a["img_label_dim"]), scale=float(a["param_scale"]))
    return M.made(args, spec[0], spec[1], spec[2])[1].float()


def run(model, b, how):
    with torch.autocast("cpu", torch.bfloat16):
        return M.forward(model, b, how)


def of_largest(got, want):
    got, want = np.asarray(got, np.float64).ravel(), np.asarray(want, np.float64).ravel()
    return np.abs(got - want).max() / np.abs(want).max()


def outputs(say, g, model, b, how, out):
    o = g["out"]
    for k in ("pooled", "scores", "all_scores"):
        if k in o and k in out:
            real = o[k][()] > -9e3        # regions
            say(k, of_largest(out[k].detach().float().numpy()[real], o[k][()][real]))
    unit = out["unit_loss"].detach().float().numpy()
    rows = "task" not in how and unit.ndim > 1
    say("unit_loss", of_largest(unit.sum(-1) if rows else unit, o["unit_loss"][()].sum(-1) if rows else o["unit_loss"][()]))
    say("loss", of_largest([float(out["loss"].detach())], [o["loss"][()]]))
    if "hard_index" in o:
        say("hard_index", int((np.asarray(out["hard_index"]) != o["hard_index"][()]).sum()))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        if "sequence_output" in o:
            say("sequence_output", of_largest(M.packed(model.uniter(b), b).float(), o["sequence_output"][:]))
        if "zero_shot" in o:
            say("zero_shot", of_largest((model.itm_output(out["pooled"]))[:, 1].float(), o["zero_shot"][:]))


def gradients(say, g, model):
    whole_norm = float(g["train/grad_norm"][0])
    for name, p in model.named_parameters():
        d = g[f"grads/{name}"]
        l2 = float(d.attrs["l2"])
        x = (p.grad if p.grad is not None else torch.zeros_like(p)).double().numpy().ravel()
        whole = "value" in d
        want = (d["value"] if whole else d["probe_value"])[:].astype(np.float64).ravel()
        got = x if whole else x[d["probe_index"][:]]
        off = np.linalg.norm(got - want)
        say(f"grad {name} {'value' if whole else 'probes'}", off / max(l2, 1e-30), f"of l2 {l2:.3g}, of all {off / whole_norm:.3g}")


def training(say, f, g, name, spec, b, how):
    t = g["train"]
    a = t.attrs
    model = round_tables(open_model(f, name, spec))
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    steps = D.train(model, lambda: run(model, b, how)["loss"].float(), 3, float(a["lr"]), float(a["lr_mul"]), int(a["warmup_steps"]),
                    int(a["num_train_steps"]), float(a["grad_norm"]), float(a["weight_decay"]))
    for step, (loss, norm, _) in enumerate(steps):
        for key, got in (("loss", loss), ("grad_norm", norm)):
            want = t[key][step]
            say(f"train/{key}", abs(got - want) / abs(want),
                f"step {step}: {got:.6g}, reference {want:.6g}; along the gradient {abs(got - want) / t['grad_norm'][step]:.3g}")
    for n, p in model.named_parameters():
        l2, change = t["param_l2"].attrs[n], t["change_l2"].attrs[n]
        if change > 0:
            say(f"param_l2 {n}", abs(float(p.detach().double().norm()) - l2) / l2)
            say(f"change_l2 {n}", abs(float((p.detach() - before[n]).double().norm()) - change) / change,
                f"l2 of the gradient, of all: {g[f'grads/{n}'].attrs['l2'] / g['train/grad_norm'][0]:.3g}")


def main():
    torch.set_num_threads(1)
    for path in sys.argv[1:]:
        with h5py.File(path) as f:
            answers = int(f["tasks/vqa"].attrs["num_labels"])
            for name, spec in M.table(argparse.Namespace(answers=answers)).items():
                def say(what, error, more=""):
                    print(f"{pathlib.Path(path).name} {name} {what}: {error:.3g} {more}", flush=True)
                g, how = f[f"tasks/{name}"], spec[5]
                b = read_batch(g, how.get("task", ""))
                model = round_tables(open_model(f, name, spec))
                out = run(model, b, how)
                out["loss"].float().backward()
                outputs(say, g, model, b, how, out)
                gradients(say, g, model)
                training(say, f, g, name, spec, b, how)


if __name__ == "__main__":
    main()
