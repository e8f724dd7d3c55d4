#!/usr/bin/env bash
# Installs what the project needs on Debian or Ubuntu: `packages.sh run` to build and run, `packages.sh test` for the tests
# too. Does nothing when all is there. Uses sudo when not root.
set -euo pipefail

run="build-essential cmake ninja-build pkg-config libopenmpi-dev openmpi-bin libhdf5-dev libyaml-dev libopenblas-dev libjansson-dev libxxhash-dev liblmdb-dev liblz4-dev libzip-dev libutf8proc-dev libjpeg-dev libpng-dev libprotobuf-c-dev protobuf-c-compiler libcairo2-dev"
test="$run libcmocka-dev librandom123-dev clang-format-14 clang-tidy-14 python3 python3-venv python3-numpy python3-h5py python3-lmdb python3-msgpack python3-lz4 jq iproute2 munge slurm-wlm shellcheck zsh"

# opens the pages of `uniter report`; Ubuntu's package of this name is a snap
grep -q '^ID=debian' /etc/os-release 2>/dev/null && test="$test chromium"

case "${1:-run}" in
    run) wanted=$run ;;
    test) wanted=$test ;;
    *) echo "usage: packages.sh run|test" >&2; exit 64 ;;
esac

missing=""
for package in $wanted; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q "ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null; then
    echo "packages.sh: this is no Debian or Ubuntu; please install the counterparts of:$missing" >&2
    exit 69
fi
sudo=""
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# a release without these exact versions takes its default ones
for tool in clang-format clang-tidy; do
    apt-cache show $tool-14 >/dev/null 2>&1 || missing=${missing/$tool-14/$tool}
done
echo "installing:$missing"
DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends $missing >/dev/null
