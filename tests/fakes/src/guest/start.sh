# Run by `unshare` in namespaces of its own: makes the machine's file system and becomes its first process.
# Arguments: the machine's folder, the fake's program, the machine's name.
set -eu
m=$1 program=$2 name=$3
# This is still the host's /proc, so the number is the host's.
read -r pid rest </proc/self/stat
mkdir -p "$m/root"
mount -t tmpfs -o mode=0755 fake "$m/root"
cd "$m/root"
# What the host has is the image; what the machine changes is its own.
for d in etc home opt root srv usr var; do
  mkdir -p "$d" "$m/layers/$d/upper" "$m/layers/$d/work"
  if [ -d "/$d" ]; then
    mount -t overlay fake -o "lowerdir=/$d,upperdir=$m/layers/$d/upper,workdir=$m/layers/$d/work" "$d"
  else
    mount --bind "$m/layers/$d/upper" "$d"
  fi
done
for d in bin sbin lib lib32 lib64 libx32; do
  if [ -L "/$d" ]; then cp -P "/$d" .; elif [ -d "/$d" ]; then mkdir "$d"; mount --bind "/$d" "$d"; fi
done
mkdir proc sys dev run tmp
mount -t proc proc proc
mount --rbind /sys sys
mount --rbind /dev dev
mount -t tmpfs -o mode=0755 fake run
mount -t tmpfs -o mode=1777 fake tmp
mkdir run/alive run/old
mount --bind "$m/alive" run/alive
: >run/fake-machine
mount --bind "$program" run/fake-machine
if [ ! -e "$m/made" ]; then
  # What this host has of others' making is no part of the image.
  rm -rf etc/systemd/system etc/reportctl etc/cloud var/lib/reportctl var/lib/report-tunnel var/lib/cloud \
    usr/local/lib/reportctl
  rm -f usr/local/bin/report-* usr/local/bin/reportctl etc/ssh/ssh_host_*
  mkdir -p etc/systemd/system etc/cloud
  [ -s etc/resolv.conf ] || echo 'nameserver 127.0.0.1' >etc/resolv.conf
  for role in systemctl journalctl cloud-init cloud-init-per apt-get sshd; do
    rm -f "usr/bin/$role" "usr/sbin/$role"
    printf '#!/bin/sh\nexec /run/fake-machine %s "$@"\n' "$role" >"usr/bin/$role"
    chmod 755 "usr/bin/$role"
  done
  : >"$m/made"
fi
if [ -d "$m/seed" ]; then
  mkdir -p var/lib/cloud/seed
  rm -rf var/lib/cloud/seed/nocloud-net
  cp -r "$m/seed" var/lib/cloud/seed/nocloud-net
fi
rm -f etc/hostname
echo "$name" >etc/hostname
hostname "$name"
ip link set lo up
# The time since boot at which it began tells it from others of the same number.
began=${rest##*) }
set -- $began
shift 19
echo "$pid $1" >"$m/pid.new"
mv "$m/pid.new" "$m/pid"
pivot_root . run/old
umount -l /run/old
exec /run/fake-machine init /run/alive/alive
