"""Real data: nine COCO images and their 45 captions. The MLM loss falls by more than half in 300 steps, and a second run,
beside the first, gives identical losses. Skipped where the shared data are not beside the checkout."""
import runlib as R


def mean(values):
    return sum(values) / len(values)


def main():
    if not (R.SHARED / "data/real/coco9.img.h5").exists():
        R.skip("no ../shared/data/real beside the checkout")
    with R.Folder() as folder:
        pair = [R.start(R.command(1, "--cfg", "configs/coco9.yaml", "--quiet", f"run.dir={folder / name}", "log.every=1", "run.threads=1"),
                        folder / f"{name}.log") for name in ("one", "two")]
        try:
            codes = [p.wait(timeout=800) for p in pair]
        finally:
            for p in pair:
                R.end_group(p)
        R.expect(codes == [0, 0], f"300 steps, twice: exit codes {codes}")
        one, two = R.metrics(folder / "one"), R.metrics(folder / "two")
        R.expect(one == two and len(one) == 300, "a second run gives identical losses over 300 steps")
        R.expect(R.digests(folder / "one", 300) == R.digests(folder / "two", 300), "and identical parameters")
        mlm = [x["loss/mlm"] for x in one if "loss/mlm" in x]
        first, last = mean(mlm[:10]), mean(mlm[-30:])
        R.expect(last < first / 2, f"MLM loss {first:.3f} (first 10) -> {last:.3f} (last 30)")


main()
