"""launch/ablation.sh --quick from nothing: data, pretraining, all tasks, evaluation, the table."""
import json

import runlib as R

TASKS = {"vqa", "ve", "nlvr2", "vcr", "re", "re_plus", "retrieval"}


def main():
    with R.Folder() as folder:
        out = folder / "out"
        R.run_ok(["bash", R.ROOT / "launch" / "ablation.sh", "--quick"], timeout=850, UNITER_BUILD=str(R.BUILD), OUT=str(out),
                 DATA=str(folder / "data"))
        rows = json.loads((out / "ablation.json").read_text())["rows"]
        R.expect({r["task"] for r in rows} == TASKS and len(rows) == 3 * len(TASKS), "three ways of pretraining, every task")
        R.expect(all(0 <= r["mean"] <= 1 for r in rows), "measures are shares")
        table = (out / "ABLATION.md").read_text()
        R.expect(table.count("| ") > 3 * len(TASKS), "the table")


main()
