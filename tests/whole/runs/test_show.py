"""`uniter show` on the micro-world: its numbers against a forward in NumPy on the exported weights, against `uniter score`, against the
losses of the validation of the run, the exact plan against a second solver; pictures are opened and looked into; wrong uses.
"""
import json
import math
import re
import struct
import xml.etree.ElementTree
import zlib

import runlib as R

try:
    import h5py
    import numpy as np
    import weightslib as W
except ImportError as error:
    R.skip(f"no {error.name}")

TOOL, PROGRAM = R.BUILD / "uniter", R.BUILD / "uniter_dist"
HEADS, LAYERS, WIDTH = 3, 2, 48


def train(folder, name, valid, seed=5):
    path = folder / f"{name}.yaml"
    path.write_text(f"""\
run: {{dir: {folder}/{name}, seed: {seed}}}
device: cpu
model: {{hidden_size: {WIDTH}, num_hidden_layers: {LAYERS}, num_attention_heads: {HEADS}, intermediate_size: 96}}
data:
  min_bb: 1
  max_bb: 9
  train:
    - {{name: w, text: {folder}/w/coco_train.txt.h5, images: {folder}/w/coco_train.img.h5, mix: {{itm: 2, mlm: 2, mrc: 1}}}}
  valid:
    - {{name: w, text: {valid}.txt.h5, images: {valid}.img.h5}}
train: {{steps: 60, lanes: 1, tokens_per_lane: 400}}
optim: {{lr: 3.0e-3, warmup_steps: 5}}
""")
    R.run_ok([PROGRAM, "--cfg", path, "--quiet"])
    return folder / name


def show(*words):
    code, text = R.run([TOOL, "show", *words])
    if code:
        R.fail(f"exit code {code}: {text}")
    return text


def look(folder, *words):
    show(*words, "-o", folder / "look.json")
    return json.loads((folder / "look.json").read_text())


def near(a, b, bound):
    return np.abs(np.asarray(a, float) - np.asarray(b, float)).max() < bound


# ---- the network in NumPy ----

class Net:
    """Forward of one pair in double precision."""

    def __init__(self, run):
        self.w = {k: np.asarray(v, float) for k, v in W.parameters(run)[0].items()}

    def linear(self, x, name):
        return x @ self.w[f"{name}.weight"].T + self.w[f"{name}.bias"]

    def norm(self, x, name):
        mean = x.mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(((x - mean) ** 2).mean(-1, keepdims=True) + 1e-12) * self.w[f"{name}.weight"] + self.w[f"{name}.bias"]

    def trunk(self, x, dense, norm):
        return self.norm(gelu(self.linear(x, dense)), norm)

    def embed(self, ids, feature, box):
        e, i, kind = "uniter.embeddings.", "uniter.img_embeddings.", self.w["uniter.embeddings.token_type_embeddings.weight"]
        words = self.w[e + "word_embeddings.weight"][ids] + self.w[e + "position_embeddings.weight"][:len(ids)] + kind[0]
        regions = self.norm(self.linear(feature, i + "img_linear"), i + "img_layer_norm")
        regions = regions + self.norm(self.linear(box, i + "pos_linear"), i + "pos_layer_norm") + kind[1]
        return np.concatenate([self.norm(words, e + "LayerNorm"), self.norm(regions, i + "LayerNorm")])

    def forward(self, ids, feature, box):
        """Last hidden states, and attention [layers,heads,tokens,tokens]."""
        x, seen = self.embed(ids, feature, box), []
        for layer in range(LAYERS):
            n, d = f"uniter.encoder.layer.{layer}.", WIDTH // HEADS
            q, k, v = (self.linear(x, n + f"attention.self.{p}").reshape(len(x), HEADS, d).swapaxes(0, 1) for p in ("query", "key", "value"))
            p = softmax(q @ k.swapaxes(1, 2) / math.sqrt(d))
            seen.append(p)
            x = self.norm(self.linear((p @ v).swapaxes(0, 1).reshape(len(x), WIDTH), n + "attention.output.dense") + x, n + "attention.output.LayerNorm")
            x = self.norm(self.linear(gelu(self.linear(x, n + "intermediate.dense")), n + "output.dense") + x, n + "output.LayerNorm")
        return x, np.array(seen)

    def match(self, x):
        return softmax(self.linear(np.tanh(self.linear(x[0], "uniter.pooler.dense")), "itm_output"))[1]

    def word(self, x):
        y = self.trunk(x, "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm")
        return softmax(y @ self.w["uniter.embeddings.word_embeddings.weight"].T + self.w["cls.predictions.bias"])

    def region(self, x):
        return softmax(self.linear(self.trunk(x, "region_classifier.net.0", "region_classifier.net.2"), "region_classifier.net.3"))


