"""--eval: every task of the micro-world is trained for a few steps and evaluated on 1, 2 and 4 ranks, some on 8: the
same files, byte for byte, and measures that agree with what numpy makes of the files and the data. The best checkpoint stays; sets and
checkpoints that are not there are refused."""
import csv
import json
import shutil
import time

import runlib as R
from evaluatelib import TASKS, config, files_of

try:
    import h5py
    import numpy as np
except ImportError:
    R.skip("no h5py or numpy")

# On 8 ranks too: a task whose file is every score, and the matrix of retrieval.
MANY = ("vcr", "retrieval")


def ids(f, name="text_id"):
    return [x.decode() if isinstance(x, bytes) else x for x in f[name][()]]


def vqa(text, run):
    said = {str(x["question_id"]): x["answer"] for x in json.loads((run / "results_dev.json").read_text())}
    names, at, total = ids(text, "answer_name"), text["answer_offset"][()], 0
    for i, key in enumerate(ids(text)):
        mine = names.index(said[key])
        total += sum(text["answer_score"][k] for k in range(at[i], at[i + 1]) if text["answer_id"][k] == mine)
    return {"vqa_score": total / len(said)}


def ve(text, run):
    said, names = json.loads((run / "results_dev.json").read_text()), ids(text, "answer_name")
    right = [said[key] == names[text["answer_id"][i]] for i, key in enumerate(ids(text))]
    return {"ve_accuracy": np.mean(right)}


def nlvr2(text, run):
    said = {name: label == "True" for name, label in csv.reader((run / "results_dev.csv").open())}
    groups, right = {}, []
    for key, label in zip(ids(text), text["label"][()]):
        split, whole, _, sentence = key.split("-")
        right.append(said[key] == bool(label))
        groups.setdefault((split, whole, sentence), []).append(right[-1])
    return {"nlvr2_accuracy": np.mean(right), "nlvr2_consistency": np.mean([all(g) for g in groups.values()])}


def vcr(text, run):
    rows = list(csv.reader((run / "results_dev.csv").open()))
    number = [int(row[0].rsplit("-", 1)[1]) for row in rows[1:]]
    R.expect(number == sorted(number) and len(rows[0]) == 21, "vcr: rows by number, 20 scores each")
    scores = {row[0]: np.array(row[1:], float) for row in rows[1:]}
    q_a, qa_r = [], []
    for key, answer, rationale in zip(ids(text), text["label"][()], text["rationale"][()]):
        q_a.append(scores[key][:4].argmax() == answer)
        qa_r.append(scores[key][4 + 4 * answer:8 + 4 * answer].argmax() == rationale)
    return {"vcr_q_a": np.mean(q_a), "vcr_qa_r": np.mean(qa_r), "vcr_q_ar": np.mean(np.logical_and(q_a, qa_r))}


def iou(a, b):
    inner = [min(a[k] + a[k + 2], b[k] + b[k + 2]) - max(a[k], b[k]) for k in (0, 1)]
    common = inner[0] * inner[1] if min(inner) > 1 else 0
    return common / (a[2] * a[3] + b[2] * b[3] - common)


def re(text, run):
    found = {str(x["sent_id"]): x for x in json.loads((run / "results_dev.json").read_text())}
    for key, box in zip(ids(text), text["box"][()]):
        if not np.allclose(found[key]["tgt_box"], box, rtol=1e-6):
            R.fail(f"re: text {key}: annotated box {found[key]['tgt_box']}, the file has {box}")
    return {"re_accuracy": np.mean([iou(x["pred_box"], x["tgt_box"]) > 0.5 for x in found.values()])}


def retrieval(text, run):
    with h5py.File(run / "scores_dev.h5") as f:
        score, rows, columns = f["score"][()], ids(f), ids(f, "image_id")
    image = dict(zip(ids(text), ids(text, "image_id")))
    own = np.array([columns.index(image[key]) for key in rows])
    place = (score > score[np.arange(len(own)), own][:, None]).sum(1)
    best = [min((score[:, i] > score[t, i]).sum() for t in np.flatnonzero(own == i)) for i in range(len(columns))]
    out = {f"img_r{k}": np.mean(place < k) for k in (1, 5, 10)}
    out.update({f"txt_r{k}": np.mean(np.array(best) < k) for k in (1, 5, 10)})
    out["r_mean"] = np.mean(list(out.values()))
    return out


def without_training(cfg, *sets):
    """The same configuration, whose training sets are not there any more."""
    gone, text = cfg.with_name("gone.yaml"), cfg.read_text()
    for name in sets:
        text = text.replace(f"{name}_train", f"{name}_gone")
    gone.write_text(text)
    return gone


