/**
 * What the operator's commands print: how unikernels are and what became of them, for people.
 *
 * @module
 */
import type {
  UnikernelStatus,
  UpstreamStatus,
} from "../../control/protocol.ts";
import type { HistoryEvent } from "../../store/store.ts";
import { visible } from "../../visible.ts";

/** A duration in milliseconds as a person reads it, e.g. `"2.3 s"`, `"1 min 40 s"`. */
export function duration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const units = [["d", 86_400], ["h", 3600], ["min", 60], ["s", 1]] as const;
  let left = Math.round(seconds);
  const parts: string[] = [];
  for (const [unit, size] of units) {
    const count = Math.floor(left / size);
    left -= count * size;
    if (count > 0) parts.push(`${count} ${unit}`);
    else if (parts.length > 0) break;
  }
  return parts.slice(0, 2).join(" ");
}

const HEADINGS = [
  "NAME",
  "STATE",
  "SINCE",
  "STOPS IN",
  "STARTS",
  "REQUESTS",
  "READY IN",
  "ADDRESSES",
];

/** A table with a row for each unikernel and, below it, a line for each of its DNS names. `now` is as `Date.now()`. */
export function statusTable(
  all: readonly UnikernelStatus[],
  now: number,
): string {
  const rows = all.map((each) => [
    each.name,
    each.state,
    duration(now - each.since),
    each.idleIn === null ? "-" : duration(each.idleIn),
    String(each.starts) +
    (each.failures > 0 ? ` (${each.failures} failed)` : ""),
    String(each.requests),
    each.timeToReady === null ? "-" : duration(each.timeToReady),
    each.addresses.join(" "),
  ]);
  const [headings, ...aligned] = columns([HEADINGS, ...rows]);
  const lines = [headings];
  for (const [i, each] of all.entries()) {
    const { failure, unconfirmed, dns } = each;
    lines.push(aligned[i]);
    for (const { name, requests, lastRequest } of dns) {
      const times = requests === 1 ? "once" : `${requests} times`;
      const asked = lastRequest === null
        ? "never asked for"
        : `asked for ${times}, ${duration(now - lastRequest)} ago`;
      lines.push(`  ${name}: ${asked}`);
    }
    if (failure !== null) lines.push(`  ${failure}`);
    if (unconfirmed !== null) lines.push(`  unconfirmed: ${unconfirmed}`);
    if (each.state === "ready" && !each.ours && each.idleIn === null) {
      lines.push("  Jitsu did not start it, and leaves it running");
    }
  }
  return lines.map((each) => `${visible(each)}\n`).join("");
}

/** A line for each row, with its cells below each other. */
function columns(rows: readonly string[][]): string[] {
  const widths = rows[0].map((_, i) =>
    Math.max(...rows.map((row) => row[i].length))
  );
  return rows.map((row) =>
    row.map((cell, i) => cell.padEnd(widths[i])).join("  ").trimEnd()
  );
}

/** A table of the servers that other names are asked of. */
export function upstreamTable(all: readonly UpstreamStatus[]): string {
  const rows = all.map(
    ({ domain, server, works, roundTrip, failures, lacks }) => [
      domain,
      server,
      works ? "works" : failures > 0 ? `failed ${failures} times` : "not asked",
      roundTrip === null ? "-" : `${roundTrip} ms`,
      lacks.join(", ") || "-",
    ],
  );
  return columns([["ABOUT", "SERVER", "STATE", "TAKES", "LACKS"], ...rows])
    .map((line) => `${visible(line)}\n`).join("");
}

/** A line for each change, e.g. `2026-11-22T09:00:00Z www: off -> starting (query: A www.example.org from ...)`. */
export function historyLines(events: readonly HistoryEvent[]): string {
  return events.map((event) => {
    const { time, unikernel, origin, reason } = event;
    const date = new Date(time).toISOString().replace(/\.\d+Z$/, "Z");
    return visible(
      `${date} ${unikernel}: ${whatChanged(event)} (${origin}: ${reason})`,
    ) + "\n";
  }).join("");
}

function whatChanged({ what, from, to }: HistoryEvent): string {
  if (what === "state") return `${from} -> ${to}`;
  if (to === undefined) return "removed";
  return from === undefined ? `added: ${to}` : `changed: ${to}`;
}
