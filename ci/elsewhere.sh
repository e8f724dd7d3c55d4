#!/usr/bin/env bash
# Builds and tests on another release of Debian or Ubuntu, in a root of its own made by debootstrap; needs to be root, the
# package debootstrap, a mirror, 6 GB. The release's packages come from ci/packages.sh, as for any user.
#
#   ci/elsewhere.sh SUITE [--mirror URL] [--folder FOLDER] [--fresh] [--packages run|test] [-- COMMAND...]
#
#   SUITE      trixie, bookworm, sid, noble, ... (a script of debootstrap)
#   --mirror   another one than deb.debian.org or archive.ubuntu.com
#   --folder   where roots are kept for the next call (default: build-elsewhere)
#   --fresh    makes the root anew
#   --packages what ci/packages.sh installs there (default: test)
#   COMMAND    in the copy of the tree, instead of ./ci/test.sh
#
# Prints the versions of compiler and libraries first. The exit code is the command's.
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.."
usage() { sed -n '2,15p' "$self" >&2; exit 64; }

suite="" mirror="" folder=build-elsewhere fresh=0 packages=test command=(./ci/test.sh)
while [ $# -gt 0 ]; do
    case "$1" in
        --mirror | --folder | --packages)
            [ $# -gt 1 ] || usage
            declare "${1#--}=$2"
            shift
            ;;
        --fresh) fresh=1 ;;
        --)
            shift
            [ $# -gt 0 ] || usage
            command=("$@")
            break
            ;;
        -*) usage ;;
        *)
            [ -z "$suite" ] || usage
            suite=$1
            ;;
    esac
    shift
done
[[ "$suite" =~ ^[a-z]+$ ]] || usage
[ "$(id -u)" = 0 ] || { echo "elsewhere.sh: needs to be root, for debootstrap and chroot" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "elsewhere.sh: no debootstrap; apt-get install debootstrap" >&2; exit 69; }
script=/usr/share/debootstrap/scripts/$suite
[ -e "$script" ] || { echo "elsewhere.sh: debootstrap knows no release \"$suite\"" >&2; exit 64; }

# its script tells whose release it is
components=main
if [ "$(basename "$(realpath "$script")")" = gutsy ]; then
    components=main,universe
    mirror=${mirror:-http://archive.ubuntu.com/ubuntu}
fi
mirror=${mirror:-http://deb.debian.org/debian}

# In a mount namespace of its own, whose mounts end with it whatever happens.
if [ "${UN_ELSEWHERE_INSIDE:-}" != 1 ]; then
    again=("$suite" --mirror "$mirror" --folder "$folder" --packages "$packages")
    [ $fresh = 0 ] || again+=(--fresh)
    UN_ELSEWHERE_INSIDE=1 exec unshare --mount --propagation private "$self" "${again[@]}" -- "${command[@]}"
fi

mkdir -p "$folder"
root=$(realpath "$folder")/$suite
exec 9>"$root.lock"
flock -n 9 || { echo "elsewhere.sh: another call works in $root" >&2; exit 75; }
[ $fresh = 0 ] || rm -rf --one-file-system "$root"
if [ ! -e "$root.made" ] || [ ! -d "$root" ]; then
    rm -rf --one-file-system "$root" "$root.made"
    echo "== debootstrap $suite from $mirror"
    debootstrap --variant=minbase --components=$components --include=ca-certificates,git "$suite" "$root" "$mirror" \
        >"$root.log" 2>&1 || { tail -n 5 "$root.log" >&2; exit 69; }
    : >"$root.made"
fi

# The tree as it is, with what is not committed, and the reference files beside it; build folders of earlier calls stay.
tree=$root/src/tree
mkdir -p "$tree" "$root/src/shared"
echo "== the tree into $tree"
find "$tree" -mindepth 1 -maxdepth 1 ! -name 'build*' -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' path; do
    [ ! -e "$path" ] || printf '%s\0' "$path"
done | tar --null -T - -cf - | tar -xf - -C "$tree"
shared=$(realpath -m ../shared)
[ ! -d "$shared" ] || mount --bind -o ro "$shared" "$root/src/shared"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/tmp"
cp /etc/resolv.conf "$root/etc/resolv.conf"

inside() {
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 TMPDIR=/tmp UN_ELSEWHERE="$suite" \
        chroot "$root" /bin/sh -c 'cd /src/tree && exec "$@"' sh "$@"
}
inside sh -c 'git -c init.defaultBranch=main init -q && git add -A'
echo "== packages of $suite"
inside ./ci/packages.sh "$packages"
echo "== versions"
# shellcheck disable=SC2016
inside dpkg-query -W -f '${Package} ${Version}\n' gcc cmake libhdf5-dev libopenmpi-dev libopenblas-dev libzip-dev libyaml-dev
echo "== ${command[*]}"
status=0
inside "${command[@]}" || status=$?
echo "== $suite: exit code $status"
exit $status
