"""A network at work: `uniter score`, `embed` and `answer` on the micro-world, held against the validation of the run that trained
it, against NumPy on the exported weights, against each other, and where they are used wrongly.
"""
import json
import math
import shutil

import runlib as R

try:
    import h5py
    import numpy as np
    import weightslib as W
except ImportError as error:
    R.skip(f"no {error.name}")

TOOL, PROGRAM = R.BUILD / "uniter", R.BUILD / "uniter_dist"
ANSWERS = 7


def config(folder, name, text, mix):
    path = folder / f"{name}.yaml"
    sets = "\n".join(f"  {part}:\n    - {{name: w, text: {folder}/w/{text.format(part=long)}, images: {folder}/w/coco_{long}.img.h5, "
                     f"mix: {{{mix}}}}}" for part, long in (("train", "train"), ("valid", "valid")))
    path.write_text(f"""\
run: {{dir: {folder}/{name}, seed: 5}}
device: cpu
model: {{hidden_size: 48, num_hidden_layers: 2, num_attention_heads: 3, intermediate_size: 96}}
data:
  min_bb: 2
  max_bb: 9
{sets}
train: {{steps: 8, lanes: 1, tokens_per_lane: 300, itm_neg_prob: 0}}
optim: {{lr: 1.0e-3, warmup_steps: 2}}
""")
    R.run_ok([PROGRAM, "--cfg", path, "--quiet"])
    return folder / name


def validation(run):
    return [json.loads(line) for line in (run / "log/metrics.jsonl").read_text().splitlines() if "valid/" in line][-1]


def lines(*command):
    code, text = R.run([TOOL, *command])
    if code:
        R.fail(f"exit code {code}: {text}")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def refused(code, words, *command):
    got, text = R.run([TOOL, *command])
    R.expect(got == code and all(w in text for w in words), f"{words[0]}: refused ({got}) {text[-200:] if got != code else ''}")


def near(a, b, bound):
    return np.abs(np.asarray(a, float) - np.asarray(b, float)).max() < bound


def check_score(folder, run, given):
    all_ = lines("score", run, *given, "tokens=300")
    valid = validation(run)
    R.expect(len(all_) == 24 and [x["text_id"] for x in all_] == sorted(x["text_id"] for x in all_), "score: every text, in order")
    loss = sum(-math.log(x["match"]) for x in all_) / len(all_)
    distance = sum(x["distance"] for x in all_) / len(all_)
    R.expect(abs(loss - valid["valid/itm_loss"]) < 1e-7, f"score: the loss of the validation ({loss:.9g})")
    R.expect(f"{distance:.9g}" == f"{valid['valid/itm_ot_pos']:.9g}", f"score: its distance, to the last digit ({distance:.9g})")
    return all_


def check_pairs(folder, run, given, all_):
    pairs = [(all_[i]["image_id"], all_[j]["text_id"]) for i, j in ((7, 2), (0, 0), (7, 2), (20, 21), (3, 9))]
    (folder / "pairs.tsv").write_text("".join(f"{image}\t{text}\n" for image, text in pairs) + "\r\n")
    some = lines("score", run, *given, f"pairs={folder}/pairs.tsv")
    R.expect([(x["image_id"], x["text_id"]) for x in some] == pairs, "pairs: in the order given, one twice")
    keys = ("match", "distance", "rank")
    R.expect(some[0] == some[2] or all(abs(some[0][k] - some[2][k]) < 1e-5 for k in keys), "pairs: the same pair scores the same")
    R.expect(all(abs(some[1][k] - all_[0][k]) < 1e-5 for k in keys), "pairs: as among all texts")
    R.expect(lines("score", run, *given, *[word for pair in pairs for word in pair]) == some, "pairs as words: the same bits")
    return pairs


