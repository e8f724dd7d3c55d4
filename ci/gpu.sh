#!/usr/bin/env bash
# Everything that needs a card, in one call: builds, checks every op and the whole network against the CPU backend, times, trains,
# repeats, resumes, runs the memory and race checkers, and writes one JSON with all figures and the card's measured rates.
# Needs no network and no MPI. A step that fails or is late does not stop the others; the exit code says whether all passed.
#
#   ci/gpu.sh [--part first|second] [--libs FOLDER] [--out FOLDER] [--only STEP,...] [--device cuda|cpu] [--quick] [--seconds N]
#
#   --libs     packages and reference files collected by ci/gpu_libs.sh; without it the system's libraries are used
#   --out      gpu.json and logs.tar.gz, both written anew after every step (default: build-gpu/out)
#   --part     where a call may take ten minutes: first what has to be right and how fast it is, then comparisons and checkers
#              (and what was not built by then); each expects to take six and a half minutes
#   --only     of: build ops nccl parity bench kernels train repeat peer sanitize; what earlier calls found stays in gpu.json
#   --device   cpu rehearses the script where no card is: the same steps at small sizes, on the CPU backend
#   --quick    shorter trainings and benchmarks
#   --seconds  for all steps together (default 540 for a part, 1080 for both): a step gets what is left, or less
set -uo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.." || exit 70
root=$PWD

libs="" out="$root/build-gpu/out" only="" part="" device=cuda quick=0 total=""
while [ $# -gt 0 ]; do
    case "$1" in
        --libs) libs=$(realpath "$2") || exit 64; shift ;;
        --out) out=$2; shift ;;
        --only) only=",$2,"; shift ;;
        --part) case "${2:-}" in first|second) part=$2; shift ;; *) sed -n '2,20p' "$self" >&2; exit 64 ;; esac ;;
        --device) device=$2; shift ;;
        --quick) quick=1 ;;
        --seconds) total=$2; shift ;;
        *) sed -n '2,20p' "$self" >&2; exit 64 ;;
    esac
    shift
done
[ -n "$total" ] || total=$([ -n "$part" ] && echo 540 || echo 1080)
build="$root/build-gpu" logs="$root/build-gpu/logs"
mkdir -p "$out" "$logs"
out=$(realpath "$out")
shared="$root/../shared"
if [ -n "$libs" ] && [ -d "$libs/shared" ]; then shared="$libs/shared"; fi
rehearsal=0
[ "$device" = cuda ] || rehearsal=1
small=$((rehearsal || quick))
steps_of_training=200
[ $small = 0 ] || steps_of_training=20
cores=$(nproc)
for folder in /usr/local/cuda/bin /usr/local/cuda/compute-sanitizer; do
    [ ! -d $folder ] || PATH="$PATH:$folder"
done
export PATH OMP_WAIT_POLICY=passive
export root libs device quick build logs shared rehearsal small steps_of_training cores

failed=0
began=$SECONDS
collect() {
    python3 ci/gpu_report.py collect "$logs" >"$out/gpu.json.new" && mv "$out/gpu.json.new" "$out/gpu.json" || failed=1
    tar -C "$logs" -czf "$out/logs.tar.gz" . || failed=1
}

# step PART NAME EXPECTED LIMIT COMMAND...: runs a function below, unless --part or --only leaves it out, in at most LIMIT seconds,
# EXPECTED on a machine of 16 cores with a card; log, seconds and status go to $logs
step() {
    local of=$1 name=$2 expected=$3 limit=$4 group=${2%%_*} start status left=$((total - SECONDS + began))
    shift 4
    if [ -n "$only" ] && [[ "$only" != *",$group,"* ]]; then return 0; fi
    if [ -n "$part" ] && [[ "$of" != *"$part"* ]]; then return 0; fi
    [ "$limit" -le $left ] || limit=$left
    if [ "$limit" -lt 5 ]; then
        printf '== %s: no time left\n' "$name"
        printf '%s\t%s\t%s\n' "$name" 124 0 >>"$logs/steps.tsv"
        failed=1
        return 0
    fi
    printf '== %s (about %s s, at most %s)\n' "$name" "$expected" "$limit"
    start=$(date +%s.%N)
    timeout -k 5 "$limit" bash -c 'set -uo pipefail; "$@"' "$name" "$@" >"$logs/$name.log" 2>&1 </dev/null
    status=$?
    printf '%s\t%s\t%s\n' "$name" "$status" "$(awk "BEGIN {print $(date +%s.%N) - $start}")" >>"$logs/steps.tsv"
    if [ $status = 77 ]; then
        printf '   skipped: %s\n' "$(tail -n 1 "$logs/$name.log")"
    elif [ $status != 0 ]; then
        failed=1
        printf '   FAILED (%s):\n' "$status"
        tail -n 15 "$logs/$name.log" | cut -c 1-300 | sed 's/^/   | /'
    fi
    collect
    return 0
}

