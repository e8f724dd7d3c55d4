#!/usr/bin/env bash
# Everything that needs a card, in one call: builds, checks every op and the whole network against the CPU backend, trains, repeats,
# resumes, runs the memory and race checkers, times, and writes one JSON with all figures and the card's measured rates.
# Needs no network and no MPI. A step that fails does not stop the others; the exit code says whether all passed.
#
#   ci/gpu.sh [--libs FOLDER] [--out FOLDER] [--only STEP,...] [--device cuda|cpu] [--quick]
#
#   --libs     packages and reference files collected by ci/gpu_libs.sh; without it the system's libraries are used
#   --out      logs and gpu.json (default: build-gpu/out)
#   --only     of: build ops sanitize parity train repeat bench kernels peer
#   --device   cpu rehearses the script where no card is: the same steps at small sizes, on the CPU backend
#   --quick    shorter trainings and benchmarks
set -uo pipefail
cd "$(dirname "$0")/.." || exit 70
root=$PWD

libs="" out="$root/build-gpu/out" only="" device=cuda quick=0
while [ $# -gt 0 ]; do
    case "$1" in
        --libs) libs=$(realpath "$2"); shift ;;
        --out) out=$2; shift ;;
        --only) only=",$2,"; shift ;;
        --device) device=$2; shift ;;
        --quick) quick=1 ;;
        *) sed -n '2,14p' "$0" >&2; exit 64 ;;
    esac
    shift
done
mkdir -p "$out"
out=$(realpath "$out")
build="$root/build-gpu"
shared="$root/../shared"
if [ -n "$libs" ] && [ -d "$libs/shared" ]; then shared="$libs/shared"; fi
rehearsal=0
[ "$device" = cuda ] || rehearsal=1
small=$((rehearsal || quick))
export OMP_WAIT_POLICY=passive

# step NAME COMMAND...: runs it unless --only leaves it out; log, seconds and status go to $out
failed=0
step() {
    local name=$1 group=${1%%_*} start status
    shift
    if [ -n "$only" ] && [[ "$only" != *",$group,"* ]]; then return 0; fi
    start=$(date +%s.%N)
    printf '== %s\n' "$name"
    "$@" >"$out/$name.log" 2>&1
    status=$?
    printf '%s\t%s\t%s\n' "$name" "$status" "$(awk "BEGIN {print $(date +%s.%N) - $start}")" >>"$out/steps.tsv"
    if [ $status = 77 ]; then
        printf '   skipped: %s\n' "$(tail -n 1 "$out/$name.log")"
    elif [ $status != 0 ]; then
        failed=1
        printf '   FAILED (%s):\n' "$status"
        tail -n 15 "$out/$name.log" | sed 's/^/   | /'
    fi
    return 0
}

# ---- build ----

