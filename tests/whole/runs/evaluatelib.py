"""What the tests of --eval have in common: a configuration of each task on the micro-world, and what an evaluation leaves."""
import runlib as R

# task of the micro-world: the objective it is trained and asked by
TASKS = {"vqa": "vqa", "ve": "ve", "nlvr2": "nlvr2_pair", "vcr": "vcr", "re": "re", "retrieval": "itm_rank"}


def config(folder, data, task, lanes=4, train="", extra=""):
    """run.dir is folder/task; the set that is evaluated is called dev."""
    own = [f"{data}/{task}_%s.img.h5"]
    if task == "vcr":
        own.insert(0, f"{data}/vcr_gt_%s.img.h5")
    images = {split: "[" + ", ".join(name % split for name in own) + "]" for split in ("train", "valid")}
    regions = "conf_th: -1\n  num_bb: 100" if task == "re" else "min_bb: 2\n  max_bb: 40"
    path = folder / f"{task}.yaml"
    path.write_text(f"""
run: {{dir: {folder}/{task}, threads: 1}}
device: cpu
model: {{preset: tiny}}
data:
  max_txt_len: 220
  {regions}
  train:
    - {{name: {task}, text: {data}/{task}_train.txt.h5, images: {images['train']}, mix: {{{TASKS[task]}: 1}}}}
  valid:
    - {{name: dev, text: {data}/{task}_valid.txt.h5, images: {images['valid']}}}
train: {{steps: 6, lanes: {lanes}, tokens_per_lane: 4096{train}}}
optim: {{lr: 1.0e-3, warmup_steps: 2}}
valid: {{every: 1}}
checkpoint: {{every: 1, keep: 1, best: true}}
{extra}""")
    return path


def scores_of(path):
    import h5py
    with h5py.File(path) as f:
        return f["score"][()]


def files_of(run):
    """Bytes of the files of results; of scores_dev.h5, whose time of making is in it, the scores."""
    out = {path.name: path.read_bytes() for path in run.glob("*_dev.*") if path.suffix != ".h5"}
    out.update({path.name: scores_of(path).tobytes() for path in run.glob("*_dev.h5")})
    return out