def check_sentences(folder, run, images, text):
    with h5py.File(folder / "w/coco_valid.txt.h5") as f:
        at = f["sentence_offset"][:3]
        said = [bytes(f["sentence"][at[i]:at[i + 1]]).decode() for i in range(2)]
        ids, names = [s.decode() for s in f["image_id"][:2]], [s.decode() for s in f["text_id"][:2]]
    words = [word for pair in zip(ids, said) for word in pair]
    by_text = lines("score", run, images, text, *[word for pair in zip(ids, names) for word in pair])
    by_sentence = lines("score", run, images, f"vocab={folder}/w/vocab.txt", *words)
    R.expect([x["sentence"] for x in by_sentence] == said and
             all(a[k] == b[k] for a, b in zip(by_text, by_sentence) for k in ("match", "distance", "rank")),
             "a sentence and the text that was made of it: the same bits")
    odd = 'a "red" ball \\ of\tice é'
    got = lines("score", run, images, f"vocab={folder}/w/vocab.txt", ids[0], odd)
    R.expect(got[0]["sentence"] == odd, "a sentence comes back as it was given")


def layer_norm(x, weights, name):
    mean = x.mean(-1, keepdims=True)
    return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-12) * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def linear(x, weights, name):
    return x @ weights[f"{name}.weight"].astype(float).T + weights[f"{name}.bias"]


def check_embed(folder, run, given, all_):
    out = folder / "vectors.h5"
    R.run_ok([TOOL, "embed", run, out, *given, "tokens=300"])
    weights, _ = W.parameters(run)
    with h5py.File(out) as f:
        pooled, offset, token, n_words = (f[k][:] for k in ("pooled", "token_offset", "token", "words"))
        texts = [s.decode() for s in f["text_id"][:]]
    R.expect(texts == [x["text_id"] for x in all_] and offset[-1] == len(token) and (n_words > 2).all(), "embed: a row a pair")
    first = np.tanh(linear(token[offset[:-1]].astype(float), weights, "uniter.pooler.dense"))
    R.expect(near(first, pooled, 1e-5), "embed: the pooled vector is that of the first token")
    scores = linear(pooled.astype(float), weights, "itm_output")
    match = 1 / (1 + np.exp(scores[:, 0] - scores[:, 1]))
    R.expect(near(match, [x["match"] for x in all_], 1e-5), "score: NumPy says the same of match")
    R.expect(near(scores[:, 1], [x["rank"] for x in all_], 1e-5), "score: without training rank is the logit of a match")
    R.run_ok([TOOL, "embed", run, folder / "short.h5", *given, "tokens=300", "tokens_too=false"])
    with h5py.File(folder / "short.h5") as f:
        R.expect("token" not in f and f["pooled"][:].tobytes() == pooled.tobytes(), "embed: pooled vectors alone, the same bits")
    refused(64, ["exists"], "embed", run, out, *given)


def check_sources(folder, run, given, all_):
    newest = sorted((run / "ckpt").glob("step_*"))[-1]
    R.expect(lines("score", newest, *given, "tokens=300") == all_, "a checkpoint: the same lines")
    R.run_ok([TOOL, "weights", "export", run, folder / "run.safetensors"])
    rule = ["min_bb=2", "max_bb=9"]  # of the run's configuration, which a file does not have
    R.expect(lines("score", folder / "run.safetensors", *given, "tokens=300", *rule) == all_, "a file: the same lines")
    few = lines("score", run, *given, "tokens=60", "rank=false")
    R.expect("rank" not in few[0] and near([x["match"] for x in few], [x["match"] for x in all_], 1e-5), "small passes, match alone")


def vqa_texts(folder):
    """The captions as questions with made answers."""
    rng = np.random.default_rng(2)
    for part in ("train", "valid"):
        path = folder / "w" / f"vqa_{part}.txt.h5"
        shutil.copy(folder / "w" / f"coco_{part}.txt.h5", path)
        with h5py.File(path, "a") as f:
            n = len(f["text_id"])
            f.attrs["task"], f.attrs["num_answers"] = "vqa", ANSWERS
            f["answer_offset"] = np.arange(n + 1, dtype="<i8")
            f["answer_id"] = rng.integers(0, ANSWERS, n).astype("<i4")
            f["answer_score"] = np.full(n, 0.6, "<f4")
            f["answer_name"] = np.array([f"word {i}" for i in range(ANSWERS)], "S8")