unpack() {
    local tree="$build/libs" deb
    rm -rf "$tree"
    mkdir -p "$tree"
    for deb in "$libs"/debs/*.deb; do
        if command -v dpkg-deb >/dev/null; then
            dpkg-deb -x "$deb" "$tree" || return 1
        else
            (cd "$tree" && ar p "$deb" data.tar.xz | tar -xJf -) || return 1
        fi
    done
}

# Unpacked packages are found through pkg-config; the run path holds for what the libraries themselves need.
configure() {
    local arch=x86_64-linux-gnu flags=()
    if [ -n "$libs" ]; then
        unpack || return 1
        local lib="$build/libs/usr/lib/$arch"
        export PKG_CONFIG_SYSROOT_DIR="$build/libs"
        export PKG_CONFIG_LIBDIR="$lib/pkgconfig:$lib/openblas-pthread/pkgconfig:$build/libs/usr/share/pkgconfig"
        if ! command -v pkg-config >/dev/null; then
            printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$lib" "$build/libs/usr/bin/pkgconf" >"$build/pkg-config"
            chmod +x "$build/pkg-config"
            export PKG_CONFIG="$build/pkg-config"
        fi
        flags+=("-DCMAKE_BUILD_RPATH=$lib;$lib/openblas-pthread;$lib/hdf5/serial;$build/libs/lib/$arch"
            "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags -Wl,--allow-shlib-undefined")
    fi
    local generator=()
    if command -v ninja >/dev/null; then generator=(-G Ninja); fi
    local cuda=ON
    if [ $rehearsal = 1 ] && ! command -v nvcc >/dev/null && [ ! -x /usr/local/cuda/bin/nvcc ]; then cuda=OFF; fi
    cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DUN_MPI=OFF -DUN_CUDA=$cuda -DUN_CUDA_ARCH=90 \
        -DUN_TESTS=ON "${flags[@]}"
}
build_all() {
    configure && cmake --build "$build" -j "$(nproc)"
}

# ---- checks ----

card_tests() {
    local label=card
    [ $rehearsal = 0 ] || label=cpu
    CUDA_LAUNCH_BLOCKING=1 ctest --test-dir "$build" --no-tests=error --output-on-failure -L "$label" -j "$(nproc)" \
        -E '^(test_config|parity$)' --output-junit "$out/ops.xml"
}

# The small programs of the ops under the checkers of the toolkit: a finding is exit code 99.
sanitize() {
    local tool=$1 program bad=0
    command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not here"; return 77; }
    for program in "$build"/tests/card/card_*; do
        [ -x "$program" ] && [ -f "$program" ] || continue
        echo "-- $tool: ${program##*/}"
        UN_CARD_SMALL=1 timeout 150 compute-sanitizer --tool "$tool" --error-exitcode 99 "$program" || { bad=1; echo "** $program: $?"; }
    done
    return $bad
}

