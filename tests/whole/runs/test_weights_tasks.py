"""Weights of the tasks in and out: files with the heads of every task by their released names, imported, shown and refused; a
run of retrieval that begins from a run of pretraining. Files are written by Python.
"""

import runlib as R

try:
    import numpy as np
    import weightslib as W
except ImportError as error:
    R.skip(f"no {error.name}")

TOOL = R.BUILD / "uniter"
WIDTH, WORDS, LABELS = 16, 40, 11


def body(rng, words=WORDS, types=2):
    """The tensors that every network has."""
    shapes = {"embeddings.word_embeddings.weight": (words, WIDTH), "embeddings.position_embeddings.weight": (24, WIDTH),
              "embeddings.token_type_embeddings.weight": (types, WIDTH), "img_embeddings.img_linear.weight": (WIDTH, 12),
              "img_embeddings.img_linear.bias": (WIDTH,), "img_embeddings.pos_linear.weight": (WIDTH, 7),
              "img_embeddings.pos_linear.bias": (WIDTH,), "img_embeddings.mask_embedding.weight": (2, 12),
              "pooler.dense.weight": (WIDTH, WIDTH), "pooler.dense.bias": (WIDTH,)}
    for name in ("embeddings.LayerNorm", "img_embeddings.img_layer_norm", "img_embeddings.pos_layer_norm",
                 "img_embeddings.LayerNorm"):
        shapes.update({f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)})
    for part, rows, cols in (("attention.self.query", WIDTH, WIDTH), ("attention.self.key", WIDTH, WIDTH),
                             ("attention.self.value", WIDTH, WIDTH), ("attention.output.dense", WIDTH, WIDTH),
                             ("intermediate.dense", 32, WIDTH), ("output.dense", WIDTH, 32)):
        shapes.update({f"encoder.layer.0.{part}.weight": (rows, cols), f"encoder.layer.0.{part}.bias": (rows,)})
    for part in ("attention.output.LayerNorm", "output.LayerNorm"):
        shapes.update({f"encoder.layer.0.{part}.weight": (WIDTH,), f"encoder.layer.0.{part}.bias": (WIDTH,)})
    return {f"uniter.{name}": rng.normal(size=shape).astype("<f4") for name, shape in shapes.items()}


def linear(name, rows, cols):
    return {f"{name}.weight": (rows, cols), f"{name}.bias": (rows,)}


def mlp(name, mid, out):
    return {**linear(f"{name}.0", mid, WIDTH), f"{name}.2.weight": (mid,), f"{name}.2.bias": (mid,), **linear(f"{name}.3", out, mid)}


def look(name):
    return {f"{name}.in_proj_weight": (3 * WIDTH, WIDTH), f"{name}.in_proj_bias": (3 * WIDTH,),
            **linear(f"{name}.out_proj", WIDTH, WIDTH)}


# what metadata calls the task: words, token types, head
TASKS = {
    "vqa": (WORDS, 2, mlp("vqa_output", 2 * WIDTH, LABELS)),
    "ve": (WORDS, 2, mlp("vqa_output", 2 * WIDTH, 3)),
    "nlvr2_triplet": (WORDS, 3, linear("nlvr2_output", 2, WIDTH)),
    "nlvr2_pair": (WORDS, 3, linear("nlvr2_output", 2, 2 * WIDTH)),
    "nlvr2_attn": (WORDS, 3, {**look("attn1"), **look("attn2"), **linear("fc.0", WIDTH, 2 * WIDTH),
                              **linear("attn_pool.fc.0", 1, WIDTH), **linear("nlvr2_output", 2, 2 * WIDTH)}),
    "vcr": (WORDS + 81, 4, mlp("vcr_output", 2 * WIDTH, 2)),
    "re": (WORDS, 2, linear("re_output", 1, WIDTH)),
    "itm_rank": (WORDS, 2, {**linear("itm_output", 2, WIDTH), **linear("rank_output", 1, WIDTH)}),
}
DEEP = mlp("re_output", WIDTH, 1)


def released(rng, words, types, head):
    return {**body(rng, words, types), **{name: rng.normal(size=shape).astype("<f4") for name, shape in head.items()}}