def check_rank(folder, images, text):
    """A network of retrieval ranks by its own head; what it matches by is what pretraining left."""
    run = config(folder, "rank", "coco_{part}.txt.h5", "itm_rank: 1")
    got = lines("score", run, images, text, "tokens=300")
    R.run_ok([TOOL, "embed", run, folder / "rank.h5", images, text, "tokens=300", "tokens_too=false"])
    weights, _ = W.parameters(run)
    with h5py.File(folder / "rank.h5") as f:
        want = linear(f["pooled"][:].astype(float), weights, "rank_output")[:, 0]
    R.expect(near([x["rank"] for x in got], want, 1e-5), "score: rank is that of rank_output once there is one")


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def check_answer(folder, images):
    vqa_texts(folder)
    run = config(folder, "vqa", "vqa_{part}.txt.h5", "vqa: 1")
    text = f"text={folder}/w/vqa_valid.txt.h5"
    got = lines("answer", run, images, text, f"top={ANSWERS}", "tokens=300")
    R.run_ok([TOOL, "embed", run, folder / "vqa.h5", images, text, "tokens=300"])
    weights, _ = W.parameters(run)
    with h5py.File(folder / "vqa.h5") as f:
        pooled = f["pooled"][:].astype(float)
    scores = linear(layer_norm(gelu(linear(pooled, weights, "vqa_output.0")), weights, "vqa_output.2"), weights, "vqa_output.3")
    want = [[f"word {i}" for i in np.argsort(-row, kind="stable")] for row in scores]
    R.expect([[a["answer"] for a in x["answers"]] for x in got] == want, "answer: all labels by name, in NumPy's order")
    R.expect(near([a["score"] for x in got for a in x["answers"]], np.sort(scores)[:, ::-1].ravel(), 1e-5) and
             near([a["probability"] for x in got for a in x["answers"]], 1 / (1 + np.exp(-np.sort(scores)[:, ::-1].ravel())), 1e-5),
             "answer: their scores and probabilities")
    with h5py.File(folder / "w/vqa_valid.txt.h5") as f:
        score = {i.decode(): (int(a), float(s)) for i, a, s in zip(f["text_id"][:], f["answer_id"][:], f["answer_score"][:])}
    hit = np.mean([score[x["text_id"]][1] * (x["answers"][0]["answer"] == f"word {score[x['text_id']][0]}") for x in got])
    R.expect(abs(hit - validation(run)["valid/vqa_acc"]) < 1e-6, f"answer: the accuracy of the validation ({hit:.4f})")
    named = lines("answer", run, images, f"vocab={folder}/w/vocab.txt", f"answers={folder}/w/vqa_valid.txt.h5", "top=2",
                  got[0]["image_id"], "what is red?")
    R.expect(len(named[0]["answers"]) == 2 and named[0]["answers"][0]["answer"].startswith("word "), "answer: a question, names of a file")
    (folder / "ans.json").write_text(json.dumps({f"thing {i}": i for i in range(ANSWERS)}))
    named = lines("answer", run, images, text, f"answers={folder}/ans.json", "top=1")
    R.expect([x["answers"][0]["answer"] for x in named] == [x["answers"][0]["answer"].replace("word", "thing") for x in got],
             "answer: names of a table")
    (folder / "few.json").write_text(json.dumps(["a", "b"]))
    refused(64, ["2 names of answers", "7 labels"], "answer", run, images, text, f"answers={folder}/few.json")
    refused(64, ["itm_output"], "score", run, images, text)