# ---- build ----

unpack() {
    local tree="$build/libs" deb
    [ ! -e "$tree/complete" ] || return 0
    rm -rf "$tree"
    mkdir -p "$tree"
    for deb in "$libs"/debs/*.deb; do
        if command -v dpkg-deb >/dev/null; then
            dpkg-deb -x "$deb" "$tree" || return 1
        else
            (cd "$tree" && ar p "$deb" data.tar.xz | tar -xJf -) || return 1
        fi
    done
    : >"$tree/complete"
}

# LIB PROGRAM: a program of the unpacked packages, with their libraries
with_libs() {
    mkdir -p "$build/with_libs"
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s" exec "%s" "$@"\n' "$1" "$build/libs/usr/bin/$2" >"$build/with_libs/$2"
    chmod +x "$build/with_libs/$2"
}

# Unpacked packages are found through pkg-config; the run path holds for what the libraries themselves need.
configure() {
    local arch=x86_64-linux-gnu flags=() generator=() cuda=ON
    if [ -n "$libs" ]; then
        unpack || return 1
        local lib="$build/libs/usr/lib/$arch"
        export PKG_CONFIG_SYSROOT_DIR="$build/libs"
        export PKG_CONFIG_LIBDIR="$lib/pkgconfig:$lib/openblas-pthread/pkgconfig:$build/libs/usr/share/pkgconfig"
        if ! command -v pkg-config >/dev/null; then
            with_libs "$lib" pkgconf
            export PKG_CONFIG="$build/with_libs/pkgconf"
        fi
        with_libs "$lib" protoc-c
        flags+=("-DUN_PROTOC_C=$build/with_libs/protoc-c")
        flags+=("-DCMAKE_BUILD_RPATH=$lib;$lib/openblas-pthread;$lib/hdf5/serial;$build/libs/lib/$arch"
            "-DCMAKE_EXE_LINKER_FLAGS=-Wl,--disable-new-dtags -Wl,--allow-shlib-undefined -Wl,-rpath-link,$lib")
    fi
    if command -v ninja >/dev/null; then generator=(-G Ninja); fi
    if [ "$rehearsal" = 1 ] && ! command -v nvcc >/dev/null; then cuda=OFF; fi
    cmake -S . -B "$build" "${generator[@]}" -DCMAKE_BUILD_TYPE=Release -DUN_MPI=OFF -DUN_CUDA=$cuda \
        -DUN_CUDA_ARCH=90 -DUN_TESTS=ON -DUN_EMU=OFF "${flags[@]}"
}
build_all() {
    local targets=(uniter uniter_dist parity lengths)
    if [ "$rehearsal" = 1 ]; then
        targets+=(tests_of_runtime_ops)
    else
        targets+=(un_cuda card_tests bench_card)
    fi
    configure || return
    ! grep -q '^UN_NCCL_LIBRARY:.*=/' "$build/CMakeCache.txt" || targets+=(card_comm)
    cmake --build "$build" -j "$cores" --target "${targets[@]}"
}

# ---- checks ----

card_tests() {
    local which=(-L '^card$') status
    [ "$rehearsal" = 0 ] || which=(-R '^ops_')
    which+=(-E '^card_comm$') # nccl
    rm -f "$logs/ops.xml"
    CUDA_LAUNCH_BLOCKING=1 ctest --test-dir "$build" --no-tests=error --output-on-failure "${which[@]}" -j 8 --timeout 100 \
        --output-junit "$logs/ops.xml"
    status=$?
    python3 ci/gpu_report.py tests "$logs/ops.xml" || status=1 # where a card is to be, "skipped" is no pass
    return $status
}

# Collectives between cards, with itself: does the library that is here start, move and end, in memory that it gave and was told of
# and in memory as any other? Its log names the version and how far it can be told.
nccl() {
    [ "$rehearsal" = 0 ] || { echo "needs a card"; return 77; }
    [ -x "$build/tests/cards/real/card_comm" ] || { echo "built without NCCL"; return 77; }
    "$build/tests/cards/real/card_comm"
}

# One small program of the ops under a checker of the toolkit: a finding is exit code 99.
sanitize_one() {
    local tool=$1 program=$2 log="$logs/sanitize_$1_${2##*/}.txt" status
    UN_CARD_SMALL=1 timeout -k 5 80 compute-sanitizer --tool "$tool" --error-exitcode 99 "$program" >"$log" 2>&1
    status=$?
    echo "$tool ${program##*/}: $status, $(grep 'ERROR SUMMARY\|RACECHECK SUMMARY' "$log" | tail -n 1)"
    [ $status = 0 ] || tail -n 12 "$log"
    return $status
}
sanitize() {
    command -v compute-sanitizer >/dev/null || { echo "compute-sanitizer is not here"; return 77; }
    find "$build/tests/cards/real" -maxdepth 1 -name 'card_*' ! -name card_comm -type f -perm -u+x -print0 | sort -z |
        xargs -0 -P 6 -I{} bash -c 'sanitize_one "$@"' _ "$1" {}
}

