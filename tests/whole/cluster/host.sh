#!/usr/bin/env bash
# host.sh NAME FOLDER: the first process of an emulated host, in namespaces of its own; when it is killed, everything on
# the host is. FOLDER/hosts becomes /etc/hosts; FOLDER/boot NAME, where there is one, starts the daemons.
set -eu
name=$1 folder=$2

hostname "$name"
# sysfs of the own network namespace; Slurm wants to see the cgroups all the same
mount --rbind /sys/fs/cgroup /mnt
mount -t sysfs sysfs /sys
mount --move /mnt /sys/fs/cgroup
mount -t proc proc /proc
mount --bind "$folder/hosts" /etc/hosts
# a host that is switched on again is another one to whoever asks the kernel
cat /proc/sys/kernel/random/uuid >"$folder/$name.boot_id"
mount --bind "$folder/$name.boot_id" /proc/sys/kernel/random/boot_id
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /var/tmp
ip link set lo up
[ ! -e "$folder/boot" ] || bash "$folder/boot" "$name"
touch "$folder/$name.ready"
trap : CHLD
while :; do sleep 1000 & wait || true; done
