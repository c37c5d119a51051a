#!/bin/bash
# images.sh PACKAGES OUT DENO: builds what the rig boots, from Debian's packages alone.
#
#   PACKAGES  a folder for the unpacked packages, which is used again if it is there
#   OUT       a folder for xen, vmlinux, initrd.cpio and dom0.ext4
#   DENO      the Deno that dom0 gets
#
# Nothing is installed into the system that runs this. It needs root, mmdebstrap, cpio, mke2fs, xz and gcc.
set -euo pipefail
PACKAGES=$1 OUT=$2 DENO=$3
RIG=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$OUT"
WORK=$(mktemp -d "$OUT/work.XXXXXX")
trap 'rm -rf "$WORK"' EXIT

# --- the packages, unpacked; their maintainer scripts do not run
include=(
  xen-hypervisor-4.17-amd64 xen-utils-4.17 xen-utils-common xenstore-utils libxenmisc4.17 libxenstore4
  libxentoollog1 linux-image-amd64 libvirt-daemon libvirt-daemon-driver-xen libvirt-clients
  bash dash sed grep mawk findutils util-linux mount coreutils libc-bin procps kmod tar iproute2 bridge-utils
  busybox-static base-passwd libxen-dev bind9-dnsutils curl strace qemu-system-xen seabios
)
if [ "$(cat "$PACKAGES/.complete" 2>/dev/null)" != "${include[*]}" ]; then
  rm -rf "$PACKAGES"
  sources=()
  for file in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list; do
    [ ! -s "$file" ] || sources+=("$file")
  done
  mmdebstrap --quiet --variant=extract --mode=root --aptopt='Apt::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --include="$(IFS=,; echo "${include[*]}")" bookworm "$PACKAGES" "${sources[@]}"
  # What of the maintainer scripts' work matters here.
  ln -sf dash "$PACKAGES/bin/sh"
  ln -sf mawk "$PACKAGES/usr/bin/awk"
  cp "$PACKAGES/usr/share/base-passwd/passwd.master" "$PACKAGES/etc/passwd"
  cp "$PACKAGES/usr/share/base-passwd/group.master" "$PACKAGES/etc/group"
  echo 'libvirt:x:999:' >>"$PACKAGES/etc/group"
  chroot "$PACKAGES" /sbin/ldconfig
  echo "${include[*]}" >"$PACKAGES/.complete"
