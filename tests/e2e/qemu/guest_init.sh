#!/bin/busybox sh
# The guest's init: addresses from the kernel's command line (jitsu.ip=ADDRESS/PREFIX,...), HTTP on port 80, and the power
# button, which is how a hypervisor asks a guest to shut down. /modules lists kernel modules in the order to load them.
# It listens before it is on the network, as unikernels do: otherwise it would refuse those who have waited for it.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

while read -r module; do insmod "/$module"; done </modules

mkdir -p /etc/acpi/PWRF
printf '#!/bin/sh\npoweroff -f\n' >/etc/acpi/PWRF/00000080
chmod +x /etc/acpi/PWRF/00000080
acpid -f -l /dev/null &

for word in $(cat /proc/cmdline); do
  case $word in jitsu.ip=*) addresses=${word#jitsu.ip=} ;; esac
done
# Another boot has another id; a guest that was paused or restored keeps its own.
cp /proc/sys/kernel/random/boot_id /www/index.html
ip link set lo up
httpd -h /www -p 80
echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad # nobody else can have its addresses
for address in $(echo "$addresses" | tr , ' '); do
  ip address add "$address" dev eth0
done
ip link set eth0 up
# Where the kernel writes nothing in between.
echo ready >/dev/ttyS1

while :; do wait; sleep 3600; done
