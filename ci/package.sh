#!/usr/bin/env bash
# Makes the packages on a release of Debian and uses them on a clean machine of that release, in roots of their own made by
# debootstrap (elsewhere.sh); needs to be root, the package debootstrap, a mirror, 5 GB. Prints the seconds of every step.
#
#   ci/package.sh SUITE [--mirror URL] [--folder FOLDER]
#   ci/package.sh apptainer [--mirror URL] [--folder FOLDER]
#
#   SUITE      bookworm, trixie, ...: cpack's .deb and .tar.gz, built there, are copied to FOLDER/SUITE-packages; a clean root
#              gets the .deb, and a user in it makes a world, pretrains on two ranks, resumes, reports and reads the manual;
#              then the .tar.gz does the same beside it
#   apptainer  the steps of launch/recipes/apptainer (files, post, test) in a clean root of the release it names
#   --folder   where roots are kept for the next call (default: build-elsewhere)
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$self")/.."
usage() { sed -n '2,14p' "$self" >&2; exit 64; }

suite="" mirror=http://deb.debian.org/debian folder=build-elsewhere
while [ $# -gt 0 ]; do
    case "$1" in
        --mirror | --folder)
            [ $# -gt 1 ] || usage
            declare "${1#--}=$2"
            shift
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
what=packages
if [ "$suite" = apptainer ]; then
    what=apptainer recipe=launch/recipes/apptainer/uniter_dist.def
    suite=$(sed -n 's/^From: debian://p' $recipe)
fi
[ "$(id -u)" = 0 ] || { echo "package.sh: needs to be root, for debootstrap and chroot" >&2; exit 77; }
command -v debootstrap >/dev/null || { echo "package.sh: no debootstrap; apt-get install debootstrap" >&2; exit 69; }

# In a mount namespace of its own, whose mounts end with it whatever happens.
if [ "${UN_PACKAGE_INSIDE:-}" != 1 ]; then
    [ $what = packages ] || suite=apptainer
    UN_PACKAGE_INSIDE=1 exec unshare --mount --propagation private "$self" "$suite" --mirror "$mirror" --folder "$folder"
fi
mkdir -p "$folder"
folder=$(realpath "$folder")
made=$folder/$suite-packages root=$folder/$suite-for-$what log=$folder/$suite-$what.log
: >"$log"

# step TEXT COMMAND...: its seconds; what it said goes to the log, and is shown where it fails
step() {
    local text=$1 begin=$EPOCHREALTIME code=0
    shift
    printf '== %s\n' "$text" >>"$log"
    "$@" >>"$log" 2>&1 </dev/null || code=$?
    awk -v a="$begin" -v b="$EPOCHREALTIME" -v t="$text" 'BEGIN { printf "%7.1f s  %s\n", b - a, t }'
    [ $code = 0 ] || { tail -n 30 "$log" >&2; echo "package.sh: exit code $code: $*" >&2; exit 1; }
}

# ---- a clean machine ----

bare() { debootstrap --variant=minbase --include=ca-certificates "$suite" "$folder/$suite-bare" "$mirror"; }

clean_root() {
    if [ ! -e "$folder/$suite-bare.made" ]; then
        rm -rf --one-file-system "$folder/$suite-bare"
        step "debootstrap $suite" bare
        : >"$folder/$suite-bare.made"
    fi
    rm -rf --one-file-system "$root"
    cp -a --reflink=auto "$folder/$suite-bare" "$root"
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount -t tmpfs tmpfs "$root/tmp"
    cp /etc/resolv.conf "$root/etc/resolv.conf"
}

# as root: in / ; as the user: in their home, with a login's environment
inside() { env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive chroot "$root" "$@"; }
user() { inside runuser -l somebody -c "export LANG=C.UTF-8 OMPI_MCA_mpi_yield_when_idle=1 PATH=$bin:\$PATH; $1"; }

# ---- packages ----

build() {
    # shellcheck disable=SC2016
    ci/elsewhere.sh "$suite" --mirror "$mirror" --folder "$folder" --packages run -- sh -c '
        apt-get install -y -qq --no-install-recommends file # for dpkg-shlibdeps
        cmake --preset package && cmake --build --preset package -j "$(nproc)"
        rm -rf build-package/packages && cd build-package && cpack'
}

# The quick start of README.md, with fewer pictures and steps.
use() {
    local train share=/usr/share/uniter_dist script
    [ -e "$root$share" ] || share=$bin/../share/uniter_dist
    train="uniter_dist --cfg $share/configs/quickstart.yaml train.steps=40 optim.warmup_steps=5 valid.every=20 checkpoint.every=20"
    step "$1: versions" user "uniter_dist --version && uniter --version"
    for script in batch slurm pbs lsf local; do step "$1: $script.sh" user "test -x $share/launch/$script.sh && bash -n $share/launch/$script.sh"; done
    step "$1: a job" user "UNITER_LAUNCHER=none $share/launch/slurm.sh --version | grep 'ended with 0' && UNITER_RANKS=1 $share/launch/local.sh --version"
    step "$1: a world" user "uniter data synth data/world seed=1 train_images=200 valid_images=20 && uniter data verify data/world/coco_train.img.h5 data/world/coco_train.txt.h5"
    step "$1: the plan" user "$train --check"
    step "$1: 20 updates on two ranks" user "mpirun --oversubscribe -np 2 $train train.steps=20"
    step "$1: 20 more on one" user "$train | tee second.log; test -e runs/quickstart/ckpt/step_00000040/manifest.json"
    step "$1: report" user "uniter report runs/quickstart -o page.html && grep -q '</html>' page.html"
    step "$1: scores" user "uniter score runs/quickstart images=data/world/coco_valid.img.h5 text=data/world/coco_valid.txt.h5 >scores.jsonl && grep -q '\"match\"' scores.jsonl"
    step "$1: what it looks at" user "show='uniter show runs/quickstart images=data/world/coco_valid.img.h5 text=data/world/coco_valid.txt.h5 id=coco_valid_00000001_0'
        \$show && for kind in svg png pdf json; do \$show -o look.\$kind && test -s look.\$kind; done && grep -q '\"match\"' look.json"
}

# What the package holds, it must hold rightly; what it does not hold is said.
manual() {
    local pages
    pages=$(inside dpkg -L uniter-dist | sed -n 's|^/usr/share/man/man[15]/\(.*\)\.[15]\(\.gz\)\?$|\1|p')
    [ -n "$pages" ] || { echo "           no manual pages in this package"; return 0; }
    step "man-db" inside apt-get install -y -qq --no-install-recommends man-db
    # shellcheck disable=SC2086
    for page in $pages; do step "man $page" user "MANPAGER=cat man $page | grep -qi $page"; done
}
completion() {
    inside dpkg -L uniter-dist | grep -q bash-completion || { echo "           no completion in this package"; return 0; }
    step "bash-completion" inside apt-get install -y -qq --no-install-recommends bash-completion
    step "uniter d<TAB>" user ". /usr/share/bash-completion/bash_completion; cd /; for f in /usr/share/bash-completion/completions/uniter*; do . \$f; done
        COMP_WORDS=(uniter d) COMP_CWORD=1 COMP_LINE='uniter d' COMP_POINT=8; read -r _ _ name _ <<<\"\$(complete -p uniter | sed 's/.*-F/x x/')\"; \$name uniter d uniter; printf '%s\n' \"\${COMPREPLY[@]}\" | grep -q '^data'"
    step "zsh" inside apt-get install -y -qq --no-install-recommends zsh
    step "zsh finds it" user "zsh -fc 'autoload -Uz compinit && compinit -u -D && [[ \$_comps[uniter_dist] == _uniter ]] && autoload +X _uniter'"
}

packages() {
    step "built on $suite, packed" build
    rm -rf "$made" && mkdir "$made" && cp "$folder/$suite"/src/tree/build-package/packages/*.{deb,tar.gz} "$made"
    local deb
    deb=$(basename "$made"/*.deb)
    (cd "$made" && du -h -- *)
    dpkg-deb --field "$made/$deb" Package Version Architecture Depends Recommends Installed-Size
    clean_root
    cp "$made"/* "$root/root/"
    step "apt-get update" inside apt-get update -qq
    step "apt-get install ./$deb" inside apt-get install -y -qq "/root/$deb"
    inside useradd --create-home --shell /bin/bash somebody
    bin=/usr/bin
    use ".deb"
    manual
    completion
    step "apt-get remove" inside apt-get remove -y -qq uniter-dist
    [ ! -e "$root/usr/bin/uniter_dist" ] || { echo "package.sh: something stays after the removal" >&2; exit 1; }
    step ".tar.gz unpacked" inside sh -c 'mkdir /opt/uniter && tar -xf /root/*.tar.gz --strip-components=1 -C /opt/uniter && rm -rf /home/somebody/*'
    bin=/opt/uniter/bin
    use ".tar.gz"
}

# ---- the recipe ----

section() { awk -v s="%$1" '/^%/ { on = $1 == s; next } on' "$recipe"; }

apptainer() {
    clean_root
    while read -r from to; do
        [ -z "$from" ] || { mkdir -p "$root$(dirname "$to")" && cp -a "$from" "$root$to"; }
    done < <(section files)
    section post >"$root/root/post"
    section test >"$root/root/test"
    step "%post" inside sh -e /root/post
    step "%test" inside sh -e /root/test
    step "%runscript" inside uniter_dist --version
}

begin=$SECONDS
echo "$what on a clean $suite"
$what
echo "$((SECONDS - begin)) s; the log: $log"
