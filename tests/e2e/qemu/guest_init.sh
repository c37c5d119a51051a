#!/bin/busybox sh
# The guest's init: an address from the kernel's command line (jitsu.ip=ADDRESS/PREFIX), HTTP on port 80, and the power
# button, which is how a hypervisor asks a guest to shut down. /modules lists kernel modules in the order to load them.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

while read -r module; do insmod "/$module"; done </modules

for word in $(cat /proc/cmdline); do
  case $word in jitsu.ip=*) address=${word#jitsu.ip=} ;; esac
done
ip link set lo up
ip address add "$address" dev eth0
ip link set eth0 up

mkdir -p /etc/acpi/PWRF
printf '#!/bin/sh\npoweroff -f\n' >/etc/acpi/PWRF/00000080
chmod +x /etc/acpi/PWRF/00000080
acpid -f -l /dev/null &

# Another boot has another id; a guest that was paused or restored keeps its own.
cp /proc/sys/kernel/random/boot_id /www/index.html
httpd -h /www -p 80
echo "guest ready on $address"
while :; do wait; sleep 3600; done
