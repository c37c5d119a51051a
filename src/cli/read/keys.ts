/**
 * The table of keys that a unikernel's CONFIG may have whatever its backend is: the parser, `--help` and the man page
 * are made from it. What they come to together is in unikernel.ts.
 *
 * @module
 */
import { ADOPTIONS, ANSWERS, STOP_MODES } from "../../summon/unikernel.ts";
import type { Key } from "../../values/key.ts";
import {
  readAddress,
  readDnsName,
  readPort,
  readTtl,
} from "../../values/network.ts";
import {
  readBoolean,
  readChoice,
  readNic,
  readSeconds,
  readText,
  readUuid,
} from "../../values/readers.ts";

/** In the order of `--help`. */
export const COMMON_KEYS = [
  {
    name: "dns",
    read: readDnsName,
    required: true,
    repeatable: true,
    doc:
      "A DNS name of the unikernel: a request for it starts the unikernel. Several unikernels may have the same name: " +
      "all of them are started, and all their addresses are the answer.",
  },
  {
    name: "ip",
    read: readAddress,
    required: true,
    repeatable: true,
    doc: "An IPv4 or IPv6 address of the unikernel, which is the answer.",
  },
  {
    name: "name",
    read: readText,
    doc:
      "The name of the unikernel, as the backend knows it. Required, unless there is a `uuid`.",
  },
  {
    name: "uuid",
    read: readUuid,
    doc:
      "The UUID of the unikernel, which its backend then finds it by instead of by its name.",
  },
  {
    name: "adopt",
    read: readChoice(ADOPTIONS),
    doc:
      "What becomes of this unikernel when nobody asks for it but Jitsu did not start it: `leave` or `stop`. See `--adopt`.",
  },
  {
    name: "answer",
    read: readChoice(ANSWERS),
    doc:
      "When a query that starts this unikernel is answered: `late` or `early`. See `--answer`.",
  },
  {
    name: "catch_nic",
    read: readNic,
    absent: "0",
    doc:
      "With `--catch`, which of its network interfaces has its addresses, by its number: `0` is the first.",
  },
  {
    name: "mode",
    read: readChoice(STOP_MODES),
    doc: "How this unikernel is stopped. See `--mode`.",
  },
  {
    name: "response_delay",
    read: readSeconds,
    doc:
      "Seconds to wait before the answer for this unikernel. Default: `--delay`, or 0 with `wait_for_tcp`.",
  },
  {
    name: "shutdown_timeout",
    read: readSeconds,
    absent: "60",
    doc: "Seconds that a shutdown may take before the unikernel is destroyed.",
  },
  {
    name: "ttl",
    read: readTtl,
    doc: "The TTL of this unikernel's answers, in seconds. See `--ttl`.",
  },
  {
    name: "synjitsu_nic",
    read: readNic,
    absent: "0",
    doc:
      "With `use_synjitsu`, the network interface that Synjitsu is told of instead, by its number: `0` is the first, as " +
      "Xen counts them (vif5.0).",
  },
  {
    name: "use_synjitsu",
    read: readBoolean,
    absent: "false",
    doc:
      "Whether Synjitsu is told of this unikernel when it boots (`1` or `true`): of the MAC address of its first network " +
      "interface and of its first IPv4 address. See `--synjitsu`.",
  },
  {
    name: "wait_for_key",
    read: readText,
    doc:
      "A key in xenstore, relative to /local/domain/ID/, to wait for before the answer. The `response_delay` follows.",
  },
  {
    name: "wait_for_tcp",
    read: readPort,
    doc:
      "A TCP port to wait for before the answer: one that accepts connections on the unikernel's first address. The " +
      "`response_delay` follows.",
  },
  {
    name: "wait_required",
    read: readBoolean,
    absent: "false",
    doc:
      "What happens when that was waited for in vain: with `1` or `true` the answer is SERVFAIL, otherwise it is the " +
      "address all the same, and the log has a warning. The same counts where somebody else listens on the port " +
      "of `wait_for_tcp` before the unikernel is started.",
  },
  {
    name: "wait_timeout",
    read: readSeconds,
    absent: "4",
    doc:
      "Seconds to wait for `wait_for_key` or `wait_for_tcp` at the most, from when the unikernel has been started, after " +
      "its turn has come. A query is SERVFAIL after 4.5 seconds, with the reason, before stub resolvers give " +
      "up, and the start goes on; only where this is longer, queries wait for as long.",
  },
] as const satisfies readonly Key[];
