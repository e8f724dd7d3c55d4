"""uniter data extract: photos through a small detector with random weights. The same bytes on 1, 2 and 4 ranks, after kills at
several moments and after a signal; photos that are none are named; given boxes; JSON; refusals. Where the shared reference is
present, its photo, too, against PyTorch's numbers."""
import csv
import json
import os
import pathlib
import resource
import shutil
import signal
import subprocess
import time

import runlib as R

try:
    import detectorlib as D
    import h5py
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")

REFERENCE = R.SHARED / "reference/detector"
SMALL = ("short=32", "long=48", "post_nms=12", "min_bb=2", "max_bb=6", "device=cpu", "threads=1")

SLOW = ("short=96", "long=144", "post_nms=300", "min_bb=6", "max_bb=6", "device=cpu", "threads=1")  # so that a kill comes in time


def words(*names, ranks=1, keys=SMALL):
    program = [str(R.BUILD / "uniter"), "data", "extract", *map(str, names), *keys]
    return program if ranks == 1 else ["mpirun", "--oversubscribe", "-np", str(ranks), *program]


def extract(*names, code=0, says=(), timeout=120, **kw):
    got, out = R.run(words(*names, **kw), timeout=timeout)
    missing = [w for w in says if w not in out]
    if got != code or missing:
        print(out[-3000:])
        R.fail(f"extract {names}: exit code {got}, wanted {code}; not said: {missing}")
    return out


def read(path):
    with h5py.File(path) as f:
        return {k: f[k][()] for k in f}, dict(f.attrs)


def left_of(out):
    return sorted(p.name for p in out.parent.glob(out.name + "*"))


def skipped(out):
    with open(f"{out}.skipped.tsv") as f:
        return dict(list(csv.reader(f, delimiter="\t", quoting=csv.QUOTE_NONE))[1:])


# ---- the reference -----------------------------------------------------------------------------------------------------

def near(got, want, tolerance, what):
    worst = float(np.abs(got.astype(np.float64) - want).max() / max(np.abs(want).max(), 1e-30))
    R.expect(got.shape == want.shape and worst <= tolerance, f"{what}: worst deviation {worst:.1e} of the largest")


def against_reference(folder):
    if not REFERENCE.exists():
        print("the reference is not here: not compared")
        return
    for profile in ("caffe", "port"):
        out = folder / f"scene_{profile}.img.h5"
        with h5py.File(REFERENCE / "tiny.h5") as f:
            group, photo = f[profile], f.attrs["photo"]
            want = {k: group[k][()] for k in group if k.startswith("out_")}
            keys = [f"{k}={group.attrs[k]}" for k in ("short", "long", "pre_nms", "post_nms", "rpn_nms", "min_side", "conf_th", "min_bb",
                                                      "max_bb")]
            keys.append(f"final_nms={list(map(float, group.attrs['final_nms']))}".replace(" ", ""))
        common = (f"weights={REFERENCE}/tiny.safetensors", f"profile={profile}", "device=cpu", "threads=1", *keys)
        extract(REFERENCE / "photos" / photo, out, keys=common)
        got, _ = read(out)
        near(got["feature"], want["out_feature"], 2e-5, f"{profile}: features of the reference")
        near(got["box"], want["out_box6"], 2e-4, f"{profile}: boxes")
        near(got["confidence"], want["out_confidence"], 2e-5, f"{profile}: confidences")
        near(got["soft_label"], want["out_soft_label"], 2e-5, f"{profile}: soft labels")
        code, text = R.run(["bash", "-c", " ".join(words(REFERENCE / "photos" / photo, "--json", keys=map(json.dumps, common))) +
                            " 2>/dev/null"])
        regions = json.loads(text)["regions"]
        R.expect([r["class"] for r in regions] == want["out_class"].tolist() and
                 [r["attribute"] for r in regions] == want["out_attribute"].tolist(), f"{profile}: classes and attributes")
        near(np.array([r["box"] for r in regions]), want["out_box"], 2e-4, f"{profile}: boxes of the JSON, in pixels")
        near(np.array([r["attribute_probability"] for r in regions]), want["out_attribute_prob"], 2e-5,
             f"{profile}: probabilities of attributes")


# ---- ranks, kills, signals ---------------------------------------------------------------------------------------------

