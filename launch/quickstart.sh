#!/usr/bin/env bash
# From nothing to a pretrained model on the micro-world: installs packages (Debian, Ubuntu), builds, makes the data,
# pretrains on 2 ranks for about three minutes on 2 cores, validates, and says where the results are.
# Run it again and it goes on where it stopped. `launch/quickstart.sh section.key=value ...` overrides the configuration.
# The CUDA backend is built where a card answers; UNITER_CUDA=1 or 0 decides otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$1"; }

say "packages"
./ci/packages.sh run

preset=dev card=${UNITER_CUDA:-}
if [ -z "$card" ] && { [ -e /dev/nvidia0 ] || nvidia-smi -L 2>/dev/null | grep -q '^GPU'; }; then
    if command -v "${CUDACXX:-nvcc}" >/dev/null || [ -x /usr/local/cuda/bin/nvcc ]; then
        card=1
    else
        echo "a card is here, but no nvcc: built without CUDA"
    fi
fi
[ "$card" != 1 ] || preset=cuda
say "build ($preset)"
cmake --preset $preset -DUN_TESTS=OFF >/dev/null
cmake --build --preset $preset -j "$(nproc)"

if [ ! -e data/world/.complete ]; then
    say "data: a micro-world of four data sets"
    rm -rf data/world
    build/uniter data synth data/world seed=1 train_images=6000 valid_images=100 max_objects=4 duplicates=0.2 max_background=1
    touch data/world/.complete
fi
build/uniter data inspect data/world/coco_train.txt.h5

say "the plan"
build/uniter_dist --cfg configs/quickstart.yaml --check "$@"

say "pretraining on 2 ranks"
# as root (in a container) Open MPI wants to be asked twice; ranks that share cores must not spin
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_mpi_yield_when_idle=1
mpirun --oversubscribe -np 2 build/uniter_dist --cfg configs/quickstart.yaml "$@"

say "results"
echo "losses and validation   runs/quickstart/log/metrics.jsonl"
echo "checkpoints             runs/quickstart/ckpt/"
echo "configuration in force  runs/quickstart/config.yaml"
echo "last validation:"
grep '"valid/' runs/quickstart/log/metrics.jsonl | tail -n 1 | tr ',' '\n' | tr -d '{}"' | sed 's/^ */    /'