def gelu(x):
    return 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def read_pair(world, text_id):
    """Ids with [CLS] and [SEP], features, boxes [n,7], the detector's classes, [MASK]'s id."""
    with h5py.File(f"{world}.txt.h5") as f:
        i = [t.decode() for t in f["text_id"][:]].index(text_id)
        image = f["image_id"][i]
        a, b = f["token_offset"][i:i + 2]
        ids = [f.attrs["cls_id"], *f["token"][a:b], f.attrs["sep_id"]]
        mask = f.attrs["mask_id"]
    with h5py.File(f"{world}.img.h5") as f:
        a, b = f["region_offset"][list(f["image_id"][:]).index(image):][:2]
        keep = min(9, max(1, int((f["confidence"][a:b] > 0.2).sum())))
        box = f["box"][a:a + keep].astype(float)
        return ids, f["feature"][a:a + keep].astype(float), np.c_[box[:, :6], box[:, 4] * box[:, 5]], f["soft_label"][a:a + keep].astype(float), mask


def check_numpy(run, world, got):
    net = Net(run)
    ids, feature, box, soft, mask = read_pair(world, got["text_id"])
    x, attention = net.forward(ids, feature, box)
    n, m = len(ids), len(feature)
    R.expect([w["id"] for w in got["words"]] == ids and len(got["regions"]) == m and near([r["box"] for r in got["regions"]], box[:, :4], 1e-6),
             f"the pair: {n} words, {m} regions")
    R.expect(abs(net.match(x) - got["match"]) < 1e-5, f"NumPy says the same of the match ({got['match']:.6f})")
    shown = {(h["layer"], h["head"]): np.array(h["probabilities"]) for h in got["attention"]}
    R.expect(len(shown) == LAYERS * HEADS and all(near(p, attention[at], 1e-5) for at, p in shown.items()), "NumPy says the same of the attention of every head")
    R.expect(all(near(p.sum(1), 1, 2e-6) for p in shown.values()) and 0 < got["attention_error"] < 2e-6, "its rows sum to 1")
    u = x / np.linalg.norm(x, axis=1, keepdims=True)
    R.expect(near(1 - u[:n] @ u[n:].T, got["cost"], 1e-5), "NumPy says the same of the costs")
    for w in range(1, n - 1):
        masked = list(ids)
        masked[w] = mask
        p = net.word(net.forward(masked, feature, box)[0][w])
        told = got["words"][w]
        R.expect(abs(p[ids[w]] - told["probability"]) < 1e-5 and near(sorted(p)[:-5:-1], [g["probability"] for g in told["guesses"]], 1e-5) and
                 near([p[g["id"]] for g in told["guesses"]], [g["probability"] for g in told["guesses"]], 1e-5), f"masked word {w}: {told['name']}")
    right = 0
    for r in range(m):
        hidden = feature.copy()
        hidden[r] = net.w["uniter.img_embeddings.mask_embedding.weight"][1]
        p = net.region(net.forward(ids, hidden, box)[0][n + r])
        told, label = got["regions"][r], 1 + int(np.argmax(soft[r][1:]))
        right += told["id"] == label and abs(p[label] - told["probability"]) < 1e-5 and near(sorted(p)[:-5:-1], [g["probability"] for g in told["guesses"]], 1e-5)
    R.expect(right == m, f"masked regions: {m}")
    R.expect("guesses" not in got["words"][0] and "guesses" not in got["words"][-1], "[CLS] and [SEP] are not masked")


# ---- plans ----

def distance(cost):
    """Of the best plan: whole units along shortest paths."""
    n, m = cost.shape
    left, flow, total = np.r_[np.full(n, m), np.full(m, n)], np.zeros((n, m), int), 0
    while left[:n].any():
        far, origin = np.where(np.r_[left[:n] > 0, np.zeros(m, bool)], 0, np.inf), np.full(n + m, -1)
        for _ in range(n + m):
            to = far[:n, None] + cost
            best, better = to.argmin(0), to.min(0) < far[n:] - 1e-12
            far[n:][better], origin[n:][better] = to.min(0)[better], best[better]
            back = np.where(flow > 0, far[None, n:] - cost, np.inf)
            best, again = back.argmin(1), back.min(1) < far[:n] - 1e-12
            far[:n][again], origin[:n][again] = back.min(1)[again], n + best[again]
            if not better.any() and not again.any():
                break
        end = n + int(np.where(left[n:] > 0, far[n:], np.inf).argmin())
        path = [end]
        while origin[path[-1]] >= 0:
            path.append(origin[path[-1]])
        amount = min([left[end], left[path[-1]]] + [flow[a, b - n] for a, b in zip(path, path[1:]) if a < n])
        for a, b in zip(path, path[1:]):
            if a >= n:
                flow[b, a - n] += amount
            else:
                flow[a, b - n] -= amount
        left[end] -= amount
        left[path[-1]] -= amount
    return (flow * cost).sum() / (n * m)


