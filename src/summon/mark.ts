/**
 * What Jitsus write on a machine for each other, see {@linkcode MarkPlace}: which of them started it, and when each of
 * them was asked for it last. As text it is fields with semicolons between them,
 * `started=ID;asked=ID/SECONDS/IDLE;asked=...`: seconds since 1970, and for how many seconds after that the machine is
 * in use there.
 *
 * @module
 */

/** When one Jitsu was asked for the machine last. */
export interface Asked {
  /** Milliseconds since 1970, by that host's clock. */
  at: number;
  /** Milliseconds after that for which it is in use there. */
  idleTime: number;
}

/** All that stands on one machine. */
export interface Mark {
  /** Which Jitsu started it, if one did. */
  startedBy?: string;
  /** By the id of each Jitsu that was asked for it. */
  asked: Map<string, Asked>;
}

/** How many Jitsus have room on a machine: those asked last. */
const MOST = 10;

/** Reads a mark; what is not understood in it, since a later Jitsu wrote it, is as if it were not there. */
export function readMark(text = ""): Mark {
  const mark: Mark = { asked: new Map() };
  for (const field of text.split(";")) {
    const [, key, value] = /^(\w+)=(.+)$/.exec(field) ?? [];
    if (key === "started") mark.startedBy = value;
    const [, id, at, idleTime] = key === "asked"
      ? /^(\w+)\/(\d{1,12})\/(\d{1,12})$/.exec(value) ?? []
      : [];
    if (id !== undefined) {
      mark.asked.set(id, {
        at: Number(at) * 1000,
        idleTime: Number(idleTime) * 1000,
      });
    }
  }
  return mark;
}

/** The text of a mark. Times are cut to seconds, durations rounded up to them. */
export function formatMark({ startedBy, asked }: Mark): string {
  const latest = [...asked].sort(([, a], [, b]) => b.at - a.at).slice(0, MOST);
  return [
    ...startedBy === undefined ? [] : [`started=${startedBy}`],
    ...latest.map(([id, { at, idleTime }]) =>
      `asked=${id}/${Math.floor(at / 1000)}/${Math.ceil(idleTime / 1000)}`
    ),
  ].join(";");
}