def whole(folder, weights):
    """Many photos, broken ones among them: every row and every name."""
    photos = folder / "many"
    D.write_photos(photos, 1000)
    names = sorted(photos.iterdir())
    broken = names[7::50]
    for k, path in enumerate(broken):
        data = path.read_bytes()
        path.write_bytes([data[:len(data) // 2], b"", b"GIF89a" + data, b"<html>not found</html>"][k % 4])
    out = folder / "many.img.h5"
    extract(photos, out, weights, says=("980 photos", "20 skipped", "left out"))
    got, _ = read(out)
    R.expect(len(got["image_id"]) == 980 and len(broken) == 20, "980 photos of 1,000")
    why = skipped(out)
    R.expect(sorted(why) == [str(p) for p in broken] and all(why.values()), "the 20 broken ones are named, with their reasons")
    R.expect([x.decode() for x in got["image_id"]] == [p.stem for p in names if p not in broken], "ids in the order of names")
    R.expect(left_of(out) == [out.name, out.name + ".skipped.tsv"], "nothing else is left")
    R.run_ok([R.BUILD / "uniter", "data", "verify", out])
    print("ok: verify accepts the file")


def on_ranks(folder, photos, weights):
    one = folder / "one.img.h5"
    extract(photos, one, weights, "--quiet")
    for ranks, keys in ((2, ("decoders=3",)), (4, ("threads=1",))) if R.has_mpi() else ():
        other = folder / f"ranks_{ranks}.img.h5"
        extract(photos, other, weights, *keys, ranks=ranks)
        R.expect(other.read_bytes() == one.read_bytes(), f"{ranks} ranks write the same bytes")
    threads = folder / "threads.img.h5"
    extract(photos, threads, weights, keys=SMALL[:-1] + ("threads=2", "decoders=2"))
    R.expect(threads.read_bytes() == one.read_bytes(), "2 threads write the same bytes")
    return one


def rounded(folder, photos, weights, one):
    """precision=bf16 at the boxes of another extraction: near its features, not the same, on any threads and ranks; no run changes over."""
    out, full = {}, folder / "at_boxes.img.h5"
    given = f"boxes={one}"
    extract(photos, full, weights, given, "precision=fp32")
    for name, keys, ranks in (("one", (), 1), ("threads", ("threads=2",), 1), ("ranks", (), 2 if R.has_mpi() else 1)):
        out[name] = folder / f"bf16_{name}.img.h5"
        extract(photos, out[name], weights, given, "precision=bf16", *keys, ranks=ranks)
    R.expect(out["one"].read_bytes() == out["threads"].read_bytes(), "bf16: 2 threads write the same bytes")
    R.expect(out["one"].read_bytes() == out["ranks"].read_bytes(), "bf16: ranks write the same bytes")
    (a, _), (b, _) = read(out["one"]), read(full)
    near(a["feature"], b["feature"], 2e-2, "bf16: features beside those of fp32")
    R.expect(not np.array_equal(a["feature"], b["feature"]) and np.array_equal(a["box"], b["box"]), "they are not the same, their boxes are")
    extract(photos, folder / "both.img.h5", weights, "tf32=true", "precision=bf16", code=64, says=("tf32", "precision=bf16"))
    extract(photos, folder / "both.img.h5", weights, "precision=tf32", code=64, says=("precision", "auto, fp32, bf16"))


def parts_bytes(out):
    return sum(p.stat().st_size for p in pathlib.Path(f"{out}.parts").glob("part-*"))


def records(out):
    """Numbers of the photos in all parts: a head of 112 bytes, the index behind 8, the length of the values behind 64."""
    for part in pathlib.Path(f"{out}.parts").glob("part-*"):
        data, at = part.read_bytes(), 0
        while at < len(data):
            yield int.from_bytes(data[at + 8:at + 16], "little")
            at += 112 + int.from_bytes(data[at + 64:at + 72], "little")


def kill_at(command, out, log, bytes_):
    """Ends the whole tree when so many bytes of parts are there; True when that came in time."""
    process = R.start(command, log)
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        if parts_bytes(out) >= bytes_:
            break
        time.sleep(0.002)
    caught = process.poll() is None
    for rank in R.ranks_of(process, "uniter"):  # which else would outlive the launcher for a moment
        os.kill(rank, signal.SIGKILL)
    R.end_group(process)
    return caught


def killed(folder, photos, weights, one):
    out, caught = folder / "killed.img.h5", 0
    size = one.stat().st_size
    for k, share in enumerate((0.02, 0.2, 0.4, 0.6, 0.8)):
        ranks = (1, 2, 1, 2, 1)[k] if R.has_mpi() else 1
        caught += kill_at(words(photos, out, weights, ranks=ranks, keys=SLOW), out, folder / "log", share * size)
        R.expect(not out.exists(), f"killed after {share:.0%} on {ranks} ranks: OUT is not there")
    extract(photos, out, weights, keys=SLOW, ranks=2 if R.has_mpi() else 1, says=("goes on",))
    R.expect(caught >= 3, f"{caught} of 5 kills came in time")
    R.expect(out.read_bytes() == one.read_bytes(), "killed, gone on with: the same bytes")
    R.expect(left_of(out) == [out.name], "no parts are left")


def torn(folder, photos, weights, one):
    """The end of a part is cut and spoilt as a lost machine leaves it."""
    out = folder / "torn.img.h5"
    kill_at(words(photos, out, weights, keys=SLOW), out, folder / "log", 0.5 * one.stat().st_size)
    part = max(pathlib.Path(f"{out}.parts").glob("part-*"))
    data = part.read_bytes()
    part.write_bytes(data[:-100] + b"\0" * 50)
    extract(photos, out, weights, keys=SLOW, says=("are cut off", "goes on"))
    R.expect(out.read_bytes() == one.read_bytes(), "a torn end is cut off: the same bytes")


def stopped(folder, photos, weights, one):
    out, log = folder / "stopped.img.h5", folder / "stop.log"
    for ranks, number in ((1, signal.SIGTERM), (2, signal.SIGUSR1)) if R.has_mpi() else ((1, signal.SIGTERM),):
        process = R.start(words(photos, out, weights, ranks=ranks, keys=SLOW), log)
        before = parts_bytes(out)
        while process.poll() is None and parts_bytes(out) < before + 10000:
            time.sleep(0.002)
        os.kill(R.ranks_of(process, "uniter")[-1], number)
        code = process.wait(60)
        R.expect(code == 75 and not out.exists(), f"signal {number} to one of {ranks}: exit code {code}")
        R.expect(parts_bytes(out) < 0.9 * one.stat().st_size, "all stop after their photo in work")
    done = list(records(out))
    R.expect(len(done) == len(set(done)) > 1, f"no photo is done twice: {len(done)} in two starts")
    R.expect("the same command goes on" in log.read_text(), "it says how to go on")
    extract(photos, out, weights, keys=SLOW)
    R.expect(out.read_bytes() == one.read_bytes(), "stopped twice, gone on with: the same bytes")


def refused(folder, photos, weights, one):
    """An unfinished extraction is gone on with under its own terms only."""
    out = folder / "terms.img.h5"
    kill_at(words(photos, out, weights, keys=SLOW), out, folder / "log", 20000)
    extract(photos, out, weights, "conf_th=0.3", keys=SLOW, code=64,
            says=("begun differently", "conf_th: 0.2", "now 0.29999", "restart=true"))
    extract(photos, out, weights, "precision=bf16", keys=SLOW, code=64, says=("begun differently", "device: cpu", "now cpu bf16"))
    (photos / "photo_9999.png").write_bytes((photos / "photo_0000.png").read_bytes())
    extract(photos, out, weights, keys=SLOW, code=64, says=("begun differently", "photos: "))
    (photos / "photo_9999.png").unlink()
    extract(photos, out, weights, "--restart", keys=SLOW)
    R.expect(out.read_bytes() == one.read_bytes(), "restart=true: the same bytes")
    extract(photos, out, weights, keys=SLOW, code=64, says=("exists; it is not overwritten",))


def one_rank_fails(folder, photos, weights):
    """The disk is full for one rank: all end with its message, and go on when it has room."""
    if not R.has_mpi():
        return
    out, log = folder / "full.img.h5", folder / "full.log"
    process = R.start(words(photos, out, weights, ranks=2, keys=SLOW), log)
    part = pathlib.Path(f"{out}.parts/part-000000-000001")
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.002)
    for rank in R.ranks_of(process, "uniter"):  # whichever it is
        if f"{part}" in [os.readlink(x) for x in pathlib.Path(f"/proc/{rank}/fd").iterdir() if x.exists()]:
            resource.prlimit(rank, resource.RLIMIT_FSIZE, (part.stat().st_size + 1000,) * 2)
    code = process.wait(60)
    R.expect(code == 74 and f"{part}: cannot write: File too large" in log.read_text() and not out.exists(),
             f"a full disk on one rank ends all: exit code {code}")
    extract(photos, out, weights, keys=SLOW, says=("are cut off", "goes on"))


# ---- names, boxes, JSON ------------------------------------------------------------------------------------------------

def lists(folder, photos, weights, one):
    names = sorted(photos.iterdir())
    listing = photos.parent / "names.tsv"
    listing.write_text("".join(f"{photos.name}/{p.name}\tid {i}\n" for i, p in enumerate(names)) + f"{photos.name}/gone.png\n")
    out = folder / "list.img.h5"
    extract(listing, out, weights, says=("1 skipped",))
    got, want = read(out)[0], read(one)[0]
    R.expect([x.decode() for x in got["image_id"]] == [f"id {i}" for i in range(len(names))] and
             np.array_equal(got["feature"], want["feature"]), "a list: its ids, the same features")
    R.expect("No such file" in skipped(out)[str(photos.parent / photos.name / "gone.png")], "a photo that is not there is named")
    listing.unlink()


def boxes(folder, photos, weights, one):
    few = sorted(photos.iterdir())[:4]
    source = folder / "boxes.tsv"
    given = {few[0].stem: [(3, 4, 20.5, 25), (0, 0, 10, 10), (3, 4, 20.5, 25)], few[1].stem: [(1, 2, 900, 900)],
             few[2].stem: [(50, 5, 20, 20)]}
    source.write_text("image_id\tx1\ty1\tx2\ty2\n" + "".join(f"{k}\t{b[0]}\t{b[1]}\t{b[2]}\t{b[3]}\n" for k in given for b in given[k]))
    out = folder / "boxes.img.h5"
    extract(*few, out, weights, f"boxes={source}")
    got, _ = read(out)
    R.expect(got["region_offset"].tolist() == [0, 3, 4] and np.all(got["confidence"] == 1), "given boxes, all kept")
    # the rows of a product may be summed in other orders at other places: not the same bits with every kernel of the BLAS
    near(got["feature"][0], got["feature"][2], 1e-5, "one box twice, the same features")
    R.expect(not np.allclose(got["feature"][0], got["feature"][1], rtol=0, atol=1e-3 * got["feature"].max()), "in their order")
    R.expect(np.allclose(got["box"][3][2:4], 1), "one beyond the photo is cut to it")
    why = skipped(out)
    R.expect("reversed" in why[str(few[2])] and "no boxes" in why[str(few[3])], "photos without boxes are named")
    again = folder / "again.img.h5"
    extract(photos, again, weights, f"boxes={one}")
    got, want = read(again)[0], read(one)[0]
    near(got["box"], want["box"], 1e-6, "boxes of a feature file")
    # rounded corners may fall to another cell, in few regions
    same = np.abs(got["feature"] - want["feature"]).max(1) <= 1e-5 * np.abs(want["feature"]).max()
    R.expect(same.mean() > 0.95, f"features of {same.mean():.1%} of the same boxes are those of the proposals")
    source.write_text("a\t1\t2\tx\t4\n")
    extract(*few, folder / "no.img.h5", weights, f"boxes={source}", code=65, says=(f"{source}:1:",))


def as_json(folder, photos, weights, one):
    classes, attributes = folder / "classes.txt", folder / "attributes.txt"
    classes.write_text("".join(f"thing \"{i}\"\n" for i in range(1, 21)))
    attributes.write_text("".join(f"quality {i}\n" for i in range(1, 7)))
    names = (weights, f"classes={classes}", f"attributes={attributes}")

    def lines(*more, ranks=1):
        shell = " ".join(f"'{w}'" for w in words(photos, *more, *names, "--json", ranks=ranks)) + " 2>/dev/null"
        return [json.loads(x) for x in R.run_ok(["bash", "-c", shell]).splitlines()]
    alone = lines()
    want, _ = read(one)
    R.expect([x["image_id"] for x in alone] == [x.decode() for x in want["image_id"]], "a line of JSON a photo")
    flat = [r for x in alone for r in x["regions"]]
    R.expect(all(r["class_name"] == f"thing \"{r['class']}\"" and r["attribute_name"] == f"quality {r['attribute']}" for r in flat),
             "names of classes and attributes")
    R.expect(np.array_equal(np.array([r["confidence"] for r in flat], np.float32), want["confidence"]), "the file's confidences")
    out = folder / "json.img.h5"
    R.expect(lines(out, ranks=2 if R.has_mpi() else 1) == alone and out.read_bytes() == one.read_bytes(),
             "the same lines beside OUT, on ranks too")
    attributes.write_text("one\n")
    extract(photos, "--json", *names, code=65, says=("attributes.txt: 1 lines; the detector knows 6 attributes",))


# ---- five commands ---

def five_commands(folder):
    """README, "From a folder of photos and a text file to a trained model", as it stands there, with small sizes behind."""
    text = (R.ROOT / "README.md").read_text()
    text = text[text.index("### From a folder of photos"):]
    commands = [line.strip() for line in text[:text.index("\n### ", 4)].splitlines() if line.startswith("    uniter")]
    R.expect(len(commands) == 5, "five commands")
    D.write_photos(folder / "photos", 40)
    D.write_detector(folder / "resnet101_faster_rcnn_final.caffemodel")  # of the other form, and small: files are known by their bytes
    rng = np.random.default_rng(3)
    some = "red blue green small large round square box ball cup chair table left right of under over a the is".split()
    photos = sorted((folder / "photos").iterdir())
    (folder / "own.tsv").write_text("".join(f"{p.name}\t{' '.join(rng.choice(some, 7))}\n" for p in photos for _ in range(3)))
    (folder / "bert-base-cased-vocab.txt").write_text("\n".join(["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *some]) + "\n")
    (folder / "configs").symlink_to(R.ROOT / "configs")
    small = ("model.preset=tiny", "train.steps=6", "train.lanes=2", "train.tokens_per_lane=512", "optim.warmup_steps=2", "valid.every=3",
             "data.min_bb=2", "device=cpu")
    for k, command in enumerate(commands):
        more = {0: SMALL, 3: small}.get(k, ())
        code, out = R.run(["bash", "-c", f"cd {folder} && {command} {' '.join(more)}"], PATH=f"{R.BUILD}:{os.environ['PATH']}")
        if code != 0:
            print(out[-3000:])
        R.expect(code == 0, command)
    with h5py.File(folder / "own/own_valid.txt.h5") as f:
        R.expect(out.count('"match"') == len(f["text_id"]) > 0, "a score for every sentence of the held-out photos")


# ---- mistakes ----------------------------------------------------------------------------------------------------------

def mistakes(folder, photos, weights):
    out, first = folder / "mistake.img.h5", sorted(photos.iterdir())[0]
    twin = folder / "twin"
    twin.mkdir()
    shutil.copy(first, twin / first.name)
    extract(photos, twin, out, weights, code=65, says=(str(first), str(twin / first.name), "two photos of one image id"))
    extract(photos, weights, code=64, says=("the last name is that of the feature file",))
    extract(folder / "nowhere", out, weights, code=74, says=("nowhere: cannot open",))
    extract(photos, out, f"weights={first}", code=65, says=(first.name,))
    bad = D.write_detector(folder / "bad.safetensors", drop=("backbone.res3.0.conv2.weight",))
    extract(photos, out, f"weights={bad}", code=65, says=("bad.safetensors", "backbone.res3.0.conv2.weight"))
    extract(photos, out, weights, "final_nms=[0.5,0.3]", "profile=port", code=64, says=("final_nms: 0.3",))
    extract(photos, out, weights, "final_nms=0", code=64, says=("final_nms: 0 is not",))
    extract(photos, out, weights, "min_bb=9", "max_bb=8", code=64, says=("min_bb: 9",), keys=SMALL[:3] + SMALL[5:])
    extract(photos, folder / "no/way" / ("x" * 300) / "o.img.h5", weights, code=74)
    (twin / first.name).write_bytes(b"none")
    extract(twin, out, weights, code=65, says=("none could be used", first.name))
    (folder / "mistake.img.h5.parts").mkdir()
    (folder / "mistake.img.h5.parts/thesis.tex").write_text("x")
    extract(photos, out, weights, code=64, says=("thesis.tex: no file of an extraction",))
    (folder / "mistake.img.h5.parts/thesis.tex").unlink()
    R.expect([n for n in left_of(out) if not n.endswith(".parts")] == [], "mistakes leave nothing")
    if R.has_mpi():
        extract(photos, out, f"weights={bad}", ranks=2, code=65, says=("bad.safetensors",))


def main():
    with R.Folder() as folder:
        photos = folder / "photos"
        D.write_photos(photos, 60, side=(40, 90))
        weights = f"weights={D.write_detector(folder / 'detector.safetensors')}"
        against_reference(folder)
        one = on_ranks(folder, photos, weights)
        rounded(folder, photos, weights, one)
        lists(folder, photos, weights, one)
        boxes(folder, photos, weights, one)
        as_json(folder, photos, weights, one)
        slow, heavy = folder / "slow.img.h5", D.write_detector(folder / "heavy.safetensors", bottleneck=16, blocks=(1, 1, 2, 3))
        heavy = f"weights={heavy}"
        start = time.monotonic()
        extract(photos, slow, heavy, keys=SLOW)
        print(f"the slow one takes {time.monotonic() - start:.2f} s")
        killed(folder, photos, heavy, slow)
        torn(folder, photos, heavy, slow)
        stopped(folder, photos, heavy, slow)
        refused(folder, photos, heavy, slow)
        one_rank_fails(folder, photos, heavy)
        mistakes(folder, photos, weights)
        whole(folder, weights)
        own = folder / "own"
        own.mkdir()
        five_commands(own)


main()
