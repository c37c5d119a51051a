/**
 * The filter that the kernel runs on every frame of a packet socket: classic BPF (Linux,
 * Documentation/networking/filter.rst), in the numbers of linux/filter.h and linux/bpf_common.h.
 *
 * It passes ARP, neighbour solicitations and advertisements, and the SYN of a TCP connection, and cuts off nothing of
 * them. Whether they are about a machine that boots is not known here.
 *
 * @module
 */

/** What is read of a frame at the most: more than a SYN has, which carries data only with TCP Fast Open. */
export const SNAP_LENGTH = 2048;

/** `struct sock_filter`: a code, the instructions to skip where a condition holds or not, and an operand. */
type Instruction = [code: number, jt: number, jf: number, k: number];

/** BPF_LD, BPF_LDX, BPF_ALU, BPF_JMP and BPF_RET with their sizes and modes. */
const LD_WORD = 0x20, LD_HALF = 0x28, LD_BYTE = 0x30, LD_BYTE_X = 0x50;
const LDX_IP_HEADER = 0xb1, AND = 0x54, JEQ = 0x15, JSET = 0x45, RET = 0x06;
/** SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT: 1 where the kernel has taken a VLAN's tag off the frame. */
const VLAN_TAG_PRESENT = 0xfffff000 + 48;
const SYN_OR_ACK = 0x12, SYN = 0x02;

/** The last two instructions. */
const PASS = 23, DROP = 24;

// What has a tag belongs to another network, which has an interface of its own.
const PROGRAM: Instruction[] = [
  /*  0 */ [LD_WORD, 0, 0, VLAN_TAG_PRESENT],
  /*  1 */ when(1, JEQ, 0, 2, DROP),
  /*  2 */ [LD_HALF, 0, 0, 12], // EtherType
  /*  3 */ when(3, JEQ, 0x0806, PASS, 4), // ARP
  /*  4 */ when(4, JEQ, 0x0800, 5, 13), // IPv4
  /*  5 */ [LD_BYTE, 0, 0, 14 + 9], // protocol
  /*  6 */ when(6, JEQ, 6, 7, DROP), // TCP
  /*  7 */ [LD_HALF, 0, 0, 14 + 6], // fragment offset
  /*  8 */ when(8, JSET, 0x1fff, DROP, 9),
  /*  9 */ [LDX_IP_HEADER, 0, 0, 14], // X = 4 * IHL
  /* 10 */ [LD_BYTE_X, 0, 0, 14 + 13], // TCP flags
  /* 11 */ [AND, 0, 0, SYN_OR_ACK],
  /* 12 */ when(12, JEQ, SYN, PASS, DROP),
  /* 13 */ when(13, JEQ, 0x86dd, 14, DROP), // IPv6
  /* 14 */ [LD_BYTE, 0, 0, 14 + 6], // next header
  /* 15 */ when(15, JEQ, 6, 16, 19), // TCP
  /* 16 */ [LD_BYTE, 0, 0, 14 + 40 + 13], // TCP flags
  /* 17 */ [AND, 0, 0, SYN_OR_ACK],
  /* 18 */ when(18, JEQ, SYN, PASS, DROP),
  /* 19 */ when(19, JEQ, 58, 20, DROP), // ICMPv6
  /* 20 */ [LD_BYTE, 0, 0, 14 + 40], // type
  /* 21 */ when(21, JEQ, 135, PASS, 22), // neighbour solicitation
  /* 22 */ when(22, JEQ, 136, PASS, DROP), // neighbour advertisement
  /* 23 */ [RET, 0, 0, SNAP_LENGTH],
  /* 24 */ [RET, 0, 0, 0],
];

/** A conditional jump at `at`: to `then` where the accumulator has `k`, otherwise to `otherwise`. */
function when(
  at: number,
  code: number,
  k: number,
  then: number,
  otherwise: number,
): Instruction {
  return [code, then - at - 1, otherwise - at - 1, k];
}

/** How many instructions it has. */
export const FILTER_LENGTH = PROGRAM.length;
/** The program as `struct sock_filter[]`. */
export const FILTER = new Uint8Array(FILTER_LENGTH * 8);
const view = new DataView(FILTER.buffer);
PROGRAM.forEach(([code, jt, jf, k], i) => {
  view.setUint16(i * 8, code, true);
  view.setUint8(i * 8 + 2, jt);
  view.setUint8(i * 8 + 3, jf);
  view.setUint32(i * 8 + 4, k, true);
});
