/*
 * A PV unikernel of a few instructions, for tests that need many guests, fast ones or dying ones. It does not serve
 * anything: see init for the guest that does.
 *
 * The kernel command line says what it does, a letter each:
 *   k  writes "1" to the key data/ready in its xenstore area
 *   c  crashes
 *   p  powers itself off
 *   r  asks to be rebooted
 * and then, if it is still there, it sleeps for ever. It does not know how to shut down or to be suspended when asked.
 *
 * Interfaces: xen/include/public/xen.h (start of day), io/xs_wire.h, event_channel.h, sched.h.
 */
typedef unsigned long u64;
typedef unsigned int u32;

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
  "  call run\n");

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

struct xenstore_interface {
  char req[1024], rsp[1024];
  u32 req_cons, req_prod, rsp_cons, rsp_prod;
};

#define MACH2PHYS ((u64 *)0xffff800000000000) /* MACH2PHYS_VIRT_START */
enum { HYPERVISOR_sched_op = 29, HYPERVISOR_event_channel_op = 32 };
enum { SCHEDOP_shutdown = 2, SCHEDOP_poll = 3, EVTCHNOP_send = 4, XS_WRITE = 11 };
enum { SHUTDOWN_poweroff = 0, SHUTDOWN_reboot = 1, SHUTDOWN_crash = 3 };

static void hypercall(u64 op, u64 command, const void *argument) {
  __asm__ volatile("syscall" : "+a"(op), "+D"(command), "+S"(argument) : : "rcx", "r11", "memory");
}

static void write_ready(struct start_info *si) {
  static const char body[] = "data/ready\0" "1";
  const u32 len = sizeof body - 1;
  const u32 header[4] = { XS_WRITE, 0, 0, len };
  volatile struct xenstore_interface *xs = (void *)(MACH2PHYS[si->store_mfn] << 12);
  u32 at = xs->req_prod; /* 0: nobody has written before, so nothing wraps */
  for (u32 i = 0; i < sizeof header; i++) xs->req[at++] = ((const char *)header)[i];
  for (u32 i = 0; i < len; i++) xs->req[at++] = body[i];
  xs->req_prod = at;
  hypercall(HYPERVISOR_event_channel_op, EVTCHNOP_send, &si->store_evtchn);
}

static void shutdown(u32 reason) { hypercall(HYPERVISOR_sched_op, SCHEDOP_shutdown, &reason); }

void run(struct start_info *si) {
  for (const char *c = si->cmd_line; *c; c++) {
    switch (*c) {
      case 'k': write_ready(si); break;
      case 'c': shutdown(SHUTDOWN_crash); break;
      case 'p': shutdown(SHUTDOWN_poweroff); break;
      case 'r': shutdown(SHUTDOWN_reboot); break;
    }
  }
  /* Waits for no event at all. SCHEDOP_block would let events in, for which there is no handler. */
  static const struct { const u32 *ports; u32 nr_ports; u64 timeout; } nothing;
  for (;;) hypercall(HYPERVISOR_sched_op, SCHEDOP_poll, &nothing);
}