def check_precision(folder, run, given):
    """precision=bf16: other digits near those of fp32, the same on any threads; auto is fp32 on the CPU."""
    text = [f"images={folder}/w/coco_valid.img.h5", f"text={folder}/w/vqa_valid.txt.h5"]
    said = {}
    for command, what, words in (("score", run, given), ("answer", folder / "vqa", [*text, f"top={ANSWERS}"])):
        for precision in ("auto", "fp32", "bf16"):
            said[precision] = lines(command, what, *words, "device=cpu", f"precision={precision}", "threads=1")
        R.expect(said["auto"] == said["fp32"], f"{command}: auto is fp32 on the CPU")
        R.expect(lines(command, what, *words, "device=cpu", "precision=bf16", "threads=2") == said["bf16"], f"{command} in bf16: threads do not show")
        keys = ("match", "rank", "distance")
        full, low = ([[a["score"] for a in sorted(x["answers"], key=lambda a: a["answer"])] if command == "answer" else
                      [x[k] for k in keys] for x in said[p]] for p in ("fp32", "bf16"))
        R.expect(full != low and near(full, low, 3e-2 * np.abs(full).max()), f"{command} in bf16: near fp32, not the same")
        refused(64, ["precision", "auto, fp32, bf16"], command, what, *words, "precision=tf32")
    vectors = []
    for precision in ("fp32", "bf16"):
        R.run_ok([TOOL, "embed", run, folder / f"{precision}.h5", *given, "device=cpu", f"precision={precision}", "tokens_too=false"])
        with h5py.File(folder / f"{precision}.h5") as f:
            vectors.append(f["pooled"][:])
    R.expect(vectors[0].dtype == vectors[1].dtype == np.float32 and near(*vectors, 3e-2) and (vectors[0] != vectors[1]).any(),
             "embed in bf16: vectors in f32, near those of fp32, not the same")


def check_refused(folder, run, given, images, all_):
    sentence = f"vocab={folder}/w/vocab.txt"
    refused(65, ["pair 2", "nowhere"], "score", run, images, sentence, all_[0]["image_id"], "a ball", "nowhere", "a ball")
    refused(65, ["pair 1", "no words"], "score", run, images, sentence, all_[0]["image_id"], " ")
    refused(65, ["pair 1", "t-none"], "score", run, *given, all_[0]["image_id"], "t-none")
    refused(64, ["without a text"], "score", run, *given, all_[0]["image_id"])
    refused(64, ["vocab"], "score", run, images, all_[0]["image_id"], "a ball")
    refused(64, ["no texts"], "score", run, images)
    refused(64, ["positions"], "score", run, images, sentence, all_[0]["image_id"], "ball " * 600)
    refused(64, ["vqa_output"], "answer", run, *given)
    refused(64, ["nothing to tell"], "score", run, *given, "match=false", "rank=false")
    bare, _ = W.parameters(run)
    W.write_file(folder / "bare.safetensors", bare)
    refused(64, ["does not tell num_attention_heads"], "score", folder / "bare.safetensors", *given)
    R.expect(len(lines("score", folder / "bare.safetensors", *given, "num_attention_heads=3")) == len(all_), "the number of heads as a key")
    refused(64, ["do not divide"], "score", run, *given, "num_attention_heads=5")
    refused(64, ["num_attention_heads: 0 is outside 1"], "score", run, *given, "num_attention_heads=0")
    (folder / "bad.tsv").write_text("image without a text\n")
    refused(65, ["line 1"], "score", run, *given, f"pairs={folder}/bad.tsv")
    refused(64, ["usage"], "score")
    code, text = R.run(["bash", "-c", f"{TOOL} score {run} {' '.join(given)} > /dev/full"])
    R.expect(code == 74, "no room for the results: an error")


def main():
    with R.Folder() as folder:
        R.ENV["TMPDIR"] = str(folder / "tmp")
        (folder / "tmp").mkdir()
        R.run_ok([TOOL, "data", "synth", folder / "w", "train_images=30", "valid_images=12", "sets=coco", "seed=3"])
        images, text = f"images={folder}/w/coco_valid.img.h5", f"text={folder}/w/coco_valid.txt.h5"
        run = config(folder, "run", "coco_{part}.txt.h5", "itm: 1")
        all_ = check_score(folder, run, [images, text])
        check_pairs(folder, run, [images, text], all_)
        check_sentences(folder, run, images, text)
        check_embed(folder, run, [images, text], all_)
        check_sources(folder, run, [images, text], all_)
        check_rank(folder, images, text)
        check_answer(folder, images)
        check_precision(folder, run, [images, text])
        check_refused(folder, run, [images, text], images, all_)
        R.expect(not list((folder / "tmp").iterdir()), "no temporary file is left")


if __name__ == "__main__":
    main()
