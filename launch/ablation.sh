#!/usr/bin/env bash
# What each part of pretraining buys, on the micro-world: `launch/ablation.sh [--quick] [section.key=value ...]` pretrains
# a tiny network in every way that ROWS names, fine-tunes every task of TASKS from each, evaluates, and writes one table
# (mean and standard deviation over the seeds) to OUT/ABLATION.md and OUT/ablation.json. About 70 minutes on 2 cores
# of a recent Xeon by the rates of its parts; --quick: ten minutes, one seed, three rows, few steps, which shows that it works and nothing else.
#
# Run it again after a stop and it goes on: what has its result is not done again. Overrides go to every run.
# Environment: UNITER_BUILD (build), DATA and OUT (data/ablation, runs/ablation; with --quick .._quick), JOBS (runs at a time, one
# thread each; the cores of the machine), SEEDS ("1 2 3"), ROWS and TASKS (names to choose from the lists below).
set -euo pipefail
cd "$(dirname "$0")/.."

quick=0
[ "${1:-}" != --quick ] || { quick=1 && shift; }
export build=${UNITER_BUILD:-build} configs=configs/ablation
data=${DATA:-data/ablation} images=20000 out=${OUT:-runs/ablation}
share=1 # of the updates that the configurations ask for
test_images=200
rows="none mlm mlm_itm mrfr mrc mrckl mrm wra sinkhorn batch both"
tasks="vqa ve nlvr2 vcr re re_plus retrieval"
seeds=${SEEDS:-1 2 3}
if [ $quick = 1 ]; then
    data=${DATA:-data/ablation_quick} images=800 out=${OUT:-runs/ablation_quick} share=0.13 test_images=100
    rows="none mlm wra" seeds=${SEEDS:-1}
fi
rows=${ROWS:-$rows} tasks=${TASKS:-$tasks}
jobs=${JOBS:-$(nproc)}
export out data share

# What a row is called, its mix, and what else it changes. "none" has no pretraining.
title() {
    case $1 in
        none) echo "none" ;;
        mlm) echo "MLM" ;;
        mlm_itm) echo "MLM + ITM" ;;
        mrfr) echo "MLM + ITM + MRFR" ;;
        mrc) echo "MLM + ITM + MRC" ;;
        mrckl) echo "MLM + ITM + MRC-kl" ;;
        mrm) echo "MLM + ITM + MRFR + MRC-kl" ;;
        wra) echo "MLM + ITM + MRFR + MRC-kl + WRA (IPOT)" ;;
        sinkhorn) echo "the same, WRA by Sinkhorn" ;;
        batch) echo "the same, one objective a step" ;;
        both) echo "the same, joint masking" ;;
        *) return 1 ;;
    esac
}
settings() {
    local mix="mlm: 6, itm: 8" wra=train.itm_ot_lambda=0
    case $1 in
        mlm) mix="mlm: 6" ;;
        mlm_itm) ;;
        mrfr) mix="$mix, mrfr: 4" ;;
        mrc) mix="$mix, mrc: 4" ;;
        mrckl) mix="$mix, mrckl: 4" ;;
        mrm) mix="$mix, mrfr: 2, mrckl: 2" ;;
        *) mix="$mix, mrfr: 2, mrckl: 2" wra=train.itm_ot_lambda=0.3 ;;
    esac
    printf '%s\n' "$wra" "data.train.0.mix={$mix}" "data.train.1.mix={$mix}"
    case $1 in
        sinkhorn) echo wra.solver=sinkhorn ;;
        batch) echo train.mixing=batch ;;
        both) echo train.mask=both ;;
    esac
}

# Where a measure stands in eval_<set>.json of a run: task, set, key.
measures="vqa valid vqa_score
ve valid ve_accuracy
nlvr2 valid nlvr2_accuracy
vcr valid vcr_q_ar
re valid re_accuracy
re_plus valid re_accuracy
retrieval test r_mean"
set_of() { awk -v t="$1" '$1 == t {print $2}' <<<"$measures"; }
key_of() { awk -v t="$1" '$1 == t {print $3}' <<<"$measures"; }
export measures