def check_plans(got):
    cost = np.array(got["cost"])
    n, m = cost.shape
    for key, bound in (("plan", 0.05), ("exact", 1e-8)):
        plan, told = np.array(got[key]["mass"]), got[key]
        rows, columns = np.abs(plan.sum(1) * n - 1).max(), np.abs(plan.sum(0) * m - 1).max()
        R.expect(plan.shape == (n, m) and (plan >= 0).all() and rows < bound and columns < bound and abs(rows - told["row_error"]) < 1e-7 and
                 abs(columns - told["column_error"]) < 1e-7, f"{key}: sums of rows and columns ({max(rows, columns):.1e})")
        R.expect(abs((plan * cost).sum() - told["distance"]) < 1e-7, f"{key}: its distance")
    exact, best = np.array(got["exact"]["mass"]), distance(cost)
    R.expect(abs(best - got["exact"]["distance"]) < 1e-7 and abs(got["bound"] - best) < 1e-7, f"the exact plan is a best one ({best:.7f})")
    R.expect((exact > 0).sum() == got["exact"]["entries"] <= n + m - 1, f"{got['exact']['entries']} entries of at most {n + m - 1}")
    R.expect(abs(got["gap"] - (got["plan"]["distance"] - got["exact"]["distance"])) < 1e-8, f"gap {got['gap']:.2g}")


def check_score(run, data, got):
    code, text = R.run([TOOL, "score", run, *data, "rank=false", got["image_id"], got["text_id"]])
    score = json.loads([line for line in text.splitlines() if line.startswith("{")][0])
    R.expect(code == 0 and f"{score['match']:.6g}" == f"{got['match']:.6g}" and abs(score["distance"] - got["plan"]["distance"]) < 1e-6, "score says the same")


def check_bf16(folder, pair, got):
    """The numbers of fp32 but for roundings to bf16, whose unit is 0.004; and not those of fp32 themselves."""
    low = look(folder, *pair, "layer=all", "head=0,1,2", "precision=bf16")
    pairs = list(zip(low["attention"], got["attention"]))
    R.expect(len(pairs) == LAYERS * HEADS and all(near(a["probabilities"], b["probabilities"], 0.02) for a, b in pairs), "in bf16 about the same attention")
    R.expect(near(low["cost"], got["cost"], 0.03) and abs(low["match"] - got["match"]) < 0.02, "about the same costs and match")
    R.expect(low["cost"] != got["cost"] and low["attention"] != got["attention"], "and not the numbers of fp32")
    R.expect(all(near(np.sum(a["probabilities"], 1), 1, 0.02) for a, _ in pairs), "rows of attention sum to 1")
    check_plans(low)


# ---- the losses of a validation ----

def one_word(folder, world, row):
    """The text of `row`, of which one word is left, and its image, of which one region is left."""
    with h5py.File(f"{world}.txt.h5") as f, h5py.File(folder / "one.txt.h5", "w") as g:
        for key, value in f.attrs.items():
            g.attrs[key] = value
        at = int(f["token_offset"][row]) + 1
        image = f["image_id"][row]
        g["token"], g["token_offset"] = f["token"][at:at + 1], np.array([0, 1], "<i8")
        g["text_id"], g["image_id"] = f["text_id"][row:row + 1], f["image_id"][row:row + 1]
    with h5py.File(f"{world}.img.h5") as f, h5py.File(folder / "one.img.h5", "w") as g:
        for key, value in f.attrs.items():
            g.attrs[key] = value
        at = int(f["region_offset"][list(f["image_id"][:]).index(image)])
        for key in ("box", "confidence", "feature", "soft_label"):
            g[key] = f[key][at:at + 1]
        g["image_id"], g["region_offset"] = np.array([image]), np.array([0, 1], "<i8")


