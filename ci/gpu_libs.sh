#!/usr/bin/env bash
# Collects, on a machine with a network, what ci/gpu.sh needs on a machine with a card and none: the Debian or Ubuntu packages of
# the libraries (all but MPI) with everything they depend on, and the reference files of the parity test.
#
#   ci/gpu_libs.sh FOLDER          then take FOLDER along: ci/gpu.sh --libs FOLDER
#
# The packages stay packed (about 30 MB); ci/gpu.sh unpacks them into its build folder and installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# = 1 ] || { echo "usage: ci/gpu_libs.sh FOLDER" >&2; exit 64; }
folder=$1
wanted="pkg-config libyaml-dev libhdf5-dev libopenblas-pthread-dev libjansson-dev libxxhash-dev liblmdb-dev liblz4-dev libzip-dev
    libutf8proc-dev libjpeg-dev libpng-dev libprotobuf-c-dev protobuf-c-compiler libcairo2-dev libcmocka-dev"
# what every machine with a compiler has, or what only MPI, Fortran or documentation want
skip='^(libc6|libc6-dev|libc-dev-bin|linux-libc-dev|libcrypt.*|libgcc-.*|gcc-.*|g\+\+-.*|cpp-.*|libstdc\+\+.*|gfortran.*|libgfortran-.*-dev|lib.*mpi.*|libhdf5-openmpi.*|libhdf5-mpich.*|libhdf5-doc|debconf.*|dpkg.*|perl.*|tar|libblas.*|liblapack.*|libnsl.*|libtirpc.*|libpmix.*|libevent.*|libhwloc.*|ibverbs.*|libibverbs.*|libfabric.*|libpsm.*|libucx.*|libmunge.*|ocl-icd.*|libcurl4-.*-dev|libbz2-dev|liblzma-dev|libzstd-dev|libssl-dev)$'

command -v apt-cache >/dev/null || { echo "gpu_libs.sh: needs apt (Debian, Ubuntu)" >&2; exit 69; }
mkdir -p "$folder/debs"
# shellcheck disable=SC2086
names=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts --no-breaks --no-replaces --no-enhances \
    --no-pre-depends $wanted | grep -oE '^[a-z0-9][a-z0-9.+-]*$' | grep -vE "$skip" | sort -u)
cd "$folder/debs"
rm -f ./*.deb
for name in $names; do
    apt-get download -qq "$name" 2>/dev/null || echo "gpu_libs.sh: no package file for $name (virtual?)"
done
cd - >/dev/null
for name in reference bench; do
    if [ -d "../shared/$name" ]; then
        mkdir -p "$folder/shared"
        cp -rL "../shared/$name" "$folder/shared/"
    fi
done
du -sh "$folder"
