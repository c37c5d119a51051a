/**
 * Boots a real Xen host inside QEMU and runs a job in its dom0. Everything is emulated (TCG): no KVM is needed.
 *
 * @module
 */

/** What {@linkcode boot} needs. */
export interface BootOptions {
  /** Where images.sh has put its images. */
  images: string;
  /** What dom0 runs: the folder has `job.tar`, which is unpacked to dom0's `/`, and `run`, a bash script. */
  job: string;
  /** Seconds after which the machine is switched off. */
  limit: number;
  /** Switches it off when it aborts. */
  signal: AbortSignal;
}

/** Megabytes. dom0 keeps the programs and their tests, the rest is for guests. */
const MEMORY = 4096, DOM0_MEMORY = 1024;

/**
 * - `spec-ctrl=...,eager-fpu`: under emulation, Xen's lazy switching of the FPU loses SSE registers between virtual
 *   CPUs, and any program in dom0 crashes at random
 * - the rest saves the time that mitigations cost
 */
const XEN_OPTIONS =
  `dom0_mem=${DOM0_MEMORY}M,max:${DOM0_MEMORY}M dom0_max_vcpus=2 console=com1 com1=115200,8n1 loglvl=warning guest_loglvl=warning noreboot=0 spec-ctrl=no,eager-fpu xpti=no pv-l1tf=0 smep=0 smap=0 watchdog=0 mce=0 iommu=0 ucode=0`;
/**
 * - `clocksource=tsc`, which Linux does not trust by itself: Xen's own takes a system call, which takes 0.1 ms here, and
 *   programs read the clock all the time
 * - `mitigations=off`: as above
 */
const LINUX_OPTIONS =
  "console=hvc0 quiet loglevel=4 mitigations=off clocksource=tsc tsc=reliable audit=0 net.ifnames=0 panic=-1";

/**
 * Seconds that the machine has until the job begins, which takes some 15 s, and 80 s on a busy host. Now and then the
 * emulated one gets stuck before that: it is booted again then.
 */
const BOOT_LIMIT = 300;
const BOOTS = 3;

/**
 * Runs the job; what it prints goes to stdout. Resolves with its exit status, or with undefined when it did not come to
 * its end. It writes the file `started` into its folder when it begins. What the machine says on its console is in the
 * job's file `console`.
 */
export async function boot(options: BootOptions): Promise<number | undefined> {
  const { job, signal } = options;
  for (let i = 0; i < BOOTS && !signal.aborted; i++) {
    const status = await bootOnce(options);
    if (await textOf(`${job}/started`) !== undefined) return status;
  }
}

async function textOf(file: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(file);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

async function bootOnce(
  { images, job, limit, signal }: BootOptions,
): Promise<number | undefined> {
  const qemu = new Deno.Command("qemu-system-x86_64", {
    args: [
      ...["-accel", "tcg,thread=multi,tb-size=1024"],
      ...["-machine", "pc", "-cpu", "max"], // with less than "max" Xen panics
      ...["-m", String(MEMORY), "-smp", "2"],
      ...["-nodefaults", "-display", "none", "-monitor", "none", "-no-reboot"],
      ...["-kernel", `${images}/xen`, "-append", XEN_OPTIONS],
      // A comma separates multiboot modules: the kernel with its arguments, then its initramfs.
      ...[
        "-initrd",
        `${images}/vmlinux ${LINUX_OPTIONS},${images}/initrd.cpio`,
      ],
      ...[
        "-drive",
        `file=${images}/dom0.ext4,if=none,id=root,format=raw,cache=unsafe,snapshot=on,aio=threads`,
      ],
      ...["-device", "virtio-blk-pci,drive=root"],
      ...[
        "-fsdev",
        `local,id=job,path=${job},security_model=none,multidevs=remap`,
      ],
      ...["-device", "virtio-9p-pci,fsdev=job,mount_tag=job"],
      ...["-device", "virtio-serial-pci", "-chardev", "stdio,id=out"],
      ...["-device", "virtserialport,chardev=out"],
      ...["-serial", `file:${job}/console`],
    ],
    signal,
    stdin: "piped", // at its end, QEMU would take the other side of the virtio port for gone
  }).spawn();
  const timer = setTimeout(() => qemu.kill("SIGKILL"), limit * 1000);
  const bootTimer = setTimeout(async () => {
    if (await textOf(`${job}/started`) === undefined) qemu.kill("SIGKILL");
  }, BOOT_LIMIT * 1000);
  await qemu.status;
  clearTimeout(timer);
  clearTimeout(bootTimer);
  await qemu.stdin.close();
  const status = await textOf(`${job}/status`);
  return status === undefined ? undefined : Number(status);
}
