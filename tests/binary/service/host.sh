# host.sh INIT...: what host.ts runs in mount, network, UTS and IPC namespaces of its own. INIT becomes the first process
# of a host whose root is this one's under a layer that is forgotten at the end. Says "init PID" when it gets there, with
# PID as it is outside; ends when INIT does.
#
# Where the file that the variable EXTRA names is given, that tar archive is unpacked over the root first.
set -e
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/cgroup /mnt/upper /mnt/work /mnt/root
# What counts as the root of all cgroups in there is one that is made for it, and removed at the end.
mount -t cgroup2 cgroup2 /mnt/cgroup
cgroup=/mnt/cgroup/jitsu-test-$$
mkdir $cgroup
echo $$ >$cgroup/cgroup.procs
mount -t overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work overlay /mnt/root
[ -z "$EXTRA" ] || tar --extract --file "$EXTRA" --directory /mnt/root --keep-directory-symlink

code=0
unshare --pid --cgroup --mount --fork --kill-child sh -ec '
  read -r pid rest </proc/self/stat
  cd /mnt/root
  mount -t tmpfs -o mode=755 tmpfs run
  mount -t tmpfs tmpfs tmp
  mount -t proc proc proc
  mount --bind -o ro proc/sys proc/sys # the kernel is the one of the real host
  mount -t sysfs -o ro sysfs sys
  mount -t cgroup2 cgroup2 sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs dev
  for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
  done
  mkdir dev/pts dev/shm mnt/old
  mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
  ln -s pts/ptmx dev/ptmx
  : >etc/fstab
  ip link set lo up
  pivot_root . mnt/old
  umount -l /mnt/old
  mount --make-rshared / # systemd counts on it: that is how it hands credentials on
  echo init $pid
  exec env -i container=jitsu-test PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@" >/dev/null 2>&1
' host "$@" || code=$?

echo $$ >/mnt/cgroup/cgroup.procs
find $cgroup -depth -type d -exec rmdir {} +
exit $code
