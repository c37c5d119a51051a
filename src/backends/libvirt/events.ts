/**
 * Lifecycle events (`virDomainEventType` and its details in libvirt-domain.h): what they say, as states and as words.
 *
 * @module
 */
import type { MachineState } from "../backend.ts";

/** What an event says. */
export interface EventMeaning {
  /** The state it leaves the domain in, or `look` where the event does not tell. */
  state: MachineState | "look";
  /** What happened, for the log: "stopped (destroyed)". */
  reason: string;
  /** Whether it boots anew, and is not brought back as it was. */
  isBoot?: boolean;
}

interface EventType {
  state: EventMeaning["state"] | "as before";
  word: string;
  /** By detail number; an unknown one is shown as a number. */
  details: readonly string[];
}

/** By event number. */
const EVENT_TYPES: readonly EventType[] = [
  { state: "as before", word: "defined", details: [] },
  // A managed save may have gone with it.
  { state: "look", word: "undefined", details: [] },
  {
    state: "running",
    word: "started",
    details: [
      "booted",
      "migrated",
      "restored",
      "from snapshot",
      "wakeup",
      "recovered",
    ],
  },
  {
    state: "paused",
    word: "suspended",
    details: [
      "paused",
      "migrated",
      "I/O error",
      "watchdog",
      "restored",
      "from snapshot",
      "API error",
      "post-copy",
      "post-copy failed",
    ],
  },
  {
    state: "running",
    word: "resumed",
    details: [
      "unpaused",
      "migrated",
      "from snapshot",
      "post-copy",
      "post-copy failed",
    ],
  },
  {
    state: "off",
    word: "stopped",
    details: [
      "shutdown",
      "destroyed",
      "crashed",
      "migrated",
      "saved",
      "failed",
      "from snapshot",
      "recreated",
    ],
  },
  // The guest has finished; the hypervisor's process is about to, and "stopped" follows.
  { state: "as before", word: "shutdown", details: [] },
  { state: "paused", word: "PM suspended", details: ["memory", "disk"] },
  { state: "off", word: "crashed", details: ["panicked", "crashloaded"] },
];
const STARTED = 2, STARTED_BOOTED = 0;
const STOPPED = 5, STOPPED_SAVED = 4;

/** The meaning of an event's two numbers, or nothing for an event that changes no state. */
export function interpretEvent(
  event: number,
  detail: number,
): EventMeaning | undefined {
  const type = EVENT_TYPES[event];
  if (type === undefined || type.state === "as before") return undefined;
  const detailWord = type.details[detail] ??
    (type.details.length > 0 ? `detail ${detail}` : undefined);
  return {
    // Saved to where? A managed save brings it back, `virsh save FILE` leaves it off.
    state: event === STOPPED && detail === STOPPED_SAVED ? "look" : type.state,
    ...event === STARTED && detail === STARTED_BOOTED && { isBoot: true },
    reason: detailWord === undefined
      ? type.word
      : `${type.word} (${detailWord})`,
  };
}
