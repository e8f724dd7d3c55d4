#!/usr/bin/env bash
# Submits a run to LSF: `launch/lsf.sh [options of bsub] -- --cfg big.yaml [section.key=value ...]`, e.g.
#
#     launch/lsf.sh -n 8 -R 'span[ptile=4]' -gpu num=4 -W 24:00 -- --cfg big.yaml
#     launch/lsf.sh -J 'seeds[1-4]' -n 2 -- --cfg big.yaml run.seed=%a run.dir=runs/seed_%a
#
# A rank for each slot (-n). What happens then, and the environment it knows, says batch.sh. USR1 comes 5 minutes before the
# limit of -W (-wt 10 for 10), a job that ends with 75 is queued again (-Q), so is one whose host died (-r). LSF copies no
# script here: this folder is seen by all hosts.
set -u

here=$(cd "$(dirname "$0")" && pwd)
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
done
[ $# -gt 1 ] || {
    echo "lsf.sh: [options of bsub] -- --cfg FILE [section.key=value ...]" >&2
    exit 64
}
shift

# bsub joins its words to a line for sh
line=""
for word in bash "$here/batch.sh" "$@"; do line+="'${word//\'/\'\\\'\'}' "; done
exec bsub -r -Q 75 -wa USR1 -wt 5 -o uniter-%J.log "${options[@]}" "$line"
