#!/usr/bin/env bash
# Agent for Open MPI's rsh launcher: `rsh.sh [OPTIONS] HOST COMMAND ...` runs the command on an emulated host. CLUSTER is the
# folder in which every host's first process stands as HOST.pid.
set -eu
while [ $# -gt 0 ]; do
    case $1 in -*) shift ;; *) break ;; esac
done
host=$1
shift
exec nsenter -t "$(cat "$CLUSTER/$host.pid")" -m -u -i -n -p --wd="$PWD" -- /bin/sh -c "$*"
