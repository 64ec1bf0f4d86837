#!/usr/bin/env bash
# Boots a Debian tree with its own systemd, in the namespaces of its caller: boot.sh TREE SCRATCH
# TREE stays as it is; what the machine writes goes to SCRATCH. Its root is SCRATCH/root.
set -euo pipefail
tree=$1 scratch=$2 root=$2/root
mount --make-rprivate /
mkdir -p "$root" "$scratch/written" "$scratch/work"
mount -t overlay -o "lowerdir=$tree,upperdir=$scratch/written,workdir=$scratch/work" machine "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
# The package, and whatever else the caller has put there.
mkdir -p "$scratch/given" "$root/mnt"
mount --bind "$scratch/given" "$root/mnt"
# A new root rather than chroot, out of which no user namespace can be made (unshare(2)).
cd "$root"
mkdir -p old
pivot_root . old
umount -l /old
# Credentials come to services through a mount that propagates; in a container, systemd leaves that to whoever has made it.
mount --make-rshared /
exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --log-target=console --log-level=warning --show-status=no