def check_task(folder, rng, task, words, types, head, title):
    tensors = released(rng, words, types, head)
    source, out = folder / f"{title}.safetensors", folder / f"{title}_ours.safetensors"
    W.write_file(source, tensors, {"num_attention_heads": "4"})
    text = R.run_ok([TOOL, "weights", "import", source, out])
    R.expect("0 are missing" in text and "0 ignored, 0 unexpected" in text, f"{title}: import says that all is there")
    ours, meta = W.read_file(out)
    R.expect(set(ours) == set(tensors) and all(W.same_bits(ours[n], tensors[n]) for n in ours),
             f"{title}: {len(ours)} tensors under the same names, bit for bit, no copies of other heads")
    R.expect(meta["num_attention_heads"] == "4", f"{title}: metadata keep the number of heads, which no shape tells")
    R.expect(meta["task"] == task and meta["vocab_size"] == str(words) and meta["type_vocab_size"] == str(types),
             f"{title}: metadata name the task {task}, words and types")
    R.expect(meta.get("num_labels") == {"vqa": str(LABELS), "ve": "3"}.get(task), f"{title}: number of answers")
    text = R.run_ok([TOOL, "weights", "show", source])
    R.expect(f"heads: {task}" in text and f"{types} token types" in text, f"{title}: show tells the task")


def check_refused(folder, rng):
    def refused(name, tensors, code, *words):
        W.write_file(folder / "bad.safetensors", tensors)
        got, text = R.run([TOOL, "weights", "import", folder / "bad.safetensors", folder / "never.safetensors"])
        R.expect(got == code and all(w in text for w in words) and not list(folder.glob("never*")), f"{name}: refused, nothing written")

    words, types, head = TASKS["vcr"]
    tensors = released(rng, words, types, head)
    tensors["vcr_output.2.weight"] = np.zeros(2 * WIDTH + 1, "<f4")
    refused("a head's LayerNorm of another width", tensors, 64, "vcr_output.2.weight", "[33]", "[32]")
    tensors = released(rng, WORDS, 2, {**TASKS["vqa"][2], **TASKS["re"][2]})
    refused("heads of two tasks", tensors, 65, "bad.safetensors", "several tasks")
    tensors = released(rng, WORDS, 2, TASKS["vqa"][2])
    tensors["vqa_output.3.weight"] = np.zeros((LABELS, 2 * WIDTH - 1), "<f4")
    refused("answers of another width", tensors, 64, "vqa_output.3.weight", "[11,31]")


def check_start(folder):
    """Retrieval begins from pretraining: its score is row 1 of itm_output; then from its own checkpoint, whole."""
    W.small_data(folder)
    cfg = W.config(folder)
    R.run_ok([R.BUILD / "uniter_dist", "--cfg", cfg, "--quiet"])
    old, _ = W.parameters(folder / "run")
    rank = folder / "rank.yaml"
    rank.write_text(cfg.read_text().replace("mix: {itm: 1, mlm: 1, mrfr: 1, mrc: 1}", "mix: {itm_rank: 1}")
                    .replace("/run,", "/rank,"))
    start = [R.BUILD / "uniter_dist", "--cfg", rank, f"model.init={folder}/run"]
    check = R.run_ok([*start, "--check"])
    said = ("grown: rank_output.weight: row 1 of itm_output.weight", "ignored (heads of pretraining): region_classifier.*",
            "2 grown, 0 made anew", "0 unexpected")
    R.expect(all(f in check for f in said), "--check says what is grown and ignored")
    log = R.run_ok([*start, "optim.lr=0"])
    R.expect(all(f in log for f in said), "the run says the same")
    new, _ = W.parameters(folder / "rank")
    worst = max(np.abs(new[f"rank_output.{part}"] - old[f"itm_output.{part}"][1:]).max() for part in ("weight", "bias"))
    R.expect(worst < 1e-5, f"rank_output is row 1 of itm_output (after updates at no rate: {worst:.1e})")
    R.expect(all(W.same_bits(new[f"itm_output.{part}"], old[f"itm_output.{part}"]) for part in ("weight", "bias")),
             "itm_output stays, bit for bit")
    folder_of_best = folder / "rank" / "ckpt" / "best"
    newest = sorted((folder / "rank" / "ckpt").glob("step_*"))[-1]
    if not folder_of_best.exists():
        folder_of_best.symlink_to(newest.name)
    text = R.run_ok([R.BUILD / "uniter_dist", "--cfg", rank, f"model.init={folder_of_best}", f"run.dir={folder}/again", "--check"])
    R.expect("0 are missing" in text and "grown" not in text, "model.init: ckpt/best of a run, whole")
    out = folder / "rank.safetensors"
    R.run_ok([TOOL, "weights", "export", folder / "rank", out])
    tensors, meta = W.read_file(out)
    R.expect(meta["task"] == "itm_rank" and set(tensors) == set(new) and
             all(W.same_bits(tensors[n], new[n]) for n in new), "export: the names of the task, and which it is")


def main():
    rng = np.random.default_rng(4)
    with R.Folder() as folder:
        for task, (words, types, head) in TASKS.items():
            check_task(folder, rng, task, words, types, head, task)
        check_task(folder, rng, "re", WORDS, 2, DEEP, "re_deep")
        check_refused(folder, rng)
        check_start(folder)


if __name__ == "__main__":
    main()
