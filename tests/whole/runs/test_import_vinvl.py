"""Features as Oscar and VinVL leave them, a TSV with the boxes behind the features and an index of its lines: what is written
against numpy's reading of it, and what is wrong with a line, told with file and line."""
import json

import runlib as R
from imagelib import b64, compare, importing, made

try:
    import numpy as np
except ImportError as error:
    R.skip(f"no python module: {error}")


def joined(image):
    return np.concatenate([image["features"], image["norm_bb"][:, :6]], axis=1)


def as_json(key, image):
    return f"{key}\t" + json.dumps({"num_boxes": len(image["conf"]), "features": b64(joined(image))})


def as_columns(key, image):
    return f"{key}\t{len(image['conf'])}\t{b64(joined(image))}"


def index_of(body):
    at, places = 0, []
    for line in body.splitlines(keepends=True):
        places.append(at)
        at += len(line.encode())
    return "".join(f"{x}\n" for x in places)


def write(path, lines, end="\n", index=True):
    body = "".join(x + end for x in lines)
    path.write_text(body, newline="")
    if index:
        path.with_suffix(".lineidx").write_text(index_of(body))
    else:
        path.with_suffix(".lineidx").unlink(missing_ok=True)


def test_forms(folder):
    for name, line, kind, end in (("json", as_json, np.float32, "\n"), ("columns", as_columns, np.float32, "\r\n"), ("half", as_json, np.float16, "\n")):
        images = made(17, kind=kind)
        want = {k: (v["features"], v["norm_bb"][:, :6], None, None) for k, v in images.items()}
        write(folder / f"{name}.tsv", [line(k, v) for k, v in images.items()], end)
        keys = ["dtype=f16"] if kind == np.float16 else []
        text = importing("tsv", [folder / f"{name}.tsv"], folder / f"{name}.img.h5", *keys, words=["no confidences"])
        compare(folder / f"{name}.img.h5", want, f"VinVL, {name}")
        got, said = R.run([R.BUILD / "uniter", "data", "verify", folder / f"{name}.img.h5"])
        R.expect(got == 0, f"verify takes it: {said[-300:]}")
    key, image = next(iter(made(1).items()))
    other = json.dumps({"image_h": 480, "objects": [{"class": "d\\\"og]", "rect": [1, 2.5, 3, None]}, []], "features": b64(joined(image)),
                        "num_boxes": len(image["conf"]), "x": {}})
    write(folder / "more.tsv", [f"{key}\t{other}"])
    importing("tsv", [folder / "more.tsv"], folder / "more.img.h5")
    compare(folder / "more.img.h5", {key: (image["features"], image["norm_bb"][:, :6], None, None)}, "VinVL, other members are passed over")


def test_index(folder):
    lines = [as_json(k, v) for k, v in made(5).items()]
    path, out = folder / "x.tsv", folder / "x.img.h5"
    write(path, lines)
    index = folder / "x.lineidx"
    good = index.read_text()
    rows = good.split("\n")
    for text, words in (("\n".join([*rows[:2], str(int(rows[2]) + 1), *rows[3:]]), ["x.lineidx:3: byte", "line 3 of", "begins at byte"]),
                        ("\n".join(rows[:3]), ["ends after 3 lines", "has more"]),
                        (good + "999999\n", ["x.lineidx:6: byte 999999", "ends after 5 lines"]),
                        (good.replace(rows[1], "here"), ["x.lineidx:2", '"here" is no place']), ("", ["x.lineidx", "empty"])):
        index.write_text(text)
        importing("tsv", [path], out, code=65, words=words)
        importing("tsv", [path], out, "bad=skip", code=65, words=words)
    index.unlink()
    importing("tsv", [path], out)


def test_bad(folder):
    images = list(made(6).items())
    lines = [as_json(k, v) for k, v in images]
    (key, image), n = images[1], len(images[1][1]["conf"])
    path, out = folder / "x.tsv", folder / "x.img.h5"
    swapped = {**image, "norm_bb": image["norm_bb"][:, [0, 1, 2, 3, 5, 4]]}
    beyond = {**image, "norm_bb": image["norm_bb"] * 300}
    say = lambda count, features: f"{key}\t" + json.dumps({"num_boxes": count, "features": features})
    for line, words in (
            (lines[1][:-1], ["no whole JSON object", "cut short"]), (lines[1] + "x", ["no whole JSON object"]),
            (lines[1].replace("num_boxes", "boxes"), ['no "num_boxes"']), (lines[1].replace('"features"', '"feats"'), ['no "features"']),
            (say(251, b64(joined(image))), ["features"]), (say("3", b64(joined(image))), ["no whole JSON object"]),
            (say(n, "").replace('""', '"AA\\/A"'), ["no whole JSON object"]), (say(0, ""), ['num_boxes is "0"']), (say(1, b64(np.zeros(6, np.float32))), ["the last six are its box"]),
            (say(n, "*" + b64(joined(image))[1:]), ["no base64 at its character"]),
            (f'{key}\t[{{"class": "dog", "rect": [0, 0, 1, 1], "conf": 0.5}}]', ["a list, as files of labels hold it"]),
            (f"{key}\t{n}", ["2 columns", "VinVL"]), (f"{key}\t640\t480", ["3 columns", "cut short"]),
            (f"{key}\t251\t{b64(joined(image))}", ["features", "regions"]),
            (as_json(key, swapped), ["is no box x1 y1 x2 y2 w h"]), (as_json(key, beyond), ["is no box x1 y1 x2 y2 w h"])):
        write(path, [lines[0], line, *lines[2:]])
        where = [] if "is no box" in words[0] or "no base64 at" in words[0] else ["x.tsv:2"]
        importing("tsv", [path], out, code=65, words=[*where, *words])
        importing("tsv", [path], out, "bad=skip", words=["5 images", "1 skipped"])
        R.expect(f"{path}:2\t" in (folder / "x.img.h5.skipped.tsv").read_text(), f"bad=skip lists its line: {words}")
        out.unlink()
        (folder / "x.img.h5.skipped.tsv").unlink()


def main():
    with R.Folder() as folder:
        for test in (test_forms, test_index, test_bad):
            own = folder / test.__name__
            own.mkdir()
            try:
                test(own)
            except AssertionError as error:
                R.fail(str(error))
    print("ok: VinVL's TSV")


main()
