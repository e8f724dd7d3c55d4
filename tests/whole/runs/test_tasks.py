"""Every objective of a task, with dropout: each loss, gradient norm and validation measure, and the parameters and moments at the
end, are the same on 1, 2, 4 and 8 ranks, and the same when a run is ended behind a checkpoint and goes on with another number."""
import shutil

import runlib as R

STEPS, STOP = 6, 3

# objective: its set of the micro-world, what it changes in sections model, train and optim
TASKS = {
    "vqa": ("vqa", "", ", loss_scale: 5", ", lr_mul: 10"),
    "ve": ("ve", "", "", ""),
    "nlvr2_triplet": ("nlvr2", "", "", ""),
    "nlvr2_pair": ("nlvr2", ", type_vocab_size: 2", "", ""),
    "nlvr2_attn": ("nlvr2", "", "", ""),
    "vcr": ("vcr", "", "", ", lr_mul: 2"),
    "re": ("re", "", ", samples_per_lane: 4", ""),
    "re_rank": ("re+", ", re_layers: 2", ", hard_ratio: 0.5", ""),
    "itm_rank": ("retrieval", "", ", negatives: 2", ""),
    "itm_hard": ("retrieval", "", ", loss_scale: 2, candidates: 7, hard_size: 3", ""),
    "second stage": ("vcr", ", type_vocab_size: 4", ", mixing: batch", ""),
}
MIX = {"second stage": "mlm: 2, mrfr: 1, mrckl: 1"}
TOKENS = {"itm_hard": 640}
# sequences of a sample (with its negatives: 2 and 2; of two groups a lane: 1 and 3), where that is not one
EACH = {"nlvr2_pair": 2, "nlvr2_attn": 2, "vcr": 4, "itm_rank": 5, "itm_hard": 4}


def images(data, task, split):
    names = (["vcr_gt"] if task == "vcr" else []) + [task]
    return "[" + ", ".join(f"{data}/{name}_{split}.img.h5" for name in names) + "]"


def write_config(folder, data, name):
    task, model, train, optim = TASKS[name]
    regions = "conf_th: -1, num_bb: 100" if task in ("re", "re+") else "min_bb: 2, max_bb: 40"
    mix = MIX.get(name, f"{name}: 1")
    path = folder / "c.yaml"
    path.write_text(f"""\
run: {{dir: none, seed: 5, threads: 1}}
device: cpu
model: {{hidden_size: 32, num_hidden_layers: 2, num_attention_heads: 2, intermediate_size: 64, dropout: 0.1{model}}}
data: {{max_txt_len: 220, {regions}, train: [
    {{name: {task}, text: {data}/{task}_train.txt.h5, images: {images(data, task, "train")}, mix: {{{mix}}}}}], valid: [
    {{name: {task}, text: {data}/{task}_valid.txt.h5, images: {images(data, task, "valid")}}}]}}
train: {{steps: {STEPS}, lanes: 8, tokens_per_lane: {TOKENS.get(name, 320)}{train}}}
optim: {{lr: 1.0e-3, warmup_steps: 2, grad_norm: 2{optim}}}
valid: {{every: {STOP}}}
checkpoint: {{every: {STOP}, keep: 0}}
log: {{every: 1}}
""")
    return path


def same(a, b, what):
    for kind in ("loss", "valid"):
        for x, y in zip(R.metrics(a, kind), R.metrics(b, kind)):
            for key in x:
                if x[key] != y.get(key):
                    R.fail(f"{what}: step {x['step']}: {key} is {x[key]!r} and {y.get(key)!r}")
    ends = [R.digests(run, step) for run in (a, b) for step in (STOP, STEPS)]
    R.expect(R.metrics(a) == R.metrics(b) and R.metrics(a, "valid") == R.metrics(b, "valid") and ends[:2] == ends[2:],
             f"{what}: losses, norms, measures, parameters and moments are equal")


def trains(name, run):
    """Equal runs say nothing unless there is something to add up: every lane of every step has its part."""
    lines, held = R.metrics(run), R.metrics(run, "valid")
    R.expect([x["step"] for x in lines] == list(range(1, STEPS + 1)) and
             all(x["samples"] >= 8 and x["loss"] > 0 and x["grad_norm"] > 0 for x in lines),
             f"{name}: losses {[round(x['loss'], 3) for x in lines]}, {min(x['samples'] for x in lines)} samples or more")
    R.expect(all(x["sequences"] == x["samples"] * EACH.get(name, 1) for x in lines), f"{name}: sequences of a sample")
    R.expect(name != "re" or max(x["samples"] for x in lines) <= 8 * 4, f"{name}: samples_per_lane is kept")
    R.expect(name != "itm_hard" or all(x["samples"] == 8 * 2 for x in lines), f"{name}: two groups a lane")
    measured = {key for x in held for key in x if key.startswith("valid/")}
    R.expect(len(held) == 2 and all(f"valid/{o.split(':')[0]}_loss" in measured for o in MIX.get(name, name).split(", ")),
             f"{name}: measures {sorted(measured)}")


def goes_on(folder, cfg, name, run, ranks):
    """As if killed behind the last update, the checkpoint of STOP being the newest that is whole."""
    again = folder / f"{run.name}_again"
    shutil.copytree(run, again, symlinks=True)
    for path in (again / "ckpt").glob(f"*{STEPS:08d}"):
        shutil.rmtree(path)
    out = R.run_ok(R.command(ranks, "--cfg", cfg, f"run.dir={again}"))
    R.expect(f"step_{STOP:08d}" in out, f"{name}: goes on behind update {STOP} on {ranks} ranks")
    same(run, again, f"{name}: gone on with on {ranks} ranks")


def one_task(folder, data, name):
    cfg, runs = write_config(folder, data, name), {}
    for n in (1, 4) if R.sanitized() else (1, 2, 4, 8):
        n = n if R.has_mpi() else 1
        runs[n] = folder / f"{name.replace(' ', '_')}_{n}"
        if not runs[n].exists():
            R.run_ok(R.command(n, "--cfg", cfg, f"run.dir={runs[n]}"))
    trains(name, runs[1])
    for n in list(runs)[1:]:
        same(runs[1], runs[n], f"{name}: 1 and {n} ranks")
    goes_on(folder, cfg, name, runs[max(runs)], 2 if R.has_mpi() else 1)


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data", tasks="all", sets="coco", train_images=96, test_images=4, texts=2)
        for name in TASKS:
            one_task(folder, data, name)


main()
