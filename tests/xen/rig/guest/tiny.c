/*
 * A unikernel of a few instructions, for tests that need many guests, fast ones or dying ones. It does not serve
 * anything: see init for the guest that does. Compiled for x86_64 it is a PV guest. Compiled for i386 it is an HVM guest,
 * for libxl tries to start the kernel of one in the place of its firmware, and can with a 32-bit ELF.
 *
 * The kernel command line, "k" for an HVM guest, says what it does, a letter each:
 *   k  writes "1" to the key data/ready in its xenstore area
 *   c  crashes
 *   p  powers itself off
 *   r  asks to be rebooted
 * and then, if it is still there, it sleeps for ever. It does not know how to shut down or to be suspended when asked,
 * but an HVM guest powers itself off when its power button is pressed.
 *
 * Interfaces: xen/include/public/xen.h (start of day), arch-x86/cpuid.h, hvm/hvm_op.h, hvm/params.h, io/xs_wire.h,
 * hvm/ioreq.h, event_channel.h, sched.h; the Multiboot Specification; the ACPI Specification, 4.8.3.1.1.
 */
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned short u16;

struct xenstore_interface {
  char req[1024], rsp[1024];
  u32 req_cons, req_prod, rsp_cons, rsp_prod;
};

static void run(const char *letters, volatile struct xenstore_interface *store, u32 store_evtchn);
static void shut_down(u32 reason);
static void sleep_until(u64 system_time);

enum { SHUTDOWN_poweroff = 0, SHUTDOWN_reboot = 1, SHUTDOWN_crash = 3 };
enum { HYPERVISOR_sched_op = 29, HYPERVISOR_event_channel_op = 32, HYPERVISOR_hvm_op = 34 };

#ifdef __x86_64__

__asm__(
  ".section .note.xen, \"a\"\n"
  ".macro note type:req, value:vararg\n"
  "  .long 4, 2f - 1f, \\type\n"
  "  .asciz \"Xen\"\n"
  "1: \\value\n"
  "2: .balign 4\n"
  ".endm\n"
  "note 6, .asciz \"tiny\"\n"          /* XEN_ELFNOTE_GUEST_OS */
  "note 5, .asciz \"xen-3.0\"\n"       /* XEN_ELFNOTE_XEN_VERSION */
  "note 8, .asciz \"generic\"\n"       /* XEN_ELFNOTE_LOADER */
  "note 3, .quad 0\n"                  /* XEN_ELFNOTE_VIRT_BASE */
  "note 1, .quad start\n"              /* XEN_ELFNOTE_ENTRY */
  ".text\n"
  ".globl start\n"
  "start: cld\n"
  "  and $-16, %rsp\n"
  "  mov %rsi, %rdi\n"                 /* the start_info page */
  "  call enter\n");

struct start_info {
  char magic[32];
  u64 nr_pages, shared_info;
  u32 flags;
  u64 store_mfn;
  u32 store_evtchn;
  u64 console_mfn;
  u32 console_evtchn;
  u64 pt_base, nr_pt_frames, mfn_list, mod_start, mod_len;
  char cmd_line[1024];
};

#define MACH2PHYS ((u64 *)0xffff800000000000) /* MACH2PHYS_VIRT_START */

static void hypercall(u64 op, u64 command, const void *argument) {
  __asm__ volatile("syscall" : "+a"(op), "+D"(command), "+S"(argument) : : "rcx", "r11", "memory");
}

void enter(const struct start_info *info) {
  run(info->cmd_line, (void *)(MACH2PHYS[info->store_mfn] << 12), info->store_evtchn);
  for (;;) sleep_until(0);
}

#else

__asm__(
  ".text\n"
  ".balign 4\n"
  ".long 0x1badb002, 0, -0x1badb002\n" /* a Multiboot header: the device model reads the kernel too, and insists on one */
  ".globl start\n"
  "start: cld\n"                       /* flat segments, no paging */
  "  mov $stack + 4096, %esp\n"
  "  call enter\n");

