"""Losses of a safetensors file under PyTorch: torch_losses.py WEIGHTS REFERENCE.h5 FOLDER_OF_uniter_torch.

Loads the file as a PyTorch user would (strictly: no name too many, none missing), computes the losses of all objectives
on the samples of the reference file and prints them as one JSON object, as tests/losses does. Exit code 77: a package is
missing.
"""
import json
import sys

try:
    import h5py
    import safetensors.torch
    import torch
except ImportError as error:
    print(f"skipped: no {error.name}")
    sys.exit(77)


def samples(group):
    """The reference's packed batch, cut into samples again."""
    txt, bb = group["txt_len"][:], group["num_bb"][:]
    out, word, region = [], 0, 0
    for i, (n, m) in enumerate(zip(txt, bb)):
        s = {"target": int(group["target"][i])} if "target" in group else {}
        for key in ("input_ids", "txt_labels"):
            if key in group:
                s[key] = torch.tensor(group[key][word:word + n].astype("int64"))
        for key in ("img_feat", "img_pos_feat", "soft_labels"):
            if key in group:
                s[key] = torch.tensor(group[key][region:region + m])
        if "img_mask" in group:
            s["img_mask"] = torch.tensor(group["img_mask"][region:region + m].astype(bool))
        word, region = word + int(n), region + int(m)
        out.append(s)
    return out


def main():
    weights, reference, folder = sys.argv[1:]
    sys.path.insert(0, folder)
    import uniter_torch as R
    with h5py.File(reference) as f:
        sizes = {k: int(f.attrs[k]) for k in ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
                                              "intermediate_size", "type_vocab_size", "img_dim", "img_label_dim")}
        tensors = safetensors.torch.load_file(weights)
        positions = tensors["uniter.embeddings.position_embeddings.weight"].shape[0]
        model = R.UniterForPretraining(R.config(max_position_embeddings=positions, **sizes))
        model.load_state_dict(tensors, strict=True)
        model.eval()
        losses = {}
        for task in R.TASKS:
            batch = R.pad_batch(samples(f[f"tasks/{task}/samples"]), task)
            with torch.no_grad():
                losses[task] = float(R.total_loss(model(batch, task), task, batch.get("targets")))
    print(json.dumps(losses))


if __name__ == "__main__":
    main()
