"""Captions and txt_dbs into *.txt.h5 and back by h5py: counts, ids, sentences, every token; bad input, full disk, kills.

The tokens are compared with the reference tokenizer's lines where those hold the caption, and elsewhere with what
`uniter data tokenize` says, which a unit test compares with the reference.
"""
import json
import os
import resource
import signal
import subprocess
import sys
import time

try:
    import h5py
    import lmdb
    import lz4.frame
    import msgpack
    import numpy as np
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

import runlib as R

TOOL = R.BUILD / "uniter"
VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "on", "the", "##s", "mat", "."]


def data(*words):
    return [TOOL, "data", *words]


def read(path):
    """Rows (text id, image id, sentence or None, tokens) and attributes."""
    with h5py.File(path) as f:
        at, token = f["token_offset"][:], f["token"][:]
        sentences = [None] * (len(at) - 1)
        if "sentence" in f:
            s_at, s = f["sentence_offset"][:], f["sentence"][:].tobytes()
            sentences = [s[s_at[i]:s_at[i + 1]].decode() for i in range(len(at) - 1)]
        ids = [[x.decode() for x in f[k][:]] for k in ("text_id", "image_id")]
        rows = [(ids[0][i], ids[1][i], sentences[i], token[at[i]:at[i + 1]].tolist()) for i in range(len(at) - 1)]
        attrs = {k: v.decode() if isinstance(v, bytes) else v for k, v in f.attrs.items()}
    return rows, attrs


def refused(folder, code, words, *command, **kw):
    """Exit code and words in the message; no file may be new."""
    before = sorted(p.name for p in folder.iterdir())
    got, out = R.run(data(*command), **kw)
    R.expect(got == code and all(w in out for w in words), f"exit code {code}, {words}: {out.strip()[-160:]}")
    R.expect(sorted(p.name for p in folder.iterdir()) == before, "nothing is left behind")


def check_tokens(folder, rows, vocab, what):
    """Every row's ids are those of the tokenizer for its sentence."""
    lines = folder / "lines.txt"
    lines.write_text("".join(r[2].replace("\n", " ") + "\n" for r in rows), newline="\n")
    out = subprocess.run(list(map(str, data("tokenize", lines, f"vocab={vocab}"))), stdout=subprocess.PIPE, check=True)
    said = out.stdout.decode().split("\n")[:-1]
    same = sum([int(i) for i in line.rsplit("\t", 1)[1].split()] == r[3] for line, r in zip(said, rows))
    R.expect(len(said) == len(rows) and same == len(rows), f"{what}: ids of {same} of {len(rows)} texts")


def check_reference(rows, case, what):
    path = R.SHARED / f"reference/tokenizer/wordpiece_{case}.tsv"
    known = dict(line.rsplit("\t", 1) for line in path.read_text().split("\n") if "\t" in line)
    found = [(known[r[2]], r[3]) for r in rows if r[2] in known]
    wrong = [x for x in found if [int(i) for i in x[0].split()] != x[1]]
    print(f"   {what}, {case}: {len(found)} of {len(rows)} texts stand in the reference")
    R.expect(not wrong, f"{what}, {case}: ids equal to the reference tokenizer's")
    return len(found)


def caption_files():
    """form, path, expected (text id, image id, sentence)."""
    base = R.SHARED / "data/captions"
    coco = json.loads((base / "coco_captions_val2017.json").read_text())["annotations"]
    yield "coco", base / "coco_captions_val2017.json", [(str(a["id"]), str(a["image_id"]), a["caption"]) for a in coco]
    small = json.loads((base / "captions_42.json").read_text())
    yield "coco", base / "captions_42.json", [(str(i + 1), small["image"], c) for i, c in enumerate(small["captions"])]
    vg = json.loads((base / "vg_region_description_image1.json").read_text())["regions"]
    yield "vg", base / "vg_region_description_image1.json", [(str(r["region_id"]), str(r["image_id"]), r["phrase"])
                                                             for r in vg]
    for form, name in (("cc", "conceptual_captions_validation.tsv"), ("text", "flickr_one_per_line.txt")):
        lines = (base / name).read_bytes().decode().split("\n")
        lines = lines[:-1] if lines[-1] == "" else lines
        yield form, base / name, [(str(i + 1), str(i + 1), x.split("\t")[0]) for i, x in enumerate(lines)]


