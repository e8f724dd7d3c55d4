"""Losses that are not finite: the step is skipped on all ranks alike, whoever has the loss and even where every gradient is
finite; the log tells loss from gradient; after train.max_skipped in a row all ranks end with one message."""
import json
import re
import struct

import runlib as R


def plant(source, target, name, first, count, value):
    """A copy of a safetensors file with elements [first, first + count) of one tensor set."""
    data = bytearray(source.read_bytes())
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8:8 + length])
    begin, end = header[name]["data_offsets"]
    at = 8 + length + begin + 4 * first
    assert header[name]["dtype"] == "F32" and at + 4 * count <= 8 + length + end
    struct.pack_into(f"<{count}f", data, at, *[value] * count)
    target.write_bytes(data)


def skips(out):
    return re.findall(r"update (\d+) skipped: (.*) is not finite", out)


def main():
    ranks = (1, 2, 3, 4) if R.has_mpi() else (1,)
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        cfg = R.write_config(folder / "c.yaml", data, folder / "first", steps=1, lanes=8, valid=False)
        cfg.write_text(cfg.read_text().replace("warmup_steps: 3", "warmup_steps: 0"))
        R.run_ok(R.command(1, "--cfg", cfg))
        good = folder / "good.safetensors"
        R.run_ok([R.BUILD / "uniter", "weights", "export", folder / "first", good])

        # Only the longest texts have a word at this position, so in a step few lanes, of few ranks, get a bad loss.
        one_lane = folder / "one_lane.safetensors"
        plant(good, one_lane, "uniter.embeddings.position_embeddings.weight", 32 * POSITION, 32, 3e38)
        seen = {}
        for n in ranks:
            run = folder / f"one_lane_{n}"
            out = R.run_ok(R.command(n, "--cfg", cfg, "train.steps=40", "train.max_skipped=40", "--quiet", f"model.init={one_lane}",
                                     f"run.dir={run}", "run.threads=1"))
            lines = R.metrics(run)
            seen[n] = skips(out)
            bad = [x["step"] for x in lines if x["loss"] is None]
            R.expect([int(s) for s, _ in seen[n]] == bad and {w for _, w in seen[n]} == {"a loss"},
                     f"{n} rank(s): the {len(bad)} steps with such a loss are skipped, and no other")
            R.expect(0 < len(bad) < 40 and all((x["grad_norm"] is None) == (x["step"] in bad) for x in lines),
                     f"{n} rank(s): the other {40 - len(bad)} steps are taken")
            R.expect(lines[-1]["skipped/loss"] == len(bad) and "skipped/gradient" not in lines[-1],
                     f"{n} rank(s): the log counts them")
            R.expect(seen[n] == seen[1], f"{n} rank(s): the same steps as on one")
            if n == 2:  # how most steps ended is read a step later
                rare = folder / "rare"
                late = R.run_ok(R.command(n, "--cfg", cfg, "train.steps=40", "train.max_skipped=40", "--quiet",
                                          f"model.init={one_lane}", f"run.dir={rare}", "run.threads=1", "log.every=9"))
                told = R.metrics(rare)
                R.expect(skips(late) == seen[n], "log.every=9: the same steps are skipped")
                R.expect(told == [x for x in lines if x["step"] in (1, 9, 18, 27, 36, 40)], "log.every=9: its lines to the last bit")
                R.expect(R.digests(rare, 40) == R.digests(run, 40), "log.every=9: the same bits")
            if n in (2, 4):
                R.expect(R.digests(run, 40) == R.digests(folder / "one_lane_1", 40), f"{n} ranks: the bits of one rank")

        # The square overflows and its derivative does not: every gradient is finite.
        overflow = folder / "overflow.safetensors"
        plant(good, overflow, "feat_regress.bias", 0, 1, 1e25)
        for n in ranks:
            run = folder / f"overflow_{n}"
            code, out = R.run(R.command(n, "--cfg", cfg, "train.steps=40", "train.max_skipped=3", "--quiet", f"model.init={overflow}",
                                        f"run.dir={run}", "run.threads=1"))
            R.expect(code == 70 and len(skips(out)) == 3, f"{n} rank(s): ends after three skipped updates in a row")
            said = "no update for 3 steps in a row (train.max_skipped): a loss was not finite in the last, step 3; " \
                   "3 steps of this start had such losses, 0 only such a gradient"
            R.expect(out.count(said) == 1, f"{n} rank(s): says once why")
            if n > 2:
                continue
            code, late = R.run(R.command(n, "--cfg", cfg, "train.steps=40", "train.max_skipped=3", "--quiet", "log.every=10",
                                         f"model.init={overflow}", f"run.dir={run}_late", "run.threads=1"))
            R.expect(code == 70 and skips(late) == skips(out) and late.count(said) == 1, f"{n} rank(s): and says the same a step later")
            R.expect(R.metrics(folder / f"overflow_{n}_late") == R.metrics(run)[:1], f"{n} rank(s): no line of a step behind the end")


POSITION = 17  # of the last token of a text of 16 words, the longest
main()
