"""--eval of the whole program on the emulated card (tests/cards/emu), of a checkpoint that was made on the CPU: for every task the
same measures and scores as on the CPU, in fp32 to rounding, in bf16 to its steps. What the card adds to a pass (fillers of
fixed shapes, gaps between the columns of scores, results that are fetched) must not show in any file."""
import csv
import json

import runlib as R
from evaluatelib import TASKS, config, scores_of

try:
    import numpy as np
except ImportError:
    R.skip("no h5py or numpy")

CARD = R.BUILD / "tests" / "cards" / "emu" / "bin" / "uniter_dist"
# precision: of scores, against the largest of them, which an untrained network leaves near 0
CLOSE = {"fp32": 1e-4, "bf16": 0.3}
SMALL = ["model.hidden_size=32", "model.num_attention_heads=2", "model.intermediate_size=64", "train.tokens_per_lane=1024"]
SHORT = ["train.steps=2", "optim.warmup_steps=1", "optim.lr=1e-5", "run.seed=1"]
WIDE = "model.initializer_range=1"  # where only answers are told: so that they differ
SAID = {"vqa": "answer", "ve": 1, "re": "pred_box", "nlvr2": 1}


def evaluate(program, cfg, run, *words):
    """What an evaluation leaves: its summary, then numbers and answers by the names of their files."""
    R.run_ok([program, "--cfg", cfg, "--eval", "dev", "--quiet", f"run.dir={run}", *SMALL, *words])
    told, numbers, answers = json.loads((run / "eval_dev.json").read_text()), {}, {}
    for path in run.glob("results_dev.csv"):
        rows = list(csv.reader(path.open()))
        if len(rows[0]) > 2:
            numbers[path.name] = np.array([row[1:] for row in rows[1:]], float)
        else:
            answers[path.name] = rows
    for path in run.glob("results_dev.json"):
        said = json.loads(path.read_text())
        answers[path.name] = list(said.items()) if isinstance(said, dict) else said
    for path in run.glob("scores_dev.h5"):
        numbers[path.name] = scores_of(path)
    return told, numbers, answers


def same_scores(what, card, cpu, close):
    R.expect(card.keys() == cpu.keys(), f"{what}: numbers in {sorted(cpu)}")
    for name, want in cpu.items():
        worst = np.abs(card[name] - want).max() / np.abs(want).max()
        R.expect(card[name].shape == want.shape and np.std(want) > 0 and worst < close, f"{what}: {name} within {worst:.1e}")


def same_answers(task, what, card, cpu, precision):
    for name, want in cpu.items():
        other = sum(a != b for a, b in zip(card[name], want))
        most = 0 if precision == "fp32" else len(want) // 3
        said = {str(x[SAID[task]]) for x in want}
        R.expect(len(said) > 1, f"{what}: {name}: {len(said)} different answers")
        R.expect(len(card[name]) == len(want) > 0 and other <= most, f"{what}: {name}: {other} of {len(want)} answers are others")


def one_task(folder, data, task):
    cfg, run = config(folder, data, task), folder / task
    R.run_ok(R.command(1, "--cfg", cfg, "--quiet", *SMALL, *SHORT, *([WIDE] if task in SAID else [])))
    step = json.loads((run / "ckpt/best.json").read_text())["step"]
    init = f"model.init={run}/ckpt/step_{step:08d}"
    want = evaluate(R.BUILD / "uniter_dist", cfg, folder / f"{task}_cpu", init, "--resume", "none")
    for precision, close in CLOSE.items():
        what = f"{task}, {precision}"
        got = evaluate(CARD, cfg, folder / f"{task}_{precision}", init, "--resume", "none", "device=cuda",
                       f"train.precision={precision}")
        same_scores(what, got[1], want[1], close)
        same_answers(task, what, got[2], want[2], precision)
        R.expect(got[0]["measures"].keys() == want[0]["measures"].keys(), f"{what}: measures {sorted(want[0]['measures'])}")
        if precision == "fp32" or task in SAID:  # near ties of scores, which bf16 decides anew, decide all measures
            worst = max(abs(got[0]["measures"][k] - v) for k, v in want[0]["measures"].items())
            R.expect(worst < (1e-9 if precision == "fp32" else 0.34), f"{what}: measures within {worst:.2g} of those of the CPU")


def main():
    if not CARD.exists():
        R.skip("a build without the emulated card")
    with R.Folder() as folder:
        data = R.synth(folder / "data", tasks="all", sets="coco", train_images=24, valid_images=8, test_images=4)
        for task in TASKS:
            one_task(folder, data, task)


main()