def real_files(folder):
    counts, in_reference = [], 0
    for case in ("cased", "uncased"):
        vocab = R.SHARED / f"data/vocab/bert-base-{case}-vocab.txt"
        for form, path, wanted in caption_files():
            out = folder / f"{path.name}.{case}.txt.h5"
            R.run_ok(data("import", form, path, out, f"vocab={vocab}", "quiet=true"))
            rows, attrs = read(out)
            R.expect([r[:3] for r in rows] == wanted, f"{form} {path.name}: {len(rows)} texts, ids and sentences")
            check_tokens(folder, rows, vocab, path.name)
            in_reference += check_reference(rows, case, path.name)
            R.expect(attrs["tokenizer"] == f"bert-base-{case}" and attrs["letters"] == case and attrs["complete"] == 1, "attributes")
            R.run_ok(data("verify", out))
            counts.append(len(rows))
    R.expect(counts == [25014, 5, 262, 15833, 8000] * 2, f"counts {counts[:5]}")
    R.expect(in_reference > 0, "the reference holds some of these captions")
    out = folder / "five.txt.h5"
    R.run_ok(data("import", "coco", R.SHARED / "data/captions/coco_captions_val2017.json", out, f"vocab={vocab}",
                  f"images={R.SHARED}/data/real/coco9.img.h5", "max_txt_len=60"))
    rows, _ = read(out)
    skipped = (folder / "five.txt.h5.skipped.tsv").read_text().splitlines()[1:]
    R.expect(len(rows) + len(skipped) == 25014, f"{len(rows)} texts matched, {len(skipped)} listed")


def compare_db(path, out):
    rows, attrs = read(out)
    meta = json.loads((path / "meta.json").read_text())
    with lmdb.open(str(path), readonly=True, lock=False) as env, env.begin() as txn:
        values = [(k.decode(), msgpack.loads(lz4.frame.decompress(v))) for k, v in txn.cursor()]
    wanted = [(k, v["img_fname"], v.get("sentence"), v["input_ids"]) for k, v in values]
    R.expect(rows == wanted, f"{path}: {len(rows)} texts, every value")
    named = [attrs[k] for k in ("unk_id", "cls_id", "sep_id", "mask_id", "random_lo", "random_hi", "tokenizer")]
    R.expect(named == [meta["UNK"], meta["CLS"], meta["SEP"], meta["MASK"], *meta["v_range"], meta["bert"]],
             "the vocabulary's attributes")


def make_db(path, texts, meta=None, lengths=True):
    path.mkdir()
    env = lmdb.open(str(path), map_size=1 << 24)
    with env.begin(write=True) as txn:
        for key, value in texts.items():
            txn.put(key.encode(), value if isinstance(value, bytes) else lz4.frame.compress(msgpack.packb(value)))
    env.close()
    meta = meta or {"UNK": 1, "CLS": 2, "SEP": 3, "MASK": 4, "v_range": [5, 13], "bert": "made"}
    (path / "meta.json").write_text(json.dumps(meta))
    if lengths:
        (path / "id2len.json").write_text(json.dumps({k: len(v["input_ids"]) for k, v in texts.items()
                                                      if isinstance(v, dict)}))
    return path


def made_dbs(folder):
    texts = {f"t{i}": {"input_ids": [5 + i % 8] * (1 + i % 3), "img_fname": f"i_{i // 2}.npz", "toked_caption": ["a"]}
             for i in range(300)}
    path = make_db(folder / "db", texts)
    R.run_ok(data("import", "lmdb", path, folder / "db.txt.h5"))
    compare_db(path, folder / "db.txt.h5")
    R.expect(read(folder / "db.txt.h5")[0][0][2] is None, "pieces are no sentence")
    bare = {k: {"input_ids": v["input_ids"]} for k, v in texts.items()}
    path = make_db(folder / "bare", bare, lengths=False)
    (path / "txt2img.json").write_text(json.dumps({k: v["img_fname"] for k, v in texts.items()}))
    R.run_ok(data("import", "lmdb", path, folder / "bare.txt.h5"))
    R.expect([r[1] for r in read(folder / "bare.txt.h5")[0]] == [texts[k]["img_fname"] for k in sorted(texts)],
             "images out of txt2img.json")
    out = folder / "no.txt.h5"
    (folder / "db/id2len.json").write_text(json.dumps(dict({k: len(v["input_ids"]) for k, v in texts.items()}, t7=9)))
    refused(folder, 65, ["t7", "2 tokens", "says 9"], "import", "lmdb", folder / "db", out)
    (folder / "bare/txt2img.json").write_text("{\"t0\": \"x\", ")
    refused(folder, 65, ["txt2img.json", "cut short"], "import", "lmdb", folder / "bare", out)
    make_db(folder / "bad", {"a": {"input_ids": [5], "img_fname": "x"}})
    (folder / "bad/meta.json").write_text('{"CLS": 2, ')
    refused(folder, 65, ["bad/meta.json: line 1, byte", "not JSON: it ends in the middle (jansson: "], "import", "lmdb", folder / "bad", out)
    make_db(folder / "torn", {"a": lz4.frame.compress(msgpack.packb({"input_ids": [5]}))[:-9]})
    refused(folder, 65, ["torn"], "import", "lmdb", folder / "torn", out)
    make_db(folder / "range", {"a": {"input_ids": [5, 13], "img_fname": "x"}})
    refused(folder, 65, ["text a", "13", "vocab_size"], "import", "lmdb", folder / "range", out)
    make_db(folder / "meta", {"a": {"input_ids": [5], "img_fname": "x"}}, meta={"UNK": 1})
    refused(folder, 65, ["meta.json", "CLS"], "import", "lmdb", folder / "meta", out)
    (folder / "empty").mkdir()
    (folder / "empty/data.mdb").touch()
    (folder / "empty/meta.json").write_text((folder / "db/meta.json").read_text())
    refused(folder, 65, ["data.mdb"], "import", "lmdb", folder / "empty", out)