# The updates that configuration $1 asks for, times share; and a tenth of them to warm up.
updates() {
    local steps
    steps=$(awk -v s="$share" '/^train:/ && match($0, /steps: [0-9]+/) {print int(s * substr($0, RSTART + 7, RLENGTH - 7))}' "$configs/$1.yaml")
    printf 'train.steps=%d\noptim.warmup_steps=%d\n' "$steps" $((steps / 10))
}
# The data of a configuration, with the folder in force.
config() { sed "s#data/ablation/#$data/#g" "$configs/$1.yaml"; }

train() { # FOLDER CONFIGURATION override ..
    local folder=$1 name=$2 own=()
    shift 2
    [ -z "$overrides" ] || mapfile -t own <<<"$overrides"
    mkdir -p "$folder"
    config "$name" >"$folder/ablation.yaml"
    "$build/uniter_dist" --cfg "$folder/ablation.yaml" --quiet run.dir="$folder" run.threads=1 "$@" "${own[@]}" \
        >>"$folder/ablation.log" 2>&1 ||
        { echo "ablation.sh: $folder failed: $folder/ablation.log" >&2 && return 1; }
}

pretrain() { # ROW SEED
    local folder=$out/pretrain_$1_$2 more
    [ ! -e "$folder/ablation.done" ] || return 0
    mapfile -t more < <(settings "$1" && updates pretrain)
    train "$folder" pretrain run.seed="$2" "${more[@]}"
    touch "$folder/ablation.done"
    echo "pretrained: $1, seed $2"
}

finetune() { # ROW TASK SEED
    local folder=$out/$2_$1_$3 init=$out/pretrain_$1_$3 set
    set=$(set_of "$2")
    [ ! -e "$folder/eval_$set.json" ] || return 0
    [ "$1" != none ] || init='""'
    local given
    mapfile -t given < <(updates "$2")
    given+=(run.seed="$3" model.init="$init")
    train "$folder" "$2" "${given[@]}"
    train "$folder" "$2" "${given[@]}" --eval "$set"
    echo "fine-tuned: $2 from $1, seed $3"
}
overrides=$(printf '%s\n' "$@") # one a line
export overrides
export -f settings set_of updates config train pretrain finetune

# One "name = value" of a JSON file.
value() { grep -o "\"$2\": *[-+0-9.eE]*" "$1" | head -n 1 | sed 's/.*: *//'; }

# row task seed value, a line each
collect() {
    local row task seed file got
    for row in $rows; do
        for task in $tasks; do
            for seed in $seeds; do
                file=$out/${task}_${row}_$seed/eval_$(set_of "$task").json
                got=$(value "$file" "$(key_of "$task")" || true)
                [ -n "$got" ] || { echo "ablation.sh: $file does not tell $(key_of "$task")" >&2 && return 1; }
                echo "$row $task $seed $got"
            done
        done
    done
}

# Mean, standard deviation and number of the values of a row and a task.
moments() {
    awk '{k = $1 " " $2; if (!(k in n)) order[++m] = k; n[k]++; v[k, n[k]] = $4; s[k] += $4; l[k] = l[k] (n[k] > 1 ? ", " : "") $4}
         END {for (i = 1; i <= m; ++i) {k = order[i]; mean = s[k] / n[k]; q = 0
              for (j = 1; j <= n[k]; ++j) q += (v[k, j] - mean) ^ 2
              printf "%s %.6f %.6f %d %s\n", k, mean, (n[k] > 1 ? sqrt(q / (n[k] - 1)) : 0), n[k], l[k]}}'
}

write_json() {
    local first=1 row task mean sd n values
    printf '{"date": "%s", "machine": "%s", "commit": "%s", "share": %s, "rows": [' \
        "$(date -u +%F)" "$(machine)" "$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" "$share"
    while read -r row task mean sd n values; do
        [ $first = 1 ] || printf ','
        first=0
        printf '\n  {"pretraining": "%s", "task": "%s", "measure": "%s", "mean": %s, "sd": %s, "seeds": %d, "values": [%s]}' \
            "$(title "$row")" "$task" "$(key_of "$task")" "$mean" "$sd" "$n" "$values"
    done <"$out/moments.txt"
    printf '\n]}\n'
}

