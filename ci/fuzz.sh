#!/usr/bin/env bash
# Every fuzzer for a while: `ci/fuzz.sh [SECONDS [NAME ...]]` (default 60 s, all of them), as many at a time as there are
# cores. Needs clang with libFuzzer. Starts from tests/fuzz/corpus; what is new is kept in build-fuzz/found/NAME, and a crash,
# hang or leak in build-fuzz/crash-NAME-*. Ends with a line a fuzzer: executions, coverage, and whether anything was found.
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# -gt 0 ] && shift
cc=${CC:-}
for name in clang-14 clang-15 clang-16 clang-17 clang-18 clang-19 clang; do
    [ -n "$cc" ] || ! command -v $name >/dev/null || cc=$name
done
[ -n "$cc" ] || { echo "fuzz.sh: no clang (package clang)" >&2; exit 69; }

CC=$cc cmake -S . -B build-fuzz -G Ninja -DUN_FUZZ=ON -DUN_MPI=OFF -DUN_TESTS=ON -DUN_EMU=OFF -DCMAKE_BUILD_TYPE=RelWithDebInfo >build-fuzz.log 2>&1 ||
    { cat build-fuzz.log; exit 70; }
mv build-fuzz.log build-fuzz/configure.log
names=("$@")
if [ ${#names[@]} = 0 ]; then
    for folder in tests/fuzz/corpus/*/; do names+=("$(basename "$folder")"); done
fi
cmake --build build-fuzz -j "$(nproc)" --target "${names[@]/#/fuzz_}" >build-fuzz/build.log 2>&1 ||
    { tail -50 build-fuzz/build.log; exit 70; }

one() {
    local name=$1 root=$PWD
    mkdir -p "build-fuzz/found/$name"
    "build-fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -malloc_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="build-fuzz/crash-$name-" "build-fuzz/found/$name" "$root/tests/fuzz/corpus/$name" \
        >"build-fuzz/$name.log" 2>&1 && result=clean || result="FOUND SOMETHING, see build-fuzz/$name.log"
    printf '%-16s %12s executions, coverage %6s, %s\n' "$name" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "build-fuzz/$name.log")" \
        "$(grep -o 'cov: [0-9]*' "build-fuzz/$name.log" | tail -1 | cut -d' ' -f2)" "$result" | tee "build-fuzz/$name.result"
    [ "$result" = clean ]
}
export -f one
export seconds
printf '%s\n' "${names[@]}" | xargs -P "$(nproc)" -I{} bash -c 'one {}' || { echo "fuzz.sh: something was found"; exit 1; }
