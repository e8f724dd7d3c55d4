"""launch/ablation.sh with a program in place of uniter_dist that leaves known measures: the table is right, what is done is
not done again, a failure is told and what was done stays."""
import json
import shutil

import runlib as R

# Says what it was asked; "evaluates" to a number made of pretraining, seed and task; fails where a file says so.
STUB = r"""#!/usr/bin/env bash
dir= seed=0 init= set=
while [ $# -gt 0 ]; do
    case $1 in
        run.dir=*) dir=${1#*=} ;; run.seed=*) seed=${1#*=} ;; model.init=*) init=${1#*=} ;; --eval) set=$2 && shift ;;
    esac
    shift
done
echo "$dir $set" >>"$STUB_LOG"
case $dir in *"${STUB_FAILS:-nothing}"*) echo "it breaks"; exit 1 ;; esac
[ -n "$set" ] || exit 0
score=0.$((40 + 10 * seed))
case $init in *pretrain_wra_*) score=0.$((42 + 10 * seed)) ;; '""') score=0.1 ;; esac
printf '{"step": 1, "vqa_score": %s, "vqa_score_number": 0.9, "re_accuracy": %s}\n' $score $score >"$dir/eval_$set.json"
"""


def main():
    with R.Folder() as folder:
        build, out, log = folder / "build", folder / "out", folder / "log"
        build.mkdir()
        (build / "uniter_dist").write_text(STUB)
        (build / "uniter").write_text("#!/usr/bin/env bash\nmkdir -p \"$3\"\n")
        for name in ("uniter", "uniter_dist"):
            (build / name).chmod(0o755)
        for part in ("launch", "configs"):
            shutil.copytree(R.ROOT / part, folder / part)
        env = dict(UNITER_BUILD=str(build), OUT=str(out), STUB_LOG=str(log), JOBS="2", SEEDS="1 2", ROWS="none mrm wra",
                   TASKS="vqa re_plus")
        script = folder / "launch" / "ablation.sh"
        code, text = R.run(["bash", script, "log.every=7"], **env, STUB_FAILS="vqa_wra_2")
        R.expect(code != 0 and "vqa_wra_2 failed" in text, "a run that fails ends it and is named")
        done = log.read_text().split("\n")
        text = R.run_ok(["bash", script, "log.every=7"], **env)
        again = log.read_text().split("\n")[len(done) - 1:]
        R.expect(not any("pretrain_" in line for line in again), "nothing is pretrained twice")
        R.expect(any("vqa_wra_2" in line for line in again), "what failed is done")
        rows = {r["pretraining"] + "/" + r["task"]: r for r in json.loads((out / "ablation.json").read_text())["rows"]}
        R.expect(len(rows) == 6, "a row of the JSON for each pretraining and task")
        wra = next(r for name, r in rows.items() if "WRA" in name and name.endswith("vqa"))
        R.expect(abs(wra["mean"] - 0.57) < 1e-6 and abs(wra["sd"] - 0.0707107) < 1e-6 and wra["values"] == [0.52, 0.62],
                 "mean, standard deviation and values")
        table = (out / "ABLATION.md").read_text()
        R.expect("| none | 10.0 ± 0.0 | 10.0 ± 0.0 | 10.0 |" in table, "the Markdown has percent")
        R.expect("Measures: vqa: `vqa_score`, ve: " in table, "it says what was measured")
        R.expect("VQA: +2.0 points (standard error 0.0, 2 seeds): it helps." in table, "WRA's question is answered")
        before = log.read_text()
        R.run_ok(["bash", script, "log.every=7"], **env)
        R.expect(log.read_text() == before, "a third run does nothing but the table")
        code, text = R.run(["bash", script], **dict(env, ROWS="mlm nonsense"))
        R.expect(code == 64 and "nonsense" in text, "an unknown row is refused")
        (out / "vqa_none_1" / "eval_valid.json").write_text("{}")
        code, text = R.run(["bash", script], **env)
        R.expect(code != 0 and "vqa_score" in text, "a result without its measure is told")


main()