def told_by_weights(folder, data):
    """Where the evaluated set has no soft labels, the weights say how many classes their head has."""
    plain, text = folder / "plain.yaml", (folder / "pretrain.yaml").read_text().replace("coco_train", "coco_gone")
    shutil.copy(f"{data}/coco_valid.img.h5", f"{data}/plain.img.h5")
    with h5py.File(f"{data}/plain.img.h5", "r+") as f:
        del f["soft_label"]
    plain.write_text(text.replace("coco_valid.img.h5", "plain.img.h5, mix: {mlm: 1, itm: 1}"))
    R.run_ok(R.command(1, "--cfg", plain, "--eval", "coco"))
    one, other = (json.loads((folder / f"pretrain/eval_{x}.json").read_text())["measures"] for x in ("coco", "vg"))
    R.expect(set(one) == {"mlm_loss", "mlm_acc", "itm_loss", "itm_acc"} and set(one) < set(other),
             f"pretraining: without soft labels {sorted(one)}")


def one_task(folder, data, task, measures):
    cfg, run = config(folder, data, task, lanes=8 if task in MANY else 4), folder / task
    R.run_ok(R.command(1, "--cfg", cfg))
    lines = [line for line in R.metrics(run, "valid")]
    shares = [next(v for k, v in line.items() if k == f"valid/{TASKS[task]}_acc") for line in lines]
    best = json.loads((run / "ckpt/best.json").read_text())
    R.expect(shares[best["step"] - 1] == max(shares) and shares.index(max(shares)) == best["step"] - 1,
             f"{task}: the best of {len(shares)} validations is kept, that of update {best['step']}")
    kept = sorted(p.name for p in (run / "ckpt").glob("step_*"))
    R.expect(set(kept) == {f"step_{best['step']:08d}", "step_00000006"}, f"{task}: checkpoints {kept}")
    seen = {}
    for ranks in ((1, 2, 4, 8) if task in MANY else (1, 2, 4)) if R.has_mpi() else (1,):
        R.run_ok(R.command(ranks, "--cfg", cfg, "--eval", "dev"))
        seen[ranks] = files_of(run)
        R.expect(seen[ranks] == seen[1] and len(seen[1]) >= 2, f"{task}: {ranks} ranks, files {sorted(seen[1])}")
    gone = without_training(cfg, f"{data}/{task}", f"{data}/vcr_gt")
    for ranks in (1, 2) if R.has_mpi() else (1,):
        R.run_ok(R.command(ranks, "--cfg", gone, "--eval", "dev"))
        R.expect(files_of(run) == seen[1], f"{task}: {ranks} ranks, the same files without the sets of the training")
    told = json.loads((run / "eval_dev.json").read_text())
    R.expect(told["step"] == best["step"] and told["set"] == "dev", f"{task}: of update {told['step']}")
    with h5py.File(f"{data}/{task}_valid.txt.h5") as text:
        for key, value in measures(text, run).items():
            R.expect(abs(told["measures"][key] - value) < 1e-6, f"{task}: {key} is {value:.6g}")
    if task != "retrieval":
        main = next(iter(told["measures"].values()))
        R.expect(abs(main - best["measure"]) < 1e-8, f"{task}: as at the validation of update {best['step']}")
    return cfg


def goes_on(folder, cfg):
    """A later start knows the best of an earlier one."""
    path = folder / "vqa" / "ckpt" / "best.json"
    before = json.loads(path.read_text())
    R.run_ok(R.command(1, "--cfg", cfg, "train.steps=8"))
    after, last = json.loads(path.read_text()), R.metrics(folder / "vqa", "valid")[-2:]
    better = [x["step"] for x in last if x["valid/vqa_acc"] > before["measure"] + 1e-8]
    R.expect(after == before if not better else after["measure"] > before["measure"], "resumed: the best is the best")
    R.expect((folder / "vqa/ckpt/best/manifest.json").exists(), "resumed: and still there")


def best_is_last(folder, data):
    """The measure of pretraining is its loss; a validation after the last update, whose step is due anyway, counts too."""
    run = folder / "pretrain"
    cfg = R.write_config(folder / "pretrain.yaml", data, run, train_extra="")
    R.run_ok(R.command(1, "--cfg", cfg, "train.steps=6", "valid.every=3", "checkpoint.every=1", "checkpoint.best=true",
                       "checkpoint.keep=2"))
    loss = {x["step"]: x["valid/loss"] for x in R.metrics(run, "valid")}
    best = json.loads((run / "ckpt/best.json").read_text())
    R.expect(min(loss, key=loss.get) == best["step"] and abs(loss[best["step"]] + best["measure"]) < 1e-6,
             f"pretraining: best is update {best['step']} of losses {loss}")
    out = R.run_ok(R.command(1, "--cfg", cfg, "train.steps=6", "--eval"))
    R.expect(f"after update {best['step']}: mlm_loss" in out, "pretraining: evaluated at its best")