parity() {
    local files
    mapfile -t files < <(find "$shared/reference/" -name '*.h5' 2>/dev/null | sort)
    [ ${#files[@]} -gt 0 ] || { echo "no reference files"; return 77; }
    "$build/tests/parity" --device "$device" --precision "$1" "${files[@]}"
}

# ---- trainings on the micro-world ----

world() {
    "$build/uniter" data synth "$build/world" seed=1 train_images=2000 valid_images=50 max_objects=4 duplicates=0.2 max_background=1
}

# train NAME DEVICE PRECISION [override...]: a run in $build/runs/NAME; in a shell of its own, HOW=exec makes that the program. Two heads
# of 64 columns and dropout: on a card, attention by matrix instructions and drawn bits, which the network of the quick start has not.
train() {
    local name=$1 where=$2 precision=$3
    shift 3
    sed "s#data/world#$build/world#g" configs/quickstart.yaml >"$build/quickstart.yaml"
    ${HOW:-} "$build/uniter_dist" --cfg "$build/quickstart.yaml" --quiet "run.dir=$build/runs/$name" "device=$where" \
        "train.precision=$precision" "train.steps=$steps_of_training" valid.every=0 log.every=1 checkpoint.every=0 optim.warmup_steps=10 \
        model.num_attention_heads=2 model.dropout=0.1 "$@"
}
fresh() {
    rm -rf "$build/runs/$1"
    train "$@"
}
metrics() {
    cp "$build/runs/$1/log/metrics.jsonl" "$logs/$1.jsonl"
}
trainings() {
    local low=bf16
    [ "$rehearsal" = 0 ] || low=fp32 # the CPU knows no other
    [ -e "$build/world/complete" ] || { rm -rf "$build/world"; world && : >"$build/world/complete"; } || return 1
    fresh cpu_fp32 cpu fp32 && metrics cpu_fp32 && fresh card_fp32 "$device" fp32 && metrics card_fp32 &&
        fresh card_bf16 "$device" $low && metrics card_bf16 &&
        python3 ci/gpu_report.py losses "$logs/cpu_fp32.jsonl" "$logs/card_fp32.jsonl" "$logs/card_bf16.jsonl"
}

digest() {
    sed -n 's/.*parameters \([0-9a-f]*\);.*/\1/p' "$1"
}
# The same bits from a second run, from graphs, from features kept on the card, and after a stop half-way.
repeat() {
    local bad=0 low=bf16 name want got pid status names="again_b again_stop"
    [ "$rehearsal" = 0 ] || low=fp32
    [ -e "$build/world/complete" ] || { rm -rf "$build/world"; world && : >"$build/world/complete"; } || return 1
    fresh again_a "$device" $low >"$logs/again_a.txt" 2>&1 || { cat "$logs/again_a.txt"; return 1; }
    want=$(digest "$logs/again_a.txt")
    fresh again_b "$device" $low >"$logs/again_b.txt" 2>&1 || bad=1
    if [ "$rehearsal" = 0 ]; then
        names+=" again_graph again_cache"
        fresh again_graph "$device" $low train.graph=true >"$logs/again_graph.txt" 2>&1 || bad=1
        fresh again_cache "$device" $low data.cache=device >"$logs/again_cache.txt" 2>&1 || bad=1
    fi
    rm -rf "$build/runs/again_stop"
    (HOW="exec" && train again_stop "$device" $low checkpoint.every=5 >"$logs/again_stop_1.txt" 2>&1) &
    pid=$!
    for _ in $(seq 600); do
        compgen -G "$build/runs/again_stop/ckpt/step_*" >/dev/null && break
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    kill -TERM $pid 2>/dev/null
    wait $pid
    status=$?
    echo "the stopped run ended with $status, 75 is wanted"
    [ $status = 75 ] || bad=1
    train again_stop "$device" $low checkpoint.every=5 >"$logs/again_stop.txt" 2>&1 || bad=1
    for name in $names; do
        got=$(digest "$logs/$name.txt")
        echo "$name: $got, first run: $want"
        [ -n "$got" ] && [ "$got" = "$want" ] || { bad=1; tail -n 3 "$logs/$name.txt"; }
    done
    return $bad
}

# ---- speed ----

bench_data() {
    local images=600 words
    [ "$small" = 0 ] || images=60
    words=$(head -n 3 configs/bench_base.yaml | sed -n 's#.*uniter data synth \S* ##p' | sed "s/train_images=[0-9]*/train_images=$images/")
    [ -n "$words" ] || { echo "configs/bench_base.yaml does not say how its data are made"; return 1; }
    # shellcheck disable=SC2086
    "$build/uniter" data synth "$build/bench" $words && : >"$build/bench/complete"
}
# bench PRESET [override...]
bench() {
    local preset=$1 tokens=16896 steps=30 sizes=()
    shift
    [ "$quick" = 0 ] || steps=8
    if [ "$rehearsal" = 1 ]; then
        tokens=512 steps=1
        sizes=(model.hidden_size=64 model.num_hidden_layers=2 model.num_attention_heads=1 model.intermediate_size=256 train.precision=fp32)
    fi
    [ -e "$build/bench/complete" ] || { rm -rf "$build/bench"; bench_data; } || return 1
    sed "s#data/bench#$build/bench#g" configs/bench_base.yaml >"$build/bench.yaml"
    "$build/uniter_dist" --cfg "$build/bench.yaml" --bench "$steps" "device=$device" "model.preset=$preset" \
        train.precision=bf16 train.lanes=1 "train.tokens_per_lane=$tokens" loader.threads=8 loader.ahead=6 data.conf_th=-1 data.num_bb=40 \
        "${sizes[@]}" "$@"
}

kernels() {
    [ "$rehearsal" = 0 ] || { echo "needs a card"; return 77; }
    "$build/tests/bench/bench_card"
}

# The benchmark's own samples, as the network sees them; then PyTorch on as long ones.
peer() {
    [ -e "$build/bench/complete" ] || bench_data || return 1
    "$build/tests/bench/lengths" "$build"/bench/*_train.txt.h5 >"$build/lengths.txt" || return 1
    echo "$(wc -l <"$build/lengths.txt") samples, $(awk '{w += $1; r += $2} END {print w / NR, r / NR}' "$build/lengths.txt") words and regions on average"
    [ "$rehearsal" = 0 ] || { echo "needs a card"; return 77; }
    [ -e "$shared/bench/peer_torch.py" ] || { echo "no peer_torch.py"; return 77; }
    python3 -c 'import torch' 2>/dev/null || { echo "no PyTorch here"; return 77; }
    python3 "$shared/bench/peer_torch.py" --device cuda --preset "$1" --dtype bf16 --compile --tokens 16896 --steps 30 \
        --lengths "$build/lengths.txt" "${@:2}"
}

# What `timeout bash -c` is to find.
export -f unpack with_libs configure build_all card_tests nccl sanitize_one sanitize parity world train fresh metrics trainings digest repeat bench_data \
    bench kernels peer

nvidia-smi >"$logs/nvidia-smi.log" 2>&1
step first,second build 90 240 build_all
step first ops 40 120 card_tests
step first parity_fp32 15 60 parity fp32
[ $rehearsal = 1 ] || step first parity_bf16 15 60 parity bf16
step first bench_base 25 90 bench base
step first kernels 20 90 kernels
step first train 60 150 trainings
step first repeat 50 150 repeat
step first bench_large 40 100 bench large
step first bench_base_fp32 30 90 bench base train.precision=fp32
step second nccl 5 60 nccl
step second peer_base 60 120 peer base --ot
step second peer_large 60 120 peer large
[ $rehearsal = 1 ] || step second sanitize_memcheck 80 150 sanitize memcheck
[ $rehearsal = 1 ] || step second sanitize_racecheck 80 150 sanitize racecheck
collect
python3 ci/gpu_report.py show "$out/gpu.json"
exit $failed