machine() { echo "$(nproc) cores, $(sed -n 's/^model name[^:]*: *//p' /proc/cpuinfo | head -n 1 | tr -d '"')"; }

# Paired differences of two rows over the seeds: does the second one help the task?
answer() { # TASK NAME
    awk -v t="$1" -v name="$2" '$2 == t && $1 == "mrm" {a[$3] = $4} $2 == t && $1 == "wra" {b[$3] = $4}
        END {for (s in a) if (s in b) {d[++n] = 100 * (b[s] - a[s]); sum += d[n]}
             if (n < 2) exit
             mean = sum / n
             for (i = 1; i <= n; ++i) q += (d[i] - mean) ^ 2
             error = sqrt(q / (n - 1) / n)
             said = mean > 2 * error ? "it helps" : mean < -2 * error ? "it harms" : "no difference that the seeds would bear out"
             printf "- %s: %+.1f points (standard error %.1f, %d seeds): %s.\n", name, mean, error, n, said}' "$out/values.txt"
}

write_markdown() {
    local row task line
    echo "# Ablation on the micro-world"
    echo
    echo "$(date -u +%F), $(machine). Percent, mean ± standard deviation over the seeds $seeds;"
    echo "updates: $(for task in pretrain $tasks; do printf '%s %s, ' "$task" "$(updates "$task" | sed -n 's/train.steps=//p')"; done)as in configs/ablation. Written by \`launch/ablation.sh\`; what each task is: \`configs/ablation/\`."
    echo
    line="| pretraining |" && for task in $tasks; do line+=" $task |"; done
    echo "$line mean |"
    line="| --- |" && for task in $tasks; do line+=" --- |"; done
    echo "$line --- |"
    for row in $rows; do
        awk -v r="$row" -v title="$(title "$row")" '$1 == r {line = line sprintf(" %.1f ± %.1f |", 100 * $3, 100 * $4); sum += $3; ++n}
            END {printf "| %s |%s %.1f |\n", title, line, 100 * sum / n}' "$out/moments.txt"
    done
    echo
    echo "Measures: $(awk '{printf "%s%s: `%s`", (NR > 1 ? ", " : ""), $1, $3}' <<<"$measures")."
    [[ " $rows " == *" mrm "* && " $rows " == *" wra "* ]] || return 0
    echo
    echo "Does WRA help (MLM + ITM + MRFR + MRC-kl with it against without, the same seeds)?"
    echo
    answer vqa "VQA"
    answer re_plus "RefCOCO+"
}

for row in $rows; do
    title "$row" >/dev/null || { echo "ablation.sh: no row \"$row\"" >&2 && exit 64; }
done
for task in $tasks; do
    [ -e "$configs/$task.yaml" ] || { echo "ablation.sh: no task \"$task\"" >&2 && exit 64; }
done
if [ ! -e "$data/.complete" ]; then
    rm -rf "$data"
    "$build/uniter" data synth "$data" seed=1 train_images=$images valid_images=$((images / 20)) test_images=$test_images sets=coco,vg tasks=all
    touch "$data/.complete"
fi
mkdir -p "$out"
for seed in $seeds; do # a seed after the other, so that what is done when it is stopped is whole
    for row in $rows; do [ "$row" = none ] || echo "pretrain $row $seed"; done |
        xargs -r -P "$jobs" -I{} bash -euo pipefail -c '{}'
    for row in $rows; do
        for task in $tasks; do echo "finetune $row $task $seed"; done
    done | xargs -r -P "$jobs" -I{} bash -euo pipefail -c '{}'
done

collect >"$out/values.txt"
moments <"$out/values.txt" >"$out/moments.txt"
write_json >"$out/ablation.json"
write_markdown >"$out/ABLATION.md"
cat "$out/ABLATION.md"