def retrieval_goes_on(folder, data):
    """Killed when some rows are on the disk, gone on with by two ranks: the same matrix as without a kill."""
    whole = config(folder, data, "retrieval")
    whole.write_text(whole.read_text().replace(f"{data}/retrieval_valid", f"{data}/retrieval_train"))
    run, part = folder / "retrieval", folder / "retrieval/scores_dev.part"
    R.run_ok(R.command(1, "--cfg", whole, "--eval"))
    wanted = files_of(run)
    (run / "scores_dev.h5").unlink()
    p = R.start(R.command(1, "--cfg", whole, "--eval"), folder / "killed.log")
    while p.poll() is None and not (part.exists() and part.stat().st_size > 200):
        time.sleep(0.002)
    R.end_group(p)
    R.expect(part.exists() and not (run / "scores_dev.h5").exists(), f"retrieval: killed behind {part.stat().st_size} bytes")
    out = R.run_ok(R.command(2 if R.has_mpi() else 1, "--cfg", whole, "--eval", "run.patience=5"))
    R.expect("going on behind" in out and files_of(run) == wanted, "retrieval: the same matrix after a kill")
    R.expect(not part.exists(), "retrieval: rows on the way are gone")


def best_by_retrieval(folder, data):
    """valid.retrieval: every validation tells the recalls that --eval tells, on any number of ranks; they choose the best."""
    (folder / "whole").mkdir()
    cfg, seen = config(folder / "whole", data, "retrieval", extra="", lanes=4), {}
    # saves come from the best alone: ranks that judge differently would not save together
    cfg.write_text(cfg.read_text().replace("valid: {every: 1}", "valid: {every: 1, retrieval: true}").replace("every: 1, keep", "every: 0, keep"))
    run = folder / "whole/retrieval"
    for ranks in (4, 2, 1) if R.has_mpi() else (1,):
        shutil.rmtree(run, ignore_errors=True)
        R.run_ok(R.command(ranks, "--cfg", cfg))
        seen[ranks] = [{k: x[k] for k in x if k.startswith("valid/")} for x in R.metrics(run, "valid")]
        R.expect(seen[ranks] == seen[max(seen)], f"retrieval while training: {ranks} ranks, {len(seen[ranks])} validations")
    mean = {x["step"]: x["valid/r_mean"] for x in R.metrics(run, "valid")}
    best = json.loads((run / "ckpt/best.json").read_text())
    R.expect(max(mean, key=mean.get) == best["step"] and abs(mean[best["step"]] - best["measure"]) < 1e-8,
             f"retrieval while training: best is update {best['step']} of {mean}")
    for step in {best["step"], max(mean)}:
        R.run_ok(R.command(1, "--cfg", cfg, "--resume", run / f"ckpt/step_{step:08d}", "--eval"))
        told = json.loads((run / "eval_dev.json").read_text())["measures"]
        valid = next(x for x in R.metrics(run, "valid") if x["step"] == step)
        R.expect(len(told) == 7 and all(abs(valid[f"valid/{k}"] - told[k]) < 1e-6 for k in told),
                 f"retrieval while training: update {step} as --eval tells it")


def refusals(folder, data, cfg):
    def refused(words, *parts):
        code, out = R.run(R.command(1, *words))
        R.expect(code == 64 and all(part in out for part in parts), f"refused: {' '.join(map(str, words[2:]))}")
    refused(["--cfg", cfg, "--eval", "dve"], "no set dve", "did you mean dev")
    refused(["--cfg", cfg, "--eval", "--check"], "one at a time")
    refused(["--cfg", cfg, "valid.retrieval=true"], "valid.retrieval", "only itm_rank and itm_hard")
    refused(["--cfg", cfg, f"run.dir={folder}/empty", "--eval"], "train first")
    broken = folder / "vqa" / "ckpt" / "best.json"
    broken.write_text("{")
    code, out = R.run(R.command(1, "--cfg", cfg, "--eval"))
    R.expect(code == 65 and "best.json" in out, "a broken best.json is named")


def main():
    with R.Folder() as folder:
        data = R.synth(folder / "data", tasks="all", sets="coco,vg", train_images=40, valid_images=24, test_images=4)
        for task in TASKS:
            cfg = one_task(folder, data, task, globals()[task])
            if task == "vqa":
                first = cfg
        goes_on(folder, first)
        retrieval_goes_on(folder, data)
        best_by_retrieval(folder, data)
        best_is_last(folder, data)
        told_by_weights(folder, data)
        refusals(folder, data, first)


main()