def check_losses(folder, world):
    """At least one unit of each is masked: the word, in eight cases of ten by [MASK], and the region, always."""
    same = 0
    for seed in (1, 2, 3):
        one_word(folder, world, seed)
        run = train(folder, f"one{seed}", folder / "one", seed)
        valid = [json.loads(line) for line in (run / "log/metrics.jsonl").read_text().splitlines() if "valid/" in line][-1]
        got = look(folder, run, f"text={folder}/one.txt.h5", f"images={folder}/one.img.h5", "id=" + h5py.File(folder / "one.txt.h5")["text_id"][0].decode())
        R.expect(len(got["words"]) == 3 and len(got["regions"]) == 1 and abs(-math.log(got["regions"][0]["probability"]) - valid["valid/mrc_loss"]) < 2e-6,
                 f"seed {seed}: the loss of a masked region of the validation ({valid['valid/mrc_loss']:.6f})")
        same += abs(-math.log(got["words"][1]["probability"]) - valid["valid/mlm_loss"]) < 2e-6
        R.expect(abs(got["exact"]["distance"] - got["plan"]["distance"]) < 1e-3 and got["exact"]["entries"] == 3, "three words to one region: the only plan")
    R.expect(same >= 2, f"the loss of a masked word of the validation: {same} of 3")


# ---- pictures ----

ROWS = 600