fi
KERNEL=$(basename "$PACKAGES"/lib/modules/*-amd64)
chroot "$PACKAGES" /sbin/depmod "$KERNEL"

# The files of these modules and of those they need, in the order to load them.
modules() {
  local module
  for module in "$@"; do
    chroot "$PACKAGES" /sbin/modprobe -S "$KERNEL" --show-depends "$module"
  done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}
archive() { (cd "$1" && find . | cpio -o -H newc --quiet); }

# --- hypervisor and kernel as plain ELF: QEMU's multiboot loader wants that of Xen, and for the kernel it saves an
# --- unpacking inside the emulator, when dom0 boots and for each guest
zcat "$PACKAGES"/boot/xen-4.17-amd64.gz >"$OUT/xen"
image=$PACKAGES/boot/vmlinuz-$KERNEL
xz_at=$(LC_ALL=C grep -aboP -m1 '\xfd7zXZ\x00' "$image" | head -n 1 | cut -d: -f1)
tail -c +$((xz_at + 1)) "$image" | xz -dc --single-stream >"$OUT/vmlinux" 2>/dev/null || true # what follows is no xz
LC_ALL=C grep -qaP '^\x7fELF' "$OUT/vmlinux"

# --- the guest that serves, and the tiny ones
mkdir -p "$WORK"/guest/{bin,modules}
cp "$PACKAGES/bin/busybox" "$WORK/guest/bin/"
install -m 755 "$RIG/guest/init" "$WORK/guest/init"
gcc -O2 -Wall -static -o "$WORK/guest/xenstore" "$RIG/guest/xenstore.c"
lib=$PACKAGES/usr/lib/x86_64-linux-gnu
gcc -O2 -Wall -static -isystem "$PACKAGES/usr/include" -o "$WORK/guest/synjitsu" "$RIG/guest/synjitsu.c" "$lib"/libxenvchan.a \
  "$lib"/libxen{gnttab,evtchn,store,toollog,toolcore}.a
n=10
for module in $(modules xen-netfront xen-blkfront); do
  cp "$PACKAGES$module" "$WORK/guest/modules/$((n++))-$(basename "$module")"
done
mkdir "$WORK/guest/vchan"
for module in $(modules xen-evtchn xen-gntalloc); do
  cp "$PACKAGES$module" "$WORK/guest/vchan/"
done
archive "$WORK/guest" >"$WORK/guest.cpio"
for target in 64:tiny 32:tiny-hvm; do
  gcc -m"${target%:*}" -O1 -Wall -ffreestanding -fno-stack-protector -fno-pie -no-pie -mno-red-zone -mno-sse -nostdlib -static \
    -Wl,-Ttext-segment=0x100000,-z,noseparate-code,-z,max-page-size=4096,-e,start,--build-id=none \
    -o "$WORK/${target#*:}" "$RIG/guest/tiny.c"
done

# --- dom0's initramfs, which mounts its disk
mkdir -p "$WORK"/initrd/{bin,modules}
cp "$PACKAGES/bin/busybox" "$WORK/initrd/bin/"
install -m 755 "$RIG/dom0/initrd-init" "$WORK/initrd/init"
for module in $(modules crc32c_generic virtio_pci virtio_blk ext4); do
  cp "$PACKAGES$module" "$WORK/initrd/modules/"
  basename "$module" >>"$WORK/initrd/modules/order"
done
archive "$WORK/initrd" >"$OUT/initrd.cpio"

# --- dom0's disk: the packages less what nobody needs
root=$WORK/root
mkdir "$root"
tar -C "$PACKAGES" -cf - --exclude=./lib/modules --exclude=./boot --exclude=./var/lib/apt --exclude=./var/cache \
  --exclude='./usr/lib/python3*/test' --exclude=./usr/share/i18n --exclude=./usr/include --exclude='*.a' . |
  tar -C "$root" -xf -
for module in $(modules virtio_pci virtio_blk virtio_console ext4 9p 9pnet_virtio xenfs xen-evtchn xen-gntdev \
  xen-gntalloc xen-privcmd xen-netback xen-blkback loop bridge tun veth); do
  install -D -m 644 "$PACKAGES$module" "$root$module"
done
cp "$PACKAGES/lib/modules/$KERNEL"/modules.{order,builtin,builtin.modinfo} "$root/lib/modules/$KERNEL/"
chroot "$root" /sbin/depmod "$KERNEL"
install -m 755 "$RIG/dom0/init" "$root/sbin/rig-init"
install -m 755 "$RIG/dom0/vif-quick" "$root/etc/xen/scripts/vif-quick"
install -D -m 755 "$DENO" "$root/usr/local/bin/deno"
rm -rf "$root/var/run" "$root/var/lock"
ln -s /run "$root/var/run"
ln -s /run/lock "$root/var/lock"
mkdir -p "$root"/{guest,job,proc,sys,dev,run,tmp,var/log/xen,var/lib/xen,var/log/libvirt,var/lib/libvirt,var/cache/libvirt}
cp "$OUT/vmlinux" "$WORK"/{guest.cpio,tiny,tiny-hvm} "$root/guest/"
# libvirtd with its Xen driver alone and without polkit. That driver wants a CPU model of libvirt's whose features the
# CPU has, and the smallest ones want two that the emulated CPU lacks ("Cannot find suitable CPU model for given data").
find "$root/usr/lib/x86_64-linux-gnu/libvirt/connection-driver" -name '*.so' ! -name '*_libxl.so' -delete
sed -i '/name=.vme./d; /name=.sep./d' "$root"/usr/share/libvirt/cpu_map/x86_{qemu64,486}.xml
printf '%s\n' 'auth_unix_rw = "none"' 'auth_unix_ro = "none"' 'log_outputs = "2:file:/var/log/libvirt/libvirtd.log"' \
  >"$root/etc/libvirt/libvirtd.conf"

# A line for each of the some 250 things that are done in xenstore to make and destroy a domain takes its time.
echo 'access-log-nb-files = 0' >>"$root/etc/xen/oxenstored.conf"

truncate -s 1500M "$WORK/dom0.ext4"
mke2fs -q -t ext4 -O '^has_journal,^metadata_csum' -m 0 -E lazy_itable_init=0 -d "$root" "$WORK/dom0.ext4"
mv "$WORK/dom0.ext4" "$OUT/dom0.ext4"