def bad_input(folder, vocab):
    out = folder / "bad.txt.h5"
    key = f"vocab={vocab}"
    (folder / "zero").touch()
    for form in ("coco", "vg", "cc", "sbu", "text"):
        refused(folder, 65, ["zero", "is empty"], "import", form, folder / "zero", out, key)
    refused(folder, 74, ["absent"], "import", "coco", folder / "absent", out, key)
    (folder / "wrong.txt").write_text("a\nb\n")
    (folder / "c.tsv").write_text("a cat\thttp://x/one.jpg?w=1\na dog\thttp://x/two.jpg\n")
    refused(folder, 65, ["wrong.txt", "[UNK]"], "import", "cc", folder / "c.tsv", out, f"vocab={folder}/wrong.txt")
    refused(folder, 64, ["vocab"], "import", "cc", folder / "c.tsv", out)
    (folder / "cut.tsv").write_text("a cat\thttp://x/1.jpg\na do")
    refused(folder, 65, ["cut.tsv", "line 2", "TAB"], "import", "cc", folder / "cut.tsv", out, key)
    good = {"annotations": [{"id": i % 3, "image_id": i, "caption": "a cat"} for i in range(9)]}
    (folder / "twice.json").write_text(json.dumps(good))
    refused(folder, 65, ["text_id", "stands twice", "rows 0 and 3"], "import", "coco", folder / "twice.json", out, key)
    (folder / "cut.json").write_text(json.dumps(good)[:-20])
    refused(folder, 65, ["cut.json", "line 1", "cut short"], "import", "coco", folder / "cut.json", out, key)
    twice = json.dumps(good).replace('"caption"', '"caption": "a dog", "caption"', 1)
    (folder / "key.json").write_text(twice)
    refused(folder, 65, ["key.json: line 1, byte", "not JSON: a key stands twice (jansson: "], "import", "coco", folder / "key.json", out, key)
    (folder / "lines.jsonl").write_text('{"image": "a", "caption": "a cat"}\n{"image": "b", "caption": a dog}\n')
    refused(folder, 65, ["lines.jsonl: line 2, byte", ": not JSON (jansson: "], "import", "text", folder / "lines.jsonl", out, key)
    synth = R.synth(folder / "data", train_images=4, valid_images=2)
    refused(folder, 65, ["no text is left", "no such image"], "import", "cc", folder / "c.tsv", out, key, "image_id=url",
            f"images={synth}/coco_train.img.h5")
    R.run_ok(data("import", "cc", folder / "c.tsv", out, key, "image_id=url"))
    R.expect([r[1] for r in read(out)[0]] == ["one.jpg", "two.jpg"], "image ids out of URLs")
    refused(folder, 64, ["exists"], "import", "cc", folder / "c.tsv", out, key)


def matched(folder, vocab):
    """Ids of a feature file in other forms; what has none is listed."""
    synth = R.synth(folder / "m", train_images=4, valid_images=2)
    images = f"images={synth}/coco_*.img.h5"
    with h5py.File(synth / "coco_train.img.h5") as f:
        ids = [x.decode() for x in f["image_id"][:]]
    lines = [f"{ids[0]}\ta cat", f"{ids[1].upper()}.jpg\ta dog", "nowhere\ta cat", f"{ids[2]}\t \r", f"{ids[3]}.npz\tthe dog."]
    (folder / "m.txt").write_bytes("\n".join(lines).encode())
    out = R.run_ok(data("import", "text", folder / "m.txt", folder / "m.txt.h5", f"vocab={vocab}", images))
    rows, _ = read(folder / "m.txt.h5")
    R.expect([r[1] for r in rows] == [ids[0], ids[1], ids[3]], f"matched: {[r[1] for r in rows]}")
    listed = [x.split("\t") for x in (folder / "m.txt.h5.skipped.tsv").read_text().splitlines()[1:]]
    R.expect(listed == [["3", "3", "nowhere", "no such image"], ["4", "4", ids[2], "empty"]], f"listed: {listed}")
    R.expect("2 texts were left out" in out and "1: no such image (first: line 3)" in out, "and counted")