def png(path):
    """The first ROWS rows [ROWS,width,3] of an 8-bit PNG in colour, and its height; every chunk is checked."""
    data, at, body, head = path.read_bytes(), 8, b"", None
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(data):
        n, kind = struct.unpack(">I4s", data[at:at + 8])
        chunk = data[at + 8:at + 8 + n]
        assert struct.unpack(">I", data[at + 8 + n:at + 12 + n])[0] == zlib.crc32(kind + chunk)
        head = struct.unpack(">IIBBBBB", chunk) if kind == b"IHDR" else head
        body += chunk if kind == b"IDAT" else b""
        at += 12 + n
    width, height, bits, colour = head[:4]
    assert (bits, colour) == (8, 2)
    raw = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, 1 + 3 * width)
    out, above = [], [0] * (3 * width)
    for line in raw[:ROWS]:
        row, kind = line[1:].tolist(), line[0]
        if kind == 2:
            row = [(a + b) & 255 for a, b in zip(row, above)]
        elif kind in (1, 3, 4):
            for i in range(3 * width):
                left, up, corner = (row[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
                if kind == 4:
                    a, b, c = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
                    left = left if a <= b and a <= c else up if b <= c else corner
                row[i] = (row[i] + (left if kind != 3 else (left + up) // 2)) & 255
        out.append(row)
        above = row
    return np.array(out, np.uint8).reshape(-1, width, 3), height


def write_png(path, image):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    raw = b"".join(b"\0" + row.tobytes() for row in image)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", image.shape[1], image.shape[0], 8, 2, 0, 0, 0)) +
                     chunk(b"IDAT", zlib.compress(raw)) + chunk(b"IEND", b""))


def check_pictures(folder, pair, got):
    photo = np.zeros((60, 100, 3), np.uint8)
    photo[...] = (20, 160, 40)
    write_png(folder / "photo.png", photo)
    few = [*pair, "layer=last", "head=0", "word=1", "guess=false"]
    show(*few, "-o", folder / "x.png")
    image, height = png(folder / "x.png")
    R.expect(image.shape[1] == 1200 and height > 900, f"PNG: {image.shape[1]} x {height}")
    blue = (np.abs(image.astype(int) - (0, 114, 178)).sum(2) < 60)
    margin = (image[:, :30] == 255).all() and (image[:, -30:] == 255).all()
    R.expect(margin and blue[:560].sum() > 1000 and (image[:100] < 120).all(2).sum() > 1000, "PNG: regions framed, a title, white margins")
    box = max((r["box"] for r in got["regions"]), key=lambda b: (b[2] - b[0]) * (b[3] - b[1]))
    top = int(np.argmax(blue[:, 36 + int(280 * (box[0] + box[2]))]))
    R.expect(blue[top:top + 420, 36:596].any(0).sum() > 560 * (box[2] - box[0]) * 0.95, "PNG: the largest region is as wide as its box")
    show(*few, f"photo={folder}/photo.png", "-o", folder / "y.png")
    with_photo, lower = png(folder / "y.png")
    green = (np.abs(with_photo.astype(int) - (20, 160, 40)).sum(2) < 6).sum()
    R.expect(green > 20000 and lower < height, f"the photo lies beneath, in its proportions ({green} pixels)")
    show(*few, "-o", folder / "x2.png")
    R.expect((folder / "x2.png").read_bytes() == (folder / "x.png").read_bytes(), "the same picture again: the same bytes")
    show(*pair, "-o", folder / "x.svg")
    tree = xml.etree.ElementTree.parse(folder / "x.svg").getroot()
    R.expect(tree.tag.endswith("}svg") and tree.attrib["viewBox"].startswith("0 0 1200 ") and len(list(tree.iter())) > 500, "SVG: well-formed, with content")
    show(*pair, "-o", folder / "x.pdf")
    data = (folder / "x.pdf").read_bytes()
    for packed in re.findall(rb"stream\r?\n(.*?)endstream", data, re.S):  # newer Cairo packs the page's entry, too
        try:
            data = data.replace(packed, zlib.decompress(packed.rstrip(b"\r\n")))
        except zlib.error:
            pass
    R.expect(data.startswith(b"%PDF-1.") and data.rstrip().endswith(b"%%EOF") and re.search(rb"/MediaBox\s*\[\s*0 0 1200 ", data), "PDF: one page")


def check_table(pair, got):
    code, text = R.run([TOOL, "show", *pair])
    rows = [line for line in text.splitlines() if " %" in line]
    R.expect(code == 0 and len(rows) == len(got["words"]) - 2 and all(line.split()[0] == w["name"] for line, w in zip(rows, got["words"][1:])), "a table of the words")
    best = [int(np.argmax(row)) for row in got["plan"]["mass"]][1:-1]
    R.expect([int(line.split()[1]) for line in rows] == best and f"match {got['match']:.6f}" in text, "the best region of each, and the match")
    code, text = R.run([TOOL, "show", "--help"])
    R.expect(code == 0 and all(word in text for word in ("photo", "classes", "layer", ".svg", "guess")), "--help")


def refused(code, words, *command):
    got, text = R.run([TOOL, "show", *command])
    R.expect(got == code and all(w in text for w in words), f"{words[0]}: refused ({got}) {text[-300:] if got != code else ''}")


def check_refused(folder, run, data, pair):
    refused(64, [".svg"], *pair, "-o", folder / "x.gif")
    refused(65, ["t-none"], run, *data, "id=t-none")
    refused(64, ["which pair"], run, *data)
    refused(64, ["not both"], *pair, "i", "t")
    refused(64, ["word", "unicorn", "1 to"], *pair, "word=unicorn")
    refused(64, ["layer", "7", "0 to 1"], *pair, "layer=7")
    refused(64, ["head", "x"], *pair, "head=x")
    (folder / "bad.jpg").write_text("no photo")
    refused(65, ["bad.jpg"], *pair, f"photo={folder}/bad.jpg")
    (folder / "few.txt").write_text("a\nb\n")
    refused(65, ["few.txt", "2 lines"], *pair, f"classes={folder}/few.txt")
    refused(64, ["id", "text"], run, data[0], f"vocab={folder}/w/vocab.txt", "id=x")
    R.expect(R.run([TOOL, "show", *pair, "-o", folder / "none/x.svg"])[0] == 74, "a folder that is not there")
    R.expect(not [p for p in folder.iterdir() if "gif" in p.name or ".tmp" in p.name], "nothing is left of what failed")


def main():
    with R.Folder() as folder:
        R.ENV["TMPDIR"] = str(folder / "tmp")
        (folder / "tmp").mkdir()
        R.run_ok([TOOL, "data", "synth", folder / "w", "train_images=40", "valid_images=8", "sets=coco", "seed=3", "max_background=1"])
        world = folder / "w/coco_valid"
        run = train(folder, "run", world)
        data = [f"images={world}.img.h5", f"text={world}.txt.h5"]
        with h5py.File(f"{world}.txt.h5") as f:
            text_id, image_id = f["text_id"][5].decode(), f["image_id"][5].decode()
        pair = [run, *data, f"id={text_id}"]
        got = look(folder, *pair, "layer=all", "head=0,1,2")
        check_numpy(run, world, got)
        check_plans(got)
        check_score(run, data, got)
        check_bf16(folder, pair, got)
        R.expect(look(folder, run, *data, image_id, text_id, "layer=all") == got, "the pair by its names: the same numbers")
        R.expect({r["name"] for r in got["regions"]} <= set((folder / "w/classes.txt").read_text().splitlines()) and got["words"][0]["name"] == "[CLS]", "names from beside the data")
        check_losses(folder, world)
        check_pictures(folder, pair, got)
        check_table(pair, got)
        check_refused(folder, run, data, pair)
        R.expect(not list((folder / "tmp").iterdir()), "no temporary file is left")


if __name__ == "__main__":
    main()
