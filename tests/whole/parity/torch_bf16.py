#!/usr/bin/env python3
"""How far PyTorch in bf16 (autocast on the CPU, rows of the tables rounded as well) is from the reference files, in the quantities of the parity program: what its
tolerances for bf16 stand on (parity.c). Needs torch and h5py.

    torch_bf16.py FILE.h5...        lines "FILE TASK QUANTITY ERROR", as in the parity program's output
"""
import math
import pathlib
import sys

import h5py
import numpy as np
import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[4] / "shared/reference"))
import make_reference as M  # noqa: E402
import uniter_torch as R  # noqa: E402
from torch_tables import round_tables  # noqa: E402


def open_model(f):
    a = f.attrs
    keys = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "max_position_embeddings",
            "type_vocab_size", "img_dim", "img_label_dim")
    model = R.UniterForPretraining(R.config(**{k: int(a[k]) for k in keys if k in a}))
    with torch.no_grad():
        for name, p in model.named_parameters():
            p.copy_(M.rule(name, tuple(p.shape), float(a["param_scale"])))
    return round_tables(model).train()


def read_batch(f, task):
    g = f[f"tasks/{task}/samples"]
    texts, boxes = g["txt_len"][:], g["num_bb"][:]
    t0, b0 = np.concatenate([[0], np.cumsum(texts)]), np.concatenate([[0], np.cumsum(boxes)])
    of = {k: g[k][:] for k in g}
    samples = []
    for i in range(len(texts)):
        s = {}
        for k in ("input_ids", "txt_labels"):
            if k in of:
                s[k] = torch.from_numpy(of[k][t0[i]:t0[i + 1]].astype(np.int64))
        for k in ("img_feat", "img_pos_feat", "soft_labels", "img_mask"):
            if k in of:
                x = torch.from_numpy(of[k][b0[i]:b0[i + 1]])
                s[k] = x.bool() if k == "img_mask" else x.float()
        if "target" in of:
            s["target"] = int(of["target"][i])
        samples.append(s)
    return R.pad_batch(samples, task)


def of_largest(got, want):
    got, want = np.asarray(got, np.float64).ravel(), np.asarray(want, np.float64).ravel()
    return np.abs(got - want).max() / np.abs(want).max()


def loss_of(model, b, task):
    with torch.autocast("cpu", torch.bfloat16):
        out = model(b, task)
    out = tuple(o.float() for o in out) if isinstance(out, tuple) else out.float()
    return out, R.total_loss(out, task, b.get("targets"))


def outputs(say, f, model, b, task, out, loss):
    o = f[f"tasks/{task}/out"]
    say("loss", of_largest([float(loss.detach())], o["loss"][()].reshape(-1)))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        x = model.uniter(b)
        pooled = model.uniter.pool(x)
        scores = model.itm_output(pooled)
        plan = model.word_region_alignment(x.float(), b)[1] if task == "itm" else None
    lengths = b["attn_masks"].sum(1)
    say("sequence_output", of_largest(torch.cat([x[i, :n] for i, n in enumerate(lengths)]).float(), o["sequence_output"][:]))
    if task != "itm":
        say("unit_loss", of_largest(out.detach(), o["unit_loss"][:]))
        return
    cut = list(zip(b["txt_lens"].tolist(), b["num_bbs"].tolist()))
    for name, value in (("pooled", pooled), ("itm_scores", scores), ("xe", out[0]), ("ot_distance", out[1]),
                        ("ot_plan", torch.cat([plan[i, :t, :k].flatten() for i, (t, k) in enumerate(cut)]))):
        say(name, of_largest(value.detach().float(), o[name][:]))


def gradients(say, f, model, task):
    for name, p in model.named_parameters():
        d = f[f"tasks/{task}/grads/{name}"]
        l2 = float(d.attrs["l2"])
        g = (p.grad if p.grad is not None else torch.zeros_like(p)).double().numpy().ravel()
        zero = l2 == 0 or name.endswith("attention.self.key.bias")
        whole = "value" in d
        want = (d["value"] if whole else d["probe_value"])[:].astype(np.float64).ravel()
        got = g if whole else g[d["probe_index"][:]]
        if zero:
            say(f"grad (zero) {name}", np.abs(got - want).max())
            continue
        size = l2 if whole else max(np.linalg.norm(want), l2 * math.sqrt(len(want) / len(g)))
        say(f"grad {name} l2", abs(np.linalg.norm(g) - l2) / l2)
        say(f"grad {name} {'value' if whole else 'probes'}", np.linalg.norm(got - want) / size)


def training(say, f, model, batches):
    t = f["train"]
    a = t.attrs
    named = list(model.named_parameters())
    opt = R.AdamW(named, weight_decay=float(a["weight_decay"]))
    worst = {"loss": 0, "grad_norm": 0}
    for step, task in enumerate(t["task"].asstr()[:], 1):
        for _, q in named:
            q.grad = torch.zeros_like(q)
        _, loss = loss_of(model, batches[task], task)
        loss.backward()
        norm = float(torch.nn.utils.clip_grad_norm_([q for _, q in named], float(a["grad_norm"])))
        opt.step(R.lr_at(step, float(a["lr"]), int(a["warmup_steps"]), int(a["num_train_steps"])))
        for key, got in (("loss", float(loss.detach())), ("grad_norm", norm)):
            off = abs(got - t[key][step - 1]) / abs(t[key][step - 1])
            print(f"  step {step} {task} {key} {got:.6g} reference {t[key][step - 1]:.6g} off {off:.3g}", file=sys.stderr)
            worst[key] = max(worst[key], off)
    for key, off in worst.items():
        say(key, off)
    for name, p in named:
        want = float(t["param_l2"].attrs[name])
        say(f"param_l2 {name}", abs(float(p.detach().double().norm()) - want) / want)


def main():
    torch.set_num_threads(1)
    for path in sys.argv[1:]:
        with h5py.File(path) as f:
            model = open_model(f)
            batches = {task: read_batch(f, task) for task in R.TASKS}
            for task in R.TASKS:
                def say(what, error):
                    print(f"{pathlib.Path(path).name} {task} {what} {error:.3g}", flush=True)
                model.zero_grad()
                out, loss = loss_of(model, batches[task], task)
                loss.backward()
                outputs(say, f, model, batches[task], task, out, loss)
                gradients(say, f, model, task)
            task = "train"
            training(lambda what, error: print(f"{pathlib.Path(path).name} train {what} {error:.3g}"), f, model, batches)


if __name__ == "__main__":
    main()