def write_many(path, n):
    with path.open("w") as f:
        f.write('{"annotations": [')
        for i in range(n):
            f.write(f'{"," if i else ""}\n{{"id": {i}, "image_id": {i // 5}, '
                    f'"caption": "a dog on the mat. a cats {i}{" the" * (i % 2 * 5)}"}}')
        f.write("]}")


def no_room(folder, vocab):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, 1 << 18))
    out = folder / "full.txt.h5"
    before = sorted(p.name for p in folder.iterdir())
    p = subprocess.run(list(map(str, data("import", "coco", folder / "many.json", out, f"vocab={vocab}"))),
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=limit, env=R.ENV)
    R.expect(p.returncode == 74, f"disk full: exit code 74: {p.stdout.decode().strip()[-160:]}")
    R.expect(sorted(x.name for x in folder.iterdir()) == before, "nothing is left behind")


def killed(folder, vocab):
    out = folder / "killed.txt.h5"
    command = list(map(str, data("import", "coco", folder / "many.json", out, f"vocab={vocab}", "max_txt_len=12",
                                 "quiet=true")))
    for number, codes in ((signal.SIGTERM, (75,)), (signal.SIGKILL, (-9,))):
        for _ in range(40):  # until one of them hits a running import
            p = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=R.ENV)
            end = time.monotonic() + 60
            while not (folder / "killed.txt.h5.skipped.tsv.partial").exists() and p.poll() is None:
                if time.monotonic() > end:
                    R.fail("the import does not begin")
                time.sleep(0.001)
            p.send_signal(number)
            said = p.communicate()[1].decode()
            if p.returncode in codes:
                break
            for name in folder.glob("killed.txt.h5*"):
                name.unlink()
        R.expect(p.returncode in codes, f"{number.name} ends it with {p.returncode} {said.strip()[-80:]}")
        R.expect(not out.exists(), "no output")
        if number == signal.SIGTERM:
            R.expect(not list(folder.glob("killed*")), "nothing is left behind")
    R.run_ok(command)
    rows, _ = read(out)
    left = len((folder / "killed.txt.h5.skipped.tsv").read_text().splitlines()) - 1
    many = len(json.loads((folder / "many.json").read_text())["annotations"])
    R.expect(len(rows) + left == many and left > 0 and rows, f"the next run does all: {len(rows)} + {left}")
    R.expect(not list(folder.glob("killed*partial*")), "and leaves nothing half-made")


def vocabulary(folder):
    corpus = folder / "corpus.txt"
    corpus.write_text("A small dog sleeps.\nA small cat sleeps on the mat!\nthe dogs, the cats\n" * 5)
    for name in ("v1.txt", "v2.txt"):
        R.run_ok(data("vocab", folder / name, corpus, "size=80"))
    R.expect((folder / "v1.txt").read_bytes() == (folder / "v2.txt").read_bytes(), "the same vocabulary twice")
    refused(folder, 64, ["exists"], "vocab", folder / "v1.txt", corpus)
    refused(folder, 64, ["size=10", "too small"], "vocab", folder / "v3.txt", corpus, "size=10")
    out = R.run_ok(data("tokenize", corpus, f"vocab={folder}/v1.txt", "pieces=true"))
    R.expect("[UNK]" not in out and "A small dog sleeps.\ta small dog sleeps ." in out, "it knows its corpus")
    one = subprocess.run([str(TOOL), "data", "tokenize", f"vocab={folder}/v1.txt"], input=corpus.read_bytes(),
                         stdout=subprocess.PIPE, check=True).stdout
    two = subprocess.run(list(map(str, data("tokenize", corpus, f"vocab={folder}/v1.txt", "threads=1"))),
                         stdout=subprocess.PIPE, check=True).stdout  # what was decided on capitals goes to stderr
    R.expect(one and one == two, "standard input and files say the same")


def main():
    with R.Folder() as folder:
        vocab = folder / "small-vocab.txt"
        vocab.write_text("\n".join(VOCAB) + "\n")
        write_many(folder / "many.json", 20000 if R.sanitized() else 200000)
        for part in (made_dbs, vocabulary):
            (folder / part.__name__).mkdir()
            part(folder / part.__name__)
        bad_input(folder, vocab)
        matched(folder, vocab)
        no_room(folder, vocab)
        killed(folder, vocab)
        if not (R.SHARED / "data/captions").exists():
            print("skipped: the shared caption files are not there")
            return
        real_files(folder)
        for kind in ("msgpack", "compressed"):
            path = next((R.SHARED / f"data/lmdb/{kind}/txt_db").iterdir())
            R.run_ok(data("import", "lmdb", path, folder / f"{kind}.txt.h5"))
            compare_db(path, folder / f"{kind}.txt.h5")


if __name__ == "__main__":
    main()
