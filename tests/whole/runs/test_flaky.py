"""Feature files that fail for a while: reads that fail, end early or lose their file are tried again, and the run ends as if nothing had
been; what stays broken ends all ranks with file, row and exit code 74."""
import os
import shutil
import time

import runlib as R

STEPS = 30
EIO = 5


def main():
    shim = R.BUILD / "tests" / "libflaky.so"
    with R.Folder() as folder:
        data = R.synth(folder / "data")
        straight = folder / "straight"
        cfg = R.write_config(folder / "c.yaml", data, straight, steps=STEPS, valid=False)
        R.run_ok(R.command(1, "--cfg", cfg))

        def go(name, order, *words, ranks=1):
            env = dict(LD_PRELOAD=str(shim), FLAKY=order, ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")
            return R.run(R.command(ranks, "--cfg", cfg, f"run.dir={folder / name}", *words), timeout=120, **env)

        def same(name, code, out, what):
            if code != 0:
                print(out[-3000:])
            R.expect(code == 0 and R.metrics(folder / name) == R.metrics(straight) and
                     R.digests(folder / name, STEPS) == R.digests(straight, STEPS), what)
            R.expect("trying again" in out and ".img.h5: " in out and ("row " in out or "byte " in out), "a warning says where")

        for name, order, what in (("open", f"coco_train.img.h5 30 2 {EIO}", "two reads fail while the file is opened"),
                                  ("rows", f"coco_train.img.h5 60 2 {EIO}", "two reads fail a little later"),
                                  ("eio", f"coco_train.img.h5 120 3 {EIO}", "three reads in a row fail with EIO"),
                                  ("short", "vg_train.img.h5 120 2 0", "two reads find the file's end"),
                                  ("text", f"coco_train.txt.h5 216 2 {EIO}", "two reads of words fail")):
            code, out = go(name, order)
            if name == "text":
                R.expect(code == 0 and "coco_train.txt.h5: token: row" in out, what)
            else:
                same(name, code, out, what + ": nothing is lost")

        for ranks in {1, 2 if R.has_mpi() else 1}:
            begin = time.monotonic()
            code, out = go(f"broken{ranks}", f"coco_train.img.h5 150 1000000 {EIO}", "data.tries=3", ranks=ranks)
            R.expect(code == 74 and "coco_train.img.h5: " in out and "row " in out and "tried 3 times in 0.6 s" in out,
                     f"a read that stays broken: {ranks} rank(s) end with {code} after {time.monotonic() - begin:.1f} s")

        # the file is away for a second, and comes back as the same or as another one
        for name, comes_back in (("moved", True), ("replaced", False)):
            away = folder / "away"
            file = data / "coco_train.img.h5"
            # a hard link away and an unlink: the descriptor then shows a deleted name, which the shim turns into ESTALE
            log = folder / f"{name}.log"
            p = R.start(R.command(1, "--cfg", cfg, f"run.dir={folder / name}", "train.steps=1000000", "data.tries=20"), log,
                        LD_PRELOAD=str(shim), FLAKY="coco_train.img.h5 0 0 5",
                        ASAN_OPTIONS="detect_leaks=0:verify_asan_link_order=0")
            R.wait_for_step(p, folder / name, 3)
            os.link(file, away)
            os.unlink(file)
            time.sleep(1)
            at = R.last_logged_step(folder / name)
            if comes_back:
                os.link(away, file)
                R.wait_for_step(p, folder / name, at + 20)
                alive = p.poll() is None
                R.end_group(p)
                out = log.read_text(errors="replace")
                R.expect(alive and "trying again" in out, f"a file that is away for a second: the run goes on after update {at}")
            else:
                shutil.copyfile(away, file)
                os.utime(file, (0, 0))
                code = p.wait(60)
                R.expect(code == 74 and "coco_train.img.h5: has changed" in log.read_text(errors="replace"),
                         f"another file in its place: exit code {code}")
            away.unlink()


main()