parity() {
    local files=("$shared"/reference/*.h5)
    [ -e "${files[0]}" ] || { echo "no reference files"; return 77; }
    "$build/tests/parity" --device "$device" --precision "$1" "${files[@]}"
}

# ---- trainings on the micro-world ----

world() {
    "$build/uniter" data synth "$build/world" seed=1 train_images=2000 valid_images=50 max_objects=4 duplicates=0.2 max_background=1
}

steps_of_training=200
[ $small = 0 ] || steps_of_training=20
# train NAME DEVICE PRECISION [override...]: a run in $build/runs/NAME
train() {
    local name=$1 where=$2 precision=$3
    shift 3
    sed "s#data/world#$build/world#g" configs/quickstart.yaml >"$build/quickstart.yaml"
    "$build/uniter_dist" --cfg "$build/quickstart.yaml" --quiet "run.dir=$build/runs/$name" "device=$where" \
        "train.precision=$precision" "train.steps=$steps_of_training" valid.every=0 log.every=1 checkpoint.every=0 optim.warmup_steps=20 "$@"
}
fresh() {
    rm -rf "$build/runs/$1"
    train "$@"
}
metrics() {
    cp "$build/runs/$1/log/metrics.jsonl" "$out/$1.jsonl"
}
trainings() {
    rm -rf "$build/world"
    world && fresh cpu_fp32 cpu fp32 && metrics cpu_fp32 && fresh card_fp32 "$device" fp32 && metrics card_fp32 &&
        fresh card_bf16 "$device" bf16 && metrics card_bf16 &&
        python3 ci/gpu_report.py losses "$out/cpu_fp32.jsonl" "$out/card_fp32.jsonl" "$out/card_bf16.jsonl"
}

digest() {
    sed -n 's/.*parameters \([0-9a-f]*\);.*/\1/p' "$1"
}
# The same bits from a second run, from graphs, from features kept on the card, and after a stop half-way.
repeat() {
    local bad=0 name want got
    fresh again_a "$device" bf16 >"$out/again_a.txt" 2>&1 || { cat "$out/again_a.txt"; return 1; }
    want=$(digest "$out/again_a.txt")
    fresh again_b "$device" bf16 >"$out/again_b.txt" 2>&1 || bad=1
    fresh again_graph "$device" bf16 train.graph=true >"$out/again_graph.txt" 2>&1 || bad=1
    fresh again_cache "$device" bf16 data.cache=device >"$out/again_cache.txt" 2>&1 || [ $rehearsal = 1 ] || bad=1
    rm -rf "$build/runs/again_stop"
    train again_stop "$device" bf16 checkpoint.every=5 >"$out/again_stop_1.txt" 2>&1 &
    local pid=$!
    for _ in $(seq 600); do
        compgen -G "$build/runs/again_stop/ckpt/step_*" >/dev/null && break
        sleep 0.05
    done
    kill -TERM $pid 2>/dev/null
    wait $pid
    echo "the stopped run ended with $?"
    train again_stop "$device" bf16 checkpoint.every=5 >"$out/again_stop.txt" 2>&1 || bad=1
    for name in again_b again_graph again_cache again_stop; do
        if [ $name = again_cache ] && [ $rehearsal = 1 ]; then continue; fi
        got=$(digest "$out/$name.txt")
        echo "$name: $got, first run: $want"
        [ -n "$got" ] && [ "$got" = "$want" ] || { bad=1; tail -n 3 "$out/$name.txt"; }
    done
    return $bad
}

# ---- speed ----

bench_data() {
    local images=600
    [ $small = 0 ] || images=60
    head -n 3 configs/bench_base.yaml | sed -n "s#.*uniter data synth \S* ##p" >"$build/bench_words"
    # shellcheck disable=SC2046
    "$build/uniter" data synth "$build/bench" $(sed "s/train_images=[0-9]*/train_images=$images/" "$build/bench_words")
}
# bench PRESET [override...]
bench() {
    local preset=$1 tokens=16896 steps=30
    shift
    [ $quick = 0 ] || steps=8
    [ $rehearsal = 0 ] || { tokens=512; steps=1; }
    [ -e "$build/bench/coco_train.txt.h5" ] || bench_data || return 1
    sed "s#data/bench#$build/bench#g" configs/bench_base.yaml >"$build/bench.yaml"
    local sizes=()
    [ $rehearsal = 0 ] || sizes=(model.hidden_size=64 model.num_hidden_layers=2 model.num_attention_heads=1 model.intermediate_size=256)
    "$build/uniter_dist" --cfg "$build/bench.yaml" --bench "$steps" "device=$device" "model.preset=$preset" "${sizes[@]}" \
        train.lanes=1 "train.tokens_per_lane=$tokens" loader.threads=8 loader.ahead=6 data.conf_th=-1 data.num_bb=40 "$@"
}

kernels() {
    [ $rehearsal = 0 ] || { echo "needs a card"; return 77; }
    "$build/tests/bench/bench_card"
}

peer() {
    [ $rehearsal = 0 ] || { echo "needs a card"; return 77; }
    [ -e "$shared/bench/peer_torch.py" ] || { echo "no peer_torch.py"; return 77; }
    python3 -c 'import torch' 2>/dev/null || { echo "no PyTorch here"; return 77; }
    python3 ci/gpu_report.py lengths "$build/bench" 40 >"$out/lengths.txt" || return 1
    python3 "$shared/bench/peer_torch.py" --device cuda --preset "$1" --dtype bf16 --compile --tokens 16896 --steps 30 \
        --lengths "$out/lengths.txt" "${@:2}"
}

: >>"$out/steps.tsv"
nvidia-smi >"$out/nvidia-smi.log" 2>&1 || true
step build build_all
step ops card_tests
step parity_fp32 parity fp32
[ $rehearsal = 1 ] || step parity_bf16 parity bf16
step train trainings
step repeat repeat
step bench_base bench base
step bench_base_fp32 bench base train.precision=fp32
step bench_large bench large
step kernels kernels
step peer_base peer base --ot
step peer_large peer large
if [ $rehearsal = 0 ]; then
    step sanitize_memcheck sanitize memcheck
    step sanitize_racecheck sanitize racecheck
fi
python3 ci/gpu_report.py collect "$out" >"$out/gpu.json" || failed=1
python3 ci/gpu_report.py show "$out/gpu.json"
exit $failed