enum { HVMOP_get_param = 1, HVMOP_get_time = 10, HVM_PARAM_STORE_PFN = 1, HVM_PARAM_STORE_EVTCHN = 2, DOMID_SELF = 0x7ff0 };

__attribute__((used)) static char stack[4096];
static char hypercall_page[4096] __attribute__((aligned(4096)));

static void hypercall(u32 op, u32 command, const void *argument) {
  u32 entry = (u32)hypercall_page + 32 * op;
  __asm__ volatile("call *%%eax" : "+a"(entry), "+b"(command), "+c"(argument) : : "memory");
}

static u32 hvm_param(u32 index) {
  struct { u16 domid; u32 index; u64 value; } param = { DOMID_SELF, index, 0 };
  hypercall(HYPERVISOR_hvm_op, HVMOP_get_param, &param);
  return param.value;
}

/* Whether the PM1 status register says that the power button was pressed. */
static int is_button_pressed(void) {
  const u16 ACPI_PM1A_EVT_BLK_ADDRESS_V0 = 0x1f40, PWRBTN_STS = 1 << 8;
  u16 status;
  __asm__ volatile("inw %1, %0" : "=a"(status) : "d"(ACPI_PM1A_EVT_BLK_ADDRESS_V0));
  return status & PWRBTN_STS;
}

void enter(void) {
  u32 eax = 0x40000002, ebx, ecx, edx; /* Xen's leaf with the MSR that fills the page */
  __asm__ volatile("cpuid" : "+a"(eax), "=b"(ebx), "=c"(ecx), "=d"(edx));
  __asm__ volatile("wrmsr" : : "c"(ebx), "a"(hypercall_page), "d"(0) : "memory");
  /* libxl has given the command line to the device model alone. */
  run("k", (void *)(hvm_param(HVM_PARAM_STORE_PFN) << 12), hvm_param(HVM_PARAM_STORE_EVTCHN));
  while (!is_button_pressed()) {
    u64 now;
    hypercall(HYPERVISOR_hvm_op, HVMOP_get_time, &now);
    sleep_until(now + 100000000);
  }
  shut_down(SHUTDOWN_poweroff);
}

#endif

enum { SCHEDOP_shutdown = 2, SCHEDOP_poll = 3, EVTCHNOP_send = 4, XS_WRITE = 11 };

static void write_ready(volatile struct xenstore_interface *xs, u32 evtchn) {
  static const char body[] = "data/ready\0" "1";
  const u32 len = sizeof body - 1;
  const u32 header[4] = { XS_WRITE, 0, 0, len };
  u32 at = xs->req_prod; /* 0: nobody has written before, so nothing wraps */
  for (u32 i = 0; i < sizeof header; i++) xs->req[at++] = ((const char *)header)[i];
  for (u32 i = 0; i < len; i++) xs->req[at++] = body[i];
  xs->req_prod = at;
  hypercall(HYPERVISOR_event_channel_op, EVTCHNOP_send, &evtchn);
}

static void shut_down(u32 reason) { hypercall(HYPERVISOR_sched_op, SCHEDOP_shutdown, &reason); }

static void run(const char *letters, volatile struct xenstore_interface *store, u32 store_evtchn) {
  for (const char *c = letters; *c; c++) {
    switch (*c) {
      case 'k': write_ready(store, store_evtchn); break;
      case 'c': shut_down(SHUTDOWN_crash); break;
      case 'p': shut_down(SHUTDOWN_poweroff); break;
      case 'r': shut_down(SHUTDOWN_reboot); break;
    }
  }
}

/* Nanoseconds of Xen's; 0 is never. Waits for no event at all: SCHEDOP_block would let events in, for which there is no handler. */
static void sleep_until(u64 system_time) {
  const struct { const u32 *ports; u32 nr_ports; u64 timeout; } nothing = { 0, 0, system_time };
  hypercall(HYPERVISOR_sched_op, SCHEDOP_poll, &nothing);
}
